"""Schedule generation: from an order of activities to start times.

The serial and the parallel scheme of Kelley (1963), as compared by Kolisch (1996, "Serial and
parallel resource-constrained project scheduling methods revisited"), and the double
justification of Valls, Ballestín and Quintanilla (2005, "Justification and RCPSP").
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from coditect.schedule.instance import Instance


@dataclass(frozen=True, slots=True)
class Layout:
    """Start times, and which resources met each activity's wants (empty without wants)."""

    starts: list[int]
    chosen: list[tuple[int, ...]]
    makespan: int


class Timeline:
    """What is free when: packed amounts between break points, the last one without end."""

    __slots__ = ("free", "packed", "times")

    def __init__(self, instance: Instance) -> None:
        self.packed = instance.packed
        self.times = [0]
        self.free = [self.packed.free]

    def earliest(
        self, need: int, groups: Sequence[int], ready: int, duration: int
    ) -> tuple[int, int] | None:
        """The first start from `ready` with everything free throughout.

        Gives the start and the guards of the resources that have a unit free the whole time;
        None if something needed never becomes free for long enough.
        """
        times, free = self.times, self.free
        guards, ones = self.packed.guards, self.packed.ones
        count = len(times)
        first = bisect_right(times, ready) - 1
        start = ready
        while True:
            finish = start + duration
            here = first
            available = guards
            while True:
                amount = free[here]
                if (amount - need) & guards != guards:
                    first = here + 1
                    break
                if groups:
                    available &= amount - ones
                    if not all(group & available for group in groups):
                        first += 1
                        break
                here += 1
                if here == count or times[here] >= finish:
                    return start, available
            if first == count:
                return None
            start = times[first]

    def book(self, need: int, start: int, finish: int) -> None:
        """Take what was found free from `start` to `finish`."""
        times, free = self.times, self.free
        first = bisect_right(times, start) - 1
        if times[first] != start:
            first += 1
            times.insert(first, start)
            free.insert(first, free[first - 1])
        last = bisect_right(times, finish, first) - 1
        if times[last] != finish:
            last += 1
            times.insert(last, finish)
            free.insert(last, free[last - 1])
        for index in range(first, last):
            free[index] -= need

    def book_forever(self, need: int, start: int) -> None:
        """Take away from `start` on, without end."""
        self.book(0, start, start + 1)
        for index in range(bisect_right(self.times, start) - 1, len(self.times)):
            self.free[index] -= need

    def pieces(self, need: int, ready: int, duration: int) -> tuple[tuple[int, int], ...]:
        """The first moments from `ready` that have the need free and add up to the duration.

        Empty if there are not enough of them ever.
        """
        guards = self.packed.guards
        found: list[tuple[int, int]] = []
        left = duration
        for index in range(bisect_right(self.times, ready) - 1, len(self.times)):
            if (self.free[index] - need) & guards != guards:
                continue
            start = max(ready, self.times[index])
            last = index + 1 == len(self.times)
            finish = start + left if last else min(self.times[index + 1], start + left)
            if found and found[-1][1] == start:
                found[-1] = (found[-1][0], finish)
            else:
                found.append((start, finish))
            left -= finish - start
            if not left:
                return tuple(found)
        return ()


def serial(instance: Instance, order: Iterable[int]) -> Layout:
    """Place each activity, in the given order, at its earliest possible time.

    The order must have predecessors first. Some order of every project leads to a schedule of
    least makespan, so nothing is lost by searching orders instead of start times.
    """
    timeline = Timeline(instance)
    durations, predecessors = instance.durations, instance.predecessors
    packed = instance.packed
    needs, wants = packed.needs, packed.groups
    starts = [0] * len(instance)
    finishes = [0] * len(instance)
    chosen: list[tuple[int, ...]] = [()] * len(instance) if wants else []
    makespan = 0
    for activity in order:
        ready = 0
        for other in predecessors[activity]:
            if finishes[other] > ready:  # noqa: PLR1730 - a call of max costs half the loop
                ready = finishes[other]
        duration = durations[activity]
        groups = wants[activity] if wants else ()
        need = needs[activity]
        start = ready
        if duration:
            found = timeline.earliest(need, groups, ready, duration)
            if found is None:
                raise ValueError(f"activity {activity} can never take place")
            start = found[0]
            if groups:
                chosen[activity] = packed.cover(found[1], groups)
                need += sum(packed.units[resource] for resource in chosen[activity])
            timeline.book(need, start, start + duration)
        elif groups:
            chosen[activity] = packed.cover(packed.guards, groups)
        starts[activity] = start
        finish = finishes[activity] = start + duration
        makespan = max(makespan, finish)
    return Layout(starts, chosen, makespan)


@dataclass(frozen=True, slots=True)
class Begun:
    """Where a project stands: what has finished, what is under way, and what time it is."""

    now: int
    finished: frozenset[int]
    running: tuple[tuple[int, int], ...]
    """When it is expected to finish (before now means now), and the activity."""


def parallel(instance: Instance, priority: Sequence[int], begun: Begun | None = None) -> Layout:
    """Walk through time; at each moment start what is ready and fits, lowest priority value first.

    This is also how a run hands out work, so from `begun` it forecasts the rest of one: activities
    that have finished or are running then keep a start of -1, and time begins at `begun.now`.
    Activities that are alike in what they hold wait in one queue of which only the first is looked
    at, so the cost grows as n log n, not as n^2.
    """
    walk = _Walk(instance, priority)
    if begun:
        walk.resume(begun)
    for activity, count in enumerate(walk.waiting):
        if count == 0 and activity not in walk.gone:
            walk.ready(activity)
    walk.start()
    while walk.ending:
        walk.advance()
        walk.start()
    return Layout(walk.starts, walk.chosen, walk.time)


class _Walk:
    """The state of one pass of the parallel scheme."""

    def __init__(self, instance: Instance, priority: Sequence[int]) -> None:
        self.instance = instance
        self.packed = instance.packed
        self.free = self.packed.free
        self.time = 0
        self.starts = [-1] * len(instance)
        self.chosen: list[tuple[int, ...]] = [()] * len(instance) if instance.wants else []
        self.held = [0] * len(instance)
        self.waiting = [len(before) for before in instance.predecessors]
        self.gone: set[int] = set()
        self.ending: list[tuple[int, int]] = []
        self.ranked = sorted(range(len(instance)), key=priority.__getitem__)
        self.rank = [0] * len(instance)
        for rank, activity in enumerate(self.ranked):
            self.rank[activity] = rank
        self.queues: dict[tuple[int, tuple[int, ...]], list[int]] = {}

    def resume(self, begun: Begun) -> None:
        """Take over what has finished and what is under way."""
        packed = self.packed
        self.time = begun.now
        self.gone = {*begun.finished, *(activity for _, activity in begun.running)}
        for activity in begun.finished:
            for other in self.instance.successors[activity]:
                self.waiting[other] -= 1
        for finish, activity in begun.running:
            need = packed.needs[activity]
            groups = packed.groups[activity] if packed.groups else ()
            available = (self.free - packed.ones) & packed.guards
            if all(group & available for group in groups):
                need += self.choose(activity, available, groups)
            # Work that is under way is under way, even where the plan has no room for it.
            if (self.free - need) & packed.guards == packed.guards:
                self.held[activity] = need
                self.free -= need
            heappush(self.ending, (max(finish, self.time), activity))

    def choose(self, activity: int, available: int, groups: Sequence[int]) -> int:
        """Meet the wants of an activity; gives what that takes."""
        if not groups:
            return 0
        self.chosen[activity] = self.packed.cover(available, groups)
        return sum(self.packed.units[resource] for resource in self.chosen[activity])

    def ready(self, activity: int) -> None:
        """Put an activity into the queue of those that hold the same."""
        key: tuple[int, tuple[int, ...]] = (0, ())
        if self.instance.durations[activity]:
            groups = self.packed.groups[activity] if self.packed.groups else ()
            key = (self.packed.needs[activity], groups)
        heappush(self.queues.setdefault(key, []), self.rank[activity])

    def start(self) -> None:
        """Start what is ready and fits, by priority."""
        packed, guards, ones = self.packed, self.packed.guards, self.packed.ones
        queues, ending, free = self.queues, self.ending, self.free
        heads = [
            (queue[0], key) for key, queue in queues.items() if (free - key[0]) & guards == guards
        ]
        heapify(heads)
        while heads:
            rank, key = heappop(heads)
            need, groups = key
            if (self.free - need) & guards != guards:
                continue
            activity = self.ranked[rank]
            duration = self.instance.durations[activity]
            if groups:
                available = (self.free - ones) & guards
                if not all(group & available for group in groups):
                    continue
                need += self.choose(activity, available, groups)
            elif packed.groups and packed.groups[activity]:
                self.choose(activity, guards, packed.groups[activity])
            self.starts[activity] = self.time
            self.free -= need
            self.held[activity] = need
            heappush(ending, (self.time + duration, activity))
            queue = queues[key]
            heappop(queue)
            if queue:
                heappush(heads, (queue[0], key))
            else:
                del queues[key]

    def advance(self) -> None:
        """Go to the next moment at which something ends, and end it."""
        ending, waiting = self.ending, self.waiting
        self.time = ending[0][0]
        while ending and ending[0][0] == self.time:
            _, activity = heappop(ending)
            self.free += self.held[activity]
            for other in self.instance.successors[activity]:
                waiting[other] -= 1
                if waiting[other] == 0 and other not in self.gone:
                    self.ready(other)


def by_start(instance: Instance, starts: Sequence[int]) -> list[int]:
    """The activities in the order in which they start, predecessors first."""
    position = instance.position
    return sorted(range(len(instance)), key=lambda one: (starts[one], position[one]))


def by_finish_backwards(instance: Instance, starts: Sequence[int]) -> list[int]:
    """The activities by finish, last first, successors before their predecessors."""
    position, durations = instance.position, instance.durations
    return sorted(
        range(len(instance)), key=lambda one: (-starts[one] - durations[one], -position[one])
    )


def justified(instance: Instance, layout: Layout) -> Layout:
    """Push everything as late as it goes, then as early as it goes.

    Without wants the makespan never grows (Valls et al. 2005); with wants the passes may choose
    other resources, and then the better of the two layouts is given.
    """
    late = serial(instance.reversed, by_finish_backwards(instance, layout.starts))
    mirrored = [
        late.makespan - start - duration
        for start, duration in zip(late.starts, instance.durations, strict=True)
    ]
    early = serial(instance, by_start(instance, mirrored))
    return early if early.makespan <= layout.makespan else layout
