"""`coditect run`: carry a plan out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coditect.cli import carry
from coditect.cli.options import Json
from coditect.findings import CoditectError
from coditect.plan import load_plan
from coditect.run.home import Home
from coditect.run.program import Settings
from coditect.run.start import Workspace, begin, unfinished

POLICIES = ("continuous", "daily", "checkpoint", "end")

Repositories = Annotated[
    list[str],
    typer.Option(
        "--repository", "-r", metavar="NAME=PATH", help="Where a repository is; may be repeated."
    ),
]


def run(
    plan: Annotated[Path, typer.Argument(help="The plan, a YAML file.")],
    workspace: Annotated[
        Path, typer.Option("--workspace", "-C", help="Folder that holds the plan's repositories.")
    ] = Path(),
    repository: Repositories = [],  # noqa: B006 - typer copies it
    create: Annotated[
        bool, typer.Option("--create", help="Make repositories that are missing.")
    ] = False,
    landing: Annotated[
        str, typer.Option(help="When target branches move: " + ", ".join(POLICIES) + ".")
    ] = "continuous",
    update_checkout: Annotated[
        bool,
        typer.Option("--update-checkout", help="Move a clean checkout of the branch along."),
    ] = False,
    push: Annotated[
        str | None, typer.Option(metavar="REMOTE", help="Push target branches after landing.")
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Approve every checkpoint without a person.")
    ] = False,
    new: Annotated[
        bool, typer.Option("--new", help="Start afresh though an unfinished run is there.")
    ] = False,
    json: Json = False,
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
    if landing not in POLICIES:
        raise CoditectError.of(
            "bad-option",
            f"There is no landing policy `{landing}`.",
            f"One of: {', '.join(POLICIES)}",
        )
    home, text = Home(), carry.read(plan)
    loaded = load_plan(plan, text=text)
    place = Workspace(workspace.absolute(), _overrides(repository), create)
    going_on = None if new else unfinished(home, loaded, list(place.paths(loaded).values()))
    if going_on is None:
        settings = Settings(
            landing=landing, update_checkout=update_checkout, push=push, approve_all=yes
        )
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
