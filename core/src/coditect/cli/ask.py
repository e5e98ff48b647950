"""`coditect approve|reject|retry|cancel`: what people tell a run.

A running coordinator finds the request in its inbox; without one, the command records it itself.
"""

from __future__ import annotations

import getpass
import time
from typing import Annotated, Any

import typer

from coditect.cli.options import Json, run_and
from coditect.findings import CoditectError
from coditect.plan.suggest import did_you_mean
from coditect.run.book import Book
from coditect.run.home import Home, RunFolder, RunLock, ask, asked, is_running
from coditect.run.journal import Writer
from coditect.run.program import Program
from coditect.run.shell import request_event

_PATIENCE = 10.0
"""Seconds to wait until a coordinator has recorded a request."""

Checkpoint = Annotated[
    list[str],
    typer.Argument(metavar="[RUN] CHECKPOINT", help="The newest run if none is named."),
]
Note = Annotated[str, typer.Option("--note", "-m", help="Why, for the record.")]


def approve(
    names: Checkpoint,
    note: Note = "",
    json: Json = False,
) -> None:
    """Approve a checkpoint, so that what is behind it may start.

    Examples:

    - `coditect approve review`
    - `coditect approve hello-k3f9x review -m "read both drafts"`
    """
    run, checkpoint = run_and(names, "checkpoint")
    _tell(run, json, "approve", checkpoint=checkpoint, note=note)


def reject(
    names: Checkpoint,
    note: Note = "",
    json: Json = False,
) -> None:
    """Reject a checkpoint: nothing behind it will start until somebody approves it.

    Examples:

    - `coditect reject review -m "the contract has no error codes"`
    """
    run, checkpoint = run_and(names, "checkpoint")
    _tell(run, json, "reject", checkpoint=checkpoint, note=note)


def retry(
    names: Annotated[
        list[str],
        typer.Argument(metavar="[RUN] NAME", help="A parked task or checkpoint."),
    ],
    json: Json = False,
) -> None:
    """Try a parked task or checkpoint again, with all its retries.

    Examples:

    - `coditect retry write-tests`
    """
    run, subject = run_and(names, "name")
    _tell(run, json, "retry", subject=subject)


def cancel(
    run: Annotated[
        str | None, typer.Argument(help="The run; the newest if left out.", show_default=False)
    ] = None,
    task: Annotated[
        str | None, typer.Option("--task", "-t", help="Only this task; otherwise the whole run.")
    ] = None,
    json: Json = False,
) -> None:
    """Stop a run, or one task of it. What agents wrote so far is saved under a ref.

    Examples:

    - `coditect cancel hello`
    - `coditect cancel --task write-tests`
    """
    _tell(run, json, "cancel", task=task)


def _tell(run: str | None, json: bool, what: str, **fields: Any) -> None:
    book = Book.open(Home(), run)
    _refuse_unknown(book.program, what, fields)
    request = ask(book.folder, what, by=getpass.getuser(), **fields)
    recorded_by = "the running coordinator"
    while not _wait(book, request):
        try:
            record_waiting(book.folder, book.program)
        except CoditectError as error:
            if error.findings[0].code != "run-locked":
                raise
            continue  # a coordinator has just begun; it reads its inbox first
        recorded_by = "this command"
    after = Book.open(Home(), book.run)
    goes_on = is_running(book.folder)
    if json:
        import json as codec  # noqa: PLC0415

        typer.echo(
            codec.dumps({"run": book.run, "what": what, **fields, "recorded_by": recorded_by})
        )
        return
    named = " ".join(str(value) for value in fields.values() if value)
    typer.echo(f"Recorded: {what} {named}".rstrip() + f" ({book.run}).")
    if not goes_on and not after.state.finished:
        typer.echo(f"Nobody is carrying the run on; go on with: coditect resume {book.run}")


def _refuse_unknown(program: Program, what: str, fields: dict[str, Any]) -> None:
    known = sorted(program.gates)
    name = fields.get("checkpoint")
    if what in {"retry", "cancel"}:
        name = fields.get("subject") or fields.get("task")
        known = sorted(program.tasks) + (known if what == "retry" else [])
    if name is not None and name not in known:
        raise CoditectError.of(
            "unknown-subject",
            f"This run has nothing called `{name}` to {what}.",
            did_you_mean(str(name), known),
        )


def _wait(book: Book, request: str) -> bool:
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
        writer = Writer(Home().journal_file, folder.run)
        try:
            requests = list(asked(folder))
            writer.append(event for _, body in requests if (event := request_event(program, body)))
        finally:
            writer.close()
        for file, _ in requests:
            file.unlink(missing_ok=True)
