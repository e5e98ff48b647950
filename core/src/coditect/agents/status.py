"""What an attempt folder says: how the attempt goes, or how it ended."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from coditect.agents.spec import AttemptSpec, check_version
from coditect.agents.supervisor import files
from coditect.agents.supervisor.output import dropped_note


class Reason(StrEnum):
    """Why an attempt ended."""

    EXIT = "exit"
    """The agent ended by itself, well or not."""
    TIMEOUT = "timeout"
    STOPPED = "stopped"
    """Somebody asked for it."""
    ORPHANED = "orphaned"
    """No coordinator was there for too long; for leashed work, at all."""
    FAILED = "failed"
    """The supervisor itself met a trouble that it did not expect."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What an attempt took, with all the processes that it started."""

    wall: float
    """Seconds."""
    user: float
    """Seconds of processor time in programs."""
    sys: float
    """Seconds of processor time in the kernel."""
    max_rss: int
    """Bytes of the largest process; never below the supervisor's own size (some 15 MB)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A supervisor has the attempt."""

    folder: Path
    pid: int
    """The supervisor."""
    agent_pid: int | None
    """The agent as seen from outside its namespace; None before the first heartbeat says so."""
    started: float | None
    """Seconds since the epoch."""
    beat: int
    """Counts heartbeats; one that stands still is of a supervisor that does not run."""
    isolation: str
    output: int
    """Bytes printed so far."""
    dropped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Exited:
    """The attempt ended and its supervisor saw how; none of its processes lives."""

    folder: Path
    reason: Reason
    code: int | None
    """Of the agent; None if a signal ended it, or it never ran."""
    signal: int | None
    started: float
    usage: Usage
    output: int
    dropped: int
    left_processes: int
    """How many processes beside the agent had to be killed at the end."""
    isolation: str
    note: str
    """Why it was not isolated better, if so."""
    saved: int | None
    """Exit code of the command that saved an orphan's work; None if it did not run."""
    trouble: tuple[str, ...]
    """What went wrong around the agent: a full disk, a program that could not be started."""

    @property
    def ok(self) -> bool:
        """Whether the agent ended by itself with 0, which is a claim and no evidence."""
        return self.reason is Reason.EXIT and self.code == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Nobody knows how the attempt ended: it never started, or its supervisor was killed."""

    folder: Path
    why: str
    started: bool
    """Whether an agent may have run, and so may have left work."""
    killed: int = 0
    """Processes of it that were found alive and killed."""


def running(folder: Path, owner: Mapping[str, Any]) -> Running:
    """Describe an attempt that a supervisor has, from its owner and last heartbeat."""
    status = files.read_json(str(folder / files.STATUS)) or {}
    if status:
        check_version(status, folder / files.STATUS)
    return Running(
        folder=folder,
        pid=owner["pid"],
        agent_pid=status.get("agent_pid"),
        started=status.get("started"),
        beat=status.get("beat", 0),
        isolation=status.get("isolation", ""),
        output=status.get("output", 0),
        dropped=status.get("dropped", 0),
    )


def exited(folder: Path) -> Exited | None:
    """Read the last word of a supervisor; None if it has not been said."""
    status = files.read_json(str(folder / files.STATUS))
    if status is None:
        return None
    check_version(status, folder / files.STATUS)
    if status["state"] != "exited":
        return None
    return Exited(
        folder=folder,
        reason=Reason(status["reason"]),
        code=status["code"],
        signal=status["signal"],
        started=status["started"],
        usage=Usage(**status["usage"]),
        output=status["output"],
        dropped=status["dropped"],
        left_processes=status["left_processes"],
        isolation=status["isolation"],
        note=status["note"],
        saved=status["saved"],
        trouble=tuple(status["trouble"]),
    )


def read_output(folder: Path, last: int = 1 << 16) -> bytes:
    """Give the end of what an agent printed, at most so many bytes; also while it runs.

    While a flood is going round in the tail, the order there is that of the last heartbeat, so a
    piece of up to a second may be out of place until the attempt has ended.
    """
    data = _end_of(folder / files.OUTPUT, last)
    spec = AttemptSpec.read(folder)
    status = files.read_json(str(folder / files.STATUS))
    try:
        ring = (folder / files.TAIL).read_bytes()
    except FileNotFoundError:
        return data
    if spec is None or status is None:
        return data
    half = spec.output_limit // 2
    length = max(0, status.get("output", 0) - (spec.output_limit - half))
    if length <= half:
        return (data + ring[:length])[-last:] if last else b""
    cut = length % half
    note = dropped_note(length - half)
    return (data + note + ring[cut:] + ring[:cut])[-last:] if last else b""


def _end_of(path: Path, last: int) -> bytes:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - last))
            return file.read(last)
    except FileNotFoundError:
        return b""
