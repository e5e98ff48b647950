"""What a plan's source says of itself, beside what follows from the plan's data.

A claim is recognised by its id in the plan's `baseline.claims`. For each there is what was said,
what the data give, and why the two differ. Claims that the data do not decide are shown as such.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from coditect.plan.model import Target
from coditect.schedule.authored import authored
from coditect.schedule.problem import Kind
from coditect.schedule.study import Study

HOUR = 3600


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim and its counterpart."""

    id: str
    title: str
    said: str
    found: str
    """From the data; empty if they do not decide it."""
    why: str
    agrees: bool | None
    """Whether the figures agree within a twentieth; None if nothing can be compared."""


@dataclass(frozen=True, slots=True)
class _Found:
    text: str
    why: str
    low: float | None = None
    high: float | None = None

    def judged(self, target: Target) -> Claim:
        """Set it beside what was said."""
        agrees = self.agrees(target.value)
        return Claim(target.id, target.title, target.value, self.text, self.why, agrees)

    def agrees(self, said: str) -> bool | None:
        """Whether the number, or the range, that leads what was said holds the figure."""
        numbers = [float(one.replace(",", "")) for one in re.findall(r"\d[\d,]*(?:\.\d+)?", said)]
        if self.low is None or not numbers:
            return None
        high = self.high if self.high is not None else self.low
        span = re.match(r"[^\d]*[\d.,]+\s*[-–]\s*[^\d]?[\d.,]+", said)
        least, most = (numbers[0], numbers[1]) if span else (numbers[0], numbers[0])
        return least * 0.95 <= self.low and high <= most * 1.05


def claims(study: Study) -> tuple[Claim, ...]:
    """Set every claim of the plan's source beside what the plan's own data give."""
    baseline = study.plan.baseline
    if baseline is None:
        return ()
    found = [_baseline(study)]
    for target in baseline.claims:
        found.append(_claim(study, target))
    loads = _day_loads(study)
    if loads:
        found.append(loads)
    return tuple(found)


def _claim(study: Study, target: Target) -> Claim:
    for pattern, work_out in _KNOWN:
        match = re.fullmatch(pattern, target.id)
        result = work_out(study, target.value, *match.groups()) if match else None
        if result:
            return result.judged(target)
    why = _UNDECIDED.get(target.id, "The plan's data do not decide this.")
    return Claim(target.id, target.title, target.value, "", why, None)


def hours(seconds: float) -> str:
    """Hours as people write them: `62 h`, `7.5 h`."""
    return f"{seconds / HOUR:.2f}".rstrip("0").rstrip(".") + " h"


def _days_of(study: Study, seconds: float) -> str:
    count = seconds / HOUR / study.plan.calendar.hours_per_day
    text = f"{count:.1f}".rstrip("0").rstrip(".")
    return f"{text} day" + ("" if text == "1" else "s")


def _baseline(study: Study) -> Claim:
    baseline = study.plan.baseline
    assert baseline
    said = f"{_range(baseline.days_low, baseline.days_high)} days"
    target = Target("baseline", baseline.title, said)
    parts = []
    if baseline.phases:
        low = sum(phase.days_low for phase in baseline.phases)
        high = sum(phase.days_high for phase in baseline.phases)
        parts.append(f"its phases add up to {_range(low, high)} days")
    parts.append(
        f"one agent needs {hours(study.sequential_seconds)} for everything, which is "
        f"{_days_of(study, study.sequential_seconds)} of {study.plan.calendar.hours_per_day} h"
    )
    day = study.plan.calendar.hours_per_day * HOUR
    return _Found(
        hours(study.sequential_seconds) + f", {_days_of(study, study.sequential_seconds)}",
        _sentence("; ".join(parts)),
        study.sequential_seconds / day,
    ).judged(target)


def _critical_path(study: Study, _said: str) -> _Found:
    path = [study.problem.activities[name] for name in study.network.critical_path]
    gates = [one for one in path if one.kind is Kind.CHECKPOINT]
    spent = sum(one.duration for one in gates)
    why = (
        f"The longest chain has {len(path) - len(gates)} tasks of "
        f"{hours(study.network.length - spent)} together"
    )
    if gates:
        why += f" and the checkpoints {_listed(one.title for one in gates)} ({hours(spent)})"
    agent, busy = _busiest(study)
    makespan = study.schedule.makespan
    if makespan > study.network.length:
        why += (
            f". With the agents there are it takes {hours(makespan)}: {agent} alone is occupied "
            f"for {hours(busy)}"
        )
    return _Found(
        f"{hours(study.network.length)}, {_days_of(study, study.network.length)}",
        why + ".",
        study.network.length / HOUR,
    )


def _agents(study: Study, claimed: str) -> _Found | None:
    if not study.knee or len(study.points) < 2:
        return None
    said = int(_first_number(claimed) or 0)
    at = {point.agents: point for point in study.points}
    parts = []
    if said in at:
        point = at[said]
        fewer = min(one.agents for one in study.points if one.makespan <= point.makespan)
        parts.append(
            f"{fewer} agents already reach the {hours(point.makespan)} of {said}"
            if fewer < said
            else f"no fewer agents reach the {hours(point.makespan)} of {said}"
        )
    if study.knee.agents > said:
        parts.append(
            f"{study.knee.agents} reach {hours(study.knee.makespan)}, if the further ones can "
            "work beside the first on paths of their own"
        )
    return _Found(
        f"{study.knee.agents} ({hours(study.knee.makespan)})",
        _sentence("; ".join(parts)) or "It is the knee of the curve.",
        study.knee.agents,
    )


def _duration(study: Study, _said: str) -> _Found:
    day = study.plan.calendar.hours_per_day * HOUR
    makespan, placed = study.schedule.makespan, study.days.makespan
    why = f"{hours(makespan)} of work if every agent is always there"
    if placed > makespan:
        away = [agent.id for agent in study.plan.agents.values() if agent.days is not None]
        why += f"; {hours(placed)} with the days of {_listed(away)}"
    why += ". The plan's data hold no buffer for what goes wrong."
    return _Found(_days_of(study, placed), _sentence(why), -(-placed // day))


def _saved(study: Study, _said: str) -> _Found:
    one, many = study.sequential_seconds, study.schedule.makespan
    share = 100 * (1 - many / one) if one else 0.0
    why = f"{hours(one)} one after the other against {hours(many)} side by side"
    baseline = study.plan.baseline
    claimed = _claimed_days(study)
    if baseline and claimed:
        least = 100 * (1 - claimed[1] / baseline.days_low)
        most = 100 * (1 - claimed[0] / baseline.days_high)
        why += (
            f". The source's own {_range(baseline.days_low, baseline.days_high)} and "
            f"{_range(*claimed)} days give anything from {least:.0f} % to {most:.0f} %"
        )
    return _Found(f"{share:.0f} %", why + ".", share)


def _savings(study: Study, _said: str) -> _Found | None:
    per_day = study.plan.calendar.cost_per_day
    if per_day is None:
        return None
    day = study.plan.calendar.hours_per_day * HOUR
    before, after = -(-study.sequential_seconds // day), -(-study.days.makespan // day)
    saved = before - after
    money = f"{study.plan.calendar.currency} {saved * per_day:,.0f}"
    why = f"{before} working days one after the other, {after} in the day matrix"
    baseline = study.plan.baseline
    claimed = _claimed_days(study)
    if baseline and claimed:
        why += (
            f"; the source's own figures differ by {baseline.days_low - claimed[1]} to "
            f"{baseline.days_high - claimed[0]} days"
        )
    return _Found(f"{money} ({saved} days)", why + ".", saved * per_day)


def _claimed_days(study: Study) -> tuple[int, int] | None:
    baseline = study.plan.baseline
    for target in baseline.claims if baseline else ():
        match = re.match(r"(\d+)\s*[-–]\s*(\d+)", target.value)
        if target.id == "parallel-duration" and match:
            return int(match[1]), int(match[2])
    return None


def _day_tasks(study: Study, _said: str, day: str) -> _Found:
    number = int(day)
    meant = [task for task in study.plan.tasks.values() if task.day == number]
    begin = (number - 1) * study.plan.calendar.hours_per_day * HOUR
    end = begin + study.plan.calendar.hours_per_day * HOUR
    moments = sorted({booking.start for booking in study.schedule.bookings.values()} | {begin})
    tasks = [
        study.schedule.bookings[name]
        for name, activity in study.problem.activities.items()
        if activity.kind is Kind.TASK
    ]
    most = max(
        (
            sum(1 for one in tasks if one.start <= moment < one.finish)
            for moment in moments
            if begin <= moment < end
        ),
        default=0,
    )
    ready = sum(
        1
        for name, times in study.network.times.items()
        if times.early_start == begin and study.problem.activities[name].kind is Kind.TASK
    )
    why = f"The source's table has {len(meant)} tasks on day {number}"
    if number == 1:
        why += f"; {ready} of all tasks need nothing before them"
    return _Found(f"{most} at once in the schedule", why + ".", most)


def _day_window(study: Study, _said: str, first: str, last: str | None = None) -> _Found | None:
    table = authored(study.plan, study.problem)
    numbers = range(int(first), int(last or first) + 1)
    rows = [table[number] for number in numbers if number in table]
    if not rows:
        return None
    work = sum(sum(row.work.values()) for row in rows) / len(rows)
    busiest = sum(max(row.occupied.values()) for row in rows) / len(rows)
    each = " a day" if len(rows) > 1 else ""
    names = {max(row.occupied, key=lambda stream: row.occupied[stream]) for row in rows}
    return _Found(
        f"{hours(work)} of work{each}, at least {hours(busiest)} long = {work / busiest:.1f}x",
        f"That is what the source's table adds up to. The busiest workstream "
        f"({_listed(sorted(names))}) is occupied for {hours(busiest)}{each}, "
        "attendance at checkpoints included, so the day cannot be shorter.",
        work / HOUR,
    )


def _utilisation(study: Study, _said: str, stream: str) -> _Found | None:
    if stream not in study.problem.cast:
        return None
    makespan = study.schedule.makespan
    busy = study.busy_streams()[stream]
    share = 100 * busy / makespan if makespan else 0.0
    table = authored(study.plan, study.problem)
    day = study.plan.calendar.hours_per_day * HOUR
    why = f"Occupied for {hours(busy)} of the schedule's {hours(makespan)}"
    if table:
        span = max(table) * day
        mine = sum(row.occupied.get(stream, 0) for row in table.values())
        active = sum(1 for row in table.values() if row.occupied.get(stream))
        why += (
            f"; in the source's table {hours(mine)} of {hours(span)} "
            f"({100 * mine / span:.0f} %), on {active} of {max(table)} days"
        )
    return _Found(f"{share:.0f} %", why + ".", share)


def _coordination(study: Study, _said: str) -> _Found:
    spent = attended = own = 0
    for checkpoint in study.plan.checkpoints.values():
        gate = study.problem.activities[checkpoint.during or checkpoint.id]
        spent += gate.duration
        attended += gate.duration * len(gate.demands)
        own += 0 if checkpoint.during else gate.duration
    return _Found(
        f"{hours(spent)}, or {hours(attended)} of agents' time",
        f"Every participant is occupied: together {hours(attended)}. {hours(spent - own)} of it "
        f"are the work of tasks; {hours(own)} come on top.",
        spent / HOUR,
    )


_KNOWN: tuple[tuple[str, Callable[..., _Found | None]], ...] = (
    (r"critical-path", _critical_path),
    (r"agents", _agents),
    (r"parallel-duration", _duration),
    (r"time-saved", _saved),
    (r"savings", _savings),
    (r"day-(\d+)-tasks", _day_tasks),
    (r"day-(\d+)", _day_window),
    (r"days-(\d+)-(\d+)", _day_window),
    (r"utili[sz]ation-(.+)", _utilisation),
    (r"coordination", _coordination),
)


_UNDECIDED = {
    "merge-conflicts": "A schedule cannot tell; `coditect check` proves it, or shows a path.",
}


def _day_loads(study: Study) -> Claim | None:
    """Days of the author's table that hold more than a day."""
    limit = study.plan.calendar.hours_per_day * HOUR
    over = [
        f"{stream} on day {day}: {hours(seconds)}"
        for day, row in authored(study.plan, study.problem).items()
        for stream, seconds in row.occupied.items()
        if seconds > limit * len(study.plan.workstreams[stream].agents)
    ]
    if not over:
        return None
    return Claim(
        "day-loads",
        "The table fits its days",
        f"{study.plan.calendar.hours_per_day} h a day",
        "; ".join(over),
        "Tasks of that day and attendance at its checkpoints, added up.",
        False,
    )


def _busiest(study: Study) -> tuple[str, int]:
    busy = study.schedule.busy()
    return max(busy.items(), key=lambda item: item[1], default=("", 0))


def _range(low: int, high: int) -> str:
    return str(low) if low == high else f"{low}–{high}"


def _first_number(text: str) -> str | None:
    match = re.search(r"\d+", text)
    return match[0] if match else None


def _listed(names: Iterable[str]) -> str:
    *rest, last = list(names) or [""]
    return f"{', '.join(rest)} and {last}" if rest else last


def _sentence(text: str) -> str:
    if not text:
        return text
    return text[0].upper() + text[1:] + ("" if text.endswith(".") else ".")
