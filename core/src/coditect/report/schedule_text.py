"""A study for a terminal, from 80 columns on."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from coditect.report.figures import counted, days, figure, hours, money, percent
from coditect.report.gantt import Bar, Look, colours, lanes
from coditect.report.plain import plain
from coditect.report.schedule_rows import gantt_rows
from coditect.report.schedule_words import days_text, knee_text, optimality, ranges
from coditect.schedule import Cell, Point, Study, claims, cost_of

WIDE = 110
"""From so many columns on, tables show everything."""
HOUR = 3600
LABEL = 18
COLOURS = ("blue", "dark_orange3", "green", "magenta", "cyan", "yellow", "red", "white")
STRIPE = "▏"


def show(console: Console, study: Study) -> None:
    """Print everything a study says."""
    wide = console.width >= WIDE
    _head(console, study)
    _section(console, "Who does what when")
    _gantt(console, study)
    if study.points:
        _section(console, "How many agents")
        _say(console, knee_text(study))
        console.print(_curve(study, wide=wide))
        _notes(console, study.points)
    _section(console, "How busy")
    console.print(_busy(study, wide=wide))
    _section(console, "Day by day")
    _say(console, days_text(study))
    if wide:
        console.print(_days(study))
    else:
        _days_listed(console, study)
    if study.days.unplaced:
        names = ", ".join(study.days.unplaced)
        _say(
            console,
            f"Never placed, somebody they need is not there for long enough: {names}.",
            "yellow",
        )
    found = claims(study)
    if found:
        _section(console, "What was claimed, and what the data say")
        for claim in found:
            style = {True: "green", False: "yellow", None: "dim"}[claim.agrees]
            mark = {True: "=", False: "≠", None: "?"}[claim.agrees]
            line = Text(f"{mark} ", style=style)
            line.append(plain(claim.title), style="bold")
            line.append(f": “{plain(claim.said)}”")
            if claim.found:
                line.append(" → ")
                line.append(plain(claim.found), style=style)
            console.print(Padding(line, (0, 0, 0, 0)))
            _say(console, claim.why, "dim", indent=2)


def _say(console: Console, text: str, style: str = "", indent: int = 0) -> None:
    console.print(Padding(Text(plain(text), style=style), (0, 0, 0, indent)))


def _section(console: Console, title: str) -> None:
    console.print(Text(f"\n{title}", style="bold underline"))


def _head(console: Console, study: Study) -> None:
    per_day = study.plan.calendar.hours_per_day
    schedule, network = study.schedule, study.network
    line = Text(plain(study.plan.title), style="bold")
    line.append("  modelled", style="not bold dim")
    console.print(line)
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    one, many = study.sequential_seconds, schedule.makespan
    table.add_row(
        "One after the other",
        hours(one),
        f"{days(one, per_day)}; {hours(study.task_seconds)} of tasks, "
        f"{hours(study.checkpoint_seconds)} of checkpoints",
    )
    table.add_row(
        f"With {counted(len(study.problem.agents), 'agent')}",
        Text(hours(many), style="bold"),
        f"{days(many, per_day)}; {optimality(schedule)}; "
        f"{figure(one / many if many else 1)} times as fast",
    )
    steps = counted(len(network.critical_path), "step")
    table.add_row(
        "Critical path", hours(network.length), f"{days(network.length, per_day)}, {steps}"
    )
    table.add_row(
        "In the calendar",
        counted(len(study.days.rows), "day"),
        f"of {per_day} h, on the days on which agents are there",
    )
    cost = cost_of(study.plan, many, schedule.busy())
    if cost:
        table.add_row(
            "Cost",
            money(cost.exact, cost.currency),
            f"{money(cost.whole_days, cost.currency)} in whole days",
        )
    console.print(table)
    _say(console, f"Found by {schedule.method}.", "dim")
    titles = (study.problem.activities[name].title or name for name in network.critical_path)
    _say(console, "Critical: " + " → ".join(titles), "red")


# --- the chart ------------------------------------------------------------------------------------


def _gantt(console: Console, study: Study) -> None:
    room = min(console.width, 160) - LABEL - 1
    whole = max(study.schedule.makespan / HOUR, 1.0)
    scale = room / whole
    per_day = study.plan.calendar.hours_per_day
    axis = [" "] * room
    every = max(1, -(-8 // max(1, int(per_day * scale))))
    for day in range(0, int(whole // per_day) + 1, every):
        mark = f"{STRIPE}Day {day + 1}"
        at = round(day * per_day * scale)
        for offset, letter in enumerate(mark):
            if at + offset < room:
                axis[at + offset] = letter
    console.print(Text(" " * LABEL + "".join(axis), style="dim"))
    palette = colours(study.problem.cast)
    for row in gantt_rows(study):
        for number, lane in enumerate(lanes(row.planned)):
            line = Text(_fit(plain(row.label), LABEL - 1) if number == 0 else " " * (LABEL - 1))
            line.append(" ")
            line.append_text(_lane(lane, room, scale))
            console.print(line, no_wrap=True, overflow="crop")
    names = [
        f"[{COLOURS[index % len(COLOURS)]}]■[/] {plain(stream)}"
        for stream, index in palette.items()
    ]
    console.print(
        "  ".join((*names, "[bold red]▏critical[/]", "◆ checkpoint", "~ attends")),
        style="dim",
        highlight=False,
    )


def _lane(bars: Sequence[Bar], room: int, scale: float) -> Text:
    line, here = Text(), 0
    for bar in bars:
        first = min(max(round(bar.start * scale), here), room)
        last = min(max(round(bar.finish * scale), first + 1), room)
        line.append("·" * (first - here), style="dim")
        sign = {Look.CHECKPOINT: "◆", Look.ATTENDANCE: "~"}.get(bar.look, "")
        text = _fit(STRIPE + sign + plain(bar.label), last - first)
        colour = COLOURS[bar.colour % len(COLOURS)]
        if bar.look is Look.CHECKPOINT:
            style = "bold reverse"
        elif bar.look is Look.ATTENDANCE:
            style = f"dim {colour}"
        else:
            style = f"{colour} reverse"
        line.append(text[:1], style="bold red" if bar.critical else style)
        line.append(text[1:], style=style)
        here = last
    line.append("·" * (room - here), style="dim")
    return line


def _fit(text: str, width: int) -> str:
    """The text in exactly so many columns."""
    if len(text) > width:
        return text[: width - 1] + "…" if width > 3 else text[:width]
    return text.ljust(width)


# --- tables ---------------------------------------------------------------------------------------


def _table(*columns: tuple[str, bool]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name, number in columns:
        table.add_column(
            name, justify="right" if number else "left", no_wrap=number, overflow="fold"
        )
    return table


def _curve(study: Study, *, wide: bool) -> Table:
    assert study.knee
    longest = max(point.makespan for point in study.points) or 1
    costs = [cost_of(study.plan, one.makespan, one.schedule.busy()) for one in study.points]
    priced = any(costs)
    table = _table(
        ("agents", True),
        ("makespan", True),
        ("at best", True),
        ("saves", True),
        *((("cost", True),) if priced else ()),
        ("", False),
        *((("who serves what", False),) if wide else ()),
    )
    last: Point | None = None
    for point, cost in zip(study.points, costs, strict=True):
        schedule = point.schedule
        saved = study.knee.saved.get(point.agents)
        knee = point.agents == study.knee.agents and len(study.points) > 1
        cells = [
            str(point.agents),
            hours(point.makespan),
            "proven" if schedule.proven else hours(schedule.lower_bound),
            "" if saved is None else hours(saved),
        ]
        if priced:
            cells.append(money(cost.exact, cost.currency) if cost else "")
        bar = "━" * max(1, round(18 * point.makespan / longest))
        cells.append(bar + (" ◀ knee" if knee else ""))
        if wide:
            same = last is not None and last.serves == point.serves
            cells.append(f"the same {len(point.serves)}" if same else _serves(point))
        table.add_row(*cells, style="bold" if knee else "")
        last = point
    return table


def _serves(point: Point) -> str:
    return plain(
        "; ".join(f"{agent}: {', '.join(streams)}" for agent, streams in point.serves.items())
    )


def _notes(console: Console, points: Sequence[Point]) -> None:
    said: dict[str, list[int]] = {}
    for point in points:
        for note in point.notes:
            said.setdefault(note, []).append(point.agents)
    for note, agents in said.items():
        _say(console, f"{ranges(agents)}: {note}.", "dim", indent=2)


def _busy(study: Study, *, wide: bool) -> Table:
    busy, loads = study.schedule.busy(), study.days.load()
    span = len(study.days.rows) * study.days.hours_per_day * HOUR or 1
    makespan = study.schedule.makespan or 1
    more = (("of the days", True), ("works on days", False)) if wide else (("on days", False),)
    table = _table(("", False), ("occupied", True), ("of makespan", True), ("", False), *more)
    for agent in study.problem.agents:
        mine, load = busy.get(agent, 0), loads.get(agent, {})
        full = round(10 * mine / makespan)
        cells = [
            plain(agent),
            hours(mine),
            percent(mine / makespan),
            "━" * full + "╌" * (10 - full),
        ]
        if wide:
            cells.append(percent(sum(load.values()) / span))
        table.add_row(*cells, ranges(load))
    return table


def _days(study: Study) -> Table:
    table = Table(header_style="dim", pad_edge=False, show_lines=True, border_style="dim")
    table.add_column("Day", justify="right", no_wrap=True)
    for stream in study.days.workstreams:
        table.add_column(plain(stream), overflow="fold", ratio=1)
    for number, row in enumerate(study.days.rows, 1):
        table.add_row(
            str(number),
            *(_cell(row[stream], number, "\n") for stream in study.days.workstreams),
        )
    return table


def _days_listed(console: Console, study: Study) -> None:
    for number, row in enumerate(study.days.rows, 1):
        console.print(Text(f"Day {number}", style="bold"))
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 1))
        table.add_column(no_wrap=True, style="dim")
        table.add_column(overflow="fold")
        for stream in study.days.workstreams:
            table.add_row(plain(stream), _cell(row[stream], number, ", "))
        console.print(table)


def _cell(cell: Cell, day: int, between: str) -> Text:
    if not cell.entries:
        return Text("away" if cell.absent else "standby", style="dim italic")
    text = Text()
    for index, entry in enumerate(cell.entries):
        if index:
            text.append(between)
        sign = "◆ " if entry.kind == "checkpoint" else "~ " if entry.attends else ""
        text.append(f"{sign}{plain(entry.title)} ({hours(entry.seconds)})")
        if entry.author_day not in (None, day):
            text.append(f" was day {entry.author_day}", style="dim")
    return text
