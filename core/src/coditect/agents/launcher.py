"""Starting supervisors: directly, or many times faster through a zygote."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from coditect.agents.supervisor import start
from coditect.agents.supervisor.duty import STOPPING
from coditect.findings import CoditectError

_PROGRAM = str(Path(start.__file__).resolve())


def spawn(folder: Path) -> tuple[int, int | None]:
    """Start a supervisor by starting an interpreter; gives its number and a descriptor on it.

    It is in a session of its own and does not end with this process. The descriptor is None where
    the system has no process descriptors; otherwise the caller closes it.
    """
    pid = _start_program(str(folder.resolve()), stdin=None)
    return pid, os.pidfd_open(pid) if sys.platform == "linux" else None


def _start_program(*arguments: str, stdin: int | None) -> int:
    null = os.devnull
    actions: list[tuple[int, int, int] | tuple[int, int, str, int, int]] = [
        (os.POSIX_SPAWN_OPEN, fd, null, os.O_RDWR, 0) for fd in (1, 2)
    ]
    if stdin is None:
        actions.append((os.POSIX_SPAWN_OPEN, 0, null, os.O_RDWR, 0))
    else:
        actions.append((os.POSIX_SPAWN_DUP2, stdin, 0))
    if not sys.executable:
        raise CoditectError.of(
            "no-interpreter",
            "This Python does not know its own program, so supervisors cannot be started.",
            "Run coditect with an ordinary Python interpreter.",
        )
    try:
        return os.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-S", _PROGRAM, *arguments],
            os.environ,
            file_actions=actions,
            setsid=True,
            # A request to stop waits until the supervisor can listen to it.
            setsigmask=STOPPING,
            setsigdef=(*STOPPING, signal.SIGCHLD, signal.SIGPIPE),
        )
    except OSError as why:
        raise CoditectError.of(
            "cannot-start-supervisor",
            f"A supervisor could not be started: {why.strerror}.",
            "Look whether the machine is out of memory or processes (ulimit -u).",
        ) from why


class Launcher:
    """Starts supervisors through a zygote, and directly if that fails.

    One for a coordinator, kept while it runs; any thread may use it. The zygote ends when the
    launcher is closed or its process dies; the supervisors go on in either case. They have the
    environment that this process had when the launcher was made.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._line: socket.socket | None = None
        self._pid = 0
        if sys.platform != "linux":
            return  # Without process descriptors the answer could be about somebody else.
        self._line, theirs = socket.socketpair()
        with theirs, contextlib.suppress(CoditectError):
            self._pid = _start_program(stdin=theirs.fileno())
        if not self._pid:
            self._hang_up()

    def start(self, folder: Path) -> tuple[int, int | None]:
        """Start a supervisor as `spawn` does.

        If the zygote dies over it the folder may get two, of which the claim lets one work.
        """
        with self._guard:
            if self._line is not None:
                try:
                    return self._ask(self._line, folder)
                except OSError:
                    self._hang_up()
        return spawn(folder)

    def _ask(self, line: socket.socket, folder: Path) -> tuple[int, int | None]:
        line.sendall(os.fsencode(folder.resolve()) + b"\0")
        answer, fds, _, _ = socket.recv_fds(line, 64, 1)
        if not answer or not fds:
            raise ConnectionAbortedError
        return int(answer), fds[0]

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None
        if self._pid:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self._pid, 0)
            self._pid = 0

    def close(self) -> None:
        """End the zygote; what it started goes on."""
        with self._guard:
            self._hang_up()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
