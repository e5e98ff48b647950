"""`coditect runs`: the runs of this home."""

from __future__ import annotations

import json as codec
import time
from dataclasses import asdict, dataclass

import typer
from rich.console import Console
from rich.table import Table

from coditect.cli.options import Json
from coditect.run.book import Book
from coditect.run.home import Home, is_running
from coditect.run.state import Phase


def runs(json: Json = False) -> None:
    """List all runs, oldest first.

    Examples:

    - `coditect runs`
    - `coditect runs --json | jq '.runs[] | select(.state == "left")'`
    """
    home = Home()
    rows = [_row(home, run, first, last) for run, first, last in home.journal.runs()]
    if json:
        data = {"home": str(home.path), "runs": [asdict(row) for row in rows]}
        typer.echo(codec.dumps(data, indent=2))
        return
    if not rows:
        typer.echo(f"No runs in {home.path} yet. Start one: coditect rehearse PLAN")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("run", "state", "tasks", "started", "last event"):
        table.add_column(column)
    for row in rows:
        done = f"{row.integrated}/{row.tasks}"
        table.add_row(row.run, row.state, done, _time(row.started_ms), _time(row.last_event_ms))
    Console().print(table)


@dataclass(frozen=True, slots=True)
class _Row:
    run: str
    plan: str
    state: str
    """`running`, `left` (nobody carries it on), or how it finished."""
    tasks: int
    integrated: int
    started_ms: int
    last_event_ms: int


def _row(home: Home, run: str, first: int, last: int) -> _Row:
    book = Book.open(home, run)
    state = book.state
    return _Row(
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
