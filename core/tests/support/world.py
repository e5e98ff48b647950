"""A world for the kernel: it answers effects in any order, fails, repeats itself and crashes.

It keeps its own books (what lives, what is on the refs, what was verified) and checks the design's
invariants against those, never against the kernel's state.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from coditect.run import actions as act
from coditect.run import events as ev
from coditect.run.decide import wanted
from coditect.run.kernel import replay, step
from coditect.run.program import GateNode, Program, RiskNode, Settings, StreamNode, TaskNode
from coditect.run.state import State, initial


@dataclass
class Odds:
    """How often things go wrong, each between 0 and 1."""

    fail: float = 0.1
    lose: float = 0.05
    conflict: float = 0.03
    refuse: float = 0.05
    repeat: float = 0.1
    crash: float = 0.02
    person: float = 0.02


def random_program(rng: random.Random, tasks: int, settings: Settings) -> Program:
    """Make up a plan's graph: streams with shared agents, checkpoints of both kinds, risks."""
    agents = [f"agent-{i}" for i in range(rng.randint(1, 4))]
    streams = {
        f"s{i}": StreamNode(
            tuple(rng.sample(agents, rng.randint(1, len(agents)))), rng.randint(1, 2)
        )
        for i in range(rng.randint(1, 3))
    }
    names = [f"t{i:02}" for i in range(tasks)]
    order = names[:]
    rng.shuffle(order)
    needs: dict[str, set[str]] = {
        name: {other for other in names[:i] if rng.random() < 1.5 / (i + 1)}
        for i, name in enumerate(names)
    }
    gates: dict[str, GateNode] = {}
    during: dict[str, str] = {}
    for i in range(rng.randint(0, 2)):
        gate = f"gate{i}"
        cut = rng.randint(0, tasks - 1)
        after, before = names[:cut], names[cut:]
        participants = tuple(rng.sample(sorted(streams), rng.randint(1, len(streams))))
        work = None
        if rng.random() < 0.5 and names[cut] not in during:
            work = names[cut]
            during[work] = gate
            needs[work] |= set(rng.sample(after, min(2, len(after))))
            needs[gate] = {work}
            behind = {name for name in before if work in needs[name] or rng.random() < 0.3}
            behind.discard(work)
        else:
            needs[gate] = set(rng.sample(after, min(2, len(after))))
            behind = {name for name in before if rng.random() < 0.4}
        for name in behind:
            needs[name].add(gate)
        gates[gate] = GateNode(
            gate, participants, work, rng.random() < 0.5, rng.randint(0, tasks), rng.choice((0, 50))
        )
    dependents: dict[str, list[str]] = {}
    for name, before_it in needs.items():
        for other in before_it:
            dependents.setdefault(other, []).append(name)
    return Program(
        tasks={
            name: TaskNode(
                id=name,
                workstream=rng.choice(sorted(streams)),
                repository=rng.choice(("one", "two")),
                rank=order.index(name),
                retries=rng.randint(0, 2),
                has_fallback=(fallback := rng.random() < 0.2),
                fallback_agent=rng.choice(agents) if fallback and rng.random() < 0.5 else None,
                checkpoint=during.get(name),
            )
            for name in names
        },
        gates=gates,
        streams=streams,
        risks={
            f"r{i}": RiskNode(f"r{i}", rng.choice(names), rng.choice((None, 200)))
            for i in range(rng.randint(0, 2))
        },
        needs={name: frozenset(before_it) for name, before_it in needs.items()},
        dependents={name: tuple(sorted(after)) for name, after in dependents.items()},
        settings=settings,
    )


@dataclass
class Life:
    """A world's own record of an attempt between its start and its end."""

    agents: set[str]
    stream: str
    attending: set[str]
    gated: bool = False


@dataclass
class World:
    """Drives a kernel to the end of a run and watches over its invariants."""

    program: Program
    rng: random.Random
    odds: Odds
    state: State = field(init=False)
    journal: list[ev.Entry] = field(default_factory=list)
    now: int = 1_000
    refs: dict[str, str] = field(default_factory=dict)
    lives: dict[tuple[str, int], Life] = field(default_factory=dict)
    passed: set[tuple[str, str]] = field(default_factory=set)
    accepted: set[tuple[str, int]] = field(default_factory=set)
    merged: dict[str, str] = field(default_factory=dict)
    opened: set[str] = field(default_factory=set)
    attended: dict[str, dict[str, str]] = field(default_factory=dict)
    commits: int = 0

    def __post_init__(self) -> None:
        self.state = initial(self.program)
        self.refs = {"one": "base-one", "two": "base-two"}
        self.record(
            ev.RunStarted(
                plan_file="p",
                plan_text="",
                bases=dict(self.refs),
                planned={},
                order=(),
                settings={},
            )
        )

    # --- the journal ---

    def record(self, event: ev.Event) -> None:
        """Append an event and keep the books on it, before the kernel sees it."""
        self.audit(event)
        entry = ev.Entry(len(self.journal) + 1, self.now, event)
        self.journal.append(entry)
        self.state, _ = step(self.program, self.state, entry)

    def audit(self, event: ev.Event) -> None:
        """Hold an event against the invariants, by the world's own books."""
        match event:
            case ev.AttemptStarted():
                self._audit_start(event)
            case ev.CheckpointHeld(checkpoint, attending):
                self._audit_attendance(attending)
                self.attended[checkpoint] = dict(attending)
            case ev.CheckpointVerified(checkpoint):
                self.attended.pop(checkpoint, None)
            case ev.CheckpointOpened(checkpoint):
                assert self.program.needs[checkpoint] <= self.merged.keys() | self.opened
                self.opened.add(checkpoint)
            case ev.IntegrationPrepared(task, number, repository, new, old):
                assert (task, number) in self.accepted, "E2: the gate never saw this diff"
                assert (new, old) in self.passed, "E4: this commit never passed on this head"
                assert self.refs[repository] == old, "E4: the head moved since it was verified"
            case ev.AttemptFailed(task, number) | ev.AttemptLost(task, number):
                self.lives.pop((task, number), None)
            case _:
                pass

    def _audit_start(self, event: ev.AttemptStarted) -> None:
        node = self.program.tasks[event.task]
        done = self.merged.keys() | self.opened
        assert self.program.needs[event.task] <= done, "E8: something before it is not done"
        assert event.task not in self.merged, "E3: it is integrated already"
        same = [key for key in self.lives if key[0] == event.task]
        assert not same, "a task lives twice"
        self._audit_attendance({node.workstream: event.agent, **event.attending})
        self.lives[event.task, event.number] = Life(
            {event.agent, *event.attending.values()}, node.workstream, set(event.attending)
        )

    def _audit_attendance(self, attending: dict[str, str] | object) -> None:
        assert isinstance(attending, dict)
        busy = {agent for life in self.lives.values() for agent in life.agents}
        busy |= {agent for held in self.attended.values() for agent in held.values()}
        assert not busy & set(attending.values()), "an agent does two things at once"
        for stream in attending:
            used = sum(
                (life.stream == stream) + (stream in life.attending) for life in self.lives.values()
            ) + sum(stream in held for held in self.attended.values())
            assert used < self.program.streams[stream].slots, "E1: no slot is free"

    # --- effects ---

    def answer(self, effect: act.Effect) -> list[ev.Event]:
        """Carry an effect out, well or badly."""
        match effect:
            case act.Land(repository, commit):
                if self.chance(self.odds.refuse):
                    return [ev.LandingHeld(repository, "main", commit, "dirty")]
                return [ev.Landed(repository, "main", commit)]
            case act.Confirm(checkpoint):
                ok = not self.chance(self.odds.refuse)
                results = ({"ok": ok, "message": "looked at"},)
                return [ev.CheckpointVerified(checkpoint, ok, results)]
            case _:
                return self._answer_attempt(effect)

    def _answer_attempt(self, effect: act.Effect) -> list[ev.Event]:
        assert not isinstance(effect, (act.Land, act.Confirm))
        attempt = effect.attempt
        who = (attempt.task, attempt.number)
        repository = self.program.tasks[attempt.task].repository
        bad = self.chance(self.odds.refuse)
        if self.chance(0.02) and not isinstance(effect, (act.Watch, act.Stop, act.Swap)):
            return [ev.EffectFailed(*who, type(effect).__name__, "no space left")]
        match effect:
            case act.Launch():
                if self.chance(self.odds.lose):
                    return [ev.AttemptLost(*who, "never started")]
                return [ev.AttemptAttached(*who, pid=1)]
            case act.Watch():
                if self.chance(self.odds.lose):
                    return [ev.AttemptExited(*who, reason=self.rng.choice(("lost", "orphaned")))]
                failed = self.chance(self.odds.fail)
                reason = self.rng.choice(("exit", "timeout")) if failed else "exit"
                return [ev.AttemptExited(*who, reason=reason, code=1 if failed else 0)]
            case act.Stop():
                return [ev.AttemptExited(*who, reason="stopped", signal=15)]
            case act.Save():
                return [ev.WorkSaved(*who, f"w-{who}", "tree", "ref", 1)]
            case act.Inspect():
                if not bad:
                    self.accepted.add(who)
                return [ev.DiffChecked(*who, ok=not bad, findings=({"message": "stray"},) * bad)]
            case act.Build(_, onto):
                if self.chance(self.odds.conflict):
                    return [ev.CandidateBuilt(*who, onto, None, None, ("a",))]
                self.commits += 1
                return [ev.CandidateBuilt(*who, onto, f"m{self.commits}", f"tree{self.commits}")]
            case act.Verify(_, candidate):
                if not bad:
                    self.passed.add((candidate.commit, candidate.onto))
                results = ({"ok": not bad, "message": "test"},)
                return [ev.CandidateVerified(*who, candidate.commit, not bad, results)]
            case act.Swap(_, candidate):
                if self.refs[repository] == candidate.onto:
                    assert attempt.task not in self.merged, "E3: integrated twice"
                    self.refs[repository] = candidate.commit
                    self.merged[attempt.task] = candidate.commit
                    self.lives.pop(who, None)
                assert self.merged.get(attempt.task) == candidate.commit
                return [ev.Integrated(*who, repository, candidate.commit)]

    # --- the run ---

    def chance(self, odds: float) -> bool:
        """Throw the dice."""
        return self.rng.random() < odds

    def run(self, limit: int = 20_000) -> str:
        """Go on until the kernel says that the run has finished; give its outcome."""
        for _ in range(limit):
            if self.state.finished:
                return self.state.finished
            self.turn()
        raise AssertionError("the run does not end")

    def turn(self) -> None:
        """Let one thing happen."""
        self.now += self.rng.randint(0, 30)
        if self.chance(self.odds.crash):
            assert replay(self.program, self.journal) == self.state, "a replay differs"
        if self.chance(self.odds.repeat):
            self.repeat()
        if self.chance(self.odds.person):
            self.person()
        wants = wanted(self.program, self.state)
        records = [want for want in wants if isinstance(want, act.Record)]
        if records:
            for record in records:
                self.record(record.event)
            return
        effects = [want for want in wants if not isinstance(want, act.Record)]
        if effects:
            effect = self.rng.choice(effects)
            answers = self.answer(effect)
            # A crash between the deed and its record: the deed is asked for again.
            if not self.chance(self.odds.crash):
                for event in answers:
                    self.record(event)
        elif self.state.timers:
            key = min(self.state.timers, key=lambda key: (self.state.timers[key], key))
            self.now = max(self.now, self.state.timers[key])
            self.record(ev.TimerFired(key))
        else:
            self.person(must=True)

    def repeat(self) -> None:
        """Say something again that was said before (an effect that was carried out twice)."""
        entry = self.rng.choice(self.journal)
        kinds = (ev.AttemptStarted, ev.CheckpointHeld, ev.IntegrationPrepared, ev.CheckpointOpened)
        if not isinstance(entry.event, (*kinds, ev.AttemptFailed, ev.AttemptLost)):
            self.record(entry.event)
        elif isinstance(entry.event, ev.AttemptFailed | ev.AttemptLost):
            who = (entry.event.task, entry.event.number)
            if who not in self.lives:
                self.record(entry.event)

    def person(self, *, must: bool = False) -> None:
        """Let somebody approve, reject, retry or cancel something."""
        gates, tasks = sorted(self.program.gates), sorted(self.program.tasks)
        request = f"request-{len(self.journal)}"
        if must:
            waiting = [g for g in gates if self.state.gates[g].door == "waiting"]
            assert waiting, f"nothing is wanted and nobody is asked: {self.state}"
            approved = not self.chance(0.2)
            self.record(ev.ApprovalRecorded(waiting[0], approved, "ann", request=request))
            return
        choice = self.rng.random()
        if choice < 0.4 and gates:
            gate = self.rng.choice(gates)
            self.record(ev.ApprovalRecorded(gate, self.chance(0.8), "ann", request=request))
        elif choice < 0.8:
            subject = self.rng.choice(tasks + gates)
            self.record(ev.RetryRequested(subject, "ann", request=request))
        elif choice < 0.97:
            self.record(ev.CancelRequested("ann", self.rng.choice(tasks), request=request))
        else:
            self.record(ev.CancelRequested("ann", None, request=request))
