"""`coditect logs`: what an agent printed."""

from __future__ import annotations

import json as codec
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from coditect.cli.options import Json, run_and
from coditect.findings import CoditectError
from coditect.plan.suggest import did_you_mean
from coditect.report.plain import plain
from coditect.run.book import Book
from coditect.run.home import Home


def logs(
    names: Annotated[
        list[str], typer.Argument(metavar="[RUN] TASK", help="The newest run if none is named.")
    ],
    attempt: Annotated[
        int | None, typer.Option("--attempt", "-n", help="Which attempt; the last if left out.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it grows.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Obey control characters.")] = False,
    json: Json = False,
) -> None:
    """Print what an agent printed; control characters are shown, not obeyed.

    Examples:

    - `coditect logs write-greeting`
    - `coditect logs write-greeting --follow`
    """
    run, task = run_and(names, "task")
    book = Book.open(Home(), run)
    state = book.state.tasks.get(task)
    if state is None:
        raise CoditectError.of(
            "unknown-subject", f"The run has no task `{task}`.", did_you_mean(task, book.plan.tasks)
        )
    number = attempt or state.attempts
    file = book.folder.attempt(task, number) / "output.log"
    if not file.exists():
        raise CoditectError.of(
            "no-output",
            f"Attempt {number} of {task} has printed nothing yet.",
            f"See what it waits for: coditect status {book.run}",
        )
    if json:
        text = file.read_text(encoding="utf-8", errors="replace")
        typer.echo(codec.dumps({"run": book.run, "task": task, "attempt": number, "output": text}))
        return
    _print(file, follow=follow, raw=raw)


def _print(file: Path, *, follow: bool, raw: bool) -> None:
    rest = b""
    with file.open("rb") as stream:
        while True:
            block = stream.read(1 << 16)
            if block and raw:
                sys.stdout.buffer.write(block)
                sys.stdout.buffer.flush()
            elif block:
                lines = (rest + block).split(b"\n")
                rest = lines.pop()
                for line in lines:
                    typer.echo(plain(line.decode("utf-8", "replace")))
            elif follow and not _ended(file.parent):
                time.sleep(0.2)
            else:
                if rest:
                    typer.echo(plain(rest.decode("utf-8", "replace")))
                return


def _ended(folder: Path) -> bool:
    try:
        return bool(codec.loads((folder / "status.json").read_text())["state"] == "exited")
    except (OSError, ValueError, KeyError):
        return False
