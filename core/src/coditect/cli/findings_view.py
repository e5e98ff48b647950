"""Shows findings to a person or to a machine."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from coditect.findings import Finding, Place, Severity

_STYLE = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}


def show(console: Console, findings: Sequence[Finding]) -> None:
    """Print findings with the line each one is about."""
    for finding in findings:
        head = Text()
        if finding.place:
            head.append(f"{finding.place}: ", style="bold")
        head.append(f"{finding.severity}", style=_STYLE[finding.severity])
        head.append(f" [{finding.code}] ", style="dim")
        head.append(finding.message)
        console.print(head, soft_wrap=True)
        if finding.place and (line := _line(finding.place)) is not None:
            gutter = f"{finding.place.line:>5} | "
            console.print(Text(gutter + line, style="dim"), soft_wrap=True)
            caret = " " * (len(gutter) + finding.place.column - 1) + "^"
            console.print(Text(caret, style=_STYLE[finding.severity]), soft_wrap=True)
        for what, place in finding.related:
            where = f" ({place})" if place else ""
            console.print(Text(f"      also: {what}{where}", style="dim"), soft_wrap=True)
        if finding.hint:
            console.print(Text(f"      mend: {finding.hint}", style="green"), soft_wrap=True)


def _line(place: Place) -> str | None:
    try:
        lines = Path(place.file).read_text(encoding="utf-8").splitlines()
        text = lines[place.line - 1]
    except (OSError, ValueError, IndexError):
        return None
    return text if len(text) <= 160 and text.isprintable() else None


def tally(findings: Sequence[Finding]) -> str:
    """Count findings in words: `2 errors, 1 warning`."""
    parts = []
    for severity in Severity:
        count = sum(finding.severity is severity for finding in findings)
        if count:
            parts.append(f"{count} {severity}{'s' if count > 1 else ''}")
    return ", ".join(parts) or "no findings"


def as_json(findings: Sequence[Finding], **more: Any) -> str:
    """Give findings as one JSON document."""
    data: Mapping[str, Any] = {**more, "findings": [finding.as_json() for finding in findings]}
    return json.dumps(data, indent=2, ensure_ascii=False)
