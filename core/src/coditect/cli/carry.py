"""Carries a run on in the foreground and shows it: for `run`, `resume` and `rehearse`."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import typer
from rich.console import Console

from coditect.cli import output
from coditect.cli.look import Look
from coditect.cli.output import INTERRUPTED, NO
from coditect.findings import CoditectError
from coditect.plan.source import read_source
from coditect.report.lines import Lines
from coditect.report.live_screen import show_live
from coditect.report.next_step import look_at
from coditect.report.plain import plain
from coditect.run import events as ev
from coditect.run.bodies import to_body
from coditect.run.book import Book
from coditect.run.coordinator import carry_on
from coditect.run.home import Home
from coditect.run.shell import Listener
from coditect.run.state import Door, Phase, State


def home_to_write() -> Home:
    """Give the home of runs, or say at once that nothing can be written there."""
    home = Home()
    try:
        # For its owner alone: plans, and what agents print, are in it.
        home.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = home.path / ".writable"
        probe.touch()
        probe.unlink(missing_ok=True)
    except OSError as error:
        raise CoditectError.of(
            "home-unwritable",
            f"Runs are kept in {home.path}, where nothing can be written: {error.strerror}.",
            "Set CODITECT_HOME to a folder of yours.",
        ) from error
    return home


def read(plan: Path) -> str:
    """Read a plan's text once, so that what is checked is what is recorded."""
    return read_source(plan)


def say(text: str, *, json: bool) -> None:
    """Tell a person something that is no result; machines get it on stderr. Nobody need hear it."""
    try:
        typer.echo(plain(text), err=json)
    except BrokenPipeError:
        output.reader_gone()


def carry(home: Home, run: str, *, json: bool) -> str | None:
    """Carry a run on until it ends or is left, and show it meanwhile; gives the outcome."""
    console = Console()
    if json:
        return carry_on(home, run, lambda _: _while_heard(_as_json))
    if not can_draw(console):
        return carry_on(home, run, lambda book: _while_heard(_lines(console, book)))
    return _on_screen(console, home, run)


def can_draw(console: Console) -> bool:
    """Whether a picture can be drawn over and over; a dumb terminal gets lines, as a file does."""
    return console.is_terminal and not console.is_dumb_terminal


def conclude(home: Home, run: str, outcome: str | None, *, json: bool) -> None:
    """Say how it ended and what can be done next, and leave with the exit code that says so."""
    if outcome is None:
        say(f"Left {run}; its agents go on.", json=json)
        say(f"Go on with: coditect resume {run}", json=json)
        raise typer.Exit(INTERRUPTED)
    for line in _after(Book.open(home, run), outcome):
        say(line, json=json)
    say(f"{run} {outcome}. See: coditect report {run}", json=json)
    if outcome != "succeeded":
        raise typer.Exit(NO)


def too_late(book: Book, option: str, why: str) -> CoditectError:
    """An option that only a new run can take was given for one that goes on."""
    return CoditectError.of(
        "option-too-late",
        f"{option} comes too late for {book.run}, which is not finished: {why}.",
        "Leave it out to go on with that run, or add --new to start afresh.",
    )


def _after(book: Book, outcome: str) -> Iterator[str]:
    """What is left for a person to do."""
    held = _held(book)
    for event in held:
        what = "Not pushed from" if event.moved else "Not landed in"
        yield f"{what} {event.repository}: {event.reason} {event.hint}"
    if any(not event.moved for event in held) and not book.settings.update_checkout:
        yield f"To move a clean checkout along: coditect land {book.run} --update-checkout"
    if outcome == "cancelled":
        yield f"A cancelled run does not go on. Begin anew: coditect run {book.started.plan_file}"
    if outcome != "failed":
        return
    parked = [name for name, task in book.state.tasks.items() if task.phase is Phase.PARKED]
    parked += [name for name, gate in book.state.gates.items() if gate.door is Door.PARKED]
    rejected = [name for name, gate in book.state.gates.items() if gate.door is Door.REJECTED]
    for name in parked:
        yield f"{name} is parked. Look: {look_at(book, name)}"
        yield f"Once that is mended: coditect retry {book.run} {name}"
    for name in rejected:
        yield f"{name} is rejected. To let it pass: coditect approve {book.run} {name}"
    if parked or rejected:
        yield f"Then go on with: coditect resume {book.run}"


def _held(book: Book) -> list[ev.LandingHeld]:
    """The landings that are still refused."""
    last = {
        entry.event.repository: entry.event
        for entry in book.entries
        if isinstance(entry.event, ev.LandingHeld)
    }
    return [event for name, event in sorted(last.items()) if name in book.state.held]


def event_json(entry: ev.Entry) -> dict[str, object]:
    """Give a journal's entry as plain data: its place and kind first, then what it says."""
    body = {"seq": entry.seq, "at": entry.at, "kind": entry.event.kind}
    return {**body, **to_body(entry.event)}


def _as_json(entry: ev.Entry, state: State) -> None:
    del state
    output.print_json(event_json(entry), line=True)


def _while_heard(listener: Listener) -> Listener:
    """Tell a listener as long as somebody reads what it prints: a lost reader stops no run."""
    heard = True

    def hear(entry: ev.Entry, state: State) -> None:
        nonlocal heard
        if heard:
            try:
                listener(entry, state)
            except (BrokenPipeError, SystemExit):  # the latter is how a console puts it
                heard = False
                output.reader_gone()

    return hear


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
