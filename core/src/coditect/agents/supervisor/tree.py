"""The processes of one attempt, from the first fork until none is left."""

# ruff: noqa: PTH112

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import sys
import time

from coditect.agents.supervisor import isolation, processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

PRIVATE = "pid-namespace"
"""The agent has a process namespace with its own /proc: it all dies with the supervisor."""
SHARED_PROC = "pid-namespace-without-proc"
"""The same, but /proc shows the machine's processes."""
GROUP = "process-group"
"""No namespace: ended by descent and by marker, at the latest by the next recovery."""

_SETTLE = 0.25
"""Seconds that helpers of an agent have to end by themselves once it has."""


class Tree:
    """An agent and all that it starts.

    `prepare` forks, but nothing of the agent runs before `go`: in between the supervisor writes
    down who they are, so that whatever lives is on record. The output of all comes out of `output`.
    """

    def __init__(self, spec: dict[str, Any], marks: dict[str, str]) -> None:
        self.exited: int | None = None
        """Wait status of the agent once it has ended."""
        self.isolation = GROUP
        self.note = ""
        """Why it is not isolated better."""
        self.trouble = ""
        """Why the agent could not be started, or ended otherwise than by itself."""
        self.user = 0.0
        self.system = 0.0
        self.max_rss = 0
        """Of all that has been buried: seconds, seconds, and the largest process in bytes."""
        self.root: processes.Known = (0, "")
        """The init of the namespace, or the agent itself; also its process group."""
        self._spec = spec
        self._marks = marks
        self._empty = False
        self._buried = False
        self._lines = b""
        self.output, self._output_in = os.pipe()
        self._down_out, self._down = os.pipe()
        self.words, self._up = os.pipe()
        for fd in (self.output, self.words):
            os.set_blocking(fd, False)

    def prepare(self) -> None:
        """Fork what will become the agent, isolated if that is asked for and allowed."""
        if not (self._spec["namespace"] and self._prepare_isolated()):
            pid = self._fork()
            if pid == 0:
                self._wait_as_child()
            self._know(pid)
        for fd in (self._down_out, self._up, self._output_in):
            os.close(fd)
        self._up = -1

    def _know(self, pid: int) -> None:
        self.root = (pid, processes.start_of(pid) or "")

    def _fork(self) -> int:
        """Fork; the child keeps what it needs and nothing of its guardian's, above all no lock.

        It begins with all signals blocked: the guardian's handlers are not for it.
        """
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        pid = os.fork()
        if pid:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            return pid
        signal.set_wakeup_fd(-1)
        keep = sorted((self._down_out, self._up, self._output_in))
        for low, high in zip([2, *keep], [*keep, 1024], strict=True):
            os.closerange(low + 1, high)
        return 0

    def _prepare_isolated(self) -> bool:
        if not processes.LINUX:
            self.note = "no process namespaces on this system"
            return False
        between = self._fork()
        if between == 0:
            isolation.isolate(self._down_out, self._up, self._become_agent)
        answer = self._word(between)
        os.waitpid(between, 0)
        if not answer.startswith("init "):
            self.note = answer.removeprefix("refused ") or "the namespace could not be made"
            return False
        init = int(answer.removeprefix("init "))
        self._know(init)
        self._tell(isolation.SETTLED)
        answer = self._word(init)
        if not answer.startswith("ready "):
            os.kill(init, signal.SIGKILL)
            os.waitpid(init, 0)
            self.note = "the namespace's init did not come up"
            return False
        self.isolation = PRIVATE if answer == "ready 1" else SHARED_PROC
        if answer != "ready 1":
            self.note = "a private /proc is not allowed here"
        return True

    def _word(self, speaker: int) -> str:
        """Wait for the next line from a child; empty if it has died instead."""
        watch = select.poll()
        watch.register(self.words, select.POLLIN)
        while b"\n" not in self._lines:
            dead = os.waitid(os.P_PID, speaker, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            watch.poll(0 if dead else 20)
            try:
                self._lines += os.read(self.words, 4096)
            except BlockingIOError:
                if dead:
                    return ""
        line, _, self._lines = self._lines.partition(b"\n")
        return line.decode(errors="replace")

    def _tell(self, word: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):
            os.write(self._down, word)

    def _wait_as_child(self) -> NoReturn:
        """Wait, without a namespace, until the agent may start; die with the supervisor."""
        try:
            guardian = os.getppid()
            isolation.die_with_parent()
            if isolation.hung_up(self._down_out) or os.getppid() != guardian:
                os._exit(1)
            isolation.wait_for(isolation.GO, self._down_out)
            self._become_agent()
        finally:
            os._exit(1)

    def _become_agent(self) -> NoReturn:
        """Turn into the agent; if that fails say why and exit as a shell would."""
        spec = self._spec
        try:
            os.setsid()
            null = os.open(os.devnull, os.O_RDWR)
            for fd, source in ((0, null), (1, self._output_in), (2, self._output_in)):
                os.dup2(source, fd)
            for number in signal.valid_signals():
                # What cannot be set (KILL, STOP, those of the C library) is as it should be.
                with contextlib.suppress(OSError, ValueError):
                    signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            # A core dump would be a change to the lane.
            _, most = resource.getrlimit(resource.RLIMIT_CORE)
            resource.setrlimit(resource.RLIMIT_CORE, (0, most))
            os.chdir(spec["cwd"])
            environment = {name: os.environ[name] for name in spec["inherit"] if name in os.environ}
            environment |= spec["env"] | self._marks
            os.execvpe(spec["argv"][0], spec["argv"], environment)  # noqa: S606 - by design
        except OSError as why:
            what = spec["argv"][0] if os.path.isdir(spec["cwd"]) else spec["cwd"]
            os.write(self._up, f"trouble cannot start {what}: {why.strerror}\n".encode())
        finally:
            os._exit(127)

    def go(self) -> None:
        """Let the agent start."""
        self._tell(isolation.GO)

    def look(self) -> None:
        """Take in what has happened: words from below, and the dead."""
        self._hear()
        if not self._buried:
            self._bury(os.WNOHANG)

    def _hear(self) -> None:
        while True:
            try:
                data = os.read(self.words, 4096)
            except BlockingIOError:
                break
            if not data:
                break
            self._lines += data
        *lines, self._lines = self._lines.split(b"\n")
        for line in lines:
            word, _, rest = line.decode(errors="replace").partition(" ")
            if word == "exit":
                self.exited = int(rest)
            elif word == "empty":
                self._empty = True
            elif word == "trouble":
                self.trouble = rest

    def _bury(self, how: int) -> None:
        """Reap whoever is dead; with 0 for `how` wait for one."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, how)
            except ChildProcessError:
                self._empty = self._buried = True
                return
            if pid == 0:
                return
            self.user += usage.ru_utime
            self.system += usage.ru_stime
            unit = 1 if sys.platform == "darwin" else 1024
            self.max_rss = max(self.max_rss, usage.ru_maxrss * unit)
            if pid != self.root[0]:
                continue
            self._hear()
            if self.exited is None:
                self.exited = status
                if self.isolation != GROUP:
                    self.trouble = "the init of the agent's namespace was killed"

    def members(self) -> list[processes.Known]:
        """List who lives now, the agent first; in a namespace without its init."""
        if self._buried:
            return []
        if self.isolation != GROUP:
            return processes.descendants(self.root[0])
        own = [self.root] if processes.start_of(self.root[0]) == self.root[1] else []
        if processes.LINUX:
            # Orphans have come to us, so all that lives is below us.
            return own + [one for one in processes.descendants(os.getpid()) if one != self.root]
        return own + processes.descendants(self.root[0])

    def left(self, *, settle: bool) -> int:
        """Count who lives beside the agent, whose helpers get a moment to follow it."""
        until = time.monotonic() + (_SETTLE if settle else 0)
        watch = select.poll()
        if self.isolation != GROUP:
            watch.register(self.words, select.POLLIN)
        self.look()
        while not self._empty and (rest := until - time.monotonic()) > 0:
            watch.poll(min(rest, 0.01) * 1000)
            self.look()
        if self._empty:
            return 0
        return len(self.members()) - (self.exited is None)

    def terminate(self) -> None:
        """Ask all of them to end, also those that are stopped."""
        if self.isolation != GROUP:
            self._tell(isolation.TERMINATE)
            return
        for pid, start in self.members():
            processes.signal_exactly(pid, start, signal.SIGTERM)
            processes.signal_exactly(pid, start, signal.SIGCONT)

    def kill(self) -> None:
        """End all of them and return when none is left; safe to call at any time, and twice."""
        if self.isolation != GROUP:
            if not self._buried:
                os.kill(self.root[0], signal.SIGKILL)
                # The kernel ends the rest before it lets the init be buried.
                self._bury(0)
            return
        if self._down >= 0:
            # Whoever is still waiting for a word ends by this.
            os.close(self._down)
            self._down = -1
        if not processes.LINUX and self.root[0]:
            # There, orphans do not come to us: the group is what holds them together.
            with contextlib.suppress(OSError):
                os.killpg(self.root[0], signal.SIGKILL)
        pause = 0.0
        while not self._buried:
            processes.kill_all(self.members())
            time.sleep(pause)
            pause = min(pause + 0.001, 0.02)
            self._bury(os.WNOHANG)
