"""A run's report as a value: the plan against what happened.

Hours are hours of the plan: of a rehearsal, real time divided by its pace; of real agents, hours
of the clock, nights included. Hours on the axis count from the start of the run. What was planned
is always *modelled*; each part says what its actual figures are evidence of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from coditect.plan.model import VerificationKind
from coditect.report.evidence import Evidence, Figure


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when, in hours since the start."""

    start: float
    finish: float

    @property
    def hours(self) -> float:
        """How long."""
        return self.finish - self.start


@dataclass(frozen=True, slots=True)
class Check:
    """One verification's result."""

    kind: VerificationKind | None
    """None: the engine could not look."""
    ok: bool
    run: bool
    """Whether it ran; if not, `ok` means nothing."""
    what: str
    """The command, or what was looked for."""
    message: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Tally:
    """How the verifications of one kind came out."""

    passed: int
    failed: int
    """Refusals along the way; work that was refused is not integrated."""
    not_run: int
    """Declared and not run: no evidence of anything."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something the gate, a merge or a verification did not let through."""

    subject: str
    """The task or checkpoint."""
    number: int | None
    """The attempt."""
    by: str
    """`gate`, `conflict` or `verification`."""
    code: str
    message: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AttemptLine:
    """One attempt on the time axis."""

    number: int
    agent: str
    span: Span
    """Its life; of a living one, until the last event."""
    work: Span | None
    """While the agent's processes were there."""
    ending: str
    reason: str
    message: str
    rescue: bool


@dataclass(frozen=True, slots=True)
class GateTime:
    """From the agent's exit to integration, in real milliseconds."""

    save: int
    gate: int
    queue: int
    """Waiting for the integrator."""
    verification: int
    integration: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.save + self.gate + self.queue + self.verification + self.integration


@dataclass(frozen=True, slots=True)
class TaskLine:
    """A task: plan against actual."""

    id: str
    title: str
    workstream: str
    phase: str | None
    state: str
    """As the kernel calls it: `integrated`, `parked`, ..."""
    why: str
    """If it did not get there: why."""
    effort: float
    """Planned hours."""
    planned: Span | None
    actual: Span | None
    """From the first attempt's start to integration, or as far as it came."""
    work: float
    """Hours that agents worked on it, in all attempts."""
    lost_work: float
    """The part of them that was not integrated."""
    waiting: float
    """Hours it was ready and had no slot or agent."""
    backoff: float
    """Hours between a failure and the next try."""
    gate: GateTime | None
    attempts: tuple[AttemptLine, ...]
    agents: tuple[str, ...]
    repository: str
    commit: str
    changed: tuple[str, ...] | None
    """Paths its merge changed; None: not known."""
    checks: tuple[Check, ...]
    """Of the tree that was integrated, or last looked at."""
    rework: tuple[tuple[str, str], ...]
    """Paths that an earlier task had brought in, with that task."""
    evidence: Evidence

    @property
    def late(self) -> float | None:
        """Hours its integration came after the planned finish; negative is early."""
        if self.planned is None or self.actual is None or self.state != "integrated":
            return None
        return self.actual.finish - self.planned.finish

    @property
    def verified(self) -> bool:
        """Whether anything at all was verified on what was integrated."""
        return any(check.run and check.ok for check in self.checks)


@dataclass(frozen=True, slots=True)
class StreamLine:
    """A workstream: plan against actual."""

    id: str
    title: str
    slots: int
    done: int
    tasks: int
    planned_hours: float
    """Effort of its tasks."""
    work: float
    waiting: float
    gate: float
    """Hours between an agent's exit and the end of its attempt."""
    planned_utilisation: float | None
    """Planned hours as a share of planned makespan times slots."""
    utilisation: float | None
    """Worked hours as a share of elapsed time times slots."""
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Decision:
    """Who decided on a checkpoint."""

    approved: bool
    by: str
    """A person's name, or `--yes`: nobody looked."""
    note: str
    at: float


@dataclass(frozen=True, slots=True)
class CheckpointLine:
    """A checkpoint: plan against actual. Times in hours."""

    id: str
    title: str
    state: str
    why: str
    participants: tuple[str, ...]
    attending: tuple[str, ...]
    planned: Span | None
    actual: Span | None
    """From the moment its participants attend to its opening."""
    gathering: float
    """Participants drained."""
    hold: float
    verification: float
    approval_wait: float
    decisions: tuple[Decision, ...]
    approval: bool
    """Whether the plan asks for one."""
    checks: tuple[Check, ...]
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class AgentLine:
    """An agent's hours."""

    id: str
    adapter: str
    work: float
    attending: float
    """At checkpoints, for others' work or for the checkpoint itself."""
    held: float
    """Its attempt was over and not yet through the gate."""
    utilisation: float | None
    """Worked and attended hours as a share of elapsed time."""
    attempts: int
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Totals:
    """The figures of the whole run."""

    sequential: Figure
    """All efforts and checkpoints one after the other."""
    planned_makespan: Figure | None
    elapsed: Figure
    """From the start until everything was done, or until now."""
    makespan: Figure | None
    """The same; only of a run that succeeded."""
    delay: Figure | None
    planned_speed_up: Figure | None
    speed_up: Figure | None
    velocity: Figure | None
    """Planned hours done an hour."""
    throughput: Figure | None
    """Tasks done an hour."""
    waiting: Figure
    gate: Figure
    """Hours between agents' exits and the ends of their attempts."""
    approval_wait: Figure
    downtime: Figure | None
    """Hours that nobody carried the run on, at least; None: that does not show."""
    done: int
    tasks: int
    attempts: int
    failed: int
    lost: int
    retried: int
    """Tasks that took more than one attempt."""
    conflicts: int
    """Merges that did not go through."""
    changed: int | None
    """Changes of paths that were integrated; None: not known."""
    rework: Figure | None
    """Share of them that changed what an earlier task had brought in."""
    overhead_median: Figure | None
    """Real milliseconds from an agent's exit to integration."""
    overhead_p95: Figure | None
    usage: Mapping[str, float]
    """Sums over all attempts. `wall`, `user` and `sys` are seconds that supervisors saw; everything
    else is what agents said, a claim of theirs."""


@dataclass(frozen=True, slots=True)
class RiskLine:
    """A risk whose trigger came true."""

    id: str
    title: str
    why: str
    at: float
    mitigation: str
    fallback: str


@dataclass(frozen=True, slots=True)
class LandingLine:
    """Where a repository's target branch stands."""

    repository: str
    branch: str
    head: str
    """Integration's head."""
    landed: str
    """The branch's commit."""
    complete: bool
    held: str
    """Why the branch was not moved, or not pushed."""
    hint: str
    moved: bool
    """Whether `held` is about the push only."""
    pushed: bool | None
    """Whether the branch is pushed as far as it has landed; None: the run does not push."""


@dataclass(frozen=True, slots=True)
class RunReport:
    """A run, plan against actual."""

    run: str
    plan: str
    title: str
    outcome: str
    """`succeeded`, `failed`, `cancelled`, or `unfinished`."""
    started: int
    """Milliseconds since the epoch."""
    last: int
    """Of the last event."""
    pace: int
    """Milliseconds of real time for a planned hour; 0: agents really worked."""
    restarts: int
    """Coordinators that went on with what an earlier one had begun, at least."""
    evidence: Evidence
    """The weakest of all its parts."""
    totals: Totals
    tasks: tuple[TaskLine, ...]
    streams: tuple[StreamLine, ...]
    checkpoints: tuple[CheckpointLine, ...]
    agents: tuple[AgentLine, ...]
    task_checks: Mapping[str, Tally]
    """By kind, weakest first; `engine` where none could be looked at."""
    checkpoint_checks: Mapping[str, Tally]
    refusals: tuple[Refusal, ...]
    risks: tuple[RiskLine, ...]
    landings: tuple[LandingLine, ...]
    hours_per_day: int

    @property
    def unverified(self) -> tuple[str, ...]:
        """Tasks that were integrated although nothing was verified."""
        return tuple(
            task.id for task in self.tasks if task.state == "integrated" and not task.verified
        )

    @property
    def undone(self) -> tuple[TaskLine, ...]:
        """Tasks that are not integrated; while the run goes on, those that it gave up."""
        given_up = ("parked", "skipped")
        return tuple(
            task
            for task in self.tasks
            if task.state in given_up
            or (self.outcome != "unfinished" and task.state != "integrated")
        )

    @property
    def trust(self) -> str:
        """What the whole may be taken for, in a sentence or two."""
        return _TRUST[self.evidence]


_TRUST = {
    Evidence.MODELLED: "Nothing was done yet: these figures come from the schedule.",
    Evidence.REHEARSED: (
        "Stand-in agents went through the motions at the plan's pace. The engine's part (order, "
        "gates, merges, checkpoints) really took place; how long real agents take, and whether "
        "what they write works, is not shown by this."
    ),
    Evidence.REPLAYED: (
        "Work that was finished earlier was delivered again. The engine's part really took place; "
        "how long the work took is not shown by this."
    ),
    Evidence.MEASURED: "Agents really worked.",
}
