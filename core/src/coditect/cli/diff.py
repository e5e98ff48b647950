"""`coditect diff`: what a task changed."""

from __future__ import annotations

import json as codec
import sys
from pathlib import Path
from typing import Annotated

import typer

from coditect.cli.options import Json, run_and
from coditect.findings import CoditectError
from coditect.git import Repository, read_changes
from coditect.plan.suggest import did_you_mean
from coditect.report.plain import plain
from coditect.run import events as ev
from coditect.run.book import Book
from coditect.run.home import Home
from coditect.run.start import engine_folder


def diff(
    names: Annotated[
        list[str], typer.Argument(metavar="[RUN] TASK", help="The newest run if none is named.")
    ],
    attempt: Annotated[
        int | None, typer.Option("--attempt", "-n", help="Which attempt; the last if left out.")
    ] = None,
    stat: Annotated[bool, typer.Option("--stat", help="Only the paths.")] = False,
    json: Json = False,
) -> None:
    """Show what an attempt changed, integrated or not: its saved work against its base.

    Examples:

    - `coditect diff greeting`
    - `coditect diff greeting --attempt 1 --stat`
    """
    run, task = run_and(names, "task")
    book = Book.open(Home(), run)
    if task not in book.plan.tasks:
        raise CoditectError.of(
            "unknown-subject", f"The run has no task `{task}`.", did_you_mean(task, book.plan.tasks)
        )
    number, base, work = _work(book, task, attempt)
    name = book.plan.repository_of(task) or ""
    path = Path(book.started.repositories[name])
    repository = Repository.open(path, engine_folder(book.folder, name))
    changes = read_changes(repository, base, work).changes
    if json:
        data = {
            "run": book.run,
            "task": task,
            "attempt": number,
            "repository": name,
            "base": base,
            "work": work,
            "paths": [plain(change.path) for change in changes],
        }
        typer.echo(codec.dumps(data, indent=2))
    elif stat or not changes:
        typer.echo(f"{task}, attempt {number}: {len(changes)} paths in {name}")
        for change in changes:
            mark = "A" if change.added else "D" if change.removed else "M"
            typer.echo(f"  {mark} {plain(change.path)}")
    else:
        out = repository.git.run("diff", "--no-ext-diff", "--no-color", base, work).out
        for line in out.decode("utf-8", "replace").splitlines():
            sys.stdout.write(plain(line.replace("\t", "    ")) + "\n")


def _work(book: Book, task: str, attempt: int | None) -> tuple[int, str, str]:
    """Find an attempt's base and saved work in the journal."""
    bases = {
        entry.event.number: entry.event.base
        for entry in book.entries
        if isinstance(entry.event, ev.AttemptStarted) and entry.event.task == task
    }
    works = {
        entry.event.number: entry.event.commit
        for entry in book.entries
        if isinstance(entry.event, ev.WorkSaved) and entry.event.task == task
    }
    number = attempt or max(works, default=0)
    if number not in works:
        raise CoditectError.of(
            "no-work",
            f"Nothing of {task} is saved yet."
            if not attempt
            else f"Attempt {number} saved nothing.",
            f"See how it stands: coditect status {book.run}",
        )
    return number, bases[number], works[number]
