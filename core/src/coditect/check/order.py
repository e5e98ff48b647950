"""Which task is integrated before which starts: the order that a plan's edges impose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from coditect.check.graph import strong_components
from coditect.plan import Plan

Keys = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Edge:
    """One thing is over before another starts."""

    source: int
    target: int
    keys: Keys
    """What in the plan says so."""


class Order:
    """The order of a plan's tasks and checkpoints.

    Nodes are numbers: tasks in the plan's order, then checkpoints. A task's `needs` precede it;
    a checkpoint's `after` precede it and it precedes its `before`. The task that a checkpoint is
    held `during` follows its `after`, precedes it, and whatever needs that task follows the
    checkpoint. Names that nothing bears make no edge.

    Reachability is kept as one integer a node, a bit for every other; making it costs one union an
    edge. On a cycle everything is both before and after everything: none of it ever starts.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.tasks = tuple(plan.tasks)
        self.checkpoints = tuple(plan.checkpoints)
        self._task_numbers = {task: number for number, task in enumerate(self.tasks)}
        self._checkpoint_numbers = {
            checkpoint: number
            for number, checkpoint in enumerate(self.checkpoints, start=len(self.tasks))
        }
        self.edges = tuple(self._find_edges())
        count = len(self.tasks) + len(self.checkpoints)
        following: list[dict[int, None]] = [{} for _ in range(count)]
        for edge in self.edges:
            following[edge.source][edge.target] = None
        self.successors: tuple[tuple[int, ...], ...] = tuple(map(tuple, following))

    def number(self, task: str) -> int:
        """Give the number of a task."""
        return self._task_numbers[task]

    def name(self, number: int) -> str:
        """Give the id of a task or checkpoint."""
        tasks = len(self.tasks)
        return self.tasks[number] if number < tasks else self.checkpoints[number - tasks]

    def is_checkpoint(self, number: int) -> bool:
        """Say whether the number is a checkpoint's."""
        return number >= len(self.tasks)

    def checkpoint_number(self, checkpoint: str) -> int:
        """Give the number of a checkpoint."""
        return self._checkpoint_numbers[checkpoint]

    def duration(self, number: int) -> int:
        """Give the likely seconds of work of a task or checkpoint."""
        name = self.name(number)
        if not self.is_checkpoint(number):
            return self.plan.tasks[name].effort.likely
        checkpoint = self.plan.checkpoints[name]
        return 0 if checkpoint.during is not None else checkpoint.duration

    def before(self, first: str, second: str) -> bool:
        """Say whether the first task is always integrated before the second starts."""
        return bool(self.behind[self.number(first)] >> self.number(second) & 1)

    def ordered(self, one: str, other: str) -> bool:
        """Say whether one of the two tasks is always over before the other starts."""
        return self.before(one, other) or self.before(other, one)

    @cached_property
    def components(self) -> list[list[int]]:
        """Strongly connected components, each behind all that it leads to."""
        return strong_components(self.successors)

    @cached_property
    def cyclic(self) -> list[list[int]]:
        """The components that hold a cycle, and so never start."""
        return [
            component
            for component in self.components
            if len(component) > 1 or component[0] in self.successors[component[0]]
        ]

    @cached_property
    def behind(self) -> list[int]:
        """For each node, the set of nodes that start after it is over, as bits."""
        reached = [0] * len(self.successors)
        for component in self.components:
            total = 0
            for node in component:
                for other in self.successors[node]:
                    total |= reached[other] | 1 << other
            if len(component) > 1:
                for node in component:
                    total |= 1 << node
            for node in component:
                reached[node] = total
        return reached

    @cached_property
    def ahead(self) -> list[int]:
        """For each node, the set of nodes that are over before it starts, as bits."""
        reached = [0] * len(self.successors)
        for component in reversed(self.components):
            total = 0
            for node in component:
                total |= reached[node]
            if len(component) > 1:
                for node in component:
                    total |= 1 << node
            for node in component:
                reached[node] = total
            for node in component:
                for other in self.successors[node]:
                    reached[other] |= total | 1 << node
        return reached

    def members(self, bits: int) -> Iterator[int]:
        """Give the numbers in a set of bits, smallest first."""
        while bits:
            lowest = bits & -bits
            yield lowest.bit_length() - 1
            bits ^= lowest

    def _find_edges(self) -> Iterator[Edge]:
        tasks, gates = self._task_numbers, self._checkpoint_numbers
        held_during: dict[str, list[int]] = {}
        for name, checkpoint in self.plan.checkpoints.items():
            gate = gates[name]
            during = checkpoint.during if checkpoint.during in tasks else None
            if during is not None:
                held_during.setdefault(during, []).append(gate)
                yield Edge(tasks[during], gate, ("checkpoints", name, "during"))
            for index, task in enumerate(checkpoint.after):
                if task in tasks:
                    target = gate if during is None else tasks[during]
                    yield Edge(tasks[task], target, ("checkpoints", name, "after", index))
            for index, task in enumerate(checkpoint.before):
                if task in tasks:
                    yield Edge(gate, tasks[task], ("checkpoints", name, "before", index))
        for name, value in self.plan.tasks.items():
            for index, need in enumerate(value.needs):
                if need not in tasks:
                    continue
                keys = ("tasks", name, "needs", index)
                yield Edge(tasks[need], tasks[name], keys)
                for gate in held_during.get(need, ()):
                    yield Edge(gate, tasks[name], keys)
