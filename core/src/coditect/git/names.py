"""The names of the engine's refs: all of a run's live under `refs/coditect/<run>/`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from coditect.findings import CoditectError

_PART = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?")


@dataclass(frozen=True, slots=True)
class RunRefs:
    """The refs of one run in one repository."""

    run: str

    def __post_init__(self) -> None:
        part(self.run)

    @property
    def prefix(self) -> str:
        """What all refs of the run begin with."""
        return f"refs/coditect/{self.run}/"

    @property
    def base(self) -> str:
        """The commit the run started from."""
        return self.prefix + "base"

    @property
    def integration(self) -> str:
        """The one ref that is the record of what is integrated."""
        return self.prefix + "integration"

    def saved(self, task: str, attempt: int) -> str:
        """What an attempt wrote."""
        return f"{self.prefix}saved/{part(task)}/{attempt}"

    def candidate(self, task: str, attempt: int) -> str:
        """A merge that waits for its verification."""
        return f"{self.prefix}candidate/{part(task)}/{attempt}"


def part(text: str) -> str:
    """Give the text back if git takes it as one part of a ref's name; an error if not."""
    if not _PART.fullmatch(text) or ".." in text or text.endswith(".lock"):
        raise CoditectError.of(
            "git-name",
            f"{text!r} cannot be a part of a ref's name.",
            "Use letters, digits, `-`, `_` and single dots inside.",
        )
    return text
