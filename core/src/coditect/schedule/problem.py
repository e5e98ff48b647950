"""The question a schedule answers: activities, who may do them, how many at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

from coditect.findings import CoditectError

if TYPE_CHECKING:
    from coditect.plan.model import Plan
    from coditect.schedule.translation import Translation


class Kind(StrEnum):
    """What an activity is."""

    TASK = "task"
    CHECKPOINT = "checkpoint"


@dataclass(frozen=True, slots=True)
class Activity:
    """Something that takes time and people."""

    id: str
    kind: Kind
    duration: int
    """Seconds of work."""
    demands: tuple[str, ...]
    """Workstreams of which one agent each is occupied for the whole duration, a task's own
    first. An agent that serves several of them attends once."""
    predecessors: tuple[str, ...] = ()
    title: str = ""
    holds: tuple[str, ...] = ()
    """The checkpoints whose work this task is."""

    @property
    def workstream(self) -> str | None:
        """The workstream whose slot it takes; a checkpoint takes none."""
        return self.demands[0] if self.kind is Kind.TASK else None


@dataclass(frozen=True)
class Problem:
    """What is to be scheduled.

    Invariants, held from construction: every predecessor is an activity, precedence has no
    cycle, and every demand is a workstream that has an agent and a slot.
    """

    activities: Mapping[str, Activity]
    cast: Mapping[str, tuple[str, ...]]
    """Which agents serve a workstream; its tasks go to them only."""
    slots: Mapping[str, int] = field(default_factory=dict)
    """How many tasks of a workstream may be alive at once; absent means as many as agents."""

    def __post_init__(self) -> None:
        for activity in self.activities.values():
            for other in activity.predecessors:
                if other not in self.activities:
                    raise _trouble(
                        "unknown-name",
                        f"“{activity.id}” needs “{other}”, which does not exist.",
                        "Correct the name, or remove the need.",
                    )
            for stream in activity.demands:
                if not self.cast.get(stream) or self.slots.get(stream, 1) < 1:
                    raise _trouble(
                        "no-capacity",
                        f"“{activity.id}” needs an agent of “{stream}”, which has none.",
                        f"Give “{stream}” an agent and at least one slot.",
                    )
        try:
            _ = self.translation.instance.order
        except ValueError as error:
            raise _trouble(
                "dependency-cycle",
                "Some tasks need each other in a circle, so none of them can ever start.",
                "Run `coditect check`: it shows the circle.",
            ) from error

    @cached_property
    def translation(self) -> Translation:
        """The same in integers; made once."""
        from coditect.schedule.translation import translated  # noqa: PLC0415 - it needs Problem

        return translated(self)

    @property
    def workstreams(self) -> tuple[str, ...]:
        """The workstreams that some activity demands, in the order of the cast."""
        demanded = {stream for one in self.activities.values() for stream in one.demands}
        return tuple(stream for stream in self.cast if stream in demanded)

    @property
    def agents(self) -> tuple[str, ...]:
        """Everybody in the cast, in its order."""
        return tuple(dict.fromkeys(agent for agents in self.cast.values() for agent in agents))

    def recast(self, cast: Mapping[str, tuple[str, ...]]) -> Problem:
        """The same activities with other agents; slots follow the number of agents."""
        return Problem(
            self.activities, cast, {stream: len(agents) for stream, agents in cast.items()}
        )


def _trouble(code: str, message: str, hint: str) -> CoditectError:
    return CoditectError.of(f"schedule-{code}", message, hint)


def problem_of(plan: Plan) -> Problem:
    """What a plan asks of a scheduler.

    A checkpoint with `during` is no activity: its task occupies the participants, comes after
    the checkpoint's `after` and before its `before`. Any other checkpoint is an activity.
    """
    held: dict[str, list[str]] = {}
    needs: dict[str, list[str]] = {task.id: list(task.needs) for task in plan.tasks.values()}
    for checkpoint in plan.checkpoints.values():
        gate = checkpoint.during or checkpoint.id
        if checkpoint.during:
            held.setdefault(gate, []).append(checkpoint.id)
        needs.setdefault(gate, []).extend(checkpoint.after)
        for later in checkpoint.before:
            needs.setdefault(later, []).append(gate)
    activities: dict[str, Activity] = {}
    for task in plan.tasks.values():
        holds = held.get(task.id, [])
        attending = (one for held_id in holds for one in plan.checkpoints[held_id].participants)
        activities[task.id] = Activity(
            id=task.id,
            kind=Kind.TASK,
            duration=task.effort.likely,
            demands=_once((task.workstream, *attending)),
            predecessors=_once(needs[task.id]),
            title=task.title,
            holds=tuple(holds),
        )
    for checkpoint in plan.checkpoints.values():
        if not checkpoint.during:
            activities[checkpoint.id] = Activity(
                id=checkpoint.id,
                kind=Kind.CHECKPOINT,
                duration=checkpoint.duration,
                demands=_once(checkpoint.participants),
                predecessors=_once(needs[checkpoint.id]),
                title=checkpoint.title,
            )
    return Problem(
        activities=activities,
        cast={stream.id: stream.agents for stream in plan.workstreams.values()},
        slots={stream.id: stream.slots for stream in plan.workstreams.values()},
    )


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
