"""Drives the real kernel through a plan in simulated time, and keeps the journal.

Effects take as long as a script says and answer well unless it says otherwise, so that a report
can be held against figures that are known beforehand.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from coditect.plan.model import HOUR, Plan
from coditect.run import actions as act
from coditect.run import events as ev
from coditect.run.decide import wanted
from coditect.run.kernel import replay
from coditect.run.program import Program, Settings, compile_program
from coditect.run.state import State, initial

Twist = Callable[[act.Effect, "Journey"], Sequence[ev.Event] | None]
"""May answer an effect in place of the script; None leaves it to the script."""


@dataclass
class Journey:
    """One simulated run. Times are milliseconds; `zero` is when it starts."""

    plan: Plan
    settings: Settings = field(default_factory=lambda: Settings(pace=1000, approve_all=True))
    twist: Twist = lambda effect, journey: None
    planned: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    zero: int = 1_700_000_000_000
    step: int = 1
    """Milliseconds that each effect of the engine takes."""
    skipped: bool = False
    """Whether verifications that are no presence checks are declared and not run."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """More settings, as the journal has them."""
    usage: Mapping[str, float] = field(default_factory=dict)
    journal: list[ev.Entry] = field(default_factory=list)
    changed: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Merge commit -> its paths: by default the task's deliverables."""
    now: int = 0
    program: Program = field(init=False)
    state: State = field(init=False)
    _due: list[tuple[int, int, act.Key | None, Sequence[ev.Event]]] = field(default_factory=list)
    _flights: set[act.Key] = field(default_factory=set)
    _commits: int = 0

    def __post_init__(self) -> None:
        order = tuple(self.plan.tasks) + tuple(self.plan.checkpoints)
        self.program = compile_program(self.plan, self.settings, order, self.planned)
        self.state = initial(self.program)
        self.now = self.zero
        self.record(
            ev.RunStarted(
                plan_file="plan.yaml",
                plan_text="",
                bases=dict.fromkeys(self.plan.repositories, "b" * 40),
                planned=dict(self.planned),
                order=order,
                settings={**asdict(self.settings), **self.extra},
                repositories={name: f"/repos/{name}" for name in self.plan.repositories},
            )
        )

    def record(self, event: ev.Event) -> None:
        """Append an event, now."""
        entry = ev.Entry(len(self.journal) + 1, self.now, event)
        self.journal.append(entry)
        self.state = replay(self.program, (entry,), self.state)

    def at(self, after: int, *events: ev.Event) -> None:
        """Let something happen so many milliseconds after the start."""
        heapq.heappush(self._due, (self.zero + after, len(self._due) + 10**6, None, events))

    def changes(self, repository: str, commit: str) -> Sequence[str]:
        """Answer as git would."""
        return self.changed[commit]

    def run(self, until: int | None = None) -> list[ev.Entry]:
        """Go on to the end, or for so many milliseconds after the start; give the journal."""
        while self._goes_on():
            timers = [
                (due, -1, None, (ev.TimerFired(key),)) for key, due in self.state.timers.items()
            ]
            following = min([*self._due[:1], *timers], key=lambda item: item[:2], default=None)
            if following is None:
                break
            moment, order, key, events = following
            if until is not None and moment > self.zero + until:
                self.now = self.zero + until
                break
            if order >= 0:
                heapq.heappop(self._due)
            self.now = max(self.now, moment)
            self._flights.discard(key or ())
            for event in events:
                self.record(event)
        return self.journal

    def _goes_on(self) -> bool:
        """Decide, start effects, and say whether anything is still to come."""
        while True:
            actions = wanted(self.program, self.state)
            records = [action.event for action in actions if isinstance(action, act.Record)]
            for event in records:
                self.record(event)
            if not records:
                break
        for effect in actions:
            assert not isinstance(effect, act.Record)
            key = act.key(effect)
            if key not in self._flights:
                self._flights.add(key)
                twisted = self.twist(effect, self)
                events = self.answer(effect) if twisted is None else twisted
                due = self.now + self.takes(effect)
                heapq.heappush(self._due, (due, len(self.journal) + len(self._due), key, events))
        people = any(key is None for _, _, key, _ in self._due)
        return people or not self.state.finished

    def takes(self, effect: act.Effect) -> int:
        """How long an effect takes."""
        if isinstance(effect, act.Watch):
            hour = self.settings.pace or HOUR * 1000
            return self.plan.tasks[effect.attempt.task].effort.likely * hour // HOUR
        return self.step

    def answer(self, effect: act.Effect) -> Sequence[ev.Event]:
        """Carry an effect out well."""
        match effect:
            case act.Land(repository, commit):
                return (ev.Landed(repository, "main", commit),)
            case act.Confirm(checkpoint):
                gate = self.plan.checkpoints[checkpoint]
                results = tuple(self.result("presence", str(gate.deliverable), True) for _ in "1")
                return (ev.CheckpointVerified(checkpoint, True, results),)
        attempt = effect.attempt
        who = (attempt.task, attempt.number)
        task = self.plan.tasks[attempt.task]
        match effect:
            case act.Launch():
                return (ev.AttemptAttached(*who, pid=100),)
            case act.Watch():
                return (ev.AttemptExited(*who, reason="exit", code=0, usage=self.usage),)
            case act.Stop():
                return (ev.AttemptExited(*who, reason="stopped", signal=15),)
            case act.Save():
                return (ev.WorkSaved(*who, f"w-{attempt.task}", "tree", "ref", 1),)
            case act.Inspect():
                return (ev.DiffChecked(*who, ok=True),)
            case act.Build(_, onto):
                self._commits += 1
                commit = f"{self._commits:040x}"
                paths = tuple(each.value for each in task.deliverables)
                self.changed[commit] = paths or (f"{attempt.task}.txt",)
                return (ev.CandidateBuilt(*who, onto, commit, f"{self._commits + 999:040x}"),)
            case act.Verify(_, candidate):
                results = tuple(self.result(str(each.kind), each.run, True) for each in task.verify)
                return (ev.CandidateVerified(*who, candidate.commit, True, results),)
            case act.Swap(_, candidate):
                repository = self.program.tasks[attempt.task].repository
                return (ev.Integrated(*who, repository, candidate.commit),)
        raise AssertionError(effect)

    def result(self, kind: str, run: str, ok: bool, message: str = "") -> dict[str, Any]:
        """Make a verification's result as the journal has it."""
        result = {"kind": kind, "ok": ok, "message": message, "run": run, "seconds": 0.001}
        return {**result, "skipped": True} if self.skipped and kind != "presence" else result
