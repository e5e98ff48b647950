"""The solver: the one file that knows OR-Tools, which is an optional extra.

CP-SAT gets a start variable and an interval for each activity, one cumulative constraint for
each resource, and the best schedule known as a hint and as the horizon. It gives back a better
schedule, a better bound, or the proof that there is none.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

from coditect.schedule.bounds import Bounds
from coditect.schedule.generation import Layout, by_start, serial
from coditect.schedule.instance import Instance

if TYPE_CHECKING:
    from ortools.sat.python import cp_model

WORKERS = 2
"""Threads of the solver."""
LEAST_SECONDS = 0.02
"""With less time than that the solver is not worth a call."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What the solver found out: the best layout known now, and a bound on all."""

    layout: Layout
    lower_bound: int


def available() -> bool:
    """Whether OR-Tools is installed; does not load it."""
    return importlib.util.find_spec("ortools") is not None


def load() -> None:
    """Import OR-Tools now (about half a second), so that a time limit need not pay for it."""
    from ortools.sat.python import cp_model  # noqa: F401, PLC0415 - optional and slow


def improve(
    instance: Instance,
    known: Layout,
    bounds: Bounds,
    seconds: float,
    *,
    below: int | None = None,
) -> Proof:
    """Search for something shorter than the known layout for at most the given time.

    With `below`, only schedules shorter than that are of interest; the bound then never says
    more than `below`. A schedule given back is generated anew from the solver's order of starts,
    so it is pushed together in the same way as every other.
    """
    from ortools.sat.python import cp_model  # noqa: PLC0415 - optional and slow

    hinted = below is None or known.makespan < below
    # The known schedule is a hint where it fits; else only what is shorter is searched.
    horizon = known.makespan if hinted or below is None else below - 1
    if horizon < bounds.makespan or seconds < LEAST_SECONDS:
        return Proof(known, min(bounds.makespan, horizon + 1))
    model = cp_model.CpModel()
    starts, picks = _build(model, instance, bounds, horizon)
    end = model.new_int_var(bounds.makespan, horizon, "makespan")
    for activity, start in enumerate(starts):
        if not instance.successors[activity]:
            model.add(end >= start + instance.durations[activity])
    model.minimize(end)
    if hinted:
        for start, value in zip(starts, known.starts, strict=True):
            model.add_hint(start, value)
        for variables, picked in zip(picks, known.chosen, strict=False):
            for resource, variable in variables.items():
                model.add_hint(variable, resource in picked)
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.num_workers = WORKERS
    solver.parameters.random_seed = 1
    status = solver.solve(model)
    if status == cp_model.INFEASIBLE:
        return Proof(known, horizon + 1)
    bound = max(bounds.makespan, min(horizon + 1, ceil(solver.best_objective_bound - 1e-6)))
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Proof(known, bound)
    order = by_start(instance, [solver.value(start) for start in starts])
    chosen = _chosen(instance, solver, picks)
    again = serial(instance.fixed(chosen), order)
    layout = Layout(again.starts, chosen, again.makespan)
    if hinted and known.makespan <= layout.makespan:
        layout = known
    return Proof(layout, min(bound, layout.makespan))


def _build(
    model: cp_model.CpModel, instance: Instance, bounds: Bounds, horizon: int
) -> tuple[list[Any], list[dict[int, Any]]]:
    """Add variables and constraints; gives the starts and, for wants, who is picked."""
    durations = instance.durations
    starts: list[Any] = [
        model.new_int_var(head, horizon - tail - duration, "")
        for head, duration, tail in zip(bounds.heads, durations, bounds.tails, strict=True)
    ]
    for activity, before in enumerate(instance.predecessors):
        for other in before:
            model.add(starts[activity] >= starts[other] + durations[other])
    picks: list[dict[int, Any]] = [{} for _ in durations]
    loads: list[list[tuple[Any, int]]] = [[] for _ in instance.capacities]
    for activity, duration in enumerate(durations):
        if not duration:
            continue
        interval = model.new_fixed_size_interval_var(starts[activity], duration, "")
        for resource, amount in instance.uses[activity]:
            loads[resource].append((interval, amount))
        for group in instance.wants[activity] if instance.wants else ():
            for resource in group:
                if resource not in picks[activity]:
                    picked = model.new_bool_var("")
                    picks[activity][resource] = picked
                    optional = model.new_optional_fixed_size_interval_var(
                        starts[activity], duration, picked, ""
                    )
                    loads[resource].append((optional, 1))
            model.add_bool_or([picks[activity][resource] for resource in group])
    for resource, load in enumerate(loads):
        capacity = instance.capacities[resource]
        if capacity == 1:
            model.add_no_overlap([interval for interval, _ in load])
        elif sum(amount for _, amount in load) > capacity:
            model.add_cumulative(
                [interval for interval, _ in load], [amount for _, amount in load], capacity
            )
    return starts, picks


def _chosen(
    instance: Instance, solver: cp_model.CpSolver, picks: Sequence[dict[int, Any]]
) -> list[tuple[int, ...]]:
    """Whom the solver picked for each activity's wants, without those who are not needed."""
    if not instance.flexible:
        return []
    chosen: list[tuple[int, ...]] = []
    packed = instance.packed
    for activity, groups in enumerate(packed.groups):
        picked = packed.guards
        if picks[activity]:
            picked = sum(
                packed.guard[resource]
                for resource, variable in picks[activity].items()
                if solver.boolean_value(variable)
            )
        chosen.append(packed.cover(picked, groups))
    return chosen
