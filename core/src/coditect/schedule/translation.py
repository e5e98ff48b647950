"""From a problem to an instance, and from its layouts back to who does what when.

Agents who serve exactly the same workstreams are alike and become one resource with as many
units: the search space shrinks, and nothing is lost, for what is placed within the capacity of
a pool can always be handed to its members in order of start.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

from coditect.schedule.instance import Instance
from coditect.schedule.problem import Kind, Problem

Roles = tuple[tuple[str, str], ...]
"""For each demanded workstream, in order, the agent that stands for it."""


@dataclass(frozen=True)
class Translation:
    """A problem in integers. Activity i is `ids[i]`; resource r is `pools[r]`, then slots."""

    instance: Instance
    """Durations in seconds."""
    ids: tuple[str, ...]
    index: Mapping[str, int]
    pools: tuple[tuple[str, ...], ...]
    """The agents of each pool; resources past the pools are slots."""
    serves: Mapping[str, frozenset[str]]
    """The workstreams of each agent."""
    demands: tuple[tuple[str, ...], ...]

    def resources_of(self, activity: int, chosen: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
        """The pools that give one agent each."""
        fixed = (resource for resource, _ in self.instance.uses[activity])
        return tuple(
            resource
            for resource in (*fixed, *(chosen[activity] if chosen else ()))
            if resource < len(self.pools)
        )

    def cast(
        self, spans: Sequence[tuple[int, int] | None], chosen: Sequence[tuple[int, ...]]
    ) -> list[Roles]:
        """Hand each activity to members of its pools, first come first, first named first.

        `spans` has start and finish of each activity; None has not been placed and gets nobody.
        """
        free_from = dict.fromkeys(self.serves, 0)
        roles: list[Roles] = [()] * len(self.ids)
        placed = [(span, one) for one, span in enumerate(spans) if span is not None]
        placed.sort(key=lambda item: (item[0], self.instance.position[item[1]]))
        for (start, finish), activity in placed:
            attending = []
            for resource in self.resources_of(activity, chosen):
                pool = self.pools[resource]
                agent = next((one for one in pool if free_from[one] <= start), pool[0])
                if finish > start:
                    free_from[agent] = finish
                attending.append(agent)
            roles[activity] = tuple(
                (stream, next(agent for agent in attending if stream in self.serves[agent]))
                for stream in self.demands[activity]
            )
        return roles


def translated(
    problem: Problem, apart: Callable[[str], Hashable] = lambda _agent: None
) -> Translation:
    """Translate; agents for whom `apart` differs are never taken for one another."""
    demanded = set(problem.workstreams)
    serves = {
        agent: frozenset(stream for stream in demanded if agent in problem.cast[stream])
        for agent in problem.agents
    }
    pools: dict[Hashable, list[str]] = {}
    for agent, streams in serves.items():
        if streams:
            pools.setdefault((streams, apart(agent)), []).append(agent)
    members = tuple(tuple(pool) for pool in pools.values())
    pools_of = {
        stream: tuple(
            resource for resource, pool in enumerate(members) if stream in serves[pool[0]]
        )
        for stream in demanded
    }
    capacities = [len(pool) for pool in members]
    slot_of: dict[str, int] = {}
    for stream in problem.workstreams:
        # Each task of a workstream has an agent of it, so more slots than agents say nothing.
        slots = problem.slots.get(stream, len(problem.cast[stream]))
        if slots < len(problem.cast[stream]):
            slot_of[stream] = len(capacities)
            capacities.append(slots)
    activities = tuple(problem.activities.values())
    ids = tuple(activity.id for activity in activities)
    index = {name: number for number, name in enumerate(ids)}
    uses: list[tuple[tuple[int, int], ...]] = []
    wants: list[tuple[tuple[int, ...], ...]] = []
    for activity in activities:
        groups = dict.fromkeys(pools_of[stream] for stream in activity.demands)
        fixed = dict.fromkeys(group[0] for group in groups if len(group) == 1)
        wants.append(
            tuple(group for group in groups if len(group) > 1 and not fixed.keys() & set(group))
        )
        held = [(resource, 1) for resource in fixed]
        if activity.kind is Kind.TASK and activity.demands[0] in slot_of:
            held.append((slot_of[activity.demands[0]], 1))
        uses.append(tuple(held))
    instance = Instance(
        durations=tuple(activity.duration for activity in activities),
        predecessors=tuple(
            tuple(index[other] for other in dict.fromkeys(activity.predecessors))
            for activity in activities
        ),
        capacities=tuple(capacities),
        uses=tuple(uses),
        wants=tuple(wants) if any(wants) else (),
    )
    return Translation(
        instance=instance,
        ids=ids,
        index=index,
        pools=members,
        serves=serves,
        demands=tuple(activity.demands for activity in activities),
    )
