"""`coditect watch`: look on while a run goes on."""

from __future__ import annotations

import signal
import threading
import time

import typer
from rich.console import Console

from coditect.cli.carry import can_draw, event_json
from coditect.cli.look import Look
from coditect.cli.options import JsonLines, Run
from coditect.cli.output import INTERRUPTED, print_json
from coditect.report.lines import Lines
from coditect.report.live_screen import show_live
from coditect.run.book import Book
from coditect.run.home import Home, is_running

_EVERY = 0.25


def watch(run: Run = None, json: JsonLines = False) -> None:
    """Look on: lanes side by side, what each does, what waits for what, and when it will end.

    Only reads, and never disturbs the run; Ctrl-C leaves it. With `--json`, or without a terminal
    to draw on, prints events as they come, from the first one to the end of the run.

    Examples:

    - `coditect watch`
    - `coditect watch hello --json | jq .kind`
    """
    home = Home()
    book = Book.open(home, run)
    console = Console()
    if not book.state.finished and not is_running(book.folder):
        typer.echo(f"Nobody carries it on. Go on with: coditect resume {book.run}", err=True)
    if json or not can_draw(console):
        _stream(home, book, console, json=json)
        return
    look, leave = Look(home, book), threading.Event()
    # Not as an exception: wherever it came, the terminal has to be given back.
    signal.signal(signal.SIGINT, lambda *_: leave.set())
    show_live(console, look.fresh_view, leave, whole=True)
    if leave.is_set():
        raise typer.Exit(INTERRUPTED)
    typer.echo(f"{book.run} {look.follower.state.finished}. See: coditect report {book.run}")


def _stream(home: Home, book: Book, console: Console, *, json: bool) -> None:
    look = Look(home, Book(book.run, book.folder, book.entries[:1]))
    lines = Lines(console, book.plan, run=book.run, approve_all=book.settings.approve_all)
    seen = 0
    while True:
        for entry in home.journal.entries(book.run, seen):
            seen = entry.seq
            look.take([entry])
            if json:
                print_json(event_json(entry), line=True)
            else:
                lines(entry, look.follower.state)
        if look.follower.state.finished:
            return
        time.sleep(_EVERY)
