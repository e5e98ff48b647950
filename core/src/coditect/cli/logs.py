"""`coditect logs`: what an agent, or what judged it, printed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from coditect.agents import Running, look, read_output
from coditect.cli.options import Attempt, Json, complete_names, run_and
from coditect.cli.output import print_json
from coditect.findings import CoditectError
from coditect.plan.suggest import did_you_mean
from coditect.report.next_step import look_at
from coditect.report.plain import plain
from coditect.run.book import Book
from coditect.run.home import Home
from coditect.run.state import Phase

_ALL = 1 << 26
"""Bytes; more than an attempt keeps."""
_EVERY = 0.2


def logs(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="[RUN] NAME",
            help="A task, or a checkpoint for its verifications; of the newest run if none is "
            "named.",
            autocompletion=complete_names(tasks=True, checkpoints=True),
        ),
    ],
    attempt: Attempt = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="What the verifications printed, not the agent.")
    ] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it grows.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="The very bytes, obeyed if controls.")] = False,
    json: Json = False,
) -> None:
    """Print what an agent printed, or what the commands that judge it did.

    Control characters are left out, so that no agent commands your terminal.

    Examples:

    - `coditect logs greeting`
    - `coditect logs greeting --follow`
    - `coditect logs imprint --attempt 1 --verify`
    """
    run, name = run_and(names, "name")
    book = Book.open(Home(), run)
    folder, number = _folder(book, name, attempt)
    if verify or number is None:
        parts = [(one.name, read_output(one, _ALL)) for one in _verifications(folder, number)]
        if not parts:
            raise _unjudged(book, name)
    else:
        if not (folder / "output.log").exists():
            raise _nothing(f"Attempt {number} of {name} has printed nothing yet.", book)
        parts = [("", b"" if follow and not json else read_output(folder, _ALL))]
    if json:
        data = {"run": book.run, "task" if name in book.plan.tasks else "checkpoint": name}
        texts = [text.decode("utf-8", "replace") for _, text in parts]
        what = {"output": texts[0]} if parts[0][0] == "" else {"verifications": texts}
        print_json({**data, "attempt": number, **what})
        return
    for title, text in parts:
        if title:
            typer.echo(f"--- verification {title}")
        if text:
            _print(text, raw=raw)
    if follow and parts[0][0] == "":
        for block in _growing(folder, raw=raw):
            _print(block, raw=raw)


def _folder(book: Book, name: str, attempt: int | None) -> tuple[Path, int | None]:
    """Find where a task's attempt, or a checkpoint, keeps what was printed."""
    if name in book.state.gates:
        return book.folder.path / "checkpoints" / name, None
    state = book.state.tasks.get(name)
    if state is None:
        known = [*book.plan.tasks, *book.plan.checkpoints]
        raise CoditectError.of(
            "unknown-subject",
            f"The run has no task or checkpoint `{name}`.",
            did_you_mean(name, known),
        )
    if (attempt or 1) > state.attempts:
        what = f"Attempt {attempt} of {name}" if attempt else name
        raise _nothing(f"{what} has not begun yet.", book)
    number = attempt or state.attempts
    return book.folder.attempt(name, number), number


def _unjudged(book: Book, name: str) -> CoditectError:
    """Nothing has judged the work: it waits for that, or failed before."""
    message = f"No verification of {name} has been run yet."
    task = book.state.tasks.get(name)
    if task is None or task.phase is not Phase.PARKED:
        return _nothing(message, book)
    return CoditectError.of(
        "no-output", f"{message} It failed before that: {task.why}", f"Look: {look_at(book, name)}"
    )


def _nothing(message: str, book: Book) -> CoditectError:
    return CoditectError.of(
        "no-output", message, f"See what it waits for: coditect status {book.run}"
    )


def _verifications(folder: Path, number: int | None) -> list[Path]:
    """Give the folders of the verifications that were run last, in their order."""
    if number is not None:
        candidates = sorted((folder / "verify").glob("*"), key=lambda one: one.stat().st_mtime_ns)
        if not candidates:
            return []
        folder = candidates[-1]
    return sorted(
        (one.parent for one in folder.glob("*/output.log")), key=lambda one: int(one.name)
    )


def _print(text: bytes, *, raw: bool) -> None:
    if raw:
        typer.echo(text, nl=False)
        return
    lines = text.split(b"\n")
    for line in lines[:-1] if lines[-1] == b"" else lines:
        typer.echo(plain(line.decode("utf-8", "replace")))


def _growing(folder: Path, *, raw: bool) -> Iterator[bytes]:
    """Give what an attempt prints as it comes, until it is over; whole lines unless raw."""
    rest = b""
    with (folder / "output.log").open("rb") as stream:
        while True:
            goes_on = isinstance(look(folder), Running)  # Asked first: what comes last is read.
            while block := stream.read(1 << 16):
                whole, newline, rest = (rest + block).rpartition(b"\n")
                if raw:
                    whole, newline, rest = whole + newline + rest, b"", b""
                if whole or newline:
                    yield whole + newline
            if not goes_on:
                break
            time.sleep(_EVERY)
    if rest:
        yield rest
