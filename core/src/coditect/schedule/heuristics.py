"""Good schedules without a solver: priority rules, then a genetic search over activity lists.

The rules are the ones found best in the comparisons of Kolisch and Hartmann (2006, "Experimental
investigation of heuristics for resource-constrained project scheduling: an update"). The search
is a genetic algorithm over activity lists with two-point crossover (Hartmann 1998) in which every
schedule is justified twice (Valls, Ballestín and Quintanilla 2008), the combination that the same
survey found strongest. It is seeded: the same budget of schedules gives the same result.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import heapify, heappop, heappush
from random import Random
from time import monotonic

from coditect.schedule.bounds import longest
from coditect.schedule.generation import (
    Layout,
    by_finish_backwards,
    by_start,
    justified,
    parallel,
    serial,
)
from coditect.schedule.instance import Instance

POPULATION = 80
"""How many activity lists live side by side."""
MUTATION = 0.1
"""How likely two neighbours of a new list change places."""
PATIENCE = 60
"""Generations without a better schedule after which a new population is drawn."""
SERIAL_UP_TO = 1000
"""Beyond that many activities only the parallel scheme is used; its cost grows as n log n."""


def latest_finish(instance: Instance) -> list[int]:
    """The activities by late finish (the LFT rule), predecessors first."""
    tails = longest(instance.reversed)
    position = instance.position
    return sorted(range(len(instance)), key=lambda one: (-tails[one], position[one]))


def latest_start(instance: Instance) -> list[int]:
    """The activities by late start (the LST rule), the longer first, predecessors first."""
    tails, durations, position = longest(instance.reversed), instance.durations, instance.position
    return sorted(
        range(len(instance)),
        key=lambda one: (
            -tails[one] - durations[one],
            # What takes no time may precede what starts at the same moment.
            durations[one] > 0,
            -durations[one],
            position[one],
        ),
    )


def ranks_of(order: Sequence[int]) -> list[int]:
    """Turn an order into the rank of each activity."""
    found = [0] * len(order)
    for rank, activity in enumerate(order):
        found[activity] = rank
    return found


def by_rules(instance: Instance, target: int) -> Layout:
    """The best of a few priority rules, justified; stops at once at the target makespan."""
    best: Layout | None = None
    for layout in _rule_layouts(instance):
        if best is None or layout.makespan < best.makespan:
            best = layout
        if best.makespan <= target:
            break
    assert best is not None
    return best


def _rule_layouts(instance: Instance) -> Iterator[Layout]:
    finish, start = latest_finish(instance), latest_start(instance)
    if len(instance) > SERIAL_UP_TO:
        for order in (finish, start):
            yield parallel(instance, ranks_of(order))
        yield _swung(instance, parallel(instance, ranks_of(finish)))
        return
    yield justified(instance, parallel(instance, ranks_of(finish)))
    yield justified(instance, serial(instance, finish))
    yield justified(instance, parallel(instance, ranks_of(start)))
    backwards = serial(instance.reversed, latest_finish(instance.reversed))
    yield serial(instance, by_start(instance, _mirrored(instance, backwards)))


def _swung(instance: Instance, layout: Layout) -> Layout:
    """Justification with the parallel scheme, for projects too large for the serial one."""
    late = parallel(instance.reversed, ranks_of(by_finish_backwards(instance, layout.starts)))
    return parallel(instance, ranks_of(by_start(instance, _mirrored(instance, late))))


def _mirrored(instance: Instance, layout: Layout) -> list[int]:
    return [
        layout.makespan - start - duration
        for start, duration in zip(layout.starts, instance.durations, strict=True)
    ]


class _Search:
    """One genetic search; holds the best layout and the population."""

    def __init__(self, instance: Instance, best: Layout, target: int, deadline: float) -> None:
        self.instance = instance
        self.best = best
        self.target = target
        self.deadline = deadline
        self.random = Random(1)  # noqa: S311 - a search, not a secret
        self.urgency = [-tail for tail in longest(instance.reversed)]
        self.spread = 1 + 0.15 * -min(self.urgency, default=0)

    def over(self) -> bool:
        """Whether the target is met or the time is used up."""
        return self.best.makespan <= self.target or monotonic() >= self.deadline

    def judged(self, order: Sequence[int]) -> tuple[int, tuple[int, ...]]:
        """The makespan an order leads to, and the order of the schedule it became."""
        layout = justified(self.instance, serial(self.instance, order))
        if layout.makespan < self.best.makespan:
            self.best = layout
        return layout.makespan, tuple(by_start(self.instance, layout.starts))

    def sample(self) -> list[int]:
        """A random order in which urgent activities tend to come early."""
        instance, uniform = self.instance, self.random.uniform
        keys = [one + uniform(-self.spread, self.spread) for one in self.urgency]
        waiting = [len(before) for before in instance.predecessors]
        ready = [(keys[one], one) for one, count in enumerate(waiting) if count == 0]
        heapify(ready)
        order = []
        while ready:
            _, activity = heappop(ready)
            order.append(activity)
            for other in instance.successors[activity]:
                waiting[other] -= 1
                if waiting[other] == 0:
                    heappush(ready, (keys[other], other))
        return order

    def child(self, one: Sequence[int], other: Sequence[int]) -> list[int]:
        """Two-point crossover, then changes of neighbours; predecessors stay first."""
        size, draw = len(one), self.random.random
        first, last = sorted((self.random.randrange(size), self.random.randrange(size)))
        order = list(one[:first])
        taken = set(order)
        for activity in other:
            if len(order) == last:
                break
            if activity not in taken:
                order.append(activity)
                taken.add(activity)
        order.extend(activity for activity in one if activity not in taken)
        for index in range(size - 1):
            if draw() < MUTATION:
                left, right = order[index], order[index + 1]
                if left not in self.instance.predecessors[right]:
                    order[index], order[index + 1] = right, left
        return order

    def population(self) -> list[tuple[int, tuple[int, ...]]]:
        """A new population around the best schedule known."""
        people = [self.judged(by_start(self.instance, self.best.starts))]
        while len(people) < POPULATION and not self.over():
            people.append(self.judged(self.sample()))
        return people

    def run(self) -> Layout:
        """Search until over."""
        people = self.population()
        calm = 0
        while not self.over():
            before = self.best.makespan
            born = []
            for _ in range(POPULATION // 2):
                if self.over():
                    break
                one, other = (min(self.random.sample(people, 2))[1] for _ in range(2))
                born.append(self.judged(self.child(one, other)))
            people = sorted({*people, *born})[:POPULATION]
            calm = 0 if self.best.makespan < before else calm + 1
            if calm >= PATIENCE or len(people) < 4:
                people = self.population()
                calm = 0
        return self.best


def search(
    instance: Instance,
    best: Layout,
    target: int,
    seconds: float,
) -> Layout:
    """Improve a layout for at most the given time, or until the target makespan is reached."""
    if len(instance) < 2 or best.makespan <= target:
        return best
    return _Search(instance, best, target, monotonic() + seconds).run()
