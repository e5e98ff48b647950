"""What happened in a run, and when: the journal read once, through the run's own kernel.

The kernel ignores facts about dead attempts and repeats of what it knows; so does this reading,
because it looks at how the kernel's state moved and not at the events alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from coditect.run import events as ev
from coditect.run.fold import Fold
from coditect.run.program import Program
from coditect.run.state import Attempt, Door, Phase, State, initial


class Ending(StrEnum):
    """How an attempt ended."""

    INTEGRATED = "integrated"
    FAILED = "failed"
    LOST = "lost"
    ALIVE = "alive"
    """It has not."""


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One attempt; moments are milliseconds since the epoch, None if they did not come."""

    task: str
    number: int
    agent: str
    slot: int
    attending: Mapping[str, str]
    rescue: bool
    started: int
    attached: int | None = None
    exited: int | None = None
    """When its agent ended, as far as anybody knows."""
    noticed: int | None = None
    """When a coordinator took note of that: later, if none lived when it happened."""
    saved: int | None = None
    checked: int | None = None
    built: int | None = None
    """The first merge; it may have been built again on a moved head."""
    verified: int | None = None
    """The last verification."""
    ended: int | None = None
    ending: Ending = Ending.ALIVE
    reason: str = ""
    """Of a failure or loss, as the journal says it."""
    message: str = ""
    repository: str = ""
    commit: str = ""
    """The merge commit, once integrated."""
    reattached: int = 0
    changed: int | None = None
    """Number of paths the agent changed."""
    refusals: tuple[ev.Told, ...] = ()
    conflicts: tuple[str, ...] = ()
    results: tuple[ev.Told, ...] = ()
    """Of the last verification."""
    usage: Mapping[str, float] = field(default_factory=dict)

    @property
    def unnoticed(self) -> int:
        """Give how long its agent was gone while nobody looked."""
        if self.exited is None or self.noticed is None:
            return 0
        return self.noticed - self.exited


@dataclass(slots=True)
class Waits:
    """How long a task stood in phases that are no work. Milliseconds."""

    since: int | None = None
    """Since when it is ready; None: it is not."""
    failed: int | None = None
    """Since when it waits for its next try; None: it does not."""
    ready: int = 0
    backoff: int = 0
    first: int | None = None
    """When it was ready for the first time."""


@dataclass(slots=True)
class GateRecord:
    """A checkpoint's way; moments and times in milliseconds."""

    door: Door = Door.PENDING
    entered: dict[Door, int] = field(default_factory=dict)
    """When each state was reached for the first time."""
    spent: dict[Door, int] = field(default_factory=dict)
    since: int = 0
    attending: Mapping[str, str] = field(default_factory=dict)
    """Workstream -> the agent that attends or attended."""
    attended: int = 0
    """How long they did."""
    attends_since: int | None = None
    results: tuple[ev.Told, ...] = ()
    refused: tuple[ev.Told, ...] = ()
    """Results of looks that did not pass."""
    decisions: list[tuple[int, ev.ApprovalRecorded]] = field(default_factory=list)


@dataclass(slots=True)
class History:
    """All that a report needs of a journal."""

    state: State
    attempts: dict[tuple[str, int], AttemptRecord] = field(default_factory=dict)
    """In the order of their start."""
    waits: dict[str, Waits] = field(default_factory=dict)
    gates: dict[str, GateRecord] = field(default_factory=dict)
    merges: list[tuple[str, str, str]] = field(default_factory=list)
    """Task, repository and merge commit, in the order of integration."""
    landed: dict[str, ev.Landed] = field(default_factory=dict)
    held: dict[str, ev.LandingHeld] = field(default_factory=dict)
    unpushed: set[str] = field(default_factory=set)
    """Repositories whose branch landed and could not be pushed."""
    risks: list[tuple[int, ev.RiskTriggered]] = field(default_factory=list)
    restarts: int = 0
    """Coordinators that took attempts over; at least, for one that found none says so nowhere."""
    downtime: int = 0
    """How long nobody carried the run on: at least, for it shows only by agents that ended then."""
    started: int = 0
    last: int = 0
    """When something last happened to a task or checkpoint, or (unfinished) to anything."""

    def of(self, task: str) -> tuple[AttemptRecord, ...]:
        """Give a task's attempts, first one first."""
        count = self.state.tasks[task].attempts
        found = (self.attempts.get((task, number)) for number in range(1, count + 1))
        return tuple(record for record in found if record is not None)


_ASIDE = (
    ev.TimerFired
    | ev.RunFinished
    | ev.Landed
    | ev.LandingHeld
    | ev.RiskTriggered
    | ev.CancelRequested
    | ev.RetryRequested
)
"""What happens beside the work and does not make it longer."""


def read(program: Program, entries: Iterable[ev.Entry]) -> History:
    """Read a run's journal from its first event on."""
    reader = _Reader(program)
    for entry in entries:
        reader.take(entry)
    return reader.close()


class _Reader:
    def __init__(self, program: Program) -> None:
        self._state = initial(program)
        self._fold = Fold(program, self._state)
        self._history = History(
            self._state,
            waits={name: Waits() for name in program.tasks},
            gates={name: GateRecord() for name in program.gates},
        )
        self._program = program
        self._took_over: dict[tuple[str, int], int] = {}
        self._wave = 0
        self._wave_at = 0
        self._wave_down = 0

    def take(self, entry: ev.Entry) -> None:
        state, event = self._state, entry.event
        task = getattr(event, "task", None)
        was = state.live.get(task) if task else None
        ready, gates, before = state.ready, dict(state.gates), state.now
        self._fold.enter(entry)
        if state.ready is not ready:
            self._readiness(ready)
        for name, gate in state.gates.items():
            if gate is not gates[name]:
                self._gate(name, gate.door, event)
        if task:
            self._attempt(event, was, state.live.get(task), before)
        self._about_run(event)
        if not isinstance(event, _ASIDE):
            self._history.last = state.now

    def close(self) -> History:
        """Let what still lasts last until now, and hand over."""
        history, now = self._history, self._state.now
        if not self._state.finished:
            history.last = now
        for wait in history.waits.values():
            if wait.since is not None:
                wait.ready += now - wait.since
            if wait.failed is not None:
                wait.backoff += now - wait.failed
        for gate in history.gates.values():
            if gate.door not in (Door.PENDING, Door.OPEN):
                gate.spent[gate.door] = gate.spent.get(gate.door, 0) + now - gate.since
            if gate.attends_since is not None:
                gate.attended += now - gate.attends_since
                gate.attends_since = None
        return history

    def _readiness(self, before: frozenset[str]) -> None:
        now, waits = self._state.now, self._history.waits
        for name in self._state.ready - before:
            wait = waits[name]
            wait.since = now
            wait.first = now if wait.first is None else wait.first
            if wait.failed is not None:
                wait.backoff += now - wait.failed
                wait.failed = None
        for name in before - self._state.ready:
            wait = waits[name]
            if wait.since is not None:
                wait.ready += now - wait.since
                wait.since = None

    def _gate(self, name: str, door: Door, event: ev.Event) -> None:
        gate, now = self._history.gates[name], self._state.now
        if gate.door is not door:
            gate.spent[gate.door] = gate.spent.get(gate.door, 0) + now - gate.since
            gate.since = now
            gate.door = door
            gate.entered.setdefault(door, now)
        attending = self._state.gates[name].attending
        if attending and gate.attends_since is None:
            gate.attending, gate.attends_since = attending, now
        elif not attending and gate.attends_since is not None:
            gate.attended += now - gate.attends_since
            gate.attends_since = None
        if isinstance(event, ev.CheckpointVerified):
            gate.results = event.results
            gate.refused += () if event.ok else event.results
        elif isinstance(event, ev.ApprovalRecorded):
            gate.decisions.append((now, event))

    def _attempt(self, event: Any, was: Attempt | None, now: Attempt | None, before: int) -> None:
        at, attempts = self._state.now, self._history.attempts
        if was is None and now is not None:
            attempts[now.task, now.number] = AttemptRecord(
                task=now.task,
                number=now.number,
                agent=now.agent,
                slot=now.slot,
                attending=now.attending,
                rescue=now.rescue,
                started=at,
                repository=self._program.tasks[now.task].repository,
            )
        elif was is not None and now is not was:
            key = (was.task, was.number)
            record = _told(attempts[key], event, at, before)
            if now is None:
                record = self._ended(replace(record, ended=at))
            attempts[key] = record
            if isinstance(event, ev.AttemptAttached | ev.AttemptExited) and event.again:
                self._taken_over(record)
                if isinstance(event, ev.AttemptExited) and event.reason != "lost":
                    self._nobody_for(record.unnoticed)

    def _ended(self, record: AttemptRecord) -> AttemptRecord:
        if record.ending is Ending.INTEGRATED:
            self._history.merges.append((record.task, record.repository, record.commit))
        elif self._state.tasks[record.task].phase is Phase.FAILED:
            self._history.waits[record.task].failed = self._state.now
        return record

    def _taken_over(self, record: AttemptRecord) -> None:
        """Count restarts: one takes every attempt at work over once, and none begun after it."""
        key = (record.task, record.number)
        if self._took_over.get(key) == self._wave or record.started >= self._wave_at:
            self._wave += 1
            self._wave_at = self._state.now
            self._wave_down = 0
            self._history.restarts = self._wave
        self._took_over[key] = self._wave

    def _nobody_for(self, milliseconds: int) -> None:
        """Count the longest that an agent waited to be looked at before this restart."""
        self._history.downtime += max(milliseconds - self._wave_down, 0)
        self._wave_down = max(milliseconds, self._wave_down)

    def _about_run(self, event: ev.Event) -> None:
        history, at = self._history, self._state.now
        match event:
            case ev.RunStarted():
                history.started = at if self._state.started is None else self._state.started
            case ev.Landed(repository):
                history.landed[repository] = event
                history.held.pop(repository, None)
                history.unpushed.discard(repository)
            case ev.LandingHeld(repository):
                history.held[repository] = event
                history.unpushed |= {repository} if event.moved else set()
            case ev.RiskTriggered(risk) if all(known.risk != risk for _, known in history.risks):
                history.risks.append((at, event))
            case _:
                pass


def _told(record: AttemptRecord, event: Any, at: int, before: int) -> AttemptRecord:
    """Add what an event says to the record of the attempt that it moved.

    `before` is when the journal was last written to.
    """
    match event:
        case ev.AttemptAttached():
            first = at if record.attached is None else record.attached
            return replace(record, attached=first, reattached=record.reattached + event.again)
        case ev.AttemptExited():
            return _exited(record, event, at, before)
        case ev.WorkSaved():
            return replace(record, saved=at, changed=event.changed)
        case ev.DiffChecked():
            return replace(record, checked=at, refusals=() if event.ok else event.findings)
        case ev.CandidateBuilt():
            first = at if record.built is None else record.built
            return replace(record, built=first, conflicts=event.conflicts)
        case ev.CandidateVerified():
            return replace(record, verified=at, results=event.results)
        case ev.Integrated():
            return replace(record, ending=Ending.INTEGRATED, commit=event.commit)
        case ev.AttemptFailed():
            return replace(record, ending=Ending.FAILED, reason=event.reason, message=event.message)
        case ev.AttemptLost():
            return replace(record, ending=Ending.LOST, reason="lost", message=event.why)
        case _:
            return record


def _exited(record: AttemptRecord, event: ev.AttemptExited, at: int, before: int) -> AttemptRecord:
    """Tell when an agent ended from when that was noticed, if no coordinator lived meanwhile."""
    attached, wall = record.attached, event.usage.get("wall")
    end = at
    if event.again and wall is not None:
        # Without a word of its beginning it was started and not yet attached: right after that.
        attached = record.started if attached is None else attached
        end = min(at, attached + round(wall * 1000))
    elif event.again and attached is not None:
        end = max(attached, before)  # whoever saw it is lost too; this long it was at work
    return replace(record, attached=attached, exited=end, noticed=at, usage=event.usage)
