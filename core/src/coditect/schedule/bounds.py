"""Lower bounds on the makespan, without a solver.

Each is a true statement about every schedule, so the best of them is too:

* the longest path through the precedence (Kelley and Walker 1959);
* for every resource and every set of its activities: the least head, plus the work of the set
  over the capacity, plus the least tail. The best set need not be searched: it is the length of
  Jackson's preemptive schedule (Carlier 1982, "The one-machine sequencing problem"), here with
  the resource as one machine as fast as its capacity (the energetic relaxation; see Klein and
  Scholl 1999 for a survey of such bounds);
* heads and tails are themselves such bounds over the predecessors (successors) of an activity,
  computed along the precedence, which makes a bottleneck before a bottleneck add up.

Activities that want one agent of a group load the group as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from coditect.schedule.instance import Instance

SMALL = 200
"""Up to how many activities heads and tails are sharpened; beyond, it costs more than it tells."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What holds for every schedule of an instance, in its own unit of time."""

    heads: tuple[int, ...]
    """No activity starts before its head."""
    tails: tuple[int, ...]
    """After the finish of an activity, at least its tail remains."""
    path: int
    """The longest path."""
    makespan: int
    """No schedule is shorter."""


@dataclass(frozen=True, slots=True)
class _Load:
    """A resource, or a group of them, and what it must carry."""

    capacity: int
    amounts: tuple[tuple[int, int], ...]
    """Activity and the units it holds at the least."""


def longest(instance: Instance) -> tuple[int, ...]:
    """The longest path to the start of each activity."""
    heads = [0] * len(instance)
    durations = instance.durations
    for activity in instance.order:
        for other in instance.predecessors[activity]:
            heads[activity] = max(heads[activity], heads[other] + durations[other])
    return tuple(heads)


def bounds(instance: Instance, *, sharp: bool = True) -> Bounds:
    """The best bounds this file knows; without `sharp`, only the cheap ones."""
    if not len(instance):
        return Bounds((), (), 0, 0)
    loads = _loads(instance)
    forwards = longest(instance)
    path = max(head + duration for head, duration in zip(forwards, instance.durations, strict=True))
    if sharp and len(instance) <= SMALL:
        heads = _sharpened(instance, loads)
        tails = _sharpened(instance.reversed, loads)
    else:
        heads, tails = forwards, longest(instance.reversed)
    through = (
        head + duration + tail
        for head, duration, tail in zip(heads, instance.durations, tails, strict=True)
    )
    loaded = (
        one_resource(
            load.capacity,
            [
                (heads[activity], instance.durations[activity] * amount, tails[activity])
                for activity, amount in load.amounts
            ],
        )
        for load in loads
    )
    return Bounds(heads, tails, path, max(*through, *loaded, path, 0))


def one_resource(capacity: int, bodies: Sequence[tuple[int, int, int]]) -> int:
    """The length of Jackson's preemptive schedule of (head, work, tail) at the given speed.

    That is the maximum, over all sets, of least head + total work / speed + least tail, rounded
    up. At any moment the available body with the longest tail is worked on.
    """
    # Everything is counted in units of 1 / capacity, so that it stays whole.
    released = sorted(
        (head * capacity, -tail * capacity, work) for head, work, tail in bodies if work
    )
    best = time = index = 0
    available: list[tuple[int, int]] = []
    while available or index < len(released):
        if not available:
            time = max(time, released[index][0])
        while index < len(released) and released[index][0] <= time:
            heappush(available, released[index][1:])
            index += 1
        negated, work = heappop(available)
        until = released[index][0] if index < len(released) else time + work
        if until - time < work:
            heappush(available, (negated, work - (until - time)))
            time = until
        else:
            time += work
            best = max(best, time - negated)
    return -(-best // capacity)


def _loads(instance: Instance) -> list[_Load]:
    """The resources, and the groups that wants name, with the work that each cannot avoid."""
    carried: dict[frozenset[int], list[tuple[int, int]]] = {
        frozenset({resource}): [] for resource in range(len(instance.capacities))
    }
    wants = instance.wants or ((),) * len(instance)
    for groups in wants:
        for group in groups:
            carried.setdefault(frozenset(group), [])
    for activity, (used, groups) in enumerate(zip(instance.uses, wants, strict=True)):
        if not instance.durations[activity]:
            continue
        for resources, amounts in carried.items():
            amount = sum(units for resource, units in used if resource in resources)
            # Several wants may be met by one unit, and that unit is none of the fixed ones.
            amount += any(resources.issuperset(group) for group in groups)
            if amount:
                amounts.append((activity, amount))
    return [
        _Load(sum(instance.capacities[resource] for resource in resources), tuple(amounts))
        for resources, amounts in carried.items()
        if amounts
    ]


def _sharpened(instance: Instance, loads: Sequence[_Load]) -> tuple[int, ...]:
    """Heads that know of the resources, computed along the precedence.

    The start of an activity is bounded by each resource's load among all that must precede it,
    with the distance to the activity as tails.
    """
    durations = instance.durations
    heads = [0] * len(instance)
    ancestors: list[set[int]] = [set() for _ in durations]
    for activity in instance.order:
        direct = instance.predecessors[activity]
        before = ancestors[activity]
        for other in direct:
            before.add(other)
            before |= ancestors[other]
        head = max((heads[other] + durations[other] for other in direct), default=0)
        if len(before) > len(direct) or len(direct) > 1:
            distance = dict.fromkeys(before, 0)
            for other in sorted(before, key=instance.position.__getitem__, reverse=True):
                reach = distance[other] + durations[other]
                for earlier in instance.predecessors[other]:
                    distance[earlier] = max(distance[earlier], reach)
            for load in loads:
                bodies = [
                    (heads[other], durations[other] * amount, distance[other])
                    for other, amount in load.amounts
                    if other in before
                ]
                if len(bodies) > 1:
                    head = max(head, one_resource(load.capacity, bodies))
        heads[activity] = head
    return tuple(heads)
