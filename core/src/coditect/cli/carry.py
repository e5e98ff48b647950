"""Carries a run on in the foreground and shows it: for `run`, `resume` and `rehearse`."""

from __future__ import annotations

import json as codec
import sys
import threading
from pathlib import Path

import typer
from rich.console import Console

from coditect.cli.app import INTERRUPTED, NO
from coditect.cli.look import Look
from coditect.findings import CoditectError
from coditect.report.lines import Lines
from coditect.report.live_screen import show_live
from coditect.report.plain import escaped
from coditect.run import events as ev
from coditect.run.book import Book
from coditect.run.coordinator import carry_on
from coditect.run.home import Home
from coditect.run.shell import Listener
from coditect.run.state import State


def read(plan: Path) -> str:
    """Read a plan's text, so that what is checked is what is recorded."""
    try:
        return plan.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CoditectError.of(
            "plan-unreadable", f"{plan} cannot be read: {error}.", "Name a plan, a YAML file."
        ) from error


def say(text: str, *, json: bool) -> None:
    """Tell a person something that is no result; machines get it on stderr."""
    typer.echo(text, err=json)


def carry(home: Home, run: str, *, json: bool) -> str | None:
    """Carry a run on until it ends or is left, and show it meanwhile; gives the outcome."""
    console = Console()
    if json:
        return carry_on(home, run, lambda _: _as_json)
    if not console.is_terminal:
        return carry_on(home, run, lambda book: _lines(console, book))
    return _on_screen(console, home, run)


def conclude(home: Home, run: str, outcome: str | None, *, json: bool) -> None:
    """Say how it ended and what can be done next, and leave with the exit code that says so."""
    if outcome is None:
        say(f"Left {run}; its agents go on. Go on with: coditect resume {run}", json=json)
        sys.exit(INTERRUPTED)
    for event in _held(Book.open(home, run)):
        say(f"Not landed in {event.repository}: {event.reason} {event.hint}", json=json)
    say(f"{run} {outcome}. See: coditect report {run}", json=json)
    if outcome != "succeeded":
        raise typer.Exit(NO)


def _held(book: Book) -> list[ev.LandingHeld]:
    """The landings that are still refused."""
    last = {
        entry.event.repository: entry.event
        for entry in book.entries
        if isinstance(entry.event, ev.LandingHeld)
    }
    return [event for name, event in sorted(last.items()) if name in book.state.held]


def _as_json(entry: ev.Entry, state: State) -> None:
    del state
    body = {"seq": entry.seq, "at": entry.at, "kind": entry.event.kind}
    typer.echo(escaped(codec.dumps({**body, **ev.to_body(entry.event)}, ensure_ascii=False)))


def _lines(console: Console, book: Book) -> Lines:
    return Lines(console, book.plan, run=book.run, approve_all=book.settings.approve_all)


def _on_screen(console: Console, home: Home, run: str) -> str | None:
    """Draw the run while it is carried on; drawing has a thread of its own."""
    done = threading.Event()
    drawing: list[threading.Thread] = []

    def watcher(book: Book) -> Listener:
        look = Look(home, book)

        def draw() -> None:
            show_live(console, look.view, done)

        drawing.append(threading.Thread(target=draw, name="screen", daemon=True))
        drawing[0].start()
        return look.hear

    try:
        return carry_on(home, run, watcher)
    finally:
        done.set()
        for thread in drawing:
            thread.join()
