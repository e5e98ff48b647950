"""What came of a landing or a push."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from coditect.findings import Finding, Severity


@dataclass(frozen=True, slots=True)
class Landed:
    """The target branch holds the commit."""

    branch: str
    old: str
    new: str
    """What the branch holds now: the commit, or a descendant of it."""
    checkout: Path | None = None
    """The user's checkout that was brought along."""
    kept: tuple[str, ...] = ()
    """Files of that checkout that the user edited while a landing was interrupted: left as they
    are."""


@dataclass(frozen=True, slots=True)
class Held:
    """The target branch was not moved."""

    reason: str
    """`diverged`, `checked-out`, `dirty`, `in-the-way`, `operation`, `busy`, `filters`, `refused`,
    `push-rejected`, `push-failed`."""
    finding: Finding


def held(reason: str, message: str, hint: str, *paths: str) -> Held:
    """Make the answer that a landing waits for the user."""
    shown = tuple(path.encode("utf-8", "backslashreplace").decode("utf-8") for path in paths)
    data: tuple[tuple[str, object], ...] = (("reason", reason),)
    if paths:
        data = (*data, ("paths", shown[:20]))
    return Held(reason, Finding(f"landing-{reason}", message, hint, Severity.WARNING, data=data))


def by_hand(path: Path, commit: str) -> str:
    """Give the command with which the user lands a commit in his checkout."""
    return f"`git -C {shlex.quote(str(path))} merge --ff-only {commit}`"


def moved_meanwhile(path: Path, branch: str, commit: str) -> Held:
    """Give the answer that somebody else moved the branch at the same moment."""
    return held(
        "diverged",
        f"{branch} was moved by somebody else at the same moment.",
        f"Land again; or type {by_hand(path, commit)}.",
    )


@dataclass(frozen=True, slots=True)
class Pushed:
    """The remote's branch holds the commit."""

    remote: str
    branch: str
    commit: str
