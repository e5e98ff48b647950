"""`coditect approve|reject|retry|cancel`: what people tell a run.

A running coordinator finds the request in its inbox; without one, the command records it itself.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import time
from typing import Annotated, Any

import typer

from coditect.cli.effect import idle
from coditect.cli.options import Json, Run, complete_names, run_and
from coditect.cli.output import print_json
from coditect.findings import CoditectError
from coditect.plan.suggest import did_you_mean
from coditect.report.plain import plain
from coditect.run.book import Book
from coditect.run.coordinator import carry_on
from coditect.run.events import Entry
from coditect.run.home import Home, RunFolder, RunLock, ask, asked, is_running
from coditect.run.journal import Writer
from coditect.run.program import Program
from coditect.run.shell import request_event
from coditect.run.state import State

_PATIENCE = 10.0
"""Seconds to wait until a coordinator has recorded a request."""

Checkpoint = Annotated[
    list[str],
    typer.Argument(
        metavar="[RUN] CHECKPOINT",
        help="The newest run if none is named.",
        autocompletion=complete_names(tasks=False, checkpoints=True),
    ),
]
Note = Annotated[str, typer.Option("--note", "-m", help="Why, for the record.")]


def approve(names: Checkpoint, note: Note = "", json: Json = False) -> None:
    """Approve a checkpoint, so that what is behind it may start.

    It may be approved before it is due. Exit code 2: it is open, approved or parked already.

    Examples:

    - `coditect approve wording`
    - `coditect approve hello-k3f9x wording -m "read both drafts"`
    """
    run, checkpoint = run_and(names, "checkpoint")
    _tell(run, json, "approve", checkpoint=checkpoint, note=note)


def reject(names: Checkpoint, note: Note = "", json: Json = False) -> None:
    """Reject a checkpoint: nothing behind it will start until somebody approves it.

    Examples:

    - `coditect reject wording -m "the greeting is not polite"`
    """
    run, checkpoint = run_and(names, "checkpoint")
    _tell(run, json, "reject", checkpoint=checkpoint, note=note)


def retry(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="[RUN] NAME",
            help="A parked task, or a parked or rejected checkpoint; of the newest run if none is "
            "named.",
            autocompletion=complete_names(tasks=True, checkpoints=True),
        ),
    ],
    json: Json = False,
) -> None:
    """Try a parked task or checkpoint again, with all its retries.

    What was skipped because of it waits again. If the run has ended, go on with `coditect resume`.

    Examples:

    - `coditect retry imprint`
    """
    run, subject = run_and(names, "name")
    _tell(run, json, "retry", subject=subject)


def cancel(
    run: Run = None,
    task: Annotated[
        str | None, typer.Option("--task", "-t", help="Only this task; otherwise the whole run.")
    ] = None,
    json: Json = False,
) -> None:
    """Stop a run, or one task of it. What agents wrote so far is saved under a ref.

    A cancelled run does not go on; a cancelled task is parked, and may be retried.

    Examples:

    - `coditect cancel hello`
    - `coditect cancel --task imprint`
    """
    _tell(run, json, "cancel", task=task)


def _tell(run: str | None, json: bool, what: str, **fields: Any) -> None:
    book = Book.open(Home(), run)
    name = fields.get("checkpoint") or fields.get("subject") or fields.get("task")
    if name is not None:
        _refuse_unknown(book.program, what, name)
    finding = idle(book.run, book.state, what, name)
    if finding is not None:
        raise CoditectError(finding)
    request = ask(book.folder, what, by=_me(), **fields)
    recorded_by = "the running coordinator"
    while not _taken(book, request):
        try:
            record_waiting(book.folder, book.program)
        except CoditectError as error:
            if error.findings[0].code != "run-locked":
                raise
            continue  # a coordinator has just begun; it reads its inbox first
        recorded_by = "this command"
    after = Book.open(Home(), book.run)
    if what == "cancel" and not fields.get("task"):
        _end_now(after)
        after = Book.open(Home(), book.run)
    goes_on = is_running(book.folder)
    if json:
        print_json({"run": book.run, "what": what, **fields, "recorded_by": recorded_by})
        return
    said = plain(" ".join(str(value) for value in fields.values() if value))
    typer.echo(f"Recorded: {what} {said}".rstrip() + f" ({book.run}).")
    if not goes_on and not after.state.finished:
        typer.echo(f"Nobody is carrying the run on; go on with: coditect resume {book.run}")


def _end_now(book: Book) -> None:
    """End the agents of a cancelled run that nobody carries on, and save what they wrote."""
    if is_running(book.folder) or book.state.finished:
        return
    with contextlib.suppress(CoditectError):  # What keeps it from ending, `resume` tells.
        carry_on(Home(), book.run, lambda _: _unseen)


def _unseen(entry: Entry, state: State) -> None:
    """Nobody watches a run that only ends."""
    del entry, state


def _me() -> str:
    """Who asks; an account without a name has a number still."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"user {os.getuid()}"


def _refuse_unknown(program: Program, what: str, name: str) -> None:
    known = [] if what == "cancel" else sorted(program.gates)
    known += sorted(program.tasks) if what in {"retry", "cancel"} else []
    if name not in known:
        raise CoditectError.of(
            "unknown-subject",
            f"This run has nothing called `{name}` to {what}.",
            did_you_mean(name, known),
        )


def _taken(book: Book, request: str) -> bool:
    """Wait until the coordinator has taken the request; False if nobody carries the run on."""
    end = time.monotonic() + _PATIENCE
    while is_running(book.folder):
        if not (book.folder.inbox / f"{request}.json").exists():
            return True
        if time.monotonic() > end:
            raise CoditectError.of(
                "coordinator-silent",
                f"The coordinator of {book.run} does not take the request.",
                "It stays in its inbox; look at the coordinator's terminal.",
            )
        time.sleep(0.05)
    return not (book.folder.inbox / f"{request}.json").exists()


def record_waiting(folder: RunFolder, program: Program) -> None:
    """Record the inbox's requests without a coordinator: this process is the writer for once."""
    with RunLock(folder):
        writer = Writer(Home(folder.home).journal_file, folder.run)
        try:
            requests = list(asked(folder))
            writer.append(event for _, body in requests if (event := request_event(program, body)))
        finally:
            writer.close()
        for file, _ in requests:
            file.unlink(missing_ok=True)
