"""`coditect watch`: look on while a run goes on."""

from __future__ import annotations

import json as codec
import threading
import time

import typer
from rich.console import Console

from coditect.cli.look import Look
from coditect.cli.options import Json, Run
from coditect.report.lines import Lines
from coditect.report.live_screen import show_live
from coditect.report.plain import escaped
from coditect.run import events as ev
from coditect.run.book import Book
from coditect.run.home import Home

_EVERY = 0.25


def watch(run: Run = None, json: Json = False) -> None:
    """Look on: lanes side by side, what each does, what waits for what, and when it will end.

    Only reads, and never disturbs the run; Ctrl-C leaves. With `--json`, or without a terminal,
    prints events as they come.

    Examples:

    - `coditect watch`
    - `coditect watch hello --json | jq .kind`
    """
    home = Home()
    book = Book.open(home, run)
    console = Console()
    if json or not console.is_terminal:
        _stream(home, book, console, json=json)
        return
    look = Look(home, book)

    show_live(console, look.fresh_view, threading.Event(), whole=True)
    console.print(f"{book.run}: {look.follower.state.finished or 'left'}")


def _stream(home: Home, book: Book, console: Console, *, json: bool) -> None:
    look = Look(home, Book(book.run, book.folder, book.entries[:1]))
    lines = Lines(console, book.plan, run=book.run, approve_all=book.settings.approve_all)
    seen = 0
    while True:
        for entry in home.journal.entries(book.run, seen):
            seen = entry.seq
            look.take([entry])
            if json:
                body = {"seq": entry.seq, "at": entry.at, "kind": entry.event.kind}
                typer.echo(escaped(codec.dumps({**body, **ev.to_body(entry.event)})))
            else:
                lines(entry, look.follower.state)
        if look.follower.state.finished:
            return
        time.sleep(_EVERY)
