"""The coordinator's side of attempts: start, wait, find again after a crash, stop.

Who has an attempt is decided once, by the file `owner`: a supervisor that claims it, or a
coordinator that revokes it. A supervisor holds the lock from before its claim until its death. So
an attempt is *running* if it is claimed and its supervisor lives, *exited* if it is claimed and
there is a last word, and *lost* otherwise; and each of these is known for certain after any crash.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from coditect.agents import status
from coditect.agents.launcher import Launcher, spawn
from coditect.agents.spec import AttemptSpec, check_version, folder_mark
from coditect.agents.status import Exited, Lost, Running
from coditect.agents.supervisor import files, processes
from coditect.findings import CoditectError

_LOOK = 0.2
"""Seconds between two looks where nothing tells us: at an interrupt, or at a lock."""
_DEATH = 10.0
"""Seconds that the kernel gets to end a process that was killed."""


class Attached:
    """A hold on an attempt: readable (`fileno`) once its supervisor is gone.

    Closing it lets go and changes nothing for the attempt.
    """

    def __init__(self, folder: Path, pid: int, descriptor: int | None) -> None:
        self.folder = folder
        self.pid = pid
        """The supervisor."""
        self._descriptor = descriptor

    def fileno(self) -> int:
        """Give the process descriptor for `select`; raises ValueError if there is none."""
        if self._descriptor is None:
            raise ValueError("this attempt has no process descriptor")
        return self._descriptor

    @property
    def has_descriptor(self) -> bool:
        """Whether `fileno` works: on Linux, while it is open and the process can be seen."""
        return self._descriptor is not None

    def follow(self, other: Attached) -> None:
        """Hold what the other one holds, which lets go of it."""
        self.close()
        self.pid, self._descriptor = other.pid, other._descriptor
        other._descriptor = None

    def close(self) -> None:
        """Let go; may be called again."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


def launch(folder: Path, spec: AttemptSpec, launcher: Launcher | None = None) -> Attached:
    """Start a supervisor for a new attempt and return without waiting for it.

    The folder is made if need be. Without a launcher an interpreter is started, which is slower.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = folder.resolve()
    if (folder / files.SPEC).exists() or (folder / files.OWNER).exists():
        raise CoditectError.of(
            "attempt-exists",
            f"{folder} holds an attempt already; what has been tried once is never started again.",
            "Take the next number for another attempt.",
        )
    spec.with_coordinator(processes.identity(os.getpid())).write(folder)
    pid, descriptor = launcher.start(folder) if launcher is not None else spawn(folder)
    return Attached(folder, pid, descriptor)


def attach(folder: Path) -> Attached | None:
    """Take hold of an attempt that a supervisor has, also of another coordinator's; None if not."""
    owner = _owner(folder)
    if owner is None or owner.get("owner") != files.CLAIMED or not _supervised(folder, owner):
        return None
    start = owner.get("start") or ""
    return Attached(folder, owner["pid"], processes.open_exactly(owner["pid"], start))


def _owner(folder: Path) -> dict[str, Any] | None:
    """Read who has the attempt; None if nobody has it yet."""
    path = folder / files.OWNER
    owner = files.read_json(str(path))
    if owner is not None:
        check_version(owner, path)
        return owner
    # Half written, which only a file system without hard links allows: taken, by nobody we know.
    return {"owner": files.CLAIMED, "pid": 0} if path.exists() else None


def _supervised(folder: Path, owner: dict[str, Any]) -> bool:
    """Say whether the supervisor that claimed the attempt lives.

    Where it would be seen, seeing it decides: an agent may have got hold of the lock of a
    supervisor that was killed, or put another file in its place. From another container the lock
    is all there is.
    """
    if processes.is_visible(owner):
        return processes.is_alive(owner)
    return files.is_locked(str(folder))


def look(folder: Path) -> Running | Exited | None:
    """Say how an attempt is, and decide nothing: for whoever only watches.

    None if nobody has it yet, and if it is lost.
    """
    owner = _owner(folder)
    if owner is None or owner.get("owner") != files.CLAIMED:
        return None
    return status.running(folder, owner) if _supervised(folder, owner) else status.exited(folder)


def revoke(folder: Path) -> bool:
    """Decide that an attempt never starts; False if that has been decided otherwise."""
    try:
        own = processes.identity(os.getpid())
        return files.take_owner(str(folder), files.REVOKED, own)
    except FileNotFoundError:
        return True  # Without a folder there is nothing that could be started.


def recover(folder: Path) -> Running | Exited | Lost:
    """Find out what became of an attempt, and make it certain. May be called any number of times.

    An attempt that nobody has is revoked. Of one that is lost, every process is killed first.
    """
    folder = folder.resolve()
    if not folder.exists():
        killed = kill_leftovers(folder)
        return Lost(folder=folder, why="its folder is gone", started=True, killed=killed)
    owner = _owner(folder)
    if owner is None:
        if revoke(folder):
            return Lost(folder=folder, why="it never started", started=False)
        owner = _owner(folder) or {"owner": files.REVOKED}
    if owner.get("owner") != files.CLAIMED:
        return Lost(folder=folder, why="it was revoked before it started", started=False)
    found = look(folder)
    if found is not None:
        return found
    killed = kill_leftovers(folder)
    return Lost(folder=folder, why="its supervisor was killed", started=True, killed=killed)


def kill_leftovers(folder: Path) -> int:
    """Kill what lives of an attempt that has no supervisor, and return when it is dead.

    Found by what the last heartbeat recorded (with their start, so that nobody is killed who got
    the number of a dead one), by descent from those, and by the marker in their environment. In a
    namespace that is everything. Without, a process escapes that was started within the last beat,
    left its family and also overwrote its environment.
    """
    mark = folder_mark(folder)
    last = files.read_json(str(folder / files.STATUS)) or {}
    recorded: set[processes.Known] = set()
    if last.get("boot") == processes.boot_id():
        recorded = {(pid, start) for pid, start in [last["root"], *last["members"]]}
    killed = 0
    until = time.monotonic() + _DEATH
    while time.monotonic() < until:
        alive = {known for known in recorded if processes.start_of(known[0]) == known[1]}
        for pid, _ in tuple(alive):
            alive.update(processes.descendants(pid))
        alive.update(processes.marked(mark))
        if not alive:
            return killed
        killed += processes.kill_all(alive)
        _await_death(alive, until)
    raise CoditectError.of(
        "process-does-not-die",
        f"{len(alive)} processes of the attempt in {folder} do not die, although they were killed.",
        f"Look at what they wait for: ps -fp {','.join(str(pid) for pid, _ in sorted(alive))}",
    )


def _await_death(known: set[processes.Known], until: float) -> None:
    for pid, start in known:
        descriptor = processes.open_exactly(pid, start)
        if descriptor is None:
            continue
        try:
            watch = select.poll()
            watch.register(descriptor, select.POLLIN)
            watch.poll(max(0.0, until - time.monotonic()) * 1000)
        finally:
            os.close(descriptor)


def wait(
    attached: Attached,
    *,
    interrupt: threading.Event | None = None,
    timeout: float | None = None,
) -> Exited | Lost | None:
    """Wait until an attempt has ended; None if interrupted, or after `timeout` seconds.

    What it gives is what `recover` says once the supervisor is gone, so nothing of it lives. One
    thread waits on one hold; others may attach for themselves.
    """
    until = None if timeout is None else time.monotonic() + timeout
    while True:
        if not _gone(attached, interrupt, until):
            return None
        found = recover(attached.folder)
        if not isinstance(found, Running):
            attached.close()
            return found
        # Another supervisor won the claim: hold on to that one.
        other = attach(attached.folder)
        if other is not None:
            attached.follow(other)


def _gone(attached: Attached, interrupt: threading.Event | None, until: float | None) -> bool:
    """Wait until the supervisor is gone; False if there was something else to do."""
    if not attached.has_descriptor:
        return _vanished(attached, interrupt, until)
    watch = select.poll()
    watch.register(attached, select.POLLIN)
    while not (interrupt is not None and interrupt.is_set()):
        rest = None if until is None else until - time.monotonic()
        pause = rest if interrupt is None else min(_LOOK, _LOOK if rest is None else rest)
        if watch.poll(None if pause is None else max(0.0, pause) * 1000):
            with contextlib.suppress(ChildProcessError):
                # If it was our own child it is buried now.
                os.waitid(os.P_PIDFD, attached.fileno(), os.WEXITED | os.WNOHANG)
            return True
        if rest is not None and rest <= 0:
            return False
    return False


def _vanished(attached: Attached, interrupt: threading.Event | None, until: float | None) -> bool:
    """Wait as `_gone` does, by looking again and again."""
    pause = interrupt if interrupt is not None else threading.Event()
    while not pause.is_set():
        if not _is_there(attached):
            return True
        rest = _LOOK if until is None else until - time.monotonic()
        if rest <= 0:
            return False
        pause.wait(min(_LOOK, rest))
    return False


def _is_there(attached: Attached) -> bool:
    owner = _owner(attached.folder)
    if owner is None:
        return _is_ours(attached.pid)  # It may be about to claim.
    if owner.get("owner") == files.CLAIMED and _supervised(attached.folder, owner):
        return True
    _is_ours(attached.pid)
    return False


def _is_ours(pid: int) -> bool:
    """Say whether a child of this process still lives; one that is dead is buried."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == 0
    except ChildProcessError:
        return False


def stop(folder: Path, grace: float) -> Exited | Lost:
    """End an attempt: politely, after `grace` seconds by force, and return when all of it is dead.

    One that has not started never will.
    """
    found = recover(folder)
    while isinstance(found, Running):
        held = attach(folder)
        if held is not None:
            with held:
                _stop_supervisor(held, grace)
        found = recover(folder)
    return found


def _stop_supervisor(held: Attached, grace: float) -> None:
    owner = _owner(held.folder) or {}
    pid, start = held.pid, owner.get("start") or ""
    # Asked twice, a supervisor kills at once. One that does not even do that is killed itself.
    for number, patience in ((signal.SIGTERM, grace), (signal.SIGTERM, _DEATH)):
        processes.signal_exactly(pid, start, number)
        if _gone(held, None, time.monotonic() + patience):
            return
    processes.signal_exactly(pid, start, signal.SIGKILL)
    _gone(held, None, time.monotonic() + _DEATH)
