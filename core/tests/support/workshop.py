"""Attempts with real processes, in a home of their own."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from coditect.agents import (
    Attached,
    AttemptSpec,
    Exited,
    Launcher,
    Lost,
    Running,
    launch,
    look,
    wait,
)
from coditect.agents.launcher import spawn
from coditect.agents.supervisor import files, processes


class Workshop:
    """Starts attempts in a home of their own, and leaves no process behind."""

    def __init__(self, home: Path, launcher: Launcher | None, *, namespace: bool) -> None:
        self.home = home
        self.lane = home / "lane"
        self.lane.mkdir()
        self.launcher = launcher
        self.namespace = namespace
        self._count = 0

    def spec(self, command: str, **options: Any) -> AttemptSpec:
        self._count += 1
        fields: dict[str, Any] = {
            "run": "run",
            "task": "task",
            "number": self._count,
            "argv": ("/bin/sh", "-c", command),
            "cwd": str(self.lane),
            "env": {"PATH": os.environ["PATH"]},
            "namespace": self.namespace,
            "grace": 2.0,
            "beat": 0.05,
        }
        return AttemptSpec(**(fields | options))

    def folder(self, spec: AttemptSpec) -> Path:
        return self.home / "runs" / spec.marker

    def launch(self, command: str, **options: Any) -> Attached:
        spec = self.spec(command, **options)
        return launch(self.folder(spec), spec, self.launcher)

    def start(self, folder: Path) -> Attached:
        """Start a supervisor for a folder as it is."""
        start = spawn if self.launcher is None else self.launcher.start
        return Attached(folder, *start(folder))

    def run(self, command: str, **options: Any) -> Exited:
        return self.exit_of(self.launch(command, **options))

    def exit_of(self, attached: Attached) -> Exited:
        ended = self.end_of(attached)
        assert isinstance(ended, Exited), ended
        return ended

    def end_of(self, attached: Attached) -> Exited | Lost:
        ended = wait(attached, timeout=60)
        assert ended is not None, "the attempt did not end"
        return ended

    def alive(self, folder: Path | None = None) -> list[processes.Known]:
        """Processes of one attempt, or of all; without their supervisors."""
        where = f"CODITECT_FOLDER={(folder or self.home).resolve()}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                variables = (entry / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if any(one == where or one.startswith(where + b"/") for one in variables):
                start = processes.start_of(int(entry.name))
                if start is not None:
                    found.append((int(entry.name), start))
        return found

    def supervisors(self) -> list[dict[str, Any]]:
        owners = [files.read_json(str(path)) for path in self.home.rglob("owner")]
        return [one for one in owners if one and one["owner"] == files.CLAIMED]

    def clean_up(self) -> None:
        until = time.monotonic() + 10
        while time.monotonic() < until:
            for owner in self.supervisors():
                if processes.is_alive(owner):
                    processes.signal_exactly(owner["pid"], owner["start"], signal.SIGKILL)
            left = self.alive()
            if not left and not any(map(processes.is_alive, self.supervisors())):
                return
            processes.kill_all(left)
            time.sleep(0.01)
        raise AssertionError(f"still alive: {self.alive()}")


def until(what: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Wait for the thing; give it."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        if found := what():
            return found
        time.sleep(0.005)
    raise AssertionError("it did not happen")


def running(folder: Path) -> Running | None:
    """How an attempt is, once its agent is on record."""
    found = look(folder)
    return found if isinstance(found, Running) and found.agent_pid is not None else None


def names(folder: Path | str) -> list[str]:
    """What there is in a folder, in order."""
    return sorted(path.name for path in Path(folder).iterdir())
