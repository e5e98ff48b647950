"""`coditect land`: move target branches by hand, where landing was held."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from coditect.cli.options import Json, Run
from coditect.cli.output import NO, print_json
from coditect.report.plain import plain
from coditect.run import events as ev
from coditect.run.bodies import to_body
from coditect.run.book import Book
from coditect.run.home import Home, RunLock
from coditect.run.journal import Writer
from coditect.run.local.context import Context
from coditect.run.local.work import land as land_branch


def land(
    run: Run = None,
    update_checkout: Annotated[
        bool,
        typer.Option("--update-checkout", help="Move a clean checkout of the branch along."),
    ] = False,
    json: Json = False,
) -> None:
    """Fast-forward the target branches to what a run has integrated, and push them if it pushes.

    A run does this by itself, except where the branch is checked out and you did not allow it to
    touch the checkout. Needs that nobody is carrying the run on.

    Exit code 1: a branch could not be moved or not be pushed, and why.

    Examples:

    - `coditect land`
    - `coditect land hello --update-checkout`
    """
    home = Home()
    wanted = Book.open(home, run)
    with RunLock(wanted.folder):
        book = Book.open(home, wanted.run)
        events = _land(book, update_checkout=update_checkout)
        writer = Writer(home.journal_file, book.run)
        try:
            writer.append(event for event in events if _is_news(book, event))
        finally:
            writer.close()
    held = [event for event in events if isinstance(event, ev.LandingHeld)]
    if json:
        rows = [{"kind": event.kind, **to_body(event)} for event in events]
        print_json({"run": book.run, "branches": rows})
    else:
        unpushed = {event.repository for event in held if event.moved}
        for event in events:
            if not isinstance(event, ev.Landed) or event.repository not in unpushed:
                typer.echo(plain(_said(event)))
        if any(not event.moved for event in held) and not update_checkout:
            typer.echo(
                f"To move a clean checkout along: coditect land {book.run} --update-checkout"
            )
    if held:
        raise typer.Exit(NO)


def _land(book: Book, *, update_checkout: bool) -> list[ev.Landed | ev.LandingHeld]:
    context = Context.open(book, None)
    allowed = context.settings.update_checkout or update_checkout
    context = replace(context, settings=replace(context.settings, update_checkout=allowed))
    return [
        event
        for name, head in sorted(book.state.heads.items())
        for event in land_branch(context, name, head)
        if isinstance(event, (ev.Landed, ev.LandingHeld))
    ]


def _is_news(book: Book, event: ev.Landed | ev.LandingHeld) -> bool:
    """Whether the journal does not say so already."""
    name, state = event.repository, book.state
    known = state.held.get(name) or state.landed.get(name)
    return isinstance(event, ev.LandingHeld) or known != event.commit or name in state.held


def _said(event: ev.Landed | ev.LandingHeld) -> str:
    if isinstance(event, ev.Landed):
        return f"{event.repository}: {event.branch} has all of integration ({event.commit[:12]})."
    why = f"{event.reason} {event.hint}".rstrip()
    if event.moved:
        return (
            f"{event.repository}: {event.branch} is at {event.commit[:12]}, with all of "
            f"integration; not pushed: {why}"
        )
    return f"{event.repository}: {event.branch} is not moved. {why}"
