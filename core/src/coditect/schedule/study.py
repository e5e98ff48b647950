"""Everything that can be said about a plan's time, worked out once and shown in several ways."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from coditect.plan.model import Plan
from coditect.schedule.curve import Knee, Point, curve, knee
from coditect.schedule.days import DayPlan, days
from coditect.schedule.network import Network, network
from coditect.schedule.problem import Kind, Problem, problem_of
from coditect.schedule.solution import Schedule, Solver, solve


@dataclass(frozen=True, slots=True)
class Study:
    """A plan and what follows from its data. All of it is *modelled*: nothing was run."""

    plan: Plan
    problem: Problem
    """With the cast that the schedule is made for."""
    network: Network
    schedule: Schedule
    points: tuple[Point, ...]
    knee: Knee | None
    """None without points."""
    days: DayPlan

    @property
    def task_seconds(self) -> int:
        """The work of all tasks."""
        return self._seconds(Kind.TASK)

    @property
    def checkpoint_seconds(self) -> int:
        """The time of the checkpoints that are not the work of some task."""
        return self._seconds(Kind.CHECKPOINT)

    @property
    def sequential_seconds(self) -> int:
        """How long one agent would take for everything, one after the other."""
        return self.task_seconds + self.checkpoint_seconds

    def _seconds(self, kind: Kind) -> int:
        activities = self.problem.activities.values()
        return sum(activity.duration for activity in activities if activity.kind is kind)

    def busy_streams(self) -> dict[str, int]:
        """How many seconds somebody of each workstream is occupied for it."""
        found = dict.fromkeys(self.problem.cast, 0)
        for activity in self.problem.activities.values():
            for stream in activity.demands:
                found[stream] += activity.duration
        return found


def study(
    plan: Plan,
    *,
    agents: int | None = None,
    counts: Iterable[int] = range(1, 11),
    seconds: float = 2.0,
    solver: Solver = "auto",
    collide: Callable[[str, str], bool] | None = None,
    watch: Callable[[Point], None] | None = None,
) -> Study:
    """Work everything out.

    With `agents` the schedule is that of the best cast of so many agents, and the curve has that
    one point; else the schedule is for the plan's own cast and the curve has a point for each of
    the `counts`. `seconds`, `solver`, `collide` and `watch` are those of `solve` and `curve`.
    """
    problem = problem_of(plan)
    wanted = (agents,) if agents is not None else counts
    points = curve(
        problem,
        wanted,
        seconds=seconds,
        solver=solver,
        collide=collide,
        watch=watch,
    )
    if agents is not None and points:
        problem = problem.recast(points[0].cast)
        schedule = points[0].schedule
    else:
        schedule = solve(problem, seconds=seconds, solver=solver)
    return Study(
        plan=plan,
        problem=problem,
        network=network(problem),
        schedule=schedule,
        points=points,
        knee=knee(points) if points else None,
        days=days(plan, schedule, problem),
    )
