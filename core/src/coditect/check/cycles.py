"""Work that waits for itself, and the work that waits for it."""

from __future__ import annotations

from collections.abc import Iterator

from coditect.check.graph import reachable, shortest_cycle, strong_components
from coditect.check.order import Edge, Order
from coditect.findings import Finding
from coditect.plan import Plan

_STARTS = 50
"""From how many members of a component the shortest cycle is looked for."""


def cycle_findings(plan: Plan, order: Order) -> Iterator[Finding]:
    """Tell each cycle once, by a shortest path, and the checkpoints that cannot open for one."""
    edges: dict[tuple[int, int], Edge] = {}
    for edge in order.edges:
        edges.setdefault((edge.source, edge.target), edge)
    told: set[frozenset[int]] = set()
    for component, successors in _components(order):
        starts = [node for node in sorted(component) if order.is_checkpoint(node)]
        within = set(component)
        if not starts:
            found = (
                shortest_cycle(successors, start, within) for start in sorted(component)[:_STARTS]
            )
            cycles = [min(filter(None, found), key=len)]
        else:
            cycles = [shortest_cycle(successors, start, within) for start in starts]
        for cycle in cycles:
            if cycle and frozenset(cycle) not in told:
                told.add(frozenset(cycle))
                yield _finding(plan, order, cycle, edges)


def unreachable_findings(plan: Plan, order: Order, dead: dict[int, str]) -> Iterator[Finding]:
    """Tell what lies behind nodes that can never be over; `dead` gives each such node's reason."""
    told: set[int] = set(dead)
    for node in sorted(dead):
        reached = reachable(order.successors, node, told)
        told.update(reached)
        behind = [other for other in reached if not order.is_checkpoint(other)]
        if not behind:
            continue
        names = [order.name(other) for other in behind]
        several = f"{len(names)} tasks can" if len(names) > 1 else f"Task `{names[0]}` can"
        listed = ", ".join(f"`{name}`" for name in names[:5])
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        which = f": {listed}{more}" if len(names) > 1 else ""
        yield Finding(
            "unreachable-task",
            f"{several} never start, being behind `{order.name(node)}`, {dead[node]}{which}.",
            f"Mend `{order.name(node)}` first.",
            place=plan.place("tasks", names[0]),
            data=(("tasks", tuple(names)), ("behind", order.name(node))),
        )


def _components(order: Order) -> Iterator[tuple[list[int], tuple[tuple[int, ...], ...]]]:
    """Give the components with a cycle: first of needs alone, then with checkpoints in them."""
    needs: list[list[int]] = [[] for _ in order.successors]
    for edge in order.edges:
        if not order.is_checkpoint(edge.source) and edge.keys[0] == "tasks":
            needs[edge.source].append(edge.target)
    among_tasks = tuple(map(tuple, needs))
    for component in strong_components(among_tasks):
        if len(component) > 1 or component[0] in among_tasks[component[0]]:
            yield component, among_tasks
    for component in order.cyclic:
        # A cycle that a checkpoint closes goes through it; any other is of needs alone.
        if any(order.is_checkpoint(node) for node in component):
            yield component, order.successors


def _finding(
    plan: Plan, order: Order, cycle: list[int], edges: dict[tuple[int, int], Edge]
) -> Finding:
    turns = list(zip(cycle, [*cycle[1:], cycle[0]], strict=True))
    used = [edges[turn] for turn in turns]
    names = [order.name(node) for node in cycle]
    path = " → ".join([*names, names[0]])
    gates = [order.name(node) for node in cycle if order.is_checkpoint(node)]
    related = tuple(
        (f"{order.name(edge.source)} before {order.name(edge.target)}", plan.place(*edge.keys))
        for edge in used
    )
    data = (("cycle", tuple(names)),)
    place = plan.place(*used[-1].keys)
    if gates:
        return Finding(
            "checkpoint-never-opens",
            f"Checkpoint `{gates[0]}` waits for itself: {path}.",
            "Take one of these tasks out of the checkpoint's `after` or `before`, or remove one of"
            " the dependencies between them.",
            place=plan.place("checkpoints", gates[0]),
            related=related,
            data=data,
        )
    if len(names) == 1:
        return Finding(
            "dependency-cycle",
            f"Task `{names[0]}` needs itself.",
            f"Remove `{names[0]}` from its own `needs`.",
            place=place,
            data=data,
        )
    return Finding(
        "dependency-cycle",
        f"These wait for each other, so none can start: {path}.",
        "Remove one of these dependencies; if two tasks really need each other, make them one.",
        place=place,
        related=related,
        data=data,
    )
