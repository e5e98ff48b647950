"""The plan as a typed, frozen value: what every later stage takes, and none changes.

Durations are whole seconds of work. Days in a plan count working days from 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from coditect.findings import Place
from coditect.paths import Language, Pattern

HOUR = 3600


@dataclass(frozen=True, slots=True)
class Effort:
    """How long a task takes; a single figure has all three equal. Seconds of work."""

    optimistic: int
    likely: int
    pessimistic: int

    @property
    def hours(self) -> float:
        """The likely effort in hours."""
        return self.likely / HOUR


@dataclass(frozen=True, slots=True)
class OwnedPath:
    """A pattern within one repository, as `repository:glob` says it."""

    repository: str
    pattern: Pattern

    def __str__(self) -> str:
        return f"{self.repository}:{self.pattern.text}"


@dataclass(frozen=True, slots=True)
class Repository:
    """A git repository that tasks write to."""

    id: str
    path: str
    """Where it is, relative to the workspace; `.` is the workspace itself."""
    branch: str = "main"
    """Where finished work lands."""


@dataclass(frozen=True, slots=True)
class Agent:
    """Somebody who carries out one task at a time."""

    id: str
    adapter: str
    """`command`, `rehearsal`; more come as extras."""
    run: str | None = None
    """The shell command of a `command` agent."""
    days: frozenset[int] | None = None
    """The working days on which it is there; None is always."""
    cost_per_day: float | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    """What the adapter understands beside that."""


@dataclass(frozen=True, slots=True)
class Workstream:
    """Tasks that share their agents and their paths."""

    id: str
    agents: tuple[str, ...]
    slots: int
    """How many of its tasks may be alive at once."""
    owns: tuple[OwnedPath, ...]
    excepts: tuple[OwnedPath, ...] = ()
    title: str = ""


class DeliverableKind(StrEnum):
    """What a deliverable is, and so how its presence is checked."""

    PATH = "path"
    """A file or folder in the task's repository."""
    TAG = "tag"
    """A git tag, made by the engine when the work before it is integrated."""
    SECRET = "secret"  # noqa: S105 - the name of a kind
    """A file handed over outside git."""
    COMMAND = "command"
    """A command that exits 0 once the thing is there."""


@dataclass(frozen=True, slots=True)
class Deliverable:
    """What exists once a task or checkpoint is done."""

    kind: DeliverableKind
    value: str
    """A path, a tag's name, a secret's name or a shell command."""
    repository: str | None = None
    """For `path` and `tag`: where."""

    def __str__(self) -> str:
        where = f"{self.repository}:" if self.repository else ""
        return f"{self.kind} {where}{self.value}"


class VerificationKind(StrEnum):
    """How strong a verification's evidence is, weakest first."""

    PRESENCE = "presence"
    TOOL = "tool"
    CONTRACT = "contract"
    E2E = "e2e"


@dataclass(frozen=True, slots=True)
class Verification:
    """A command that decides whether work is accepted; it runs on the tree to be integrated."""

    kind: VerificationKind
    run: str
    """A shell command, run at the root of the checkout; exit 0 accepts."""
    repository: str | None = None
    """Which checkout it runs in; None is the task's own."""
    timeout: int = 600
    """Seconds of real time."""
    judges: tuple[OwnedPath, ...] = ()
    """Files that decide (test scripts, contracts): taken from the base, never from the lane."""


@dataclass(frozen=True, slots=True)
class Fallback:
    """What is tried once when a task's own retries are used up."""

    agent: str | None = None
    run: str | None = None
    brief: str | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """A piece of work for one agent in one repository."""

    id: str
    title: str
    workstream: str
    effort: Effort
    phase: str | None = None
    needs: tuple[str, ...] = ()
    owns: tuple[OwnedPath, ...] = ()
    """Empty: all that its workstream owns."""
    excepts: tuple[OwnedPath, ...] = ()
    reads: tuple[str, ...] = ()
    """Other repositories it may read."""
    deliverables: tuple[Deliverable, ...] = ()
    verify: tuple[Verification, ...] = ()
    fallback: Fallback | None = None
    brief: str = ""
    """What the agent is told."""
    run: str | None = None
    """A shell command of its own for a `command` agent, in place of the agent's."""
    retries: int = 2
    """How often it is tried again after a failure."""
    timeout: int | None = None
    """Real seconds an attempt may take; None is without limit."""
    secrets: tuple[str, ...] = ()
    """Names of secrets that it is given."""
    day: int | None = None
    """The working day the plan's author had in mind; only compared, never obeyed."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A gate that named workstreams pass together."""

    id: str
    title: str
    participants: tuple[str, ...]
    """Workstreams, one agent of each for the whole duration."""
    after: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    during: str | None = None
    """The task that is the checkpoint's work; it then has no duration of its own."""
    duration: int = 0
    """Seconds of work."""
    deliverable: Deliverable | None = None
    verify: tuple[Verification, ...] = ()
    approval: bool = False
    """Whether a person has to approve."""
    why: str = ""
    days: tuple[int, int] | None = None
    """First and last working day the author had in mind."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """When a risk is considered to have struck."""

    task: str
    late_by: int | None = None
    """Seconds of work past its planned finish; None: when it fails."""


@dataclass(frozen=True, slots=True)
class Risk:
    """Something that may go wrong, and what is done about it."""

    id: str
    title: str
    mitigation: str = ""
    validation: str = ""
    fallback: str = ""
    trigger: Trigger | None = None


@dataclass(frozen=True, slots=True)
class Calendar:
    """How work hours become days."""

    hours_per_day: int = 8
    start: str | None = None
    """ISO date of day 1."""
    currency: str = "USD"
    cost_per_day: float | None = None
    """What a day of the whole project costs."""


@dataclass(frozen=True, slots=True)
class Target:
    """A figure that the plan promises."""

    id: str
    title: str
    value: str


@dataclass(frozen=True, slots=True)
class BaselinePhase:
    """A phase of the declared sequential plan, in working days."""

    title: str
    days_low: int
    days_high: int


@dataclass(frozen=True, slots=True)
class Baseline:
    """A sequential plan that somebody declared, kept apart from the computed one."""

    title: str
    days_low: int
    days_high: int
    phases: tuple[BaselinePhase, ...] = ()
    claims: tuple[Target, ...] = ()
    """What the source says of itself, to be shown beside what follows from the data."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole plan, read and found well-formed; `check` says whether it can be carried out."""

    schema: int
    name: str
    title: str
    repositories: Mapping[str, Repository]
    agents: Mapping[str, Agent]
    workstreams: Mapping[str, Workstream]
    tasks: Mapping[str, Task]
    checkpoints: Mapping[str, Checkpoint]
    risks: Mapping[str, Risk]
    calendar: Calendar
    targets: tuple[Target, ...]
    baseline: Baseline | None
    digest: str
    """SHA-256 of the source text, hex."""
    places: Mapping[tuple[str | int, ...], Place] = field(default_factory=dict, compare=False)

    def place(self, *keys: str | int) -> Place | None:
        """Where the value under these keys stands in the source, or its nearest parent."""
        while keys:
            found = self.places.get(keys)
            if found is not None:
                return found
            keys = keys[:-1]
        return self.places.get(())

    def owned(self, task_id: str) -> tuple[OwnedPath, ...]:
        """The patterns a task owns: its own, or all of its workstream's."""
        task = self.tasks[task_id]
        return task.owns or self.workstreams[task.workstream].owns

    def repository_of(self, task_id: str) -> str | None:
        """The one repository a task writes; None if it owns nothing or several."""
        names = {path.repository for path in self.owned(task_id)}
        return names.pop() if len(names) == 1 else None

    def language(self, task_id: str) -> Language:
        """The paths (within its repository) that a task may change: the proof's and the gate's."""
        task = self.tasks[task_id]
        stream = self.workstreams[task.workstream]
        name = self.repository_of(task_id)

        def of(paths: tuple[OwnedPath, ...]) -> tuple[Pattern, ...]:
            return tuple(path.pattern for path in paths if path.repository == name)

        return Language(of(self.owned(task_id)), of((*task.excepts, *stream.excepts)))
