"""A run's report for a terminal, from 80 columns on."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from coditect.report import run_words as words
from coditect.report.evidence import Evidence, Figure
from coditect.report.plain import plain
from coditect.report.run_report import RunReport, TaskLine

WIDE = 110
"""From so many columns on, tables show everything."""

_STYLE = {
    Evidence.MODELLED: "blue",
    Evidence.REHEARSED: "magenta",
    Evidence.REPLAYED: "cyan",
    Evidence.MEASURED: "green",
}
_OUTCOME = {"succeeded": "bold green", "failed": "bold red", "cancelled": "bold yellow"}
_MOST = 20
"""Refusals, failures or reworked tasks listed one by one."""


def show(console: Console, report: RunReport, *, tasks: bool = True) -> None:
    """Print the report; without `tasks`, leave the table of all tasks out."""
    wide = console.width >= WIDE
    _head(console, report)
    console.print(_totals(report))
    _verifications(console, report)
    kinds = [line.evidence for line in report.streams]
    _section(console, "Workstreams", kinds, _streams(report, wide=wide))
    if report.checkpoints:
        kinds = [line.evidence for line in report.checkpoints]
        _section(console, "Checkpoints", kinds, _checkpoints(report, wide=wide))
    kinds = [line.evidence for line in report.agents]
    _section(console, "Agents", kinds, _agents(report), planned=False)
    if tasks:
        kinds = [line.evidence for line in report.tasks]
        _section(console, "Tasks", kinds, _tasks(report, wide=wide))
    _troubles(console, report)
    if report.landings:
        _landings(console, report)


def _say(console: Console, text: str, style: str = "", indent: int = 0) -> None:
    console.print(Padding(Text(plain(text), style=style), (0, 0, 0, indent), expand=False))


def _section(
    console: Console,
    title: str,
    kinds: Sequence[Evidence],
    content: Table,
    *,
    planned: bool = True,
) -> None:
    line = Text(f"\n{title}", style="bold")
    said = words.evidence(kinds)
    line.append("  planned: modelled, actual: " if planned else "  ", style="not bold dim")
    line.append(said, style=f"not bold {_STYLE.get(kinds[0], '') if kinds else ''}")
    console.print(line)
    console.print(content)


def _evidence(kind: Evidence) -> Text:
    return Text(str(kind), style=_STYLE[kind])


class _Rows:
    """A table whose first column names things; evidence has a column only where rows differ."""

    def __init__(
        self, kinds: Sequence[Evidence], names: str, *columns: str, left: str = ""
    ) -> None:
        self._differ = len(set(kinds)) > 1
        self.table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
        self.table.add_column(names, overflow="fold", ratio=None)
        for name in columns:
            number = name not in left.split()
            self.table.add_column(
                name, justify="right" if number else "left", no_wrap=number, overflow="fold"
            )
        if self._differ:
            self.table.add_column("evidence", no_wrap=True)

    def add(self, kind: Evidence, *cells: str | Text) -> None:
        """Add a row."""
        self.table.add_row(*cells, *((_evidence(kind),) if self._differ else ()))


# --- the whole run --------------------------------------------------------------------------------


def _head(console: Console, report: RunReport) -> None:
    line = Text(plain(report.run or report.plan), style="bold")
    line.append("  ")
    line.append(words.outcome(report), style=_OUTCOME.get(report.outcome, "bold"))
    line.append("  ")
    line.append(str(report.evidence).upper(), style=f"bold {_STYLE[report.evidence]}")
    console.print(line)
    _say(console, report.title)
    _say(console, f"{report.trust} {words.pace(report)}", "dim")
    if report.restarts:
        _say(console, words.restarts(report))
    console.print()


def _totals(report: RunReport) -> Table:
    sums = report.totals
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("", no_wrap=True)
    for name in ("Planned", "Actual"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Evidence", no_wrap=True)

    def row(name: str, planned: Figure | None, found: Figure | None) -> None:
        shown = found or planned
        if shown is not None:
            label = Text(shown.label, style=_STYLE[shown.evidence])
            table.add_row(name, words.figure(planned), words.figure(found), label)

    row("One after the other", sums.sequential, None)
    row("Makespan" if sums.makespan else "Elapsed", sums.planned_makespan, sums.elapsed)
    if sums.delay is not None:
        label = Text(sums.delay.label, style=_STYLE[sums.delay.evidence])
        table.add_row("Later than planned", "", words.signed(sums.delay.value), label)
    row("Speed-up", sums.planned_speed_up, sums.speed_up)
    row("Velocity, planned hours an hour", None, sums.velocity)
    row("Velocity, tasks an hour", None, sums.throughput)
    row("Waited for a slot or agent", None, sums.waiting)
    row("Waited for approval", None, sums.approval_wait)
    row("Nobody carried it on, at least", None, sums.downtime)
    row("Gates, from exit to end", None, sums.gate)
    row("Exit to integration, median", None, sums.overhead_median)
    row("Exit to integration, 95 %", None, sums.overhead_p95)
    row("Rework", None, sums.rework)
    evidence = _evidence(report.evidence)
    table.add_row("Merge conflicts", "", str(sums.conflicts), evidence)
    table.add_row("Attempts", str(sums.tasks), str(sums.attempts), evidence)
    table.add_row("of them failed, lost", "", f"{sums.failed}, {sums.lost}", evidence)
    for name, value in sums.usage.items():
        what, said, seen = words.used(name, value)
        table.add_row(plain(what), "", said, evidence if seen else Text("as agents said"))
    return table


def _verifications(console: Console, report: RunReport) -> None:
    console.print()
    for name, counts in (
        ("Tasks", report.task_checks),
        ("Checkpoints", report.checkpoint_checks),
    ):
        for line in words.tally(counts, report.evidence):
            style = "yellow" if "NOT RUN" in line or "refused" in line else ""
            _say(console, f"{name}: {line}.", style)
    if report.unverified:
        names = ", ".join(report.unverified)
        _say(console, f"Integrated without any verification: {names}.", "yellow")


# --- tables ---------------------------------------------------------------------------------------


def _streams(report: RunReport, *, wide: bool) -> Table:
    more = ("gates", "planned use") if wide else ()
    kinds = [line.evidence for line in report.streams]
    head = ("done", "planned", "worked", "waited", *more, "used")
    rows = _Rows(kinds, "", *head)
    for line in report.streams:
        cells = [
            plain(line.id),
            f"{line.done}/{line.tasks}",
            words.hours(line.planned_hours),
            words.hours(line.work),
            words.hours(line.waiting),
        ]
        if wide:
            cells += [words.hours(line.gate), words.percent(line.planned_utilisation)]
        rows.add(line.evidence, *cells, words.percent(line.utilisation))
    return rows.table


def _checkpoints(report: RunReport, *, wide: bool) -> Table:
    more = ("held", "looked at") if wide else ()
    kinds = [line.evidence for line in report.checkpoints]
    head = ("planned end", "open", "gathered", *more, "asked", "approved by")
    rows = _Rows(kinds, "", *head, left="approved by")
    for line in report.checkpoints:
        opened = line.actual.finish if line.actual and line.state == "open" else None
        cells = [
            plain(line.id),
            words.hours(line.planned.finish if line.planned else None),
            line.state if opened is None else words.hours(opened),
            words.hours(line.gathering),
        ]
        if wide:
            cells += [words.hours(line.hold), words.hours(line.verification)]
        cells += [words.hours(line.approval_wait), plain(words.decided(line))]
        rows.add(line.evidence, *cells)
    return rows.table


def _agents(report: RunReport) -> Table:
    kinds = [line.evidence for line in report.agents]
    head = ("adapter", "tries", "worked", "attended", "held", "used")
    rows = _Rows(kinds, "", *head, left="adapter")
    for line in report.agents:
        rows.add(
            line.evidence,
            plain(line.id),
            plain(line.adapter),
            str(line.attempts),
            words.hours(line.work),
            words.hours(line.attending),
            words.hours(line.held),
            words.percent(line.utilisation),
        )
    return rows.table


def _tasks(report: RunReport, *, wide: bool) -> Table:
    kinds = [line.evidence for line in report.tasks]
    more = ("worked", "waited", "gates") if wide else ()
    agent = ("agent",) if wide else ()
    head = ("planned end", "actual end", "later", *more, "tries", *agent, "verified")
    rows = _Rows(kinds, "", *head, left="agent verified")
    stream = None
    for line in sorted(report.tasks, key=lambda task: _order(report, task)):
        if line.workstream != stream:
            stream = line.workstream
            rows.table.add_row(Text(plain(stream), style="bold"))
        rows.add(line.evidence, *_task(line, wide=wide))
    return rows.table


def _order(report: RunReport, task: TaskLine) -> tuple[int, float]:
    streams = [line.id for line in report.streams]
    start = task.actual.start if task.actual else float("inf")
    return streams.index(task.workstream), start


def _task(line: TaskLine, *, wide: bool) -> Sequence[str | Text]:
    done = line.actual if line.state == "integrated" else None
    late = line.late
    cells: list[str | Text] = [
        f"  {plain(line.id)}",
        words.hours(line.planned.finish if line.planned else None),
        words.hours(done.finish) if done else Text(line.state, style="yellow"),
        Text(words.signed(late), style="yellow" if late is not None and late > 0.05 else ""),
    ]
    if wide:
        cells += [words.hours(line.work), words.hours(line.waiting)]
        cells.append(f"{line.gate.total:,} ms" if line.gate else words.NONE)
    cells.append(str(len(line.attempts)))
    if wide:
        cells.append(plain(", ".join(line.agents)))
    cells.append(words.verification(line))
    return cells


def _landings(console: Console, report: RunReport) -> None:
    console.print(Text("\nTarget branches", style="bold"))
    for line in report.landings:
        commit = f" at {line.landed[:10]}" if line.landed else ""
        text = f"{line.repository}: {line.branch}{commit} {words.landing(line)}"
        fine = line.complete and not line.held
        _say(console, text, "" if fine else "yellow", indent=2)


# --- what went wrong ------------------------------------------------------------------------------


def _troubles(console: Console, report: RunReport) -> None:
    _list(console, "Not done", [_undone(task) for task in report.undone])
    _list(
        console,
        "Failed and lost attempts",
        [
            f"{task.id}, attempt {attempt.number} by {attempt.agent}: "
            f"{attempt.reason}{': ' if attempt.message else ''}{attempt.message}"
            for task in report.tasks
            for attempt in task.attempts
            if attempt.ending in ("failed", "lost")
        ],
    )
    _list(
        console,
        "What was not let through",
        [
            f"{refusal.subject} [{refusal.code}] {refusal.message}"
            + (f" ({', '.join(refusal.paths)})" if refusal.by == "conflict" else "")
            for refusal in report.refusals
        ],
    )
    _list(
        console,
        "Changed again after integration",
        [
            f"{task.id}: {path} (came with {first})"
            for task in report.tasks
            for path, first in task.rework
        ],
    )
    _list(
        console,
        "Risks that struck",
        [
            f"{risk.title or risk.id}: {risk.why}, after {words.hours(risk.at)}."
            + (f" Planned answer: {risk.fallback}" if risk.fallback else "")
            for risk in report.risks
        ],
    )


def _undone(task: TaskLine) -> str:
    return f"{task.id} is {task.state}" + (f": {task.why}" if task.why else "")


def _list(console: Console, title: str, lines: Sequence[str]) -> None:
    if not lines:
        return
    console.print(Text(f"\n{title} ({len(lines)})", style="bold"))
    for line in lines[:_MOST]:
        _say(console, line, indent=2)
    if len(lines) > _MOST:
        _say(console, f"and {len(lines) - _MOST} more; the JSON report has them all", "dim", 2)
