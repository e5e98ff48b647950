"""`coditect diff`: what a task changed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coditect.cli.options import Attempt, Json, complete_names, run_and
from coditect.cli.output import counted, print_json
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
        list[str],
        typer.Argument(
            metavar="[RUN] TASK",
            help="The newest run if none is named.",
            autocompletion=complete_names(tasks=True, checkpoints=False),
        ),
    ],
    attempt: Attempt = None,
    stat: Annotated[bool, typer.Option("--stat", help="Only the paths.")] = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="The very bytes, with binary files, for `git apply`.")
    ] = False,
    json: Json = False,
) -> None:
    """Show what an attempt changed, integrated or not: its saved work against its base.

    Control characters are left out, so that no agent commands your terminal.

    Examples:

    - `coditect diff greeting`
    - `coditect diff greeting --attempt 1 --stat`
    - `coditect diff greeting --raw | git apply`
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
        print_json(
            {
                "run": book.run,
                "task": task,
                "attempt": number,
                "repository": name,
                "base": base,
                "work": work,
                "paths": [plain(change.path) for change in changes],
            }
        )
    elif raw:
        patch = ("diff", "--no-ext-diff", "--no-textconv", "--no-color", "--binary", base, work)
        typer.echo(repository.git.run(*patch).out, nl=False)
    elif stat or not changes:
        typer.echo(f"{task}, attempt {number}: {counted(len(changes), 'path')} in {name}")
        for change in changes:
            mark = "A" if change.added else "D" if change.removed else "M"
            typer.echo(f"  {mark} {plain(change.path)}")
    else:
        told = repository.git.run(
            "diff", "--no-ext-diff", "--no-textconv", "--no-color", base, work
        )
        for line in told.out.decode("utf-8", "replace").split("\n")[:-1]:
            typer.echo(plain(line.replace("\t", "    ")))


def _work(book: Book, task: str, attempt: int | None) -> tuple[int, str, str]:
    """Find an attempt's base and saved work in the journal."""
    bases: dict[int, str] = {}
    works: dict[int, str] = {}
    for entry in book.entries:
        match entry.event:
            case ev.AttemptStarted(task=name, number=number, base=base) if name == task:
                bases[number] = base
            case ev.WorkSaved(task=name, number=number, commit=commit) if name == task:
                works[number] = commit
    number = attempt or max(works, default=0)
    if number not in works:
        raise CoditectError.of(
            "no-work",
            f"Attempt {number} of {task} saved nothing."
            if attempt
            else f"Nothing of {task} is saved yet.",
            f"See how it stands: coditect status {book.run}",
        )
    return number, bases[number], works[number]
