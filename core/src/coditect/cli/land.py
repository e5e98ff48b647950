"""`coditect land`: move target branches by hand, where landing was held."""

from __future__ import annotations

import json as codec
from pathlib import Path
from typing import Annotated

import typer

from coditect.cli.app import NO
from coditect.cli.options import Json, Run
from coditect.git import Held, Repository
from coditect.git import land as land_branch
from coditect.run import events as ev
from coditect.run.book import Book
from coditect.run.home import Home, RunLock
from coditect.run.journal import Writer
from coditect.run.start import engine_folder


def land(
    run: Run = None,
    update_checkout: Annotated[
        bool,
        typer.Option("--update-checkout", help="Move a clean checkout of the branch along."),
    ] = False,
    json: Json = False,
) -> None:
    """Fast-forward the target branches to what a run has integrated.

    A run does this by itself, except where the branch is checked out and you did not allow it to
    touch the checkout. Exit code 1: a branch could not be moved, and why.

    Examples:

    - `coditect land`
    - `coditect land hello --update-checkout`
    """
    home = Home()
    book = Book.open(home, run)
    rows = []
    with RunLock(book.folder):
        writer = Writer(home.journal_file, book.run)
        try:
            for name, head in sorted(book.state.heads.items()):
                event = _land(book, name, head, update_checkout=update_checkout)
                writer.append([event])
                rows.append({"kind": event.kind, **ev.to_body(event)})
        finally:
            writer.close()
    if json:
        typer.echo(codec.dumps({"run": book.run, "branches": rows}, indent=2))
    for row in rows:
        if not json and row["kind"] == "landed":
            typer.echo(f"{row['repository']}: {row['branch']} is at {row['commit'][:12]}.")
        elif not json:
            typer.echo(f"{row['repository']}: not moved. {row['reason']} {row['hint']}")
    if any(row["kind"] != "landed" for row in rows):
        raise typer.Exit(NO)


def _land(book: Book, name: str, head: str, *, update_checkout: bool) -> ev.Landed | ev.LandingHeld:
    path = Path(book.started.repositories[name])
    repository = Repository.open(path, engine_folder(book.folder, name))
    branch = book.plan.repositories[name].branch
    outcome = land_branch(
        repository,
        branch,
        head,
        update_checkout=update_checkout,
        note=f"coditect: land {book.run}",
    )
    if isinstance(outcome, Held):
        finding = outcome.finding
        return ev.LandingHeld(name, branch, head, finding.message, finding.hint)
    return ev.Landed(name, branch, head)
