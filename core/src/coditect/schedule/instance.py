"""A project in plain integers: what every scheduling algorithm here works on.

It is the resource-constrained project of the literature (activities with durations, precedence
and renewable resources of fixed capacity) with one thing added: an activity may *want* one unit
of any resource of a group, as a checkpoint wants some agent of each participating workstream.
Plans and the published test instances are both translated to it, so each algorithm exists once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Instance:
    """Activities 0..n-1 and resources 0..m-1.

    Invariants: precedence is acyclic; no activity uses more of a resource than there is; no want
    is empty or names a resource that the activity uses anyway (its want is then already met).
    """

    durations: tuple[int, ...]
    """In whatever unit the caller counts; 0 takes no time and no resource."""
    predecessors: tuple[tuple[int, ...], ...]
    capacities: tuple[int, ...]
    uses: tuple[tuple[tuple[int, int], ...], ...]
    """For each activity: resource and amount, held from start to finish."""
    wants: tuple[tuple[tuple[int, ...], ...], ...] = ()
    """For each activity: groups of resources; one unit of some member of each group is held.
    A unit that belongs to several groups of the activity serves them all. Empty: no wants."""

    def __len__(self) -> int:
        return len(self.durations)

    @cached_property
    def successors(self) -> tuple[tuple[int, ...], ...]:
        """The precedence relation the other way round."""
        found: list[list[int]] = [[] for _ in self.durations]
        for activity, before in enumerate(self.predecessors):
            for other in before:
                found[other].append(activity)
        return tuple(tuple(after) for after in found)

    @cached_property
    def order(self) -> tuple[int, ...]:
        """A topological order; ValueError if the precedence has a cycle."""
        waiting = [len(before) for before in self.predecessors]
        ready = [activity for activity, count in enumerate(waiting) if count == 0]
        for activity in ready:
            for other in self.successors[activity]:
                waiting[other] -= 1
                if waiting[other] == 0:
                    ready.append(other)
        if len(ready) < len(self):
            raise ValueError("the precedence relation has a cycle")
        return tuple(ready)

    @cached_property
    def position(self) -> tuple[int, ...]:
        """Where each activity stands in `order`."""
        found = [0] * len(self)
        for index, activity in enumerate(self.order):
            found[activity] = index
        return tuple(found)

    @cached_property
    def reversed(self) -> Instance:
        """The same project with time running backwards."""
        return Instance(self.durations, self.successors, self.capacities, self.uses, self.wants)

    @cached_property
    def flexible(self) -> bool:
        """Whether any activity has a want, so that a schedule must also choose resources."""
        return any(self.wants)

    def fixed(self, chosen: Sequence[tuple[int, ...]]) -> Instance:
        """The project after the wants of each activity were met by the chosen resources."""
        if not self.flexible:
            return self
        uses = tuple(
            (*used, *((resource, 1) for resource in picked))
            for used, picked in zip(self.uses, chosen, strict=True)
        )
        return Instance(self.durations, self.predecessors, self.capacities, uses)

    @cached_property
    def packed(self) -> Packed:
        """The resources as bit fields of one integer."""
        return Packed.of(self)


@dataclass(frozen=True)
class Packed:
    """All resources in one integer, so that one subtraction tests them all.

    Each resource has a field wide enough for its capacity, topped by a guard bit that is always
    set in a free amount. Taking a need from the free amounts clears a guard exactly where too
    little is free, and never reaches the neighbouring field.
    """

    free: int
    """Everything free, guards set."""
    guards: int
    ones: int
    """One unit of each resource."""
    needs: tuple[int, ...]
    """What each activity uses whichever way its wants are met."""
    units: tuple[int, ...]
    """One unit of each single resource."""
    guard: tuple[int, ...]
    """The guard bit of each single resource."""
    groups: tuple[tuple[int, ...], ...]
    """For each activity, each want as the guards of its resources; empty without wants."""

    @classmethod
    def of(cls, instance: Instance) -> Packed:
        """Lay out the fields."""
        shifts: list[int] = []
        width = 0
        free = guards = ones = 0
        for capacity in instance.capacities:
            bits = max(capacity.bit_length(), 1)
            shifts.append(width)
            free |= capacity << width
            guards |= 1 << (width + bits)
            ones |= 1 << width
            width += bits + 1
        guard = tuple(
            1 << (shift + max(capacity.bit_length(), 1))
            for shift, capacity in zip(shifts, instance.capacities, strict=True)
        )
        needs = []
        for activity, used in enumerate(instance.uses):
            need = 0
            for resource, amount in used:
                if amount > instance.capacities[resource]:
                    raise ValueError(
                        f"activity {activity} uses {amount} of resource {resource}, "
                        f"which has {instance.capacities[resource]}"
                    )
                need += amount << shifts[resource]
            needs.append(need)
        groups = tuple(
            tuple(sum(guard[resource] for resource in want) for want in wants)
            for wants in instance.wants
        )
        return cls(
            free=free | guards,
            guards=guards,
            ones=ones,
            needs=tuple(needs),
            units=tuple(1 << shift for shift in shifts),
            guard=guard,
            groups=groups,
        )

    def cover(self, available: int, groups: Sequence[int]) -> tuple[int, ...]:
        """Choose available resources that meet each group, those that meet most groups first.

        `available` has the guard of each resource with a free unit, and meets every group. Ties
        go to the resource named first, so the choice is the same every time.
        """
        open_groups = list(groups)
        picked: list[int] = []
        while open_groups:
            usable = 0
            for group in open_groups:
                usable |= group
            best, most = -1, 0
            for resource, bit in enumerate(self.guard):
                if bit & usable & available:
                    met = sum(1 for group in open_groups if group & bit)
                    if met > most:
                        best, most = resource, met
            picked.append(best)
            open_groups = [group for group in open_groups if not group & self.guard[best]]
        return tuple(picked)
