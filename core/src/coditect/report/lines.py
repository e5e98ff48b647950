"""A line an event, as it comes: what `run` prints where there is no terminal."""

from __future__ import annotations

from dataclasses import replace

from rich.console import Console
from rich.text import Text

from coditect.plan.model import Plan
from coditect.report.clock import real_time
from coditect.report.event_words import HeldLandings, Said, describe
from coditect.run import events as ev
from coditect.run.state import State


class Lines:
    """Prints events as they come: a listener of the shell.

    Lines are printed whole, one call each; without a terminal, or under NO_COLOR, the console
    leaves colours out.
    """

    def __init__(
        self,
        console: Console,
        plan: Plan,
        *,
        run: str = "",
        approve_all: bool = False,
        everything: bool = False,
    ) -> None:
        """`run` is named in commands to type; with `approve_all` nobody is asked to approve.

        `everything` prints routine events, too.
        """
        self._console = console
        self._run = run
        self._plan = plan
        self._everything = everything
        names = [*plan.tasks, *plan.checkpoints]
        self._approve_all = approve_all
        self._held = HeldLandings()
        self._width = min(max(map(len, names), default=0), 30)

    def __call__(self, entry: ev.Entry, state: State) -> None:
        """Print one event."""
        if isinstance(entry.event, ev.RunStarted):
            self._approve_all = bool(entry.event.settings.get("approve_all"))
        asks = self._asks(entry.event, state)
        said = describe(entry.event, self._plan, run=self._run, asks=asks)
        if isinstance(entry.event, ev.LandingHeld):
            said = replace(said, routine=self._held.told(entry.event))
        if not said.routine or self._everything:
            gone = entry.at - (state.started if state.started is not None else entry.at)
            self._console.print(
                self.line(said, gone, state), soft_wrap=True, highlight=False, emoji=False
            )

    def _asks(self, event: ev.Event, state: State) -> bool:
        if not isinstance(event, ev.CheckpointVerified) or self._approve_all:
            return False
        known = self._plan.checkpoints.get(event.checkpoint)
        waits = state.gates[event.checkpoint].approved is None
        return known is not None and known.approval and waits

    def line(self, said: Said, gone: int, state: State) -> Text:
        """Make one line: time since the start, subject, what happened, and the count of tasks."""
        text = Text(f"{real_time(gone):>8}  ", style="dim")
        text.append(f"{said.subject:<{self._width}}  ", style="not dim bold")
        text.append(said.text, style=f"not dim {said.tone}".rstrip())
        if said.text.startswith("integrated"):
            done = sum(task.phase == "integrated" for task in state.tasks.values())
            text.append(f"  [{done}/{len(state.tasks)}]", style="dim")
        return text
