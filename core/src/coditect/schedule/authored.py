"""The day table that the plan's author had in mind, to be compared and never obeyed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from coditect.schedule.problem import Problem

if TYPE_CHECKING:
    from coditect.plan.model import Plan


@dataclass(frozen=True, slots=True)
class AuthorDay:
    """A day as the plan's author laid it out."""

    work: dict[str, int]
    """Seconds of each workstream's own tasks."""
    occupied: dict[str, int]
    """The same, with its attendance at checkpoints."""


def authored(plan: Plan, problem: Problem) -> dict[int, AuthorDay]:
    """The author's day table, from the days that tasks and checkpoints name."""
    table: dict[int, AuthorDay] = {}

    def row(day: int) -> AuthorDay:
        return table.setdefault(day, AuthorDay({}, {}))

    for task in plan.tasks.values():
        if task.day is not None:
            work = row(task.day).work
            work[task.workstream] = work.get(task.workstream, 0) + task.effort.likely
    for name, activity in problem.activities.items():
        task_of = plan.tasks.get(name)
        gate = plan.checkpoints.get(name)
        day = task_of.day if task_of else gate.days[0] if gate and gate.days else None
        for stream in activity.demands if day is not None else ():
            occupied = row(day or 1).occupied
            occupied[stream] = occupied.get(stream, 0) + activity.duration
    return dict(sorted(table.items()))
