"""Reads a run back from its journal: the plan it was started with, its program, its state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from coditect.findings import CoditectError
from coditect.plan import load_plan
from coditect.plan.model import Plan
from coditect.run.events import Entry, RunStarted
from coditect.run.home import Home, RunFolder
from coditect.run.kernel import replay
from coditect.run.program import Program, Settings, compile_program
from coditect.run.state import State


@dataclass(frozen=True)
class Book:
    """One run as its journal tells it, up to the last event that was read."""

    run: str
    folder: RunFolder
    entries: Sequence[Entry]

    @classmethod
    def open(cls, home: Home, wanted: str | None) -> Book:
        """Read a run by its id, a unique beginning of it, or None for the newest."""
        run = home.find(wanted)
        return cls(run, home.folder(run), home.journal.entries(run))

    @cached_property
    def started(self) -> RunStarted:
        """The event that began the run."""
        first = self.entries[0].event if self.entries else None
        if not isinstance(first, RunStarted):
            raise CoditectError.of(
                "journal-broken",
                f"The journal of {self.run} does not begin with its start.",
                "It was cut or edited by hand; start a new run.",
            )
        return first

    @cached_property
    def plan(self) -> Plan:
        """The plan as it was when the run began, whatever its file says now."""
        return load_plan(Path(self.started.plan_file), text=self.started.plan_text)

    @cached_property
    def settings(self) -> Settings:
        """How the run is carried out."""
        try:
            return Settings(**self.started.settings)
        except TypeError as error:
            raise CoditectError.of(
                "journal-too-new",
                f"Run {self.run} was begun with settings that this version does not know: {error}.",
                "The run was begun by a newer coditect; use that one for it.",
            ) from error

    @cached_property
    def program(self) -> Program:
        """The plan as the kernel needs it."""
        return compile_program(self.plan, self.settings, self.started.order, self.started.planned)

    @cached_property
    def state(self) -> State:
        """The run's state after the last event read."""
        return replay(self.program, self.entries)
