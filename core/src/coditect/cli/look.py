"""Looks at a run as it is now: what `watch`, `status` and a run in a terminal draw."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from coditect.agents import read_output
from coditect.plan.model import HOUR
from coditect.report.clock import Clock
from coditect.report.live import Facts, Follower, LiveView, snapshot
from coditect.run import events as ev
from coditect.run.book import Book
from coditect.run.home import Home
from coditect.run.state import State
from coditect.schedule import forecast, problem_of

Span = tuple[int, int]


class Look:
    """One run, followed through its journal or by its shell."""

    def __init__(self, home: Home, book: Book) -> None:
        self._home = home
        self.book = book
        self.follower = Follower(book.program)
        self._problem = problem_of(book.plan)
        self._priority = {name: rank for rank, name in enumerate(book.started.order)}
        self._spans: dict[str, tuple[int, int | None]] = {}
        self._seen = 0
        self._last: tuple[int, dict[str, Span]] = (-1, {})
        self.take(book.entries)

    def take(self, entries: Sequence[ev.Entry]) -> None:
        """Take in new entries of the journal."""
        for entry in entries:
            self._note(entry)
        self.follower.take(entries)

    def hear(self, entry: ev.Entry, state: State) -> None:
        """Take in one entry; a listener of the shell."""
        self._note(entry)
        self.follower.hear(entry, state)

    def refresh(self) -> None:
        """Read what came to the journal since the last look."""
        self.take(list(self._home.journal.entries(self.book.run, self._seen)))

    def fresh_view(self) -> LiveView:
        """Read the journal on, and give the picture of this moment."""
        self.refresh()
        return self.view()

    def view(self) -> LiveView:
        """Give the picture of this moment."""
        now = time.time_ns() // 1_000_000
        state, facts = self.follower.state, self.follower.facts
        return snapshot(
            self.book.plan,
            self.book.program,
            state,
            facts,
            now=now,
            run=self.book.run,
            forecast=self._forecast(state, facts, now),
            output=self._output,
        )

    def forecast(self) -> Mapping[str, Span]:
        """When everything has taken or is expected to take place, seconds of work."""
        now = time.time_ns() // 1_000_000
        return self._forecast(self.follower.state, self.follower.facts, now)

    def _output(self, task: str, number: int) -> bytes:
        return read_output(self.book.folder.attempt(task, number), 4096)

    def _note(self, entry: ev.Entry) -> None:
        """Remember when activities began and ended, in milliseconds."""
        self._seen = entry.seq
        match entry.event:
            case ev.AttemptStarted(task):
                self._spans[task] = (entry.at, None)
            case ev.Integrated(task):
                self._spans[task] = (self._spans[task][0], entry.at)
            case ev.CheckpointHeld(checkpoint):
                self._spans[checkpoint] = (entry.at, None)
            case ev.CheckpointOpened(checkpoint) if checkpoint in self._spans:
                self._spans[checkpoint] = (self._spans[checkpoint][0], entry.at)
            case ev.AttemptFailed(task) | ev.AttemptLost(task):
                self._spans.pop(task, None)
            case _:
                pass

    def _forecast(self, state: State, facts: Facts, now: int) -> dict[str, Span]:
        if state.started is None or facts.started is None:
            return {}
        if self._last[0] == now // 500:
            return self._last[1]
        clock = Clock(state.started, self.book.program.settings.pace)
        durations = {name: one.duration for name, one in self._problem.activities.items()}

        def work(at: int) -> int:
            return int(clock.at(at) * HOUR)

        done: dict[str, Span] = {}
        active: dict[str, Span] = {}
        for name, (start, finish) in self._spans.items():
            if name not in durations:
                continue
            if finish is not None:
                done[name] = (work(start), work(finish))
            else:
                active[name] = (work(start), work(start) + durations[name])
        priority = {name: self._priority.get(name, len(self._priority)) for name in durations}
        found = forecast(self._problem, done, active, max(0, work(now)), priority)
        self._last = (now // 500, found)
        return found
