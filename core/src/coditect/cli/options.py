"""Options that several commands share, so that they read the same everywhere."""

from __future__ import annotations

from typing import Annotated

import typer

from coditect.findings import CoditectError

Run = Annotated[
    str | None,
    typer.Argument(help="The run: its id or a unique beginning of it; the newest if left out."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def run_and(names: list[str], what: str) -> tuple[str | None, str]:
    """Read `[RUN] NAME`: the run may be left out, and is the newest then."""
    if len(names) == 1:
        return None, names[0]
    if len(names) == 2:
        return names[0], names[1]
    raise CoditectError.of(
        "bad-option", f"Expected a run and a {what}.", f"Write: [RUN] {what.upper()}"
    )
