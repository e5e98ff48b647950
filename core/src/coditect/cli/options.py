"""Arguments and options that several commands share, so that they read the same everywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from coditect.findings import CoditectError

_TROUBLE = (CoditectError, OSError)


def run_and(names: list[str], what: str) -> tuple[str | None, str]:
    """Read `[RUN] NAME`: the run may be left out, and is the newest then."""
    if len(names) == 1:
        return None, names[0]
    if len(names) == 2:
        return names[0], names[1]
    raise CoditectError.of(
        "bad-option", f"Expected a run and a {what}.", f"Write: [RUN] {what.upper()}"
    )


def complete_runs(incomplete: str) -> list[str]:
    """Give the runs that a word may become; completion never complains."""
    from coditect.run.home import Home  # noqa: PLC0415 - --help does not need it

    try:
        return [run for run, _, _ in Home().journal.runs() if run.startswith(incomplete)]
    except _TROUBLE:
        return []


def complete_names(*, tasks: bool, checkpoints: bool) -> Callable[[Any, str], list[str]]:
    """Make the completion of a `[RUN] NAME`: names of the run that is meant, then runs."""

    def complete(ctx: Any, incomplete: str) -> list[str]:
        from coditect.run.book import Book  # noqa: PLC0415 - --help does not need it
        from coditect.run.home import Home  # noqa: PLC0415

        given = ctx.params.get("names")
        try:
            plan = Book.open(Home(), given[0] if given else None).plan
        except _TROUBLE:
            return []
        known = [*(plan.tasks if tasks else ()), *(plan.checkpoints if checkpoints else ())]
        found = [name for name in known if name.startswith(incomplete)]
        return found if given else [*found, *complete_runs(incomplete)]

    return complete


PlanFile = Annotated[Path, typer.Argument(metavar="PLAN", help="The plan, a YAML file.")]

Run = Annotated[
    str | None,
    typer.Argument(
        metavar="[RUN]",
        help="The run: its id or a unique beginning of it; the newest if left out.",
        autocompletion=complete_runs,
    ),
]

Attempt = Annotated[
    int | None,
    typer.Option("--attempt", "-n", min=1, help="Which attempt; the last if left out."),
]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
JsonLines = Annotated[bool, typer.Option("--json", help="Print events as JSON, one a line.")]
