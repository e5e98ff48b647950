"""`coditect runs`: the runs of this home."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import typer
from rich.console import Console
from rich.table import Table

from coditect.cli.options import Json
from coditect.cli.output import print_json
from coditect.findings import CoditectError
from coditect.run.book import Book
from coditect.run.home import Home, is_running
from coditect.run.state import Phase


def runs(json: Json = False) -> None:
    """List all runs, oldest first.

    States: `running`; `left`, which nobody carries on; `succeeded`, `failed`, `cancelled`; and
    `unreadable`, written by another version.

    Examples:

    - `coditect runs`
    - `coditect runs --json | jq '.runs[] | select(.state == "left")'`
    """
    home = Home()
    rows = list(all_runs(home))
    if json:
        print_json({"home": str(home.path), "runs": [asdict(row) for row in rows]})
        return
    if not rows:
        typer.echo(f"No runs in {home.path} yet. Start one: coditect rehearse PLAN")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("run", "state", "tasks", "started", "last event"):
        table.add_column(column, no_wrap=column == "run")
    for row in rows:
        done = f"{row.integrated}/{row.tasks}"
        table.add_row(row.run, row.state, done, _time(row.started_ms), _time(row.last_event_ms))
    Console(highlight=False).print(table)


@dataclass(frozen=True, slots=True)
class Row:
    """One run in the list."""

    run: str
    plan: str
    state: str
    """`running`, `left` (nobody carries it on), how it finished, or `unreadable`."""
    tasks: int
    integrated: int
    started_ms: int
    last_event_ms: int


def all_runs(home: Home) -> Iterator[Row]:
    """Give every run of a home, oldest first; one that cannot be read hides no other."""
    for run, first, last in home.journal.runs():
        try:
            book = Book.open(home, run)
            state = book.state
        except CoditectError:
            yield Row(run, "", "unreadable", 0, 0, first, last)
            continue
        yield Row(
            run=run,
            plan=book.plan.name,
            state=state.finished or ("running" if is_running(book.folder) else "left"),
            tasks=len(state.tasks),
            integrated=sum(task.phase is Phase.INTEGRATED for task in state.tasks.values()),
            started_ms=first,
            last_event_ms=last,
        )


def _time(ms: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(ms / 1000))
