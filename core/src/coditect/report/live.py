"""A run at this moment, as a value: what each lane does, what waits for what, when it will end.

Pure: everything comes in as arguments, agents' output as bytes, which are made harmless here.
Times are real milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from coditect.plan.model import Plan
from coditect.report.clock import Clock
from coditect.report.event_words import HeldLandings, Said, command, describe
from coditect.report.evidence import Evidence, of_adapter, weakest
from coditect.report.plain import last_line, plain
from coditect.run import events as ev
from coditect.run.explain import why
from coditect.run.kernel import replay
from coditect.run.program import Program
from coditect.run.state import Attempt, Door, Phase, Stage, State

Forecast = Mapping[str, tuple[int, int]]
"""Task or checkpoint -> expected start and finish, seconds of work since the start."""

Output = Callable[[str, int], bytes]
"""Gives the end of what an attempt (task, number) has printed."""

KEEP = 500
"""Events kept for display; most are routine and not shown."""

_STAGES = {
    Stage.STARTING: "starting",
    Stage.RUNNING: "working",
    Stage.EXITED: "saving",
    Stage.COMMITTED: "at the gate",
    Stage.QUEUED: "queued",
    Stage.VERIFIED: "verified",
    Stage.PREPARED: "merging",
}


@dataclass(frozen=True, slots=True)
class LaneView:
    """One slot of a workstream."""

    workstream: str
    slot: int
    task: str = ""
    """Empty: no task of its own is alive in it."""
    number: int = 0
    agent: str = ""
    stage: str = ""
    elapsed: int = 0
    """Since the task's attempt started."""
    expected: int | None = None
    """What its effort would take."""
    output: str = ""
    """The last line that the agent printed."""
    waits: str = ""
    """Of an idle lane: what its workstream waits for, or whom its agent attends."""


@dataclass(frozen=True, slots=True)
class GateView:
    """One checkpoint."""

    id: str
    door: Door
    text: str
    """What it waits for, does, or why it is shut."""
    command: str = ""
    """What a person types to let it go on."""

    @property
    def calls(self) -> bool:
        """Whether it calls for a person."""
        return bool(self.command)


@dataclass(frozen=True, slots=True)
class WaitView:
    """A task that waits, and for what."""

    task: str
    phase: Phase
    text: str
    since: int | None = None
    """How long it is ready already."""
    command: str = ""


@dataclass(frozen=True, slots=True)
class LiveView:
    """A run at one moment."""

    run: str
    title: str
    outcome: str
    """Empty while it goes on."""
    evidence: Evidence
    elapsed: int
    done: int
    tasks: int
    done_hours: float
    hours: float
    planned: int | None
    """When the plan would end, after the start."""
    forecast: int | None
    """When it is expected to end, after the start."""
    lanes: tuple[LaneView, ...]
    queue: tuple[str, ...]
    """Tasks before integration, first one first."""
    checkpoints: tuple[GateView, ...]
    """Those that call for a person first, then those under way, then the others."""
    waiting: tuple[WaitView, ...]
    """Parked ones first, then those ready, then those behind others; most critical first."""
    events: tuple[tuple[int, Said], ...]
    """Those that are no routine, the latest last, each with its time after the start."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the view needs of the journal beside the state."""

    started: ev.RunStarted | None = None
    recent: tuple[ev.Entry, ...] = ()
    ready_since: Mapping[str, int] = field(default_factory=dict)


class Follower:
    """Keeps up with a journal; reading `state` and `facts` is safe from other threads.

    It is fed by the shell as its listener (`hear`) or from the journal (`take`).
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self.state = replay(program, ())
        self.facts = Facts()

    def take(self, entries: Iterable[ev.Entry]) -> None:
        """Take in new entries of the journal."""
        for entry in entries:
            self.hear(entry, replay(self._program, (entry,), self.state))

    def hear(self, entry: ev.Entry, state: State) -> None:
        """Take in one entry with the state it led to."""
        old = self.facts
        since = old.ready_since
        if state.ready is not self.state.ready:
            since = {name: since.get(name, entry.at) for name in state.ready}
        started = entry.event if isinstance(entry.event, ev.RunStarted) else old.started
        recent = old.recent
        if not isinstance(entry.event, ev.TimerFired):
            recent = (*recent, entry)[-KEEP:]
        self.facts = Facts(started, recent, since)
        self.state = state


def snapshot(
    plan: Plan,
    program: Program,
    state: State,
    facts: Facts,
    *,
    now: int,
    run: str = "",
    forecast: Forecast | None = None,
    output: Output | None = None,
    typed: Callable[[str, str, str], str] = command,
) -> LiveView:
    """Look at a run. `now` is in milliseconds since the epoch.

    `typed` words a command from what to do, the name it is done to, and the run.
    """
    zero = state.started if state.started is not None else now
    moment = state.now if state.finished else max(now, state.now)
    clock = Clock(zero, program.settings.pace)

    def ask(what: str, name: str) -> str:
        return typed(what, name, run)

    planned = facts.started.planned if facts.started else {}
    done = [name for name, task in state.tasks.items() if task.phase is Phase.INTEGRATED]
    return LiveView(
        run=plain(run or plan.name),
        title=plain(plan.title),
        outcome=state.finished or "",
        evidence=_evidence(plan, program, facts),
        elapsed=moment - zero,
        done=len(done),
        tasks=len(state.tasks),
        done_hours=sum(plan.tasks[name].effort.hours for name in done),
        hours=sum(task.effort.hours for task in plan.tasks.values()),
        planned=_end(clock, planned),
        forecast=_end(clock, forecast) if forecast and not state.finished else None,
        lanes=tuple(_lanes(plan, program, state, clock, moment, output)),
        queue=tuple(_queue(program, state)),
        checkpoints=_checkpoints(program, state, ask),
        waiting=_waiting(program, state, facts, moment, ask),
        events=tuple(_recent(plan, facts, run, zero)),
    )


def _recent(plan: Plan, facts: Facts, run: str, zero: int) -> Iterator[tuple[int, Said]]:
    held = HeldLandings()
    for entry in facts.recent:
        if isinstance(entry.event, ev.LandingHeld) and held.told(entry.event):
            continue
        if not (said := describe(entry.event, plan, run=run)).routine:
            yield entry.at - zero, said


def _evidence(plan: Plan, program: Program, facts: Facts) -> Evidence:
    settings = facts.started.settings if facts.started else {}
    rehearse = bool(settings.get("rehearse")) or program.settings.pace > 0
    used = {agent for stream in plan.workstreams.values() for agent in stream.agents}
    return weakest(
        of_adapter(plan.agents[name].adapter, rehearse=rehearse) for name in used & set(plan.agents)
    )


def _end(clock: Clock, spans: Forecast) -> int | None:
    last = max((finish for _, finish in spans.values()), default=None)
    return None if last is None else clock.moment(last) - clock.zero


# --- lanes ----------------------------------------------------------------------------------------


def _lanes(
    plan: Plan, program: Program, state: State, clock: Clock, now: int, output: Output | None
) -> Iterable[LaneView]:
    for name, stream in program.streams.items():
        own = {
            attempt.slot: attempt
            for attempt in state.live.values()
            if program.tasks[attempt.task].workstream == name
        }
        attended = _attended(state, name)
        for slot in range(max(stream.slots, max(own, default=-1) + 1)):
            if slot in own:
                yield _busy(plan, name, own[slot], clock, now, output)
            elif attended:
                agent, what = attended.pop(0)
                yield LaneView(name, slot, agent=plain(agent), waits=f"attends {what}")
            else:
                yield LaneView(name, slot, waits=plain(_idle(program, state, name)))


def _attended(state: State, stream: str) -> list[tuple[str, str]]:
    """Who of a workstream attends what at this moment."""
    found = [
        (attempt.attending[stream], attempt.task)
        for attempt in state.live.values()
        if stream in attempt.attending
    ]
    found += [
        (gate.attending[stream], f"checkpoint {name}")
        for name, gate in state.gates.items()
        if stream in gate.attending
    ]
    return found


def _busy(
    plan: Plan, stream: str, attempt: Attempt, clock: Clock, now: int, output: Output | None
) -> LaneView:
    return LaneView(
        workstream=stream,
        slot=attempt.slot,
        task=plain(attempt.task),
        number=attempt.number,
        agent=plain(attempt.agent),
        stage=_STAGES[attempt.stage],
        elapsed=max(now - attempt.started, 0),
        expected=clock.moment(plan.tasks[attempt.task].effort.likely) - clock.zero,
        output=last_line(output(attempt.task, attempt.number)) if output else "",
    )


_NEXT = {Phase.READY: 0, Phase.FAILED: 1, Phase.PENDING: 2}


def _idle(program: Program, state: State, stream: str) -> str:
    """Why a lane has nothing to do: what its workstream's next task waits for."""
    left = [
        (_NEXT[state.tasks[name].phase], node.rank, name)
        for name, node in program.tasks.items()
        if node.workstream == stream and state.tasks[name].phase in _NEXT
    ]
    if not left:
        active = any(program.tasks[name].workstream == stream for name in state.live)
        return "" if active else _rest(program, state, stream)
    name = min(left)[2]
    reasons = why(program, state, name)
    return f"{name} {reasons[0].text}" if reasons else name


def _rest(program: Program, state: State, stream: str) -> str:
    """What became of a workstream that has nothing left to do, if it did not end well."""
    phases = [
        state.tasks[name].phase for name, n in program.tasks.items() if n.workstream == stream
    ]
    told = [f"{phases.count(phase)} {phase}" for phase in (Phase.PARKED, Phase.SKIPPED)]
    return ", ".join(text for text in told if not text.startswith("0 ")) or "nothing left to do"


# --- what waits -----------------------------------------------------------------------------------


def _queue(program: Program, state: State) -> Iterable[str]:
    for place, name in enumerate(state.queue):
        doing = f" ({'; '.join(reason.text for reason in why(program, state, name))})"
        yield plain(name + (doing if place == 0 else ""))


_DOORS = (
    Door.WAITING,
    Door.REJECTED,
    Door.PARKED,
    Door.CONFIRMING,
    Door.HELD,
    Door.DUE,
    Door.PENDING,
    Door.OPEN,
)


def _checkpoints(
    program: Program, state: State, typed: Callable[[str, str], str]
) -> tuple[GateView, ...]:
    def view(name: str) -> GateView:
        door = state.gates[name].door
        text = "; ".join(reason.text for reason in why(program, state, name))
        if door is Door.REJECTED:
            text = f"rejected: {text}"
        ask = ""
        if not state.cancelled:
            if door in (Door.WAITING, Door.REJECTED):
                ask = typed("approve", name)
            elif door is Door.PARKED:
                ask = typed("retry", name)
        return GateView(plain(name), door, plain(text), plain(ask))

    found = [view(name) for name in program.gates]
    return tuple(sorted(found, key=lambda gate: _DOORS.index(gate.door)))


_WAITS = {Phase.PARKED: 0, Phase.READY: 1, Phase.FAILED: 1, Phase.PENDING: 2, Phase.SKIPPED: 3}


def _waiting(
    program: Program,
    state: State,
    facts: Facts,
    now: int,
    typed: Callable[[str, str], str],
) -> tuple[WaitView, ...]:
    names = [name for name, task in state.tasks.items() if task.phase in _WAITS]
    names.sort(key=lambda name: (_WAITS[state.tasks[name].phase], program.tasks[name].rank, name))
    found = []
    for name in names:
        phase = state.tasks[name].phase
        since = facts.ready_since.get(name) if phase is Phase.READY else None
        found.append(
            WaitView(
                task=plain(name),
                phase=phase,
                text=plain("; ".join(reason.text for reason in why(program, state, name))),
                since=None if since is None else max(now - since, 0),
                command=plain(typed("retry", name)) if phase is Phase.PARKED else "",
            )
        )
    return tuple(found)
