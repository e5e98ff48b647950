"""Shows findings to a person or to a machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from coditect.cli.output import counted
from coditect.findings import Finding, Place, Severity
from coditect.report.plain import plain

_STYLE = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}
_LONGEST = 160
"""Longer lines of a plan are not shown beside what is wrong with them."""


def show(findings: Sequence[Finding], *, stderr: bool = False) -> None:
    """Print findings, each with the line it is about; nothing in them can command a terminal."""
    console = Console(stderr=stderr, highlight=False)
    for finding in findings:
        for line in _lines(finding):
            console.print(line, soft_wrap=True)


def _lines(finding: Finding) -> list[Text]:
    """Give a finding as lines: what, where it stands, what takes part, how to mend it."""
    head = Text()
    if finding.place:
        head.append(f"{plain(str(finding.place))}: ", style="bold")
    head.append(f"{finding.severity}", style=_STYLE[finding.severity])
    head.append(f" [{finding.code}] ", style="dim")
    head.append(plain(finding.message))
    lines = [head]
    if finding.place and (source := _source(finding.place)) is not None:
        gutter = f"{finding.place.line:>5} | "
        lines.append(Text(gutter + source, style="dim"))
        caret = " " * (len(gutter) + finding.place.column - 1) + "^"
        lines.append(Text(caret, style=_STYLE[finding.severity]))
    for what, place in finding.related:
        where = f" ({place})" if place else ""
        lines.append(Text(plain(f"      also: {what}{where}"), style="dim"))
    if finding.hint:
        lines.append(Text(plain(f"      mend: {finding.hint}"), style="green"))
    return lines


def _source(place: Place) -> str | None:
    """Give the line of the plan at a place, if it can be shown as it is."""
    try:
        lines = Path(place.file).read_text(encoding="utf-8").splitlines()
        text = lines[place.line - 1]
    except (OSError, ValueError, IndexError):
        return None
    return text if len(text) <= _LONGEST and text.isprintable() else None


def tally(findings: Sequence[Finding]) -> str:
    """Count findings in words: `2 errors, 1 warning`."""
    counts = ((sum(each.severity is kind for each in findings), kind) for kind in Severity)
    return ", ".join(counted(count, kind) for count, kind in counts if count) or "no findings"


def as_json(findings: Sequence[Finding], **more: Any) -> dict[str, Any]:
    """Give findings as plain data, behind what else is to be told."""
    return {**more, "findings": [finding.as_json() for finding in findings]}
