"""A Gantt chart as one self-contained SVG: planned above, what really happened below it.

The drawing takes its colours from CSS variables with defaults for light and dark, so a page may
override them, and it says everything twice: each bar has a tooltip, and the picture a description.
Times are hours of work from the start.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from html import escape
from math import ceil

HOUR_STEPS = (1, 2, 4, 8, 16, 24, 40, 80, 160, 400, 800)
"""Distances that ticks may have."""


class Look(StrEnum):
    """What a bar stands for."""

    TASK = "task"
    CHECKPOINT = "checkpoint"
    ATTENDANCE = "attendance"
    """Being there for a checkpoint that is another workstream's work."""
    DONE = "done"
    ACTIVE = "active"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Bar:
    """Something that takes time."""

    label: str
    start: float
    finish: float
    """Hours of work; equal to `start` for what takes no time."""
    look: Look = Look.TASK
    critical: bool = False
    colour: int = 0
    """Which colour of the palette; workstreams count through it."""
    tooltip: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the chart: an agent, a workstream or a task."""

    label: str
    planned: tuple[Bar, ...]
    actual: tuple[Bar, ...] = ()
    note: str = ""
    """Small print under the label."""


APART = 20
"""From so many times on that plan and run differ in length, each has a scale of its own."""
LABEL_WIDTH = 212
BAR = 24
THIN = 9
GAP = 7
TOP = 34
CHARACTER = 5.9
"""How wide a letter is taken to be when a label is fitted into its bar."""
PALETTE = 8

STYLE = """
.gantt{--g-ink:#1c2330;--g-dim:#5b6577;--g-line:#d9dee7;--g-soft:#f3f5f9;--g-critical:#c2255c;
--g-now:#c2255c;--g-0:#1c7ed6;--g-1:#e8590c;--g-2:#2b8a3e;--g-3:#9c36b5;--g-4:#0b7285;
--g-5:#a87900;--g-6:#d6336c;--g-7:#5c6ac4;--g-done:#2b8a3e;--g-active:#1c7ed6;--g-failed:#c92a2a;
font:12px system-ui,-apple-system,"Segoe UI",sans-serif}
@media (prefers-color-scheme:dark){.gantt{--g-ink:#e6eaf2;--g-dim:#9aa5b8;--g-line:#333c4b;
--g-soft:#1b212c;--g-critical:#ff6b9d;--g-now:#ff6b9d;--g-0:#4dabf7;--g-1:#ff922b;--g-2:#51cf66;
--g-3:#da77f2;--g-4:#3bc9db;--g-5:#fcc419;--g-6:#f783ac;--g-7:#91a7ff;--g-done:#51cf66;
--g-active:#4dabf7;--g-failed:#ff6b6b}}
.gantt text{fill:var(--g-ink)}.gantt .dim{fill:var(--g-dim);font-size:11px}
.gantt .row-label{font-weight:600}.gantt .tick{stroke:var(--g-line)}
.gantt .day{stroke:var(--g-dim);stroke-opacity:.55}.gantt .stripe{fill:var(--g-soft)}
.gantt .bar{fill-opacity:.24;stroke-width:1}.gantt .bar-label{font-size:11px;pointer-events:none}
.gantt .critical .bar{stroke:var(--g-critical);stroke-width:2}
.gantt .edge{fill:var(--g-critical)}.gantt .attendance .bar{fill-opacity:.1;stroke-dasharray:3 2}
.gantt .checkpoint .bar{fill:var(--g-dim);stroke:var(--g-dim)}
.gantt .diamond{fill:var(--g-ink);stroke:var(--g-soft);stroke-width:1}
.gantt .critical .diamond{fill:var(--g-critical)}
.gantt .actual{stroke:none}.gantt .done .actual{fill:var(--g-done)}
.gantt .active .actual{fill:var(--g-active)}.gantt .failed .actual{fill:var(--g-failed)}
.gantt .now{stroke:var(--g-now);stroke-width:1.5;stroke-dasharray:4 3}
"""


def gantt_svg(
    rows: Sequence[Row],
    *,
    hours_per_day: int,
    title: str,
    description: str,
    width: int = 1120,
    now: float | None = None,
    ident: str = "gantt",
) -> str:
    """Draw the chart; `now` draws a line at that hour, `ident` keeps several on a page apart.

    Where plan and run are so different in length that one of them would be a mere spot, both fill
    the width, the axis is the plan's, and the chart says so.
    """
    planned = max((bar.finish for row in rows for bar in row.planned), default=0.0)
    actual = max((bar.finish for row in rows for bar in row.actual), default=0.0)
    actual = max(actual, now or 0.0)
    apart = min(planned, actual) > 0 and max(planned, actual) > APART * min(planned, actual)
    room = width - LABEL_WIDTH - 12
    end = max(planned if apart else max(planned, actual) or hours_per_day, 1.0)
    scale = room / end
    actual_scale = room / actual if apart else scale
    laid = [_Laid.of(row) for row in rows]
    tops: list[float] = []
    height = float(TOP)
    for one in laid:
        tops.append(height)
        height += one.height
    body = [*_stripes(tops, laid, width), *_ticks(end, scale, hours_per_day, height)]
    for top, one in zip(tops, laid, strict=True):
        body.extend(_row(one, top, scale, actual_scale))
    if apart:
        said = _apart(planned, actual, running=now is not None)
        description = f"{description} {said}"
        height += 20
        body.append(f'<text class="scale" x="10" y="{height - 4:.0f}">{escape(said)}</text>')
    elif now is not None:
        here = LABEL_WIDTH + now * scale
        body.append(
            f'<line class="now" x1="{here:.1f}" x2="{here:.1f}" y1="{TOP - 6}" y2="{height:.0f}">'
            f"<title>now: {_hours(now)}</title></line>"
        )
    total = ceil(height) + 8
    name = escape(ident)
    return (
        f'<svg class="gantt" xmlns="http://www.w3.org/2000/svg" role="img" '
        f'aria-labelledby="{name}-title {name}-desc" viewBox="0 0 {width} {total}" '
        f'width="{width}" height="{total}">'
        f'<title id="{name}-title">{escape(title)}</title>'
        f'<desc id="{name}-desc">{escape(description)}</desc>'
        f"<style>{STYLE}</style>{''.join(body)}</svg>"
    )


def _apart(planned: float, actual: float, *, running: bool) -> str:
    until = " until now" if running else ""
    return (
        f"Two scales: the axis is the plan's, {_hours(planned)} long; "
        f"the narrow bars show the run{until}, {_hours(actual)} over the whole width."
    )


@dataclass(frozen=True, slots=True)
class _Laid:
    """A row whose bars have been given lanes, so that none covers another."""

    row: Row
    lanes: tuple[tuple[tuple[Bar, ...], tuple[Bar, ...]], ...]
    """Planned and actual bars of each lane."""
    thin: bool
    """Whether there is anything actual, which then needs room of its own."""

    @classmethod
    def of(cls, row: Row) -> _Laid:
        planned, actual = lanes(row.planned), lanes(row.actual)
        count = max(len(planned), len(actual), 1)
        planned += [[] for _ in range(count - len(planned))]
        actual += [[] for _ in range(count - len(actual))]
        pairs = zip(planned, actual, strict=True)
        return cls(row, tuple((tuple(one), tuple(other)) for one, other in pairs), bool(row.actual))

    @property
    def lane_height(self) -> float:
        return BAR + (THIN + 2 if self.thin else 0) + 3

    @property
    def height(self) -> float:
        return max(len(self.lanes) * self.lane_height + 2 * GAP - 3, 36.0)


def lanes(bars: Iterable[Bar]) -> list[list[Bar]]:
    """Spread bars over as few lines as keep them apart, earliest first."""
    found: list[list[Bar]] = []
    for bar in sorted(bars, key=lambda one: (one.start, one.finish)):
        for lane in found:
            if lane[-1].finish <= bar.start:
                lane.append(bar)
                break
        else:
            found.append([bar])
    return found


def _stripes(tops: Sequence[float], laid: Sequence[_Laid], width: int) -> Iterable[str]:
    for index, (top, one) in enumerate(zip(tops, laid, strict=True)):
        if index % 2 == 0:
            yield (
                f'<rect class="stripe" x="0" y="{top:.0f}" width="{width}" '
                f'height="{one.height:.0f}"/>'
            )


def _ticks(end: float, scale: float, per_day: int, height: float) -> Iterable[str]:
    step = next((one for one in HOUR_STEPS if one * scale >= 34), HOUR_STEPS[-1])
    hour = 0
    while hour <= end and step < per_day:
        if hour % per_day:
            here = LABEL_WIDTH + hour * scale
            yield _upright("tick", here, TOP, height)
            yield (
                f'<text class="dim" x="{here:.1f}" y="{TOP - 5}" text-anchor="middle">{hour}</text>'
            )
        hour += step
    days = ceil(end / per_day)
    every = max(1, ceil(46 / (per_day * scale)))
    for day in range(days + 1):
        here = LABEL_WIDTH + day * per_day * scale
        if day * per_day > end:
            break
        yield _upright("day", here, TOP - 18, height)
        if day % every == 0 and day * per_day < end:
            yield f'<text x="{here + 4:.1f}" y="{TOP - 18}">Day {day + 1}</text>'


def _upright(name: str, x: float, top: float, bottom: float) -> str:
    return f'<line class="{name}" x1="{x:.1f}" x2="{x:.1f}" y1="{top:.0f}" y2="{bottom:.0f}"/>'


def _row(laid: _Laid, top: float, scale: float, actual_scale: float) -> Iterable[str]:
    row = laid.row
    middle = top + laid.height / 2
    label = _cut(row.label, LABEL_WIDTH - 20, 7.0)
    tip = f"<title>{escape(row.label)}</title>" if label != row.label else ""
    first = middle - 3 if row.note else middle + 4
    yield f'<text class="row-label" x="10" y="{first:.1f}">{escape(label)}{tip}</text>'
    if row.note:
        note = _cut(row.note, LABEL_WIDTH - 16, 6.0)
        yield f'<text class="dim" x="10" y="{middle + 11:.1f}">{escape(note)}</text>'
    for index, (planned, actual) in enumerate(laid.lanes):
        y = top + GAP + index * laid.lane_height
        for bar in planned:
            yield _bar(bar, y, scale)
        for bar in actual:
            yield _actual(bar, y + BAR + 2, actual_scale)


def _bar(bar: Bar, y: float, scale: float) -> str:
    x = LABEL_WIDTH + bar.start * scale
    wide = max((bar.finish - bar.start) * scale, 0.0)
    classes = str(bar.look) + (" critical" if bar.critical else "")
    colour = f"var(--g-{bar.colour % PALETTE})"
    diamond = bar.look is Look.CHECKPOINT
    parts = [f'<g class="{classes}"><title>{escape(bar.tooltip or bar.label)}</title>']
    if wide:
        paint = "" if diamond else f' fill="{colour}" stroke="{colour}"'
        parts.append(
            f'<rect class="bar" x="{x + 0.5:.1f}" y="{y:.1f}" width="{max(wide - 1, 1):.1f}" '
            f'height="{BAR}" rx="3"{paint}/>'
        )
    if bar.critical and wide:
        parts.append(
            f'<rect class="edge" x="{x + 0.5:.1f}" y="{y + BAR - 3:.1f}" '
            f'width="{max(wide - 1, 1):.1f}" height="3" rx="1"/>'
        )
    inset = 5.0
    if diamond:
        centre = x + min(wide / 2, 9.0) if wide else x
        half = 7
        parts.append(
            f'<path class="diamond" d="M{centre:.1f} {y + BAR / 2 - half:.1f}'
            f'l{half} {half}l-{half} {half}l-{half} -{half}z"/>'
        )
        inset = 20.0
    text = _cut(bar.label, wide - inset - 3, CHARACTER)
    if text:
        parts.append(
            f'<text class="bar-label" x="{x + inset:.1f}" y="{y + BAR / 2 + 3.5:.1f}">'
            f"{escape(text)}</text>"
        )
    return "".join((*parts, "</g>"))


def _actual(bar: Bar, y: float, scale: float) -> str:
    x = LABEL_WIDTH + bar.start * scale
    wide = max((bar.finish - bar.start) * scale, 2.0)
    return (
        f'<g class="{bar.look}"><title>{escape(bar.tooltip or bar.label)}</title>'
        f'<rect class="actual" x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{THIN}" rx="2"/>'
        "</g>"
    )


def _cut(text: str, room: float, letter: float) -> str:
    """As much of the text as fits; nothing if not even three letters do."""
    most = int(room / letter)
    if len(text) <= most:
        return text
    return text[: most - 1].rstrip() + "…" if most >= 4 else ""


def _hours(hours: float) -> str:
    """Say a time in the unit that suits it."""
    size, unit = (hours, "h") if hours >= 0.1 else (60 * hours, "min")
    if size < 1 and unit == "min":
        size, unit = 60 * size, "s"
    return f"{size:.2f}".rstrip("0").rstrip(".") + f" {unit}"


def colours(workstreams: Iterable[str]) -> Mapping[str, int]:
    """Which colour of the palette each workstream has."""
    return {stream: index % PALETTE for index, stream in enumerate(workstreams)}
