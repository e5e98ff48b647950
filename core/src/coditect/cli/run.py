"""`coditect run`: carry a plan out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from coditect.cli import carry
from coditect.cli.options import JsonLines, PlanFile
from coditect.findings import CoditectError
from coditect.plan import load_plan
from coditect.run.program import Settings
from coditect.run.start import Workspace, begin, unfinished

Repositories = Annotated[
    list[str],
    typer.Option(
        "--repository", "-r", metavar="NAME=PATH", help="Where a repository is; may be repeated."
    ),
]


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
    ] = "continuous",
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
    going_on = None if new else unfinished(home, loaded, list(place.paths(loaded).values()))
    if going_on is None:
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
    else:
        run_id = going_on
        carry.say(
            f"Going on with {run_id}, which is not finished (--new starts afresh).", json=json
        )
    outcome = carry.carry(home, run_id, json=json)
    carry.conclude(home, run_id, outcome, json=json)


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
