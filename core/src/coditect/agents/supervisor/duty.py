"""What a supervisor does: take the attempt, run it, and say how it ended.

Whatever happens to it short of SIGKILL, the agent is ended before it ends; and SIGKILL ends the
agent at once in a process namespace, and at the next recovery otherwise.

Times are measured on the monotonic clock, which on Linux stands still while the machine is
suspended. Silence of the coordinator is counted in beats seen, never as a difference of two
readings: a supervisor that was stopped for an hour has not heard an hour of silence.
"""

# ruff: noqa: PTH110, PTH118

from __future__ import annotations

import contextlib
import os
import select
import signal
import time

from coditect.agents.supervisor import files, isolation, processes
from coditect.agents.supervisor.output import Output
from coditect.agents.supervisor.tree import Tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MARKER = "CODITECT_FOLDER"
"""The environment variable by which the processes of an attempt are found: its folder."""

STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Signals that ask a supervisor to end its attempt."""

_SAVING_LIMIT = 600
"""Seconds that the command may take which saves the work of an orphan."""
_MOST_LISTED = 256
"""Processes of a tree that a heartbeat names."""


def main(folder: str) -> int:
    """Supervise the attempt in a folder, unless somebody else has it; gives an exit code."""
    bell = Bell()
    with contextlib.suppress(PermissionError):
        os.setsid()  # Refused to whoever leads a session already.
    os.chdir("/")
    spec = files.read_json(os.path.join(folder, files.SPEC))
    if spec is None or spec.get("v") != files.VERSION:
        return 2
    if os.path.exists(os.path.join(folder, files.OWNER)):
        return 0
    # The lock comes first: an attempt that is claimed and not locked has no supervisor any more.
    files.hold_lock(folder)
    own = processes.identity(os.getpid())
    if not files.take_owner(folder, files.CLAIMED, own):
        return 0
    isolation.adopt_orphans()
    Supervisor(folder, spec, bell, own).run()
    return 0


class Bell:
    """Signals as bytes in a pipe, so that one `poll` waits for everything."""

    def __init__(self) -> None:
        self.fd, wake = os.pipe()
        for fd in (self.fd, wake):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for number in (*STOPPING, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    def requests(self) -> int:
        """Count the requests to stop since the last time."""
        try:
            rung = os.read(self.fd, 512)
        except BlockingIOError:
            return 0
        return sum(number != signal.SIGCHLD for number in rung)


class Supervisor:
    """One attempt, from the claim to its last word."""

    def __init__(self, folder: str, spec: dict[str, Any], bell: Bell, own: dict[str, Any]) -> None:
        self._folder = folder
        self._spec = spec
        self._bell = bell
        self._own = own
        self._marks = {
            MARKER: folder,
            "CODITECT_ATTEMPT": f"{spec['run']}/{spec['task']}/{spec['number']}",
        }
        self._started = time.time()
        self._begun = time.monotonic()
        self._cause: str | None = None
        self._kill_at: float | None = None
        self._trouble: list[str] = []
        self._beat = 0
        self._next_beat = self._last_beat = self._begun
        self._silence = 0.0
        self._heard: bytes | None = None
        self._left = 0
        self._saved: int | None = None
        self._output = Output(folder, spec["output_limit"])
        self._tree = Tree(spec, self._marks)
        self._watch = select.poll()
        self._coordinator: int | None = None

    def run(self) -> None:
        """Carry the attempt out; nothing of it lives when this returns or raises.

        If the tree cannot be ended there is no last word: then it is for a recovery to find.
        """
        files.reserve(self._folder)
        try:
            self._supervise()
        except Exception:  # noqa: BLE001 - whatever it is, it is told in the status
            import traceback  # noqa: PLC0415 - slow to import, and hardly ever needed

            self._cause = "failed"
            self._trouble.append(traceback.format_exc(limit=-3))
        finally:
            self._tree.kill()
        while self._take_in(self._tree.output):
            pass
        if self._cause == "orphaned" and self._spec["on_orphan"]:
            self._save_orphan()
        self._output.close()
        files.write_last_word(self._folder, self._last_word())

    def _supervise(self) -> None:
        if self._spec["leash"] and not self._hold_leash():
            self._cause = "orphaned"
            return
        self._tree.prepare()
        isolation.hide_environment()
        for fd in (self._bell.fd, self._tree.output, self._tree.words):
            self._watch.register(fd, select.POLLIN)
        self._say_running()
        if self._bell.requests():
            self._cause = "stopped"
            return
        self._tree.go()
        while self._tree.exited is None:
            if self._kill_at is not None and time.monotonic() >= self._kill_at:
                break
            self._turn()
        self._cause = self._cause or "exit"
        self._left = self._tree.left(settle=self._cause == "exit")

    def _hold_leash(self) -> bool:
        """Open the coordinator so that its death is an event; False if it is dead already."""
        who = self._spec["coordinator"]
        if not processes.is_alive(who):
            return False
        self._coordinator = processes.open_exactly(who["pid"], who["start"])
        if self._coordinator is not None:
            self._watch.register(self._coordinator, select.POLLIN)
        return self._coordinator is not None or processes.is_alive(who)

    def _turn(self) -> None:
        """Wait for the next thing to happen, and deal with it."""
        limit = None
        if self._spec["timeout"] is not None and self._cause is None:
            limit = self._begun + self._spec["timeout"]
        until = min(at for at in (self._next_beat, self._kill_at, limit) if at is not None)
        pause = max(0.0, until - time.monotonic())
        ready = dict(self._watch.poll(pause * 1000))
        if self._bell.fd in ready and (requests := self._bell.requests()):
            # Asking again means now.
            self._end("stopped", hurry=requests > 1 or self._cause is not None)
        if self._tree.output in ready and not self._take_in(self._tree.output):
            self._deafen(self._tree.output, ready)
        if self._coordinator is not None and self._coordinator in ready:
            self._end("orphaned", hurry=True)
            self._watch.unregister(self._coordinator)
        self._tree.look()
        self._deafen(self._tree.words, ready)
        now = time.monotonic()
        if limit is not None and now >= limit:
            self._end("timeout")
        if now >= self._next_beat:
            self._listen(now)
            self._say_running()

    def _deafen(self, fd: int, ready: dict[int, int]) -> None:
        """Stop waiting for a pipe that nobody can write to any more."""
        if ready.get(fd, 0) & select.POLLHUP and not ready[fd] & select.POLLIN:
            self._watch.unregister(fd)

    def _end(self, cause: str, *, hurry: bool = False) -> None:
        """Begin to end the attempt; the first cause is the one that is told."""
        now = time.monotonic()
        if self._cause is None:
            self._cause = cause
            self._kill_at = now + self._spec["grace"]
            self._tree.terminate()
        if hurry:
            self._kill_at = now

    def _listen(self, now: float) -> None:
        """Notice whether the coordinator still lives."""
        # Where there are no process descriptors the leash is looked at.
        leash = self._spec["leash"] and self._coordinator is None
        if leash and not processes.is_alive(self._spec["coordinator"]):
            self._end("orphaned", hurry=True)
        limit = self._spec["orphan_after"]
        # A longer gap than a beat means that this process did not run, not that nobody spoke.
        gap = min(now - self._last_beat, 2 * self._spec["beat"])
        self._last_beat = now
        if limit is None or self._spec["heartbeat"] is None:
            return
        heard = _content(self._spec["heartbeat"])
        if heard != self._heard:
            self._heard = heard
            self._silence = 0.0
            return
        self._silence += gap
        if self._silence >= limit:
            self._end("orphaned")

    def _take_in(self, fd: int) -> bool:
        """Take in a piece of what was printed; False if there is nothing now."""
        try:
            data = os.read(fd, 1 << 18)
        except BlockingIOError:
            return False
        self._output.write(data)
        return bool(data)

    def _say_running(self) -> None:
        self._next_beat = time.monotonic() + self._spec["beat"]
        self._beat += 1
        members = self._tree.members()[:_MOST_LISTED]
        agent = members[0][0] if members else None
        status = {
            "v": files.VERSION,
            "state": "running",
            **self._own,
            "root": self._tree.root,
            "agent_pid": agent,
            "pgid": agent,
            "members": members,
            "started": self._started,
            "beat": self._beat,
            "isolation": self._tree.isolation,
            "note": self._tree.note,
            "output": self._output.total,
            "dropped": self._output.dropped,
        }
        try:
            # Not synced: after a power failure nothing of this is true any more.
            files.write_json(os.path.join(self._folder, files.STATUS), status, sync=False)
        except OSError as why:
            self._complain(f"a heartbeat could not be written: {why.strerror}")

    def _complain(self, trouble: str) -> None:
        if trouble and trouble not in self._trouble:
            self._trouble.append(trouble)

    def _save_orphan(self) -> None:
        """Run the command that saves the work, now that nothing changes it any more.

        Not in the lane: an interpreter would look there first for what it imports.
        """
        saver = Tree(
            {
                "argv": self._spec["on_orphan"],
                "cwd": "/",
                "env": dict(os.environ),
                "inherit": (),
                "namespace": False,
            },
            self._marks,
        )
        watch = select.poll()
        limit = time.monotonic() + _SAVING_LIMIT
        try:
            saver.prepare()
            saver.go()
            for fd in (self._bell.fd, saver.output):
                watch.register(fd, select.POLLIN)
            while saver.exited is None and time.monotonic() < limit:
                ready = dict(watch.poll(self._spec["beat"] * 1000))
                self._bell.requests()
                if saver.output in ready and not self._take_in(saver.output):
                    watch.unregister(saver.output)
                saver.look()
                if time.monotonic() >= self._next_beat:
                    self._say_running()
        finally:
            saver.kill()
        while self._take_in(saver.output):
            pass
        self._complain(saver.trouble)
        if saver.exited is not None:
            self._saved = os.waitstatus_to_exitcode(saver.exited)

    def _last_word(self) -> dict[str, Any]:
        tree = self._tree
        self._complain(tree.trouble)
        self._complain(self._output.trouble)
        code = None if tree.exited is None else os.waitstatus_to_exitcode(tree.exited)
        return {
            "v": files.VERSION,
            "state": "exited",
            **self._own,
            "code": code if code is not None and code >= 0 else None,
            "signal": -code if code is not None and code < 0 else None,
            "reason": self._cause,
            "started": self._started,
            "isolation": tree.isolation,
            "note": tree.note,
            "usage": {
                "wall": round(time.monotonic() - self._begun, 6),
                "user": round(tree.user, 6),
                "sys": round(tree.system, 6),
                "max_rss": tree.max_rss,
            },
            "output": self._output.total,
            "dropped": self._output.dropped,
            "left_processes": self._left,
            "saved": self._saved,
            "trouble": [trouble[-500:] for trouble in self._trouble[:5]],
        }


def _content(path: str) -> bytes | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(fd, 4096)
    except OSError:
        return None
    finally:
        os.close(fd)
