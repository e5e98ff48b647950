"""What a supervisor is asked to do: written once, before it starts, and never changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from coditect.agents.supervisor import files
from coditect.agents.supervisor.duty import MARKER
from coditect.findings import CoditectError

BRIEF = "brief.md"
"""The file in an attempt folder that tells the agent its task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptSpec:
    """One attempt at one task. Durations are seconds of real time."""

    run: str
    task: str
    number: int
    """Counts a task's attempts from 1."""
    argv: tuple[str, ...]
    """The agent's program and arguments; found through PATH in `env` if it has no slash."""
    cwd: str
    """The lane, absolute."""
    env: Mapping[str, str]
    """All that the agent finds in its environment, beside `inherit` and the attempt's markers."""
    inherit: tuple[str, ...] = ()
    """Variables taken from the coordinator's own environment: keys that must not be on disk."""
    timeout: float | None = None
    """How long the agent may take; None is without limit."""
    grace: float = 10.0
    """Between the polite signal and SIGKILL."""
    output_limit: int = 8 << 20
    """Bytes kept of what it prints: the first half and the last."""
    heartbeat: str | None = None
    """A file whose content the coordinator keeps changing; absolute."""
    orphan_after: float | None = None
    """How long that content may stay the same before the work is ended; None: for ever."""
    on_orphan: tuple[str, ...] | None = None
    """Run once an orphan has been ended, to save its work: in `/`, with the coordinator's
    environment, and for at most ten minutes."""
    namespace: bool = True
    """Whether to give the agent a process namespace where the system allows it."""
    leash: bool = False
    """Whether it ends at once when the coordinator dies: for work that is not worth keeping."""
    beat: float = 1.0
    """Between two heartbeats of the supervisor."""
    coordinator: Mapping[str, Any] = field(default_factory=dict)
    """The process that `leash` means: number, start, boot; `launch` fills in its own."""

    @property
    def marker(self) -> str:
        """The attempt's name: `run/task/number`."""
        return f"{self.run}/{self.task}/{self.number}"

    def with_coordinator(self, who: Mapping[str, Any]) -> AttemptSpec:
        """Name the coordinator, unless somebody is named already."""
        return self if self.coordinator else replace(self, coordinator=dict(who))

    def write(self, folder: Path) -> None:
        """Put the spec in its folder; only this user can read it."""
        body = {"v": files.VERSION, **asdict(self)}
        files.write_json(str(folder / files.SPEC), body, sync=True)

    @classmethod
    def read(cls, folder: Path) -> AttemptSpec | None:
        """Read the spec of an attempt; None if there is none."""
        body = files.read_json(str(folder / files.SPEC))
        if body is None:
            return None
        check_version(body, folder / files.SPEC)
        for name in ("argv", "inherit", "on_orphan"):
            if body[name] is not None:
                body[name] = tuple(body[name])
        body.pop("v")
        return cls(**body)


def check_version(body: Mapping[str, Any], path: Path) -> None:
    """Refuse a file that a later version of this program wrote."""
    if body.get("v") != files.VERSION:
        raise CoditectError.of(
            "attempt-version",
            f"{path} has format {body.get('v')!r}; this version reads {files.VERSION}.",
            "Use the version of coditect that began this run, or a later one.",
        )


def folder_mark(folder: Path) -> str:
    """Give the environment entry that all processes of an attempt carry."""
    return f"{MARKER}={folder.resolve()}"
