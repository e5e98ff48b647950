"""The facts of a run, in the past tense.

Every event is a frozen dataclass with a `kind`. Agent output is never part of an event: what
agents print stays in their attempt folders.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

EVENT_VERSION = 1
"""Version of the bodies below; a journal with a higher one is refused in words."""

Told: TypeAlias = Mapping[str, Any]
"""A finding or a verification's result as plain data."""


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run began: everything the kernel needs to know is in here."""

    kind: ClassVar[str] = "run_started"
    plan_file: str
    plan_text: str
    bases: Mapping[str, str]
    """Repository -> the commit its target branch had."""
    planned: Mapping[str, tuple[int, int]]
    """Task or checkpoint -> planned start and finish, seconds of work."""
    order: tuple[str, ...]
    """Tasks and checkpoints, most critical first."""
    settings: Mapping[str, Any]
    repositories: Mapping[str, str] = field(default_factory=dict)
    """Repository -> absolute path."""


@dataclass(frozen=True, slots=True)
class AttemptStarted:
    """A task was given to an agent on a base; its life begins."""

    kind: ClassVar[str] = "attempt_started"
    task: str
    number: int
    slot: int
    agent: str
    base: str
    heads: Mapping[str, str]
    attending: Mapping[str, str] = field(default_factory=dict)
    """Other workstream -> its agent, when the task is a checkpoint's work."""
    rescue: bool = False
    """Whether it is the task's fallback."""


@dataclass(frozen=True, slots=True)
class AttemptAttached:
    """A supervisor holds the attempt and this coordinator watches it."""

    kind: ClassVar[str] = "attempt_attached"
    task: str
    number: int
    pid: int
    isolation: str = ""
    again: bool = False
    """Whether an earlier coordinator had started it."""


@dataclass(frozen=True, slots=True)
class AttemptExited:
    """The agent's process tree is gone."""

    kind: ClassVar[str] = "attempt_exited"
    task: str
    number: int
    reason: str
    """`exit`, `timeout`, `stopped`, `orphaned`, `lost`, or `failed` if its supervisor did."""
    code: int | None = None
    signal: int | None = None
    usage: Mapping[str, float] = field(default_factory=dict)
    left_processes: int = 0
    output_bytes: int = 0
    dropped_bytes: int = 0
    again: bool = False
    """Whether an earlier coordinator had started it, and this one found it ended."""


@dataclass(frozen=True, slots=True)
class WorkSaved:
    """What the agent wrote is a commit under a ref."""

    kind: ClassVar[str] = "work_saved"
    task: str
    number: int
    commit: str
    tree: str
    ref: str
    changed: int
    """Number of changed paths against the base."""
    findings: tuple[Told, ...] = ()


@dataclass(frozen=True, slots=True)
class DiffChecked:
    """The gate read the diff."""

    kind: ClassVar[str] = "diff_checked"
    task: str
    number: int
    ok: bool
    findings: tuple[Told, ...] = ()


@dataclass(frozen=True, slots=True)
class CandidateBuilt:
    """The merge of the work onto a head exists as a commit; None if it conflicts."""

    kind: ClassVar[str] = "candidate_built"
    task: str
    number: int
    onto: str
    commit: str | None
    tree: str | None
    conflicts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CandidateVerified:
    """The verifications ran on the candidate's tree."""

    kind: ClassVar[str] = "candidate_verified"
    task: str
    number: int
    commit: str
    ok: bool
    results: tuple[Told, ...] = ()
    heads: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IntegrationPrepared:
    """The integration ref is about to move from `old` to `new`; the ref is the record."""

    kind: ClassVar[str] = "integration_prepared"
    task: str
    number: int
    repository: str
    new: str
    old: str
    tree: str
    heads: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Integrated:
    """The prepared commit is on the integration ref."""

    kind: ClassVar[str] = "integrated"
    task: str
    number: int
    repository: str
    commit: str


@dataclass(frozen=True, slots=True)
class Landed:
    """The target branch was fast-forwarded."""

    kind: ClassVar[str] = "landed"
    repository: str
    branch: str
    commit: str


@dataclass(frozen=True, slots=True)
class LandingHeld:
    """The target branch was not moved, or not pushed; tried again when the head moves."""

    kind: ClassVar[str] = "landing_held"
    repository: str
    branch: str
    commit: str
    reason: str
    hint: str = ""
    moved: bool = False
    """Whether the branch was moved, and only the push did not go through."""


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """An attempt ended without integration and counts as a failure."""

    kind: ClassVar[str] = "attempt_failed"
    task: str
    number: int
    reason: str
    """`exit`, `timeout`, `gate`, `conflict`, `verification`, `lost`, `engine` or `cancelled`."""
    message: str = ""
    retry_at: int | None = None
    """Milliseconds since the epoch of the next try; None: none is planned."""


@dataclass(frozen=True, slots=True)
class AttemptLost:
    """An attempt's supervisor is gone without a result; it does not consume a retry."""

    kind: ClassVar[str] = "attempt_lost"
    task: str
    number: int
    why: str = ""
    alive: bool = False
    """Whether it was lost under a living coordinator; only such losses are counted."""


@dataclass(frozen=True, slots=True)
class EffectFailed:
    """The engine could not do its part for an attempt (no disk, broken repository)."""

    kind: ClassVar[str] = "effect_failed"
    task: str
    number: int
    effect: str
    message: str


@dataclass(frozen=True, slots=True)
class TaskParked:
    """A task has no tries left and waits for a person."""

    kind: ClassVar[str] = "task_parked"
    task: str
    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class TaskSkipped:
    """A task will not be done in this run."""

    kind: ClassVar[str] = "task_skipped"
    task: str
    because: str


@dataclass(frozen=True, slots=True)
class TimerFired:
    """A moment that the kernel asked for has come."""

    kind: ClassVar[str] = "timer_fired"
    key: str


@dataclass(frozen=True, slots=True)
class CheckpointHeld:
    """The participants have drained and attend."""

    kind: ClassVar[str] = "checkpoint_held"
    checkpoint: str
    attending: Mapping[str, str]
    until: int | None = None
    """Milliseconds since the epoch until which it is held; None: no time of its own."""


@dataclass(frozen=True, slots=True)
class CheckpointVerified:
    """Its deliverable and verifications were looked at."""

    kind: ClassVar[str] = "checkpoint_verified"
    checkpoint: str
    ok: bool
    results: tuple[Told, ...] = ()
    heads: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CheckpointOpened:
    """What is behind it may start."""

    kind: ClassVar[str] = "checkpoint_opened"
    checkpoint: str


@dataclass(frozen=True, slots=True)
class ApprovalRecorded:
    """A person (or `--yes`) decided on a checkpoint."""

    kind: ClassVar[str] = "approval_recorded"
    checkpoint: str
    approved: bool
    by: str
    note: str = ""
    request: str = ""


@dataclass(frozen=True, slots=True)
class RetryRequested:
    """A person asks that a parked task or checkpoint be tried again."""

    kind: ClassVar[str] = "retry_requested"
    subject: str
    by: str
    request: str = ""


@dataclass(frozen=True, slots=True)
class RiskTriggered:
    """A risk's trigger came true."""

    kind: ClassVar[str] = "risk_triggered"
    risk: str
    why: str


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """A person asks that a task, or (None) the whole run, be stopped."""

    kind: ClassVar[str] = "cancel_requested"
    by: str
    task: str | None = None
    request: str = ""


@dataclass(frozen=True, slots=True)
class RunFinished:
    """Nothing more can be done without a person."""

    kind: ClassVar[str] = "run_finished"
    outcome: str
    """`succeeded`, `failed` or `cancelled`."""


Event: TypeAlias = (
    RunStarted
    | AttemptStarted
    | AttemptAttached
    | AttemptExited
    | WorkSaved
    | DiffChecked
    | CandidateBuilt
    | CandidateVerified
    | IntegrationPrepared
    | Integrated
    | Landed
    | LandingHeld
    | AttemptFailed
    | AttemptLost
    | EffectFailed
    | TaskParked
    | TaskSkipped
    | TimerFired
    | CheckpointHeld
    | CheckpointVerified
    | CheckpointOpened
    | ApprovalRecorded
    | RetryRequested
    | RiskTriggered
    | CancelRequested
    | RunFinished
)

KINDS: Mapping[str, type[Event]] = {cls.kind: cls for cls in typing.get_args(Event)}


@dataclass(frozen=True, slots=True)
class Entry:
    """An event with its place in the journal; time enters the kernel only here."""

    seq: int
    at: int
    """Milliseconds since the epoch, never going back within a run."""
    event: Event
