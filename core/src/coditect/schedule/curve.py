"""How the makespan falls with the number of agents, and where more of them stop being worth it.

The curve counts working hours and takes every agent as always there. Up to as many agents as
workstreams, a workstream belongs to one agent, so that owning paths by workstream is enough; the
further ones are second and third agents of a workstream (see `casts`). Somebody may stay idle, so
a point is never worse than the one before it.

For each number the casts are tried in the order of their lower bounds, and a cast whose bound is
no better than a schedule already found is never solved: that prunes nearly all of them. Where
there are too many casts to look at, the best cast of a neighbouring number is changed step by
step instead; the point then says so, and its bound holds for all casts regardless.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from coditect.schedule import casts, exact
from coditect.schedule.bounds import Bounds, bounds, longest
from coditect.schedule.casts import Cast
from coditect.schedule.generation import Layout, parallel
from coditect.schedule.heuristics import by_rules, latest_finish, ranks_of, search
from coditect.schedule.instance import Instance
from coditect.schedule.problem import Problem
from coditect.schedule.solution import (
    LARGE,
    Answer,
    Schedule,
    Solver,
    coarse,
    schedule_of,
    searching,
)

MOST_CASTS = 2000
"""With more casts than that for a number of agents, only a part is looked at."""
NEAR = 0.05
"""The knee is the least number of agents within this share of the shortest makespan."""

CastMap = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Point:
    """The best that a number of agents was found to reach."""

    agents: int
    schedule: Schedule
    """Its lower bound holds for every cast of so many agents."""
    cast: CastMap
    """Agents for each workstream. It may have fewer agents than the point: the others would
    find nothing to shorten."""
    notes: tuple[str, ...] = ()

    @property
    def makespan(self) -> int:
        """Seconds of work."""
        return self.schedule.makespan

    @property
    def serves(self) -> dict[str, tuple[str, ...]]:
        """Workstreams for each agent."""
        found: dict[str, tuple[str, ...]] = {}
        for stream, agents in self.cast.items():
            for agent in agents:
                found[agent] = (*found.get(agent, ()), stream)
        return found


@dataclass(frozen=True, slots=True)
class Knee:
    """Where further agents stop being worth it."""

    agents: int
    """The least number within 5 % of the shortest makespan of the curve."""
    makespan: int
    shortest: int
    """The shortest makespan of the curve. Seconds of work."""
    saved: Mapping[int, int]
    """For each number of agents, the seconds that it saves over the number before it."""


def knee(points: Sequence[Point]) -> Knee:
    """Find the knee of a curve: the least number of agents within 5 % of the shortest makespan.

    Beyond it all further agents together save less than a twentieth. ValueError without points.
    """
    ordered = sorted(points, key=lambda point: point.agents)
    shortest = min(point.makespan for point in ordered)
    best = next(point for point in ordered if point.makespan <= shortest * (1 + NEAR))
    saved = {after.agents: before.makespan - after.makespan for before, after in pairwise(ordered)}
    return Knee(best.agents, best.makespan, shortest, saved)


def curve(
    problem: Problem,
    counts: Iterable[int] = range(1, 11),
    *,
    seconds: float = 1.0,
    solver: Solver = "auto",
    collide: Callable[[str, str], bool] | None = None,
    watch: Callable[[Point], None] | None = None,
) -> tuple[Point, ...]:
    """The makespan for each number of agents, smallest number first.

    `seconds` of real time go to each cast whose bound leaves it a chance, at the most. `collide`
    says of two tasks whether their paths overlap; with it, a point whose agents would work on
    such tasks at the same time says so. `watch` is told each point as soon as it is known.
    """
    found: list[Point] = []
    explorer = _Explorer(problem, seconds, solver)
    for agents in sorted(set(counts)):
        if agents < 1 or not problem.workstreams:
            continue
        point = explorer.point(agents, found[-1] if found else None)
        point = replace(point, notes=(*point.notes, *_noted(problem, point, collide)))
        found.append(point)
        if watch:
            watch(point)
    return tuple(found)


@dataclass(slots=True)
class _Candidate:
    """A cast that may turn out to be the best, and what is known of it."""

    cast: CastMap
    problem: Problem
    instance: Instance
    unit: int
    limits: Bounds
    lower: int
    layout: Layout | None = None

    @classmethod
    def of(cls, problem: Problem, cast: CastMap) -> _Candidate:
        recast = problem.recast(cast)
        instance, unit = coarse(recast.translation.instance)
        limits = bounds(instance, sharp=False)
        return cls(cast, recast, instance, unit, limits, limits.makespan)

    def sharpen(self) -> None:
        """Work out the better bounds."""
        self.limits = bounds(self.instance)
        self.lower = max(self.lower, self.limits.makespan)


class _Explorer:
    """Finds the point of one number of agents after the other."""

    def __init__(self, problem: Problem, seconds: float, solver: Solver) -> None:
        self.problem = problem
        self.seconds = seconds
        self.with_solver = solver == "always" or (solver == "auto" and exact.available())
        self.streams = problem.workstreams
        instance, self.unit = coarse(problem.translation.instance)
        ends = (head + one for head, one in zip(longest(instance), instance.durations, strict=True))
        self.path = max(ends, default=0)
        self.work = sum(instance.durations)
        self.steps: dict[int, Cast] = {}

    def floor(self, agents: int) -> int:
        """What no cast of so many agents can undercut: the longest path, and the work shared."""
        return max(self.path, -(-self.work // agents))

    def point(self, agents: int, before: Point | None) -> Point:
        """The best point for so many agents, never worse than the one before."""
        spare = agents > len(self.streams)
        if before and spare and before.makespan <= self.path * self.unit:
            return _same(before, agents, before.makespan, ())
        complete = casts.count(len(self.streams), agents) <= MOST_CASTS
        found = casts.every(self.streams, agents) if complete else (self.greedy(agents),)
        maps: list[CastMap] = [cast.named(self.problem) for cast in found]
        given = casts.own(self.problem)
        if len({agent for team in given.values() for agent in team}) == agents:
            maps.insert(0, given)
        candidates = [_Candidate.of(self.problem, cast) for cast in _different(maps)]
        ceiling = None
        if before:
            # At equal length a cast that gives everybody something is preferred to idleness,
            # unless it would put a second agent into a workstream for nothing.
            ceiling = before.makespan // self.unit + (0 if spare else 1)
        best = self.best(candidates, ceiling)
        lower = self.floor(agents)
        if complete:
            lower = max(lower, min(one.lower for one in candidates))
        notes = () if complete else (f"not all casts of {agents} agents were looked at",)
        if best is None or best.layout is None:
            assert before is not None
            return _same(before, agents, lower * self.unit, notes)
        layout = Layout(
            [start * best.unit for start in best.layout.starts],
            best.layout.chosen,
            best.layout.makespan * best.unit,
        )
        method = f"best of {len(candidates)} casts"
        answer = Answer(layout, min(lower, best.layout.makespan) * best.unit, method)
        return Point(agents, schedule_of(best.problem, answer), best.cast, notes)

    def best(self, candidates: list[_Candidate], ceiling: int | None) -> _Candidate | None:
        """The candidate with the shortest schedule below the ceiling, None if there is none."""
        best: _Candidate | None = None
        candidates.sort(key=lambda one: one.lower)
        for one in candidates:
            if ceiling is None or one.lower < ceiling:
                one.sharpen()
            if ceiling is None or one.lower < ceiling:
                # The rules cost a millisecond, and set the mark for everything after them.
                one.layout = by_rules(one.instance, one.lower)
                if ceiling is None or one.layout.makespan < ceiling:
                    best, ceiling = one, one.layout.makespan
        for one in sorted(candidates, key=lambda one: one.lower):
            if ceiling is not None and one.layout is not None and one.lower < ceiling:
                layout = self.deepened(one, one.layout, ceiling)
                if layout.makespan < ceiling:
                    one.layout = layout
                    best, ceiling = one, layout.makespan
        return best

    def deepened(self, one: _Candidate, layout: Layout, ceiling: int) -> Layout:
        """Look for a schedule of this cast below the ceiling, or prove that there is none."""
        if len(one.instance) > LARGE:
            return layout
        part = searching(len(one.instance), self.seconds, solver=self.with_solver)
        layout = search(one.instance, layout, one.lower, part)
        if not self.with_solver or layout.makespan <= one.lower:
            return layout
        below = None if layout.makespan < ceiling else ceiling
        left = self.seconds - part
        proof = exact.improve(one.instance, layout, one.limits, left, below=below)
        one.lower = max(one.lower, proof.lower_bound)
        return proof.layout

    def greedy(self, agents: int) -> Cast:
        """A good cast where there are too many to look at all: step by step from one agent each.

        Each step joins the two blocks, or adds the agent, that the rules like best; in between,
        single workstreams change blocks for as long as that helps.
        """
        size = len(self.streams)
        cast = Cast(tuple((stream,) for stream in self.streams), (1,) * size)
        while cast.agents != agents:
            near = cast.agents + (1 if agents > size else -1)
            if near not in self.steps:
                options = casts.joined_by(cast) if agents > size else casts.merged(cast)
                found = min(options, key=self.rated)
                while agents < size:
                    nearer = min((found, *casts.moved(found)), key=self.rated)
                    if self.rated(nearer) >= self.rated(found):
                        break
                    found = nearer
                self.steps[near] = found
            cast = self.steps[near]
        return cast

    def rated(self, cast: Cast) -> int:
        """What the parallel scheme makes of a cast."""
        instance, _ = coarse(self.problem.recast(cast.named(self.problem)).translation.instance)
        return parallel(instance, ranks_of(latest_finish(instance))).makespan


def _same(before: Point, agents: int, lower: int, notes: tuple[str, ...]) -> Point:
    """The point before, with the further agents idle."""
    schedule = replace(before.schedule, lower_bound=min(lower, before.makespan))
    return replace(before, agents=agents, schedule=schedule, notes=notes)


def _different(maps: Iterable[CastMap]) -> list[CastMap]:
    """Each cast once, whoever its agents are called."""
    seen: dict[tuple[tuple[str, ...], ...], CastMap] = {}
    for cast in maps:
        teams: dict[str, list[str]] = {}
        for stream, agents in cast.items():
            for agent in agents:
                teams.setdefault(agent, []).append(stream)
        seen.setdefault(tuple(sorted(map(tuple, teams.values()))), cast)
    return list(seen.values())


def _noted(
    problem: Problem, point: Point, collide: Callable[[str, str], bool] | None
) -> Iterable[str]:
    """What somebody should know before casting like this."""
    used = len(point.serves)
    if used < point.agents:
        yield f"{used} agents do as well: nobody found anything for the others to shorten"
    tasks = [one for one in problem.activities.values() if one.workstream]
    for stream, agents in point.cast.items():
        if len(agents) < 2 or problem.slots.get(stream, 1) > 1:
            continue
        mine = [one.id for one in tasks if one.workstream == stream]
        if collide is None:
            yield f"{len(agents)} agents in {stream}: tasks side by side must own different paths"
            continue
        clashes = [
            (one, other)
            for index, one in enumerate(mine)
            for other in mine[index + 1 :]
            if _together(point.schedule, one, other) and collide(one, other)
        ]
        if clashes:
            yield (
                f"{len(agents)} agents in {stream}: {len(clashes)} pairs of tasks would run at "
                f"once on the same paths, such as {clashes[0][0]} and {clashes[0][1]}"
            )
        else:
            yield f"{len(agents)} agents in {stream}: nothing side by side is on the same paths"


def _together(schedule: Schedule, one: str, other: str) -> bool:
    """Whether two activities overlap in time."""
    first, second = schedule.bookings[one], schedule.bookings[other]
    return first.start < second.finish and second.start < first.finish
