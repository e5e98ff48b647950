"""How a run's report puts its figures into words, the same on every surface."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from coditect.report.evidence import Evidence, Figure
from coditect.report.run_report import CheckpointLine, LandingLine, RunReport, Tally, TaskLine

NONE = "-"
"""Stands where there is nothing to say."""


def hours(value: float | None, sign: str = "") -> str:
    """Say a time given in hours in the unit that suits it: `3.2 h`, `14 min`, `2.1 s`."""
    if value is None:
        return NONE
    size = abs(value)
    if size < 0.5 / 36_000:
        return "0 s"
    if size >= 0.1:
        return f"{value:{sign}.1f} h"
    return f"{60 * value:{sign}.1f} min" if size >= 1 / 60 else f"{3600 * value:{sign}.1f} s"


def signed(value: float | None) -> str:
    """Say a difference given in hours."""
    return hours(value, "+")


def percent(value: float | None) -> str:
    """Say a share in whole percents."""
    return NONE if value is None else f"{100 * value:.0f} %"


def figure(value: Figure | None) -> str:
    """Say a figure in its unit."""
    if value is None:
        return NONE
    match value.unit:
        case "hours":
            return hours(value.value)
        case "share":
            return f"{100 * value.value:.1f} %"
        case "times":
            return f"{_plain(value.value)} x"
        case "ms":
            return f"{value.value:,.0f} ms"
        case "planned hours an hour":
            return f"{_plain(value.value)} h/h"
        case "tasks an hour":
            return f"{_plain(value.value)} tasks/h"
        case unit:
            return f"{_plain(value.value)} {unit}"


def _plain(value: float) -> str:
    return f"{value:.2f}" if abs(value) < 100 else f"{value:,.0f}"


SEEN = {"wall": "Agents' wall time", "user": "Agents' user time", "sys": "Agents' system time"}
"""What supervisors saw of agents' use, in seconds; everything else is what agents said."""


def used(name: str, value: float) -> tuple[str, str, bool]:
    """Say what was used, how much, and whether that was seen; otherwise agents said so."""
    if name in SEEN:
        return SEEN[name], hours(value / 3600), True
    return f"Used: {name}", f"{value:,.2f}", False


def evidence(kinds: Iterable[Evidence]) -> str:
    """Say what the actual figures of a table are, or that its rows differ."""
    found = list(dict.fromkeys(kinds))
    return str(found[0]) if len(found) == 1 else "each row says what it is"


def outcome(report: RunReport) -> str:
    """Say how a run ended, and how far it came."""
    return f"{report.outcome}, {report.totals.done} of {report.totals.tasks} tasks integrated"


def pace(report: RunReport) -> str:
    """Say what an hour is in this report."""
    if not report.pace:
        return "Hours are hours of the clock, nights included."
    said = f"An hour of the plan took {report.pace / 1000:g} s."
    if report.totals.approval_wait.value:
        said += " Waiting for a person counts at that pace, too."
    return said


def restarts(report: RunReport) -> str:
    """Say how often another coordinator went on, and how long there was none."""
    if not report.restarts:
        return ""
    times = "once" if report.restarts == 1 else f"{report.restarts} times"
    downtime = report.totals.downtime
    if downtime is None:
        return f"The coordinator was restarted {times} and took living agents over."
    return (
        f"The coordinator was restarted {times}; agents ended while there was none, and nobody "
        f"carried the run on for {hours(downtime.value)} or longer."
    )


MEANING = {
    "presence": "something is there, nobody looked inside",
    "tool": "a tool accepted it",
    "contract": "it keeps to the agreed contract",
    "e2e": "the whole was tried out",
    "engine": "the engine could not look",
}
"""What a verification of each kind shows."""


def tally(counts: Mapping[str, Tally], kind: Evidence) -> list[str]:
    """Say what verification showed, a line a kind, never more than it did."""
    of = " of a rehearsal" if kind is Evidence.REHEARSED else ""
    lines = []
    for name, count in counts.items():
        parts = []
        if count.passed:
            parts.append(f"{count.passed} passed")
        if count.failed:
            parts.append(f"{count.failed} refused work")
        if count.not_run:
            parts.append(f"{count.not_run} NOT RUN")
        lines.append(f"{name} checks{of}: {', '.join(parts)} ({MEANING[name]})")
    return lines


def verification(task: TaskLine) -> str:
    """Say in a few words what a task's work passed: `presence`, `tool x2`, `tool NOT RUN`."""
    if not task.checks:
        return "unverified" if task.state == "integrated" else NONE
    said: dict[str, int] = {}
    for check in task.checks:
        name = str(check.kind or "engine")
        word = f"{name} NOT RUN" if not check.run else name if check.ok else f"{name} FAILED"
        said[word] = said.get(word, 0) + 1
    return ", ".join(word if count == 1 else f"{word} x{count}" for word, count in said.items())


def landing(line: LandingLine) -> str:
    """Say how far a target branch has come, and what keeps it there or from being pushed."""
    said = "has all of integration." if line.complete else "is behind integration."
    if line.held:
        said += f" {'Not pushed' if line.moved else 'Held back'}: {line.held} {line.hint}".rstrip()
    return said


def decided(line: CheckpointLine) -> str:
    """Say who let a checkpoint pass."""
    if not line.decisions:
        return NONE if line.approval else "not asked for"
    last = line.decisions[-1]
    who = "--yes (nobody looked)" if last.by == "--yes" else last.by
    return who if last.approved else f"rejected by {who}"
