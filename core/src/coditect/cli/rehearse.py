"""`coditect rehearse`: carry a plan out with stand-ins, before paying for agents."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from coditect.cli import carry
from coditect.cli.options import JsonLines, PlanFile
from coditect.cli.report import read_report, write_page
from coditect.findings import CoditectError
from coditect.plan import load_plan
from coditect.plan.durations import parse_duration
from coditect.report.run_text import show
from coditect.run.book import Book
from coditect.run.home import Home
from coditect.run.program import Settings
from coditect.run.start import Workspace, begin

_PACE = "1s"


def rehearse(
    plan: PlanFile,
    into: Annotated[
        Path, typer.Option("--into", help="Folder for the rehearsal's own repositories.")
    ] = Path("rehearsal"),
    pace: Annotated[
        str, typer.Option("--pace", help="How long a planned hour takes: 200ms, 1s, 1m.")
    ] = _PACE,
    ask: Annotated[
        bool, typer.Option("--ask", help="Wait for a person at checkpoints, as a run does.")
    ] = False,
    new: Annotated[
        bool, typer.Option("--new", help="Start afresh though an unfinished rehearsal is there.")
    ] = False,
    json: JsonLines = False,
    html: Annotated[
        Path | None,
        typer.Option("--html", help="Show the report at the end, and write it to this page."),
    ] = None,
) -> None:
    """Carry a plan out with stand-ins in compressed time, in repositories of its own.

    Everything is real but the agents: lanes, gate, integration, checkpoints, landing, recovery. A
    stand-in takes the planned time, compressed, and writes the declared deliverables. What comes
    out is evidence that the plan works, and labelled *rehearsed*; it says nothing of real agents.

    Kill it and give the same command again: it goes on where it was.

    Exit code 0: everything is integrated; 1: it ended otherwise; 130: left by Ctrl-C.

    Examples:

    - `coditect rehearse plans/coditect-cloud.yaml`
    - `coditect rehearse plan.yaml --pace 200ms --into /tmp/rehearsal`
    """
    tempo, text = _pace(pace), carry.read(plan)
    loaded = load_plan(plan, text=text)
    home, top = carry.home_to_write(), into.absolute()
    left = None if new else _unfinished(home, loaded.digest, top)
    if left is None:
        settings = Settings(rehearse=True, pace=tempo, approve_all=not ask, update_checkout=True)
        run = home.new_run(loaded.name)
        ours = not top.exists()
        begin(home, loaded, plan, text, settings, Workspace(top / run, {}, create=True), run)
        if ours:
            _keep_out_of_git(top)
        carry.say(f"Rehearsing {plan} in {top / run}.", json=json)
    else:
        run = left.run
        _refuse_late(left, tempo if pace != _PACE else None, ask=ask)
        carry.say(f"Going on with {run}, which is not finished (--new starts afresh).", json=json)
    outcome = carry.carry(home, run, json=json)
    if outcome is not None and html is not None:
        _report(home, run, html, json=json)
    carry.conclude(home, run, outcome, json=json)


def _keep_out_of_git(folder: Path) -> None:
    """Keep a repository around the rehearsal from taking its repositories for its own files.

    Only in a folder that the rehearsal has made: `--into` may name one of the user's.
    """
    (folder / ".gitignore").write_text("*\n", encoding="utf-8")


def _refuse_late(left: Book, pace: int | None, *, ask: bool) -> None:
    """A rehearsal goes on the way it began; what is meant for a new one is not dropped silently."""
    if pace is not None and pace != left.settings.pace:
        raise carry.too_late(left, "--pace", f"a planned hour takes {left.settings.pace} ms there")
    if ask and left.settings.approve_all:
        raise carry.too_late(left, "--ask", "its checkpoints pass without a person")


def _report(home: Home, run: str, html: Path, *, json: bool) -> None:
    """Report this very run, which need not be the newest by now."""
    found = read_report(home, run)
    write_page(found, html)
    if not json:
        show(Console(), found, tasks=False)
    carry.say(f"Page: {html}", json=json)


def _pace(text: str) -> int:
    """Read how many milliseconds a planned hour takes."""
    number = text.removesuffix("ms")
    if number != text and number.isdigit() and int(number) > 0:
        return int(number)
    try:
        return parse_duration(text) * 1000
    except ValueError as error:
        raise CoditectError.of(
            "bad-option",
            f"`--pace {text}` is no duration: {str(error).rstrip('.')}.",
            "Write how long a planned hour takes, such as 500ms, 1s or 2m.",
        ) from error


def _unfinished(home: Home, digest: str, top: Path) -> Book | None:
    """Find the newest rehearsal of this very plan in this folder, if it is unfinished and there."""
    for run, _, _ in reversed(home.journal.runs()):
        try:
            book = Book.open(home, run)
            places = [Path(at) for at in book.started.repositories.values()]
            inside = all(place.is_relative_to(top) and place.is_dir() for place in places)
            if inside and book.settings.rehearse and book.plan.digest == digest:
                return None if book.state.finished else book
        except CoditectError:
            continue  # Written by another version: no concern of this rehearsal.
    return None
