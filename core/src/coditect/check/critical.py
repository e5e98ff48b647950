"""What one more dependency would cost: lengths of the longest chains of a plan."""

from __future__ import annotations

from functools import cached_property

from coditect.check.order import Order


class Chains:
    """The longest chains of likely work through each task, agents left aside. Seconds of work."""

    def __init__(self, order: Order) -> None:
        self._order = order

    @cached_property
    def _finish(self) -> list[int]:
        """When each node is over at the earliest."""
        order = self._order
        start = [0] * len(order.successors)
        finish = [0] * len(order.successors)
        for component in reversed(order.components):
            for node in component:
                finish[node] = start[node] + order.duration(node)
                for other in order.successors[node]:
                    start[other] = max(start[other], finish[node])
        return finish

    @cached_property
    def _rest(self) -> list[int]:
        """How long it takes at least from each node's start to the end of the plan."""
        order = self._order
        rest = [0] * len(order.successors)
        for component in order.components:
            for node in component:
                behind = max((rest[other] for other in order.successors[node]), default=0)
                rest[node] = order.duration(node) + behind
        return rest

    @cached_property
    def length(self) -> int:
        """The longest chain of the plan: its critical path without regard to agents."""
        return max(self._finish, default=0)

    def cost_of(self, first: str, second: str) -> int:
        """Say by how much the longest chain grows if the second task needs the first.

        Meaningful for tasks of a plan without cycles that are not ordered yet.
        """
        order = self._order
        through = self._finish[order.number(first)] + self._rest[order.number(second)]
        return max(0, through - self.length)
