"""`coditect run`: carry a plan out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from coditect.cli import carry
from coditect.cli.options import JsonLines, PlanFile
from coditect.cli.output import counted
from coditect.findings import CoditectError
from coditect.git.uncommitted import uncommitted
from coditect.plan import Plan, load_plan
from coditect.run.book import Book
from coditect.run.home import Home
from coditect.run.program import Settings
from coditect.run.start import Workspace, begin, open_repositories, runs_of, unfinished
from coditect.run.state import Phase

Repositories = Annotated[
    list[str],
    typer.Option(
        "--repository", "-r", metavar="NAME=PATH", help="Where a repository is; may be repeated."
    ),
]


_LANDING: Literal["continuous"] = "continuous"
_STAND_IN_PACE = 1000
"""Milliseconds an hour takes where the plan names stand-ins only; `rehearse` lets one choose."""
_UNPROTECTED = (
    "Agents have your rights: there is no sandbox yet. Only the gate protects, and it keeps what "
    "they do not own out of the integration."
)


def run(
    plan: PlanFile,
    workspace: Annotated[
        Path, typer.Option("--workspace", "-C", help="Folder that holds the plan's repositories.")
    ] = Path(),
    repository: Repositories = [],  # noqa: B006 - typer copies it
    create: Annotated[
        bool, typer.Option("--create", help="Make repositories that are missing.")
    ] = False,
    landing: Annotated[
        Literal["continuous", "daily", "checkpoint", "end"],
        typer.Option("--landing", help="When target branches move."),
    ] = _LANDING,
    update_checkout: Annotated[
        bool,
        typer.Option("--update-checkout", help="Move a clean checkout of the branch along."),
    ] = False,
    push: Annotated[
        str | None,
        typer.Option("--push", metavar="REMOTE", help="Push target branches there after landing."),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Approve every checkpoint without a person.")
    ] = False,
    new: Annotated[
        bool, typer.Option("--new", help="Start afresh though an unfinished run is there.")
    ] = False,
    json: JsonLines = False,
) -> None:
    """Carry a plan out: each agent in its own lane, verified, merged, stopped at checkpoints.

    Ctrl-C, a crash or `kill -9` lose nothing: the same command, or `coditect resume`, goes on.
    Your checkout, index, hooks and configuration stay as they are unless you ask otherwise. Until
    agents run in sandboxes, only the gate protects: it keeps what an agent does not own out of the
    integration, but the agent's processes have your rights.

    Exit code 0: everything is integrated; 1: the run ended otherwise; 130: left by Ctrl-C.

    Examples:

    - `coditect run plans/hello.yaml`
    - `coditect run plan.yaml -r app=../app --landing checkpoint`
    - `coditect run plan.yaml --yes --json > events.jsonl`
    """
    place = Workspace(workspace.absolute(), _overrides(repository), create)
    text = carry.read(plan)
    loaded = load_plan(plan, text=text)
    home = carry.home_to_write()
    paths = list(place.paths(loaded).values())
    going_on = None if new else unfinished(home, loaded, paths)
    if going_on is None:
        last = None if new else next(runs_of(home, loaded, paths), None)
        if last and last.state.finished == "failed":
            _tell_of_failed(last, json=json)
        stand_ins = all(agent.adapter == "rehearsal" for agent in loaded.agents.values())
        settings = Settings(
            rehearse=stand_ins,
            pace=_STAND_IN_PACE if stand_ins else 0,
            landing=landing,
            update_checkout=update_checkout,
            push=push,
            approve_all=yes,
        )
        if not stand_ins:
            typer.echo(_UNPROTECTED, err=True)
        run_id = begin(home, loaded, plan, text, settings, place)
        _tell_what_agents_miss(home, run_id, loaded, place)
    else:
        run_id = going_on
        _refuse_late(Book.open(home, going_on), landing, update_checkout, push, yes=yes)
        carry.say(
            f"Going on with {run_id}, which is not finished (--new starts afresh).", json=json
        )
    outcome = carry.carry(home, run_id, json=json)
    carry.conclude(home, run_id, outcome, json=json)


def _refuse_late(
    book: Book, landing: str, update_checkout: bool, push: str | None, *, yes: bool
) -> None:
    """A run goes on the way it began: what was meant for a new one is not dropped silently."""
    began = book.settings
    if landing not in (_LANDING, began.landing):
        raise carry.too_late(book, f"--landing {landing}", f"it lands {began.landing}")
    if update_checkout and not began.update_checkout:
        raise carry.too_late(book, "--update-checkout", "it was not allowed to touch checkouts")
    if push not in (None, began.push):
        raise carry.too_late(book, f"--push {push}", f"it pushes to {began.push or 'nobody'}")
    if yes and not began.approve_all:
        raise carry.too_late(
            book, "--yes", f"its checkpoints wait for coditect approve {book.run} CHECKPOINT"
        )


def _tell_of_failed(last: Book, *, json: bool) -> None:
    """A new run begins though much of the last one may be worth keeping."""
    done = sum(task.phase is Phase.INTEGRATED for task in last.state.tasks.values())
    carry.say(
        f"{last.run} failed with {done}/{len(last.state.tasks)} tasks integrated. This is a new "
        f"run; to go on with that one, stop this: coditect retry {last.run} TASK, then coditect "
        f"resume {last.run}",
        json=json,
    )


def _tell_what_agents_miss(home: Home, run: str, plan: Plan, place: Workspace) -> None:
    """Agents see commits alone: tell of what lies in the checkout beside them."""
    bases = Book.open(home, run).started.bases
    for name, repository in open_repositories(plan, place, home.folder(run)).items():
        if count := uncommitted(repository):
            typer.echo(
                f"{name} has {counted(count, 'file')} that no commit has (git status); agents see "
                f"{plan.repositories[name].branch} at {bases[name][:10]} only.",
                err=True,
            )


def _overrides(options: list[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for option in options:
        name, equals, path = option.partition("=")
        if not equals or not name or not path:
            raise CoditectError.of(
                "bad-option",
                f"`--repository {option}` does not name a repository and a folder.",
                "Write it as NAME=PATH, for example `-r app=../app`.",
            )
        found[name] = Path(path).expanduser().absolute()
    return found
