"""A kernel and its journal without a world: a test says every fact, and asks what is wanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from coditect.plan import load_plan
from coditect.run import actions as act
from coditect.run import events as ev
from coditect.run.decide import wanted
from coditect.run.kernel import replay
from coditect.run.program import Settings, compile_program
from coditect.run.state import State, initial

Kind = TypeVar("Kind")

ZERO = 1_000_000
"""When every ledger begins, milliseconds since the epoch."""


class Ledger:
    """One run of a plan, event by event. `now` is the journal's clock, for the test to move."""

    def __init__(self, text: str, **settings: Any) -> None:
        self.plan = load_plan(Path("plan.yaml"), text=text)
        chosen = Settings(**settings)
        order = (*self.plan.tasks, *self.plan.checkpoints)
        self.program = compile_program(self.plan, chosen, order, {})
        self.state: State = initial(self.program)
        self.now = ZERO
        self.journal: list[ev.Entry] = []
        self.record(
            ev.RunStarted(
                plan_file="plan.yaml",
                plan_text=text,
                bases=dict.fromkeys(self.plan.repositories, "base"),
                planned={},
                order=order,
                settings=asdict(chosen),
            )
        )

    def record(self, *events: ev.Event) -> None:
        """Append facts."""
        for event in events:
            entry = ev.Entry(len(self.journal) + 1, self.now, event)
            self.journal.append(entry)
            self.state = replay(self.program, (entry,), self.state)

    def decide(self) -> tuple[act.Effect, ...]:
        """Record decisions until only effects are wanted, and give those."""
        while True:
            actions = wanted(self.program, self.state)
            records = [action.event for action in actions if isinstance(action, act.Record)]
            if not records:
                return tuple(action for action in actions if not isinstance(action, act.Record))
            self.record(*records)

    def effects(self, kind: type[Kind]) -> tuple[Kind, ...]:
        """Decide, and give the wanted effects of a kind."""
        return tuple(effect for effect in self.decide() if isinstance(effect, kind))

    def events(self, kind: type[Kind]) -> list[Kind]:
        """Give the journal's events of a kind."""
        return [entry.event for entry in self.journal if isinstance(entry.event, kind)]

    def door(self, gate: str) -> str:
        """Say where a checkpoint is."""
        return str(self.state.gates[gate].door)

    def phase(self, task: str) -> str:
        """Say where a task is."""
        return str(self.state.tasks[task].phase)

    def start(self, task: str) -> tuple[str, int]:
        """See that a task has been started and is attached; gives the attempt."""
        self.decide()
        attempt = self.state.live[task]
        self.record(ev.AttemptAttached(task, attempt.number, pid=1))
        return task, attempt.number

    def exit(self, task: str, reason: str = "exit", code: int | None = 0) -> tuple[str, int]:
        """Start a task and let its agent end, up to the saved work."""
        who = self.start(task)
        self.record(
            ev.AttemptExited(*who, reason=reason, code=code),
            ev.WorkSaved(*who, f"work-{task}", "tree", "ref", 1),
        )
        return who

    def queue(self, task: str) -> tuple[str, int]:
        """Bring a task into the queue."""
        who = self.exit(task)
        self.record(ev.DiffChecked(*who, ok=True))
        return who

    def work_until(self, reached: Callable[[], bool]) -> None:
        """Integrate whatever is at work, one task after the other, until something is so."""
        self.decide()
        while not reached():
            self.integrate(next(iter(self.state.live)))

    def integrate(self, *tasks: str) -> None:
        """Bring tasks to the integration ref, one after the other."""
        for task in tasks:
            who = self.queue(task)
            repository = self.program.tasks[task].repository
            onto, commit = self.state.heads[repository], f"{task}-{who[1]}"
            self.record(
                ev.CandidateBuilt(*who, onto, commit, "tree"),
                ev.CandidateVerified(*who, commit, ok=True),
            )
            self.decide()
            self.record(ev.Integrated(*who, repository, commit))
            self.decide()
