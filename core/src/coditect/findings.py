"""What the product tells a person about bad input: what, where, why, and how to mend it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How much a finding matters."""

    ERROR = "error"
    """The plan cannot be carried out as written."""
    WARNING = "warning"
    """It can be carried out, and somebody will probably regret it."""
    NOTE = "note"
    """Worth knowing; nothing to mend."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A position in a file; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to tell, with a stable code that means the same in every surface."""

    code: str
    """Stable, kebab-case, listed in docs/reference/findings.md."""
    message: str
    """What is the case and why that is a problem, in one or two sentences."""
    hint: str = ""
    """How to mend it: the next step to take."""
    severity: Severity = Severity.ERROR
    place: Place | None = None
    related: tuple[tuple[str, Place | None], ...] = ()
    """Other positions that take part, each with what it is."""
    data: tuple[tuple[str, Any], ...] = field(default=())
    """Facts for machines (witness paths, task ids); keys are stable for a code."""

    def as_json(self) -> dict[str, Any]:
        """Give the finding as plain data, as `--json` prints it."""
        return {
            "code": self.code,
            "severity": str(self.severity),
            "message": self.message,
            "hint": self.hint,
            "place": _place_json(self.place),
            "related": [
                {"what": what, "place": _place_json(place)} for what, place in self.related
            ],
            "data": dict(self.data),
        }


def _place_json(place: Place | None) -> dict[str, Any] | None:
    if place is None:
        return None
    return {"file": place.file, "line": place.line, "column": place.column}


class CoditectError(Exception):
    """A trouble that the product explains in words; the command line never shows its trace."""

    def __init__(self, *findings: Finding) -> None:
        super().__init__("; ".join(finding.message for finding in findings))
        self.findings = findings

    @classmethod
    def of(
        cls, code: str, message: str, hint: str = "", place: Place | None = None
    ) -> CoditectError:
        """Make the error from the words of its one finding."""
        return cls(Finding(code=code, message=message, hint=hint, place=place))


def errors(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Keep the findings that stop a plan."""
    return tuple(finding for finding in findings if finding.severity is Severity.ERROR)
