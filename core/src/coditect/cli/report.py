"""`coditect report`: plan against actual."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from coditect.cli.options import Json, Run
from coditect.cli.output import print_json
from coditect.findings import CoditectError
from coditect.git import Repository, RunRefs, history
from coditect.report.actual import actual
from coditect.report.plain import plain
from coditect.report.rework import Changes
from coditect.report.run_json import as_json
from coditect.report.run_page import run_page
from coditect.report.run_report import RunReport
from coditect.report.run_text import show
from coditect.run.book import Book
from coditect.run.home import Home
from coditect.run.start import engine_folder


def report(
    run: Run = None,
    json: Json = False,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write one self-contained page to this file.")
    ] = None,
    brief: Annotated[bool, typer.Option("--brief", help="Leave out the table of tasks.")] = False,
) -> None:
    """Compare what was planned with what happened, per task, workstream and checkpoint.

    Every figure says what it is: *modelled* (follows from the plan), *rehearsed* (stand-ins),
    *measured* (real agents); every verification says its kind. Works while a run goes on, too.

    Examples:

    - `coditect report`
    - `coditect report hello --html report.html`
    - `coditect report --json | jq .totals`
    """
    found = read_report(Home(), run)
    if html is not None:
        write_page(found, html)
    if json:
        print_json(as_json(found))
        return
    show(Console(), found, tasks=not brief)
    if html is not None:
        typer.echo(plain(f"Page: {html}"))


def write_page(found: RunReport, html: Path) -> None:
    """Write a report as one self-contained page."""
    try:
        html.write_text(run_page(found), encoding="utf-8")
    except OSError as error:
        raise CoditectError.of(
            "cannot-write", f"{html} cannot be written: {error.strerror}.", "Name another file."
        ) from error


def read_report(home: Home, run: str | None) -> RunReport:
    """Read a run's report from its journal and its repositories."""
    book = Book.open(home, run)
    return actual(
        book.plan, book.entries, changes=_changes(book), program=book.program, run=book.run
    )


def _changes(book: Book) -> Changes | None:
    """Read what merges changed from the repositories; None if one of them is gone."""
    try:
        repositories = {
            name: Repository.open(Path(path), engine_folder(book.folder, name))
            for name, path in book.started.repositories.items()
        }
    except CoditectError:
        return None

    @cache
    def of(repository: str) -> dict[str, tuple[str, ...]]:
        opened = repositories[repository]
        merges = history(opened, book.started.bases[repository], RunRefs(book.run).integration)
        return {merge.commit: merge.paths for merge in merges}

    def changes(repository: str, commit: str) -> Sequence[str]:
        return of(repository).get(commit, ())

    return changes
