"""The plan as the kernel needs it: plain graph facts, compiled once, nothing to look up twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from coditect.plan.model import HOUR, Plan


@dataclass(frozen=True, slots=True)
class Settings:
    """How a run is to be carried out; part of the journal, so a resume goes on the same way."""

    rehearse: bool = False
    """Whether every agent is a stand-in, whatever the plan names."""
    pace: int = 0
    """Milliseconds that an hour of a rehearsed plan takes; 0: agents really work."""
    landing: str = "continuous"
    """`continuous`, `daily`, `checkpoint` or `end`: when target branches are fast-forwarded."""
    update_checkout: bool = False
    """Whether a clean checkout of the target branch may be moved along."""
    approve_all: bool = False
    """`--yes`: checkpoints need no person."""
    backoff: int = 1000
    """Milliseconds before the first retry; doubles each time."""
    backoff_limit: int = 60_000
    """Most milliseconds between two tries."""
    lost_limit: int = 10
    """How often a task may lose its supervisor under a living coordinator before it is parked."""
    orphan_after: float = 600.0
    """Seconds after which a supervisor without a coordinator saves the work and ends it."""
    push: str | None = None
    """Remote to push target branches to after landing."""


@dataclass(frozen=True, slots=True)
class TaskNode:
    """A task's place in the graph."""

    id: str
    workstream: str
    repository: str
    rank: int
    retries: int
    has_fallback: bool
    fallback_agent: str | None
    checkpoint: str | None
    """The checkpoint whose work it is (`during`)."""


@dataclass(frozen=True, slots=True)
class GateNode:
    """A checkpoint's place in the graph."""

    id: str
    participants: tuple[str, ...]
    during: str | None
    approval: bool
    rank: int
    hold: int
    """Milliseconds it is held for; 0 outside rehearsals."""


@dataclass(frozen=True, slots=True)
class StreamNode:
    """A workstream's capacity."""

    agents: tuple[str, ...]
    slots: int


@dataclass(frozen=True, slots=True)
class RiskNode:
    """When a risk strikes."""

    id: str
    task: str
    due: int | None
    """Milliseconds after the start of the run; None: when the task is parked."""


@dataclass(frozen=True, slots=True)
class Program:
    """All the kernel knows of a plan. Ids of tasks and checkpoints share one namespace."""

    tasks: Mapping[str, TaskNode]
    gates: Mapping[str, GateNode]
    streams: Mapping[str, StreamNode]
    risks: Mapping[str, RiskNode]
    needs: Mapping[str, frozenset[str]]
    """Task or checkpoint -> what has to be integrated or opened before it."""
    dependents: Mapping[str, tuple[str, ...]]
    """The same, the other way."""
    settings: Settings = field(default_factory=Settings)


def compile_program(
    plan: Plan,
    settings: Settings,
    order: Sequence[str],
    planned: Mapping[str, tuple[int, int]],
) -> Program:
    """Turn a checked plan into the kernel's graph.

    `order` is most critical first; `planned` gives seconds of work and is used for risks only.
    """
    ranks = {name: index for index, name in enumerate(order)}
    last = len(ranks)
    scale = settings.pace / HOUR if settings.pace else 1000.0
    during = {cp.during: cp.id for cp in plan.checkpoints.values() if cp.during}
    needs: dict[str, set[str]] = {name: set(task.needs) for name, task in plan.tasks.items()}
    for checkpoint in plan.checkpoints.values():
        first = checkpoint.during
        needs[checkpoint.id] = {first} if first else set(checkpoint.after)
        if first:
            needs[first] |= set(checkpoint.after)
    for checkpoint in plan.checkpoints.values():
        behind = set(checkpoint.before)
        if checkpoint.during:
            behind |= {task.id for task in plan.tasks.values() if checkpoint.during in task.needs}
        for name in behind - {checkpoint.during}:
            needs[name].add(checkpoint.id)
    dependents: dict[str, list[str]] = defaultdict(list)
    for name, before in needs.items():
        for other in before:
            dependents[other].append(name)
    return Program(
        tasks={
            task.id: TaskNode(
                id=task.id,
                workstream=task.workstream,
                repository=plan.repository_of(task.id) or "",
                rank=ranks.get(task.id, last),
                retries=task.retries,
                has_fallback=task.fallback is not None,
                fallback_agent=task.fallback.agent if task.fallback else None,
                checkpoint=during.get(task.id),
            )
            for task in plan.tasks.values()
        },
        gates={
            cp.id: GateNode(
                id=cp.id,
                participants=cp.participants,
                during=cp.during,
                approval=cp.approval,
                rank=ranks.get(cp.id, ranks.get(cp.during or "", last)),
                hold=0 if cp.during else cp.duration * settings.pace // HOUR,
            )
            for cp in plan.checkpoints.values()
        },
        streams={
            stream.id: StreamNode(stream.agents, stream.slots)
            for stream in plan.workstreams.values()
        },
        risks={
            risk.id: RiskNode(
                id=risk.id,
                task=risk.trigger.task,
                due=None
                if risk.trigger.late_by is None
                else int(
                    (planned.get(risk.trigger.task, (0, 0))[1] + risk.trigger.late_by) * scale
                ),
            )
            for risk in plan.risks.values()
            if risk.trigger
        },
        needs={name: frozenset(before) for name, before in needs.items()},
        dependents={name: tuple(sorted(after)) for name, after in dependents.items()},
        settings=settings,
    )
