"""The schedule on working days: what each workstream does on day 1, 2, 3 ...

Working hours are laid end to end, `hours_per_day` to a day, so a task that is not done in the
evening goes on in the morning. Agents work only on their days; work waits for them. Where the days
of somebody are too few in a row for a task, it is split over them; where there are none left, it is
not placed, and neither is what comes after it: that is said, not hidden.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coditect.schedule.generation import Timeline, by_start
from coditect.schedule.heuristics import latest_start
from coditect.schedule.problem import Kind, Problem, problem_of
from coditect.schedule.solution import Schedule
from coditect.schedule.translation import Roles, Translation, translated

if TYPE_CHECKING:
    from coditect.plan.model import Plan

HOUR = 3600


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that a workstream works on that day."""

    id: str
    title: str
    kind: Kind
    seconds: int
    """How much of it falls on this day."""
    attends: bool
    """Whether the workstream is there for a checkpoint that is not its own work."""
    author_day: int | None
    """The first day on which the plan's author expected it."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One workstream on one day."""

    entries: tuple[Entry, ...]
    absent: bool
    """Whether none of its agents is there."""

    @property
    def seconds(self) -> int:
        """How much work it is."""
        return sum(entry.seconds for entry in self.entries)

    @property
    def standby(self) -> bool:
        """Whether somebody is there and has nothing to do."""
        return not self.entries and not self.absent


@dataclass(frozen=True, slots=True)
class DayPlan:
    """The matrix of days and workstreams, and the times behind it."""

    hours_per_day: int
    workstreams: tuple[str, ...]
    rows: tuple[Mapping[str, Cell], ...]
    """Day 1 first: a cell for each workstream."""
    spans: Mapping[str, tuple[tuple[int, int], ...]]
    """When each activity is worked on, in seconds of working hours from the start of day 1."""
    roles: Mapping[str, Roles]
    """Who stands for each workstream."""
    unplaced: tuple[str, ...]
    """Activities for which not all whom they need are there for long enough at any time."""

    @property
    def makespan(self) -> int:
        """When the last placed activity is finished, in seconds of working hours."""
        return max((parts[-1][1] for parts in self.spans.values() if parts), default=0)

    def load(self) -> dict[str, dict[int, int]]:
        """How many seconds each agent is occupied on each of its days."""
        found: dict[str, dict[int, int]] = {}
        day_length = self.hours_per_day * HOUR
        for name, parts in self.spans.items():
            for agent in dict.fromkeys(agent for _, agent in self.roles[name]):
                for day, seconds in _by_day(parts, day_length):
                    mine = found.setdefault(agent, {})
                    mine[day] = mine.get(day, 0) + seconds
        return {agent: dict(sorted(mine.items())) for agent, mine in found.items()}


def days(plan: Plan, schedule: Schedule, problem: Problem | None = None) -> DayPlan:
    """Lay a schedule onto working days; `problem` if its cast is another than the plan's.

    One pass of the serial scheme in the order of the schedule's starts, and one by late start;
    the one that places more, and then ends earlier, is given. Agents of a workstream stand in
    for one another if their days differ.
    """
    problem = problem or problem_of(plan)

    def presence(agent: str) -> frozenset[int] | None:
        return plan.agents[agent].days if agent in plan.agents else None

    translation = translated(problem, presence)
    day_length = plan.calendar.hours_per_day * HOUR
    absences = [_absence(presence(pool[0]), day_length) for pool in translation.pools]
    starts = [schedule.bookings[name].start for name in translation.ids]
    instance = translation.instance
    passes = [
        _placed(translation, absences, order)
        for order in (by_start(instance, starts), latest_start(instance))
    ]
    parts, chosen = min(passes, key=_badness)
    spans = {name: parts[one] for one, name in enumerate(translation.ids)}
    cast = translation.cast([(one[0][0], one[-1][1]) if one else None for one in parts], chosen)
    roles = {name: cast[one] for one, name in enumerate(translation.ids)}
    count = -(-max((one[-1][1] for one in parts if one), default=0) // day_length)
    entries = _entries(plan, spans, roles, day_length)
    rows = tuple(
        {
            stream: Cell(
                entries=tuple(entries.get((day, stream), ())),
                absent=all(
                    (there := presence(agent)) is not None and day not in there
                    for agent in problem.cast[stream]
                ),
            )
            for stream in problem.cast
        }
        for day in range(1, count + 1)
    )
    return DayPlan(
        hours_per_day=plan.calendar.hours_per_day,
        workstreams=tuple(problem.cast),
        rows=rows,
        spans=spans,
        roles=roles,
        unplaced=tuple(name for one, name in enumerate(translation.ids) if not parts[one]),
    )


Parts = tuple[tuple[int, int], ...]


def _badness(result: tuple[list[Parts], list[tuple[int, ...]]]) -> tuple[int, int]:
    parts = result[0]
    missing = sum(1 for one in parts if not one)
    return missing, max((one[-1][1] for one in parts if one), default=0)


def _absence(there: frozenset[int] | None, day_length: int) -> list[tuple[int, int | None]]:
    """The times at which somebody is away; the last one has no end."""
    if there is None:
        return []
    gaps: list[tuple[int, int | None]] = []
    begin = 1
    for day in sorted(there):
        if day > begin:
            gaps.append(((begin - 1) * day_length, (day - 1) * day_length))
        begin = day + 1
    gaps.append(((begin - 1) * day_length, None))
    return gaps


def _placed(
    translation: Translation,
    absences: Sequence[Iterable[tuple[int, int | None]]],
    order: Iterable[int],
) -> tuple[list[Parts], list[tuple[int, ...]]]:
    """Place each activity, in the given order, as early as whoever it needs is there."""
    instance, packed = translation.instance, translation.instance.packed
    timeline = Timeline(instance)
    for resource, gaps in enumerate(absences):
        everybody = len(translation.pools[resource]) * packed.units[resource]
        for start, finish in gaps:
            if finish is None:
                timeline.book_forever(everybody, start)
            else:
                timeline.book(everybody, start, finish)
    parts: list[Parts] = [()] * len(instance)
    chosen: list[tuple[int, ...]] = [()] * len(instance) if packed.groups else []
    for activity in order:
        before = instance.predecessors[activity]
        if not all(parts[other] for other in before):
            continue
        ready = max((parts[other][-1][1] for other in before), default=0)
        groups = packed.groups[activity] if packed.groups else ()
        need = packed.needs[activity]
        picked, parts[activity] = _fitted(
            timeline, need, groups, ready, instance.durations[activity]
        )
        if groups:
            chosen[activity] = picked
            need += sum(packed.units[one] for one in picked)
        for start, finish in parts[activity]:
            if start < finish:
                timeline.book(need, start, finish)
    return parts, chosen


def _fitted(
    timeline: Timeline, need: int, groups: Sequence[int], ready: int, duration: int
) -> tuple[tuple[int, ...], Parts]:
    """Who meets the wants, and when: in one piece if there is room for that at any time."""
    packed = timeline.packed
    if not duration:
        return packed.cover(packed.guards, groups), ((ready, ready),)
    found = timeline.earliest(need, groups, ready, duration)
    if found is None:
        return _split(timeline, need, groups, ready, duration)
    start, available = found
    return packed.cover(available, groups), ((start, start + duration),)


def _split(
    timeline: Timeline, need: int, groups: Sequence[int], ready: int, duration: int
) -> tuple[tuple[int, ...], Parts]:
    """Place something too long for any stretch of presence, in pieces, with the same agents."""
    packed = timeline.packed
    best: tuple[tuple[int, ...], Parts] = ((), ())
    for picked in _choices(timeline, groups):
        whole = need + sum(packed.units[one] for one in picked)
        parts = timeline.pieces(whole, ready, duration)
        if parts and (not best[1] or parts[-1][1] < best[1][-1][1]):
            best = picked, parts
    return best


def _choices(timeline: Timeline, groups: Sequence[int]) -> Iterable[tuple[int, ...]]:
    """Ways to meet the wants: by whoever is there at some moment; once, without wants."""
    packed = timeline.packed
    if not groups:
        return [()]
    moments = {(amount - packed.ones) & packed.guards for amount in timeline.free}
    return [
        packed.cover(available, groups)
        for available in sorted(moments)
        if all(group & available for group in groups)
    ]


def _by_day(parts: Parts, day_length: int) -> Iterable[tuple[int, int]]:
    """Each day that the parts touch, and the seconds on it."""
    for start, finish in parts:
        here = start
        while here < finish:
            day = here // day_length + 1
            until = min(finish, day * day_length)
            yield day, until - here
            here = until


def _entries(
    plan: Plan, spans: Mapping[str, Parts], roles: Mapping[str, Roles], day_length: int
) -> dict[tuple[int, str], list[Entry]]:
    """What stands in each cell, in the order of the day."""
    found: dict[tuple[int, str], list[Entry]] = {}
    for name, parts in sorted(spans.items(), key=lambda item: item[1][:1]):
        task = plan.tasks.get(name)
        checkpoint = plan.checkpoints.get(name)
        if task:
            kind, title, author = Kind.TASK, task.title, task.day
        else:
            assert checkpoint
            kind, title = Kind.CHECKPOINT, checkpoint.title
            author = checkpoint.days[0] if checkpoint.days else None
        shares: dict[int, int] = {}
        for day, seconds in _by_day(parts, day_length):
            shares[day] = shares.get(day, 0) + seconds
        if parts and not shares:
            shares[max(1, -(-parts[0][0] // day_length))] = 0
        for day, seconds in shares.items():
            for stream, _ in roles[name]:
                attends = task is not None and stream != task.workstream
                entry = Entry(name, title, kind, seconds, attends, author)
                found.setdefault((day, stream), []).append(entry)
    return found
