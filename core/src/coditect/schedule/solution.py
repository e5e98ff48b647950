"""Solving: from a problem to a schedule that says how good it is.

Tier 0, always: priority rules, justified, against the lower bounds; done if they meet.
Up to a thousand activities: a genetic search for part of the time, then the solver from there,
if it is installed. Beyond: priority rules with the parallel scheme only, since neither the search
nor the solver gains anything there in the time that people wait.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import gcd
from time import monotonic
from typing import Literal

from coditect.findings import CoditectError
from coditect.schedule import exact
from coditect.schedule.bounds import Bounds, bounds
from coditect.schedule.generation import Layout
from coditect.schedule.heuristics import by_rules, search
from coditect.schedule.instance import Instance
from coditect.schedule.problem import Problem
from coditect.schedule.translation import Roles

Solver = Literal["auto", "never", "always"]
"""Whether OR-Tools is used: if installed and of use; not at all; it must be."""

SMALL = 45
"""Up to so many activities the solver gets nearly all of the time."""
MEDIUM = 90
"""Up to so many activities the solver gets most of the time, beyond the genetic search."""
LARGE = 1000
"""Beyond so many activities neither search nor solver is tried unless it is asked for."""


@dataclass(frozen=True, slots=True)
class Booking:
    """When an activity takes place and who is there. Seconds of work from the start."""

    id: str
    start: int
    finish: int
    roles: Roles
    """For each demanded workstream the agent that stands for it; a task's own comes first."""

    @property
    def agents(self) -> tuple[str, ...]:
        """Everybody who is occupied, each once; who does a task comes first."""
        return tuple(dict.fromkeys(agent for _, agent in self.roles))


@dataclass(frozen=True, slots=True)
class Schedule:
    """When everything takes place, and how far from the best possible that is at most."""

    bookings: Mapping[str, Booking]
    makespan: int
    lower_bound: int
    """No schedule of the same problem is shorter."""
    method: str
    """How it was found, in words."""

    @property
    def gap(self) -> float:
        """How much longer than the lower bound, as a share of it; 0 is optimal."""
        return self.makespan / self.lower_bound - 1 if self.lower_bound else 0.0

    @property
    def proven(self) -> bool:
        """Whether no schedule can be shorter."""
        return self.makespan <= self.lower_bound

    def busy(self) -> dict[str, int]:
        """How long each agent is occupied, in seconds of work."""
        found: dict[str, int] = {}
        for booking in self.bookings.values():
            for agent in booking.agents:
                found[agent] = found.get(agent, 0) + booking.finish - booking.start
        return found


@dataclass(frozen=True, slots=True)
class Answer:
    """What solving an instance gives, in the instance's unit of time."""

    layout: Layout
    lower_bound: int
    method: str


def solve(problem: Problem, *, seconds: float = 2.0, solver: Solver = "auto") -> Schedule:
    """Find a short schedule within about the given time, and a bound on all others.

    `seconds` are of real time. CoditectError if the solver is demanded and not installed.
    """
    answer = solve_instance(problem.translation.instance, seconds=seconds, solver=solver)
    return schedule_of(problem, answer)


def schedule_of(problem: Problem, answer: Answer) -> Schedule:
    """Put names to an answer."""
    translation = problem.translation
    starts, durations = answer.layout.starts, translation.instance.durations
    spans = [(start, start + long) for start, long in zip(starts, durations, strict=True)]
    roles = translation.cast(spans, answer.layout.chosen)
    return Schedule(
        bookings={
            name: Booking(name, *spans[one], roles[one]) for one, name in enumerate(translation.ids)
        },
        makespan=answer.layout.makespan,
        lower_bound=answer.lower_bound,
        method=answer.method,
    )


def coarse(instance: Instance) -> tuple[Instance, int]:
    """The instance in the largest unit of time that divides every duration, and that unit.

    Every start of a schedule pushed together is a sum of durations, so nothing is lost.
    """
    unit = gcd(*instance.durations) or 1
    if unit == 1:
        return instance, 1
    durations = tuple(duration // unit for duration in instance.durations)
    return replace(instance, durations=durations), unit


def solve_instance(instance: Instance, *, seconds: float, solver: Solver) -> Answer:
    """Solve an instance; see `solve`."""
    deadline = monotonic() + seconds
    if solver == "always" and not exact.available():
        raise CoditectError.of(
            "solver-missing",
            "The solver was asked for, and OR-Tools is not installed.",
            "Install it with `pip install coditect[solver]`, or use --solver auto.",
        )
    work, unit = coarse(instance)
    limits = bounds(work)
    layout = by_rules(work, limits.makespan)
    lower, method = limits.makespan, "priority rules, justified"
    if layout.makespan > lower or solver == "always":
        layout, lower, method = _deepened(work, limits, layout, deadline, solver)
    if layout.makespan <= lower and not method.startswith("CP-SAT"):
        method += "; equal to the lower bound"
    scaled = Layout(
        [start * unit for start in layout.starts], layout.chosen, layout.makespan * unit
    )
    return Answer(scaled, lower * unit, method)


def searching(activities: int, seconds: float, *, solver: bool) -> float:
    """How much of the time the genetic search gets; the rest is the solver's.

    Small problems the solver mostly closes at once. Larger ones gain more from a good schedule to
    begin with than from the same time in the solver.
    """
    if not solver:
        return seconds
    if activities <= SMALL:
        return min(0.1, 0.1 * seconds)
    return seconds * (0.3 if activities <= MEDIUM else 0.6)


def _deepened(
    work: Instance, limits: Bounds, layout: Layout, deadline: float, solver: Solver
) -> tuple[Layout, int, str]:
    """Search on from what the rules found, for the time that is left."""
    method = "priority rules, justified"
    installed = exact.available()
    use_solver = solver == "always" or (solver == "auto" and installed and len(work) <= LARGE)
    if len(work) > LARGE and not use_solver:
        return layout, limits.makespan, f"{method}; too large for a search"
    if len(work) <= LARGE:
        left = deadline - monotonic()
        layout = search(
            work, layout, limits.makespan, searching(len(work), left, solver=use_solver)
        )
        method = "genetic search over activity lists, justified"
    if not use_solver:
        missing = solver == "auto" and not installed
        note = "; OR-Tools is not installed" if missing else ""
        return layout, limits.makespan, method + note
    if layout.makespan <= limits.makespan and solver != "always":
        return layout, limits.makespan, method
    exact.load()
    proof = exact.improve(work, layout, limits, deadline - monotonic())
    return proof.layout, proof.lower_bound, f"CP-SAT, from {method}"
