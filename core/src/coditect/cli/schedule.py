"""`coditect schedule`: how long a plan takes, with how many agents, and how sure that is."""

from __future__ import annotations

import json as json_format
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from coditect.check import check
from coditect.cli import findings_view
from coditect.cli.options import Json
from coditect.findings import CoditectError, errors
from coditect.paths import overlap
from coditect.plan import Plan, load_plan
from coditect.report.plain import escaped
from coditect.report.schedule_json import schedule_json
from coditect.report.schedule_page import schedule_page
from coditect.report.schedule_text import show
from coditect.schedule import Point, Solver, study

MOST_AGENTS = 100
"""A curve is asked for up to so many agents."""
_STOPPING = frozenset({"dependency-cycle", "missing-capacity"})
_SOLVERS: dict[str, Solver] = {"auto": "auto", "never": "never", "always": "always"}


def schedule(
    plan: Annotated[Path, typer.Argument(help="The plan, a YAML file.")],
    agents: Annotated[
        str,
        typer.Option(
            "--agents", help="A number schedules for so many agents; a range draws the curve."
        ),
    ] = "1..10",
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.01, help="Real seconds to search at the most.")
    ] = 2.0,
    solver: Annotated[
        str, typer.Option("--solver", help="Use OR-Tools: auto, never or always.")
    ] = "auto",
    json: Json = False,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write one self-contained page to this file.")
    ] = None,
) -> None:
    """Say how long a plan takes, how far that is from the best, and how many agents are worth it.

    Every figure is *modelled*: it follows from the plan's hours, needs, agents and checkpoints.
    The schedule comes with a lower bound that no schedule can undercut, so you know how much is
    left to gain; where the two meet it is proven to be the shortest. If the plan's source makes
    claims, they are shown beside what follows from the data.

    `--seconds` limits the search for the schedule, and for each cast of agents that the curve has
    to look into. With `pip install coditect[solver]` hard plans get better answers.

    Examples:

    - `coditect schedule plans/coditect-cloud.yaml`
    - `coditect schedule plan.yaml --agents 3`
    - `coditect schedule plan.yaml --agents 1..6 --html schedule.html`
    - `coditect schedule plan.yaml --json | jq .makespan_hours`
    """
    one, counts = _counts(agents)
    if solver not in _SOLVERS:
        raise CoditectError.of(
            "bad-option", f"--solver {solver} is not known.", "Use auto, never or always."
        )
    loaded = load_plan(plan)
    _refuse_impossible(loaded, quiet=json)
    with _progress(len(counts), quiet=json) as watch:
        found = study(
            loaded,
            agents=one,
            counts=counts,
            seconds=seconds,
            solver=_SOLVERS[solver],
            collide=_colliding(loaded),
            watch=watch,
        )
    if html:
        _write(html, schedule_page(found))
    if json:
        document = json_format.dumps(schedule_json(found), indent=2, ensure_ascii=False)
        typer.echo(escaped(document))
    else:
        show(Console(), found)
        if html:
            Console().print(f"\nWrote {html}.", highlight=False, markup=False)


def _counts(text: str) -> tuple[int | None, range]:
    """A single number, or none, and the numbers of the curve."""
    match = re.fullmatch(r"(\d{1,4})(?:\.\.(\d{1,4}))?", text)
    first = int(match[1]) if match else 0
    last = int(match[2] or first) if match else 0
    if not match or not 1 <= first <= last <= MOST_AGENTS:
        raise CoditectError.of(
            "bad-option",
            f"--agents {text} is no number of agents, and no range of them.",
            f"Write a number such as 5, or a range such as 1..10, up to {MOST_AGENTS}.",
        )
    return (None if match[2] else first), range(first, last + 1)


def _refuse_impossible(plan: Plan, *, quiet: bool) -> None:
    """Refuse a plan whose times cannot be worked out; what else is wrong does not change them."""
    found = errors(check(plan))
    stopping = [one for one in found if one.code in _STOPPING or one.code.startswith("unknown-")]
    if stopping:
        raise CoditectError(*stopping)
    if found and not quiet:
        typer.echo(
            f"This plan cannot be carried out yet ({findings_view.tally(found)}); its times can be "
            "worked out all the same. `coditect check` says more.",
            err=True,
        )


def _colliding(plan: Plan) -> Callable[[str, str], bool]:
    """Whether two tasks own a common path, as the proof sees it."""

    def collide(one: str, other: str) -> bool:
        left, right = plan.repository_of(one), plan.repository_of(other)
        if left is None or left != right:
            return False
        mine, theirs = plan.language(one), plan.language(other)
        return overlap(mine, theirs) is not None

    return collide


@contextmanager
def _progress(points: int, *, quiet: bool) -> Iterator[Callable[[Point], None] | None]:
    """Tell on a terminal how far the curve is; nothing anywhere else."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal or points < 2:
        yield None
        return
    with console.status("looking at the casts …") as status:

        def watch(point: Point) -> None:
            status.update(f"looked at {point.agents} of {points} numbers of agents …")

        yield watch


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CoditectError.of(
            "cannot-write", f"{path} cannot be written: {error.strerror}.", "Choose another file."
        ) from error
