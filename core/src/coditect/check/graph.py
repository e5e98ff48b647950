"""Directed graphs over small integers: strong components and shortest cycles, without recursion."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence


def strong_components(successors: Sequence[Sequence[int]]) -> list[list[int]]:
    """Give the strongly connected components, each behind all that it leads to.

    R. E. Tarjan, "Depth-first search and linear graph algorithms" (1972), with a stack of our own:
    a chain of 10,000 tasks must not exhaust Python's.
    """
    count = len(successors)
    number = [-1] * count
    lowest = [0] * count
    waiting: list[int] = []
    on_stack = [False] * count
    components: list[list[int]] = []
    seen = 0
    for root in range(count):
        if number[root] >= 0:
            continue
        walk = [(root, 0)]
        while walk:
            node, position = walk.pop()
            if position == 0:
                number[node] = lowest[node] = seen
                seen += 1
                waiting.append(node)
                on_stack[node] = True
            else:
                lowest[node] = min(lowest[node], lowest[successors[node][position - 1]])
            descended = False
            for index in range(position, len(successors[node])):
                other = successors[node][index]
                if number[other] < 0:
                    walk.append((node, index + 1))
                    walk.append((other, 0))
                    descended = True
                    break
                if on_stack[other]:
                    lowest[node] = min(lowest[node], number[other])
            if not descended and lowest[node] == number[node]:
                component = waiting[waiting.index(node) :] if waiting[-1] != node else [node]
                del waiting[len(waiting) - len(component) :]
                for member in component:
                    on_stack[member] = False
                components.append(component)
    return components


def shortest_cycle(
    successors: Sequence[Sequence[int]], start: int, within: Collection[int]
) -> list[int]:
    """Give the nodes of a shortest cycle through `start`, beginning there; empty if there is none.

    Only nodes of `within` are walked.
    """
    came: dict[int, int] = {}
    queue = deque([start])
    while queue:
        node = queue.popleft()
        for other in successors[node]:
            if other == start:
                path = [node]
                while path[-1] != start:
                    path.append(came[path[-1]])
                return path[::-1]
            if other in within and other not in came:
                came[other] = node
                queue.append(other)
    return []


def reachable(
    successors: Sequence[Sequence[int]], start: int, without: Collection[int]
) -> list[int]:
    """Give what lies behind `start`, nearest first; what is in `without` is not walked through."""
    found: dict[int, None] = {}
    queue = deque([start])
    while queue:
        for other in successors[queue.popleft()]:
            if other not in found and other not in without:
                found[other] = None
                queue.append(other)
    return list(found)
