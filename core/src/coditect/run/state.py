"""What the kernel knows of a run at one moment: frozen values in containers of one state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from coditect.run.program import Program


class Phase(StrEnum):
    """Where a task is."""

    PENDING = "pending"
    """Something before it is not done."""
    READY = "ready"
    """It waits for a slot and an agent only."""
    ACTIVE = "active"
    """An attempt is alive."""
    INTEGRATED = "integrated"
    FAILED = "failed"
    """An attempt failed and the next one waits for its time."""
    PARKED = "parked"
    """No tries are left; a person has to look."""
    SKIPPED = "skipped"


class Stage(StrEnum):
    """Where a living attempt is."""

    STARTING = "starting"
    RUNNING = "running"
    EXITED = "exited"
    COMMITTED = "committed"
    QUEUED = "queued"
    VERIFIED = "verified"
    PREPARED = "prepared"


class Door(StrEnum):
    """Where a checkpoint is."""

    PENDING = "pending"
    """Something before it is not done."""
    DUE = "due"
    """It waits for its participants to drain."""
    HELD = "held"
    """Participants attend until its time is over."""
    CONFIRMING = "confirming"
    """Its deliverable and verifications are looked at."""
    WAITING = "waiting"
    """A person has to approve; nothing is held for that."""
    OPEN = "open"
    PARKED = "parked"
    """Its deliverable or verification failed; a person has to look."""
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A merge commit that may be put on the integration ref."""

    onto: str
    commit: str
    tree: str
    heads: Mapping[str, str] = field(default_factory=dict)
    """Heads of the other repositories during verification."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A living attempt. It holds its slot and agents until it leaves the state."""

    task: str
    number: int
    stage: Stage
    slot: int
    agent: str
    base: str
    attending: Mapping[str, str]
    rescue: bool
    since: int
    """When it entered its stage, milliseconds since the epoch."""
    started: int
    heads: Mapping[str, str] = field(default_factory=dict)
    """Repository -> integration head when it started."""
    unsaved: tuple[Mapping[str, Any], ...] = ()
    """What of its work could not be saved; the gate counts it against it."""
    reason: str = ""
    """Why the agent ended."""
    code: int | None = None
    commit: str = ""
    tree: str = ""
    candidate: Candidate | None = None
    pid: int = 0
    inherited: bool = False
    """Whether the coordinator that watches it is not the one that started it."""
    fault: str = ""
    """Why it cannot be integrated, as `attempt_failed` will say."""
    fault_text: str = ""

    @property
    def done_well(self) -> bool:
        """Whether the agent ended by itself and says that it succeeded (a claim, no evidence)."""
        return self.reason == "exit" and self.code == 0


@dataclass(frozen=True, slots=True)
class TaskState:
    """A task's history as far as decisions need it."""

    phase: Phase
    attempts: int = 0
    """Attempts started so far; the last one's number."""
    failures: int = 0
    """Failures since the start or a person's retry."""
    losses: int = 0
    rescued: bool = False
    """Whether the fallback was used up."""
    cancelled: bool = False
    """Whether a person asked to stop it."""
    why: str = ""
    """The last failure, for people."""


@dataclass(frozen=True, slots=True)
class GateState:
    """A checkpoint's history as far as decisions need it."""

    door: Door
    attending: Mapping[str, str] = field(default_factory=dict)
    approved: bool | None = None
    why: str = ""
    since: int = 0


@dataclass(slots=True)
class State:
    """A run at one moment. `step` copies it before it changes anything."""

    tasks: dict[str, TaskState]
    gates: dict[str, GateState]
    unmet: dict[str, int]
    """Pending task or checkpoint -> how many of its needs are not done."""
    ready: frozenset[str] = frozenset()
    live: dict[str, Attempt] = field(default_factory=dict)
    """Task -> its living attempt."""
    queue: tuple[str, ...] = ()
    """Tasks whose work passed the gate, in the order of integration."""
    heads: dict[str, str] = field(default_factory=dict)
    """Repository -> integration head."""
    landed: dict[str, str] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)
    """Repository -> head whose landing was refused."""
    land_due: bool = False
    """Whether a landing moment of the policy has come since the last landing."""
    timers: dict[str, int] = field(default_factory=dict)
    """Key -> when to fire, milliseconds since the epoch."""
    risks: frozenset[str] = frozenset()
    """Risks whose trigger came true."""
    late: frozenset[str] = frozenset()
    """Risks whose moment has come."""
    requests: frozenset[str] = frozenset()
    """Ids of people's requests already recorded."""
    started: int | None = None
    cancelled: bool = False
    finished: str | None = None
    now: int = 0
    """Time of the last event, milliseconds since the epoch."""

    def copy(self) -> State:
        """Give a state whose containers can be changed without touching this one."""
        return State(
            tasks=dict(self.tasks),
            gates=dict(self.gates),
            unmet=dict(self.unmet),
            ready=self.ready,
            live=dict(self.live),
            queue=self.queue,
            heads=dict(self.heads),
            landed=dict(self.landed),
            held=dict(self.held),
            land_due=self.land_due,
            timers=dict(self.timers),
            risks=self.risks,
            late=self.late,
            requests=self.requests,
            started=self.started,
            cancelled=self.cancelled,
            finished=self.finished,
            now=self.now,
        )


def initial(program: Program) -> State:
    """Give the state before the first event."""
    return State(
        tasks={name: TaskState(Phase.PENDING) for name in program.tasks},
        gates={name: GateState(Door.PENDING) for name in program.gates},
        unmet={name: len(before) for name, before in program.needs.items()},
    )
