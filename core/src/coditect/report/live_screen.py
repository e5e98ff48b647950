"""Draws a live view: whole in a window of 80 by 24, more of it in a larger one, less in a smaller.

Everything is made of single lines cut to the width, so that nothing wraps and nothing flickers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from coditect.report.clock import real_time
from coditect.report.evidence import Evidence
from coditect.report.figures import counted
from coditect.report.live import GateView, LaneView, LiveView, WaitView
from coditect.run.state import Door

_EVIDENCE = {
    Evidence.MODELLED: "blue",
    Evidence.REHEARSED: "magenta",
    Evidence.REPLAYED: "cyan",
    Evidence.MEASURED: "green",
}
_OUTCOME = {"": "cyan", "succeeded": "bold green"}
_LABEL = 13
"""Columns of the labels at the left edge."""


@dataclass(frozen=True, slots=True)
class _Marks:
    full: str
    empty: str
    gate: str
    late: str

    def bar(self, share: float, width: int) -> str:
        """Draw a bar; what goes past its end shows as its last mark."""
        filled = min(round(share * width), width)
        bar = self.full * filled + self.empty * (width - filled)
        return bar[:-1] + self.late if share > 1 else bar


_RICH = _Marks("━", "─", "◆", "▶")
_ASCII = _Marks("#", "-", "*", ">")


class Screen:
    """A view as something that rich can print."""

    def __init__(self, view: LiveView) -> None:
        self.view = view

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        marks = _ASCII if options.ascii_only else _RICH
        height = options.height or console.height
        # The last column and row stay free: writing there makes some terminals scroll.
        width = options.max_width - 1
        for line in compose(self.view, width, max(height - 1, 1), marks):
            line.truncate(width, overflow="ellipsis")
            yield line


def compose(view: LiveView, width: int, height: int, marks: _Marks = _RICH) -> list[Text]:
    """Lay a view out in at most `height` lines; the more room, the more of it is shown."""
    head = _head(view, width, marks)
    calls = [
        _call(f"{marks.gate} checkpoint", gate.command, gate.text, width)
        for gate in view.checkpoints
        if gate.calls
    ]
    calls += [
        _call(str(wait.phase), wait.command, wait.text, width)
        for wait in view.waiting
        if wait.command
    ]
    gates = [_gate(gate, marks) for gate in view.checkpoints if not gate.calls and _shown(gate)]
    waits = [_wait(wait) for wait in view.waiting if not wait.command]
    queue = _queue(view)
    events = [_event(at, said.subject, said.text, said.tone) for at, said in view.events]
    names = max((len(lane.workstream) for lane in view.lanes), default=0)
    brief = [_lane(lane, names, width, marks) for lane in view.lanes]
    full = [
        line
        for lane, top in zip(view.lanes, brief, strict=True)
        for line in (top, *_output(lane, names))
    ]
    # What a person has to do comes first, then what is done; the rest shares what is left.
    room = _Room(height - len(head))
    called = room.take(calls, most=max(room.left // 3, 1))
    least = min(4, len(events)) + min(3, len(waits)) + len(gates) + len(queue)
    lanes = room.take(full if len(full) + least <= room.left else brief, keep=4)
    queued, shut = room.take(queue), room.take(gates)
    waiting = room.take(waits, most=max(room.left // 2, 1))
    latest = room.take(events, last=True)
    return [*head, *lanes, *called, *shut, *queued, *waiting, *latest]


class _Room:
    """Lines that are left on the screen."""

    def __init__(self, lines: int) -> None:
        self.left = max(lines, 0)

    def take(
        self, lines: Sequence[Text], *, most: int | None = None, keep: int = 0, last: bool = False
    ) -> list[Text]:
        """Take what fits, leaving `keep` lines; say how many more there are."""
        room = self.left if most is None else min(most, self.left)
        room = max(room - keep, 0) if len(lines) > room - keep else room
        chosen = list(lines[-room:] if last and room else lines[:room])
        if len(lines) > room > 0 and not last:
            more = len(lines) - room + 1
            chosen[-1] = Text(f"{'':{_LABEL}}... and {more} more", style="dim")
        self.left -= len(chosen)
        return chosen


def _head(view: LiveView, width: int, marks: _Marks) -> list[Text]:
    top = Text(view.run, style="bold")
    top.append("  ")
    top.append(view.outcome or "running", style=_OUTCOME.get(view.outcome, "bold red"))
    top.append(f"  {view.title}", style="not bold dim")
    tag = Text(str(view.evidence).upper(), style=f"bold {_EVIDENCE[view.evidence]}")
    top.truncate(max(width - cell_len(tag.plain) - 2, 0), overflow="ellipsis", pad=True)
    top.append("  ").append_text(tag)
    share = view.done_hours / view.hours if view.hours else 0.0
    line = Text(marks.bar(share, 20), style="green")
    line.append(f" {view.done}/{counted(view.tasks, 'task')}", style="bold default")
    line.append(f"  {share:.0%}", style="default")
    line.append(f"  {real_time(view.elapsed)}", style="default")
    if not view.outcome:
        line.append_text(_finish(view))
    return [top, line]


def _finish(view: LiveView) -> Text:
    if view.forecast is None:
        if view.planned is None:
            return Text("")
        return Text(f"  planned to end {real_time(view.planned)}", style="default")
    text = Text(f"  ends {real_time(view.forecast)}", style="default")
    if view.planned is not None:
        late = view.forecast - view.planned
        share = late / view.planned if view.planned else 0.0
        style = "yellow" if share > 0.02 else "green"
        sign = "+" if late >= 0 else "-"
        text.append(f"  (plan {real_time(view.planned)}, ", style="dim")
        text.append(f"{sign}{real_time(abs(late))}", style=style)
        text.append(")", style="dim")
    return text


# --- single lines ---------------------------------------------------------------------------------


def _lane(lane: LaneView, names: int, width: int, marks: _Marks) -> Text:
    text = Text(f"{lane.workstream:<{names}}  ", style="bold blue")
    if not lane.task:
        said = f"{lane.agent} {lane.waits}".strip()
        return text.append(said, style="not bold dim default")
    room = max(width - names - 2 - 12 - 15 - 14, 10)
    again = f" #{lane.number}" if lane.number > 1 else ""
    name = Text(lane.task + again, style="bold default")
    name.truncate(room, overflow="ellipsis", pad=True)
    text.append_text(name)
    share = lane.elapsed / lane.expected if lane.expected else 0.0
    style = "not bold yellow" if share > 1.2 else "not bold green"
    text.append(f"  {marks.bar(share, 10)}", style=style)
    gone = real_time(lane.elapsed)
    gone += f"/{real_time(lane.expected)}" if lane.expected else ""
    text.append(f" {gone:>13} ", style="not bold default")
    return text.append(f" {lane.stage}", style="not bold cyan")


def _output(lane: LaneView, names: int) -> Iterable[Text]:
    """What the agent said last, on a line of its own under its task."""
    if lane.task:
        text = Text(" " * (names + 2))
        text.append(lane.agent, style="blue")
        yield text.append(f" {lane.output}", style="dim")


def _label(word: str, style: str) -> Text:
    return Text(f"{word:<{_LABEL}}", style=style)


def _shown(gate: GateView) -> bool:
    """Whether a checkpoint is worth a line; those far away and those passed are not."""
    return gate.door in (Door.CONFIRMING, Door.HELD, Door.DUE)


def _call(label: str, command: str, text: str, width: int) -> Text:
    """What a person has to type, which names what it is for; it comes before any explanation."""
    fits = _LABEL + cell_len(command) <= width
    line = _label(label, "bold yellow") if fits else Text("")
    line.append(command, style="bold yellow")
    return line.append(f"  {text}", style="not bold dim default")


def _gate(gate: GateView, marks: _Marks) -> Text:
    text = _label(f"{marks.gate} checkpoint", "magenta")
    text.append(gate.id, style="bold")
    return text.append(f"  {gate.text}", style="not bold dim default")


def _queue(view: LiveView) -> list[Text]:
    if not view.queue:
        return []
    text = _label("integration", "cyan")
    return [text.append(", ".join(view.queue), style="default")]


def _wait(wait: WaitView) -> Text:
    text = _label(str(wait.phase), "dim")
    text.append(wait.task, style="not dim default")
    if wait.since is not None:
        text.append(f"  {real_time(wait.since)}", style="dim")
    return text.append(f"  {wait.text}", style="dim default")


def _event(at: int, subject: str, said: str, tone: str) -> Text:
    text = Text(f"{real_time(at):>{_LABEL - 2}}  ", style="dim")
    if subject:
        text.append(f"{subject} ", style="bold not dim")
    return text.append(said, style=f"not dim {tone}".rstrip())


# --- the screen itself ----------------------------------------------------------------------------


def show_live(
    console: Console,
    look: Callable[[], LiveView],
    stop: threading.Event,
    *,
    every: float = 0.25,
    whole: bool = False,
) -> LiveView:
    """Draw what `look` gives until `stop` is set or the run has an outcome; give the last view.

    `every` is in seconds. `whole` takes the whole terminal and gives it back after; otherwise the
    last picture stays where it is.
    """
    view = look()
    with Live(
        Screen(view),
        console=console,
        auto_refresh=False,
        screen=whole,
        vertical_overflow="crop",
        redirect_stdout=False,
        redirect_stderr=False,
    ) as live:
        while not view.outcome and not stop.wait(every):
            view = look()
            live.update(Screen(view), refresh=True)
        view = look()
        live.update(Screen(view), refresh=True)
    return view
