"""The order of a plan against a naive walk, and its size."""

from __future__ import annotations

import time
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from coditect.check import Chains, Order, check
from coditect.check.graph import shortest_cycle, strong_components
from coditect.plan import Plan, load_plan

HEAD = """\
schema: 1
name: small
repositories: {app: {}}
agents: {ann: {adapter: rehearsal}}
workstreams: {work: {agents: ann, owns: app:src/}}
tasks:
"""


def plan_of(tasks: str, checkpoints: str = "") -> Plan:
    return load_plan(Path("plan.yaml"), HEAD + tasks + checkpoints)


def task(name: str, *needs: str, effort: str = "1h") -> str:
    return (
        f"  {name}: {{workstream: work, effort: {effort}, needs: [{', '.join(needs)}]}}\n".replace(
            ", needs: []", ""
        )
    )


GRAPHS = st.integers(1, 9).flatmap(
    lambda size: st.lists(
        st.tuples(st.integers(0, size - 1), st.integers(0, size - 1)), max_size=16
    ).map(lambda edges: tuple(tuple(b for a, b in edges if a == node) for node in range(size)))
)


def walk(successors: tuple[tuple[int, ...], ...], start: int) -> set[int]:
    found: set[int] = set()
    waiting = list(successors[start])
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting.extend(successors[node])
    return found


@settings(max_examples=300, deadline=None)
@given(GRAPHS)
def test_strong_components_are_those_of_mutual_reach(
    successors: tuple[tuple[int, ...], ...],
) -> None:
    reach = [walk(successors, node) for node in range(len(successors))]
    components = strong_components(successors)
    assert sorted(node for component in components for node in component) == list(range(len(reach)))
    index = {node: i for i, component in enumerate(components) for node in component}
    for a in range(len(reach)):
        for b in range(len(reach)):
            mutual = a == b or (b in reach[a] and a in reach[b])
            assert (index[a] == index[b]) is mutual
            if b in reach[a] and not mutual:
                assert index[b] < index[a]


@settings(max_examples=300, deadline=None)
@given(GRAPHS)
def test_a_shortest_cycle_is_a_cycle_and_none_is_shorter(
    successors: tuple[tuple[int, ...], ...],
) -> None:
    nodes = range(len(successors))
    for start in nodes:
        cycle = shortest_cycle(successors, start, set(nodes))
        assert bool(cycle) is (start in walk(successors, start))
        if cycle:
            assert cycle[0] == start
            turns = zip(cycle, [*cycle[1:], start], strict=True)
            assert all(b in successors[a] for a, b in turns)
            frontier, steps = {start}, 0
            while True:
                frontier = {b for a in frontier for b in successors[a]}
                steps += 1
                if start in frontier:
                    break
            assert steps == len(cycle)


NAMES = [f"t{number}" for number in range(6)]
NEEDS = st.dictionaries(
    st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES), unique=True, max_size=3)
)
GATES = st.lists(
    st.tuples(
        st.lists(st.sampled_from(NAMES), unique=True, max_size=2),
        st.lists(st.sampled_from(NAMES), unique=True, max_size=2),
        st.none() | st.sampled_from(NAMES),
    ),
    max_size=2,
)
Gates = list[tuple[list[str], list[str], str | None]]


def random_plan(needs: dict[str, list[str]], gates: Gates) -> Plan:
    tasks = "".join(task(name, *needs.get(name, [])) for name in NAMES)
    text = "checkpoints:\n" if gates else ""
    for number, (after, before, during) in enumerate(gates):
        parts = ["participants: work"]
        parts += [f"after: [{', '.join(after)}]"] if after else []
        parts += [f"before: [{', '.join(before)}]"] if before else []
        parts += [f"during: {during}"] if during else []
        text += f"  g{number}: {{{', '.join(parts)}}}\n"
    return plan_of(tasks, text)


def naive_edges(plan: Plan) -> set[tuple[str, str]]:
    """The order's edges, written down a second time from the meaning of the words."""
    edges = {(need, name) for name, value in plan.tasks.items() for need in value.needs}
    for gate, value in plan.checkpoints.items():
        opening = gate if value.during is None else value.during
        edges |= {(task, opening) for task in value.after}
        edges |= {(gate, task) for task in value.before}
        if value.during is not None:
            edges.add((value.during, gate))
            edges |= {(gate, name) for name, t in plan.tasks.items() if value.during in t.needs}
    return edges


@settings(max_examples=300, deadline=None)
@given(NEEDS, GATES)
def test_the_order_is_reachability_through_needs_and_checkpoints(
    needs: dict[str, list[str]], gates: Gates
) -> None:
    plan = random_plan(needs, gates)
    order = Order(plan)
    edges = naive_edges(plan)
    for first in NAMES:
        found: set[str] = set()
        waiting = [first]
        while waiting:
            node = waiting.pop()
            for a, b in edges:
                if a == node and b not in found:
                    found.add(b)
                    waiting.append(b)
        for second in NAMES:
            assert order.before(first, second) is (second in found)
            assert order.ordered(first, second) is (
                order.before(first, second) or order.before(second, first)
            )
        number = order.number(first)
        assert {order.name(other) for other in order.members(order.behind[number])} == found
    for number, bits in enumerate(order.behind):
        for other in order.members(bits):
            assert order.ahead[other] >> number & 1
    assert sum(map(int.bit_count, order.behind)) == sum(map(int.bit_count, order.ahead))


@settings(max_examples=200, deadline=None)
@given(NEEDS, GATES)
def test_a_plan_whose_order_has_a_cycle_is_told_so_and_no_other(
    needs: dict[str, list[str]], gates: Gates
) -> None:
    plan = random_plan(needs, gates)
    cyclic = bool(Order(plan).cyclic)
    found = [f for f in check(plan) if "cycle" in dict(f.data)]
    assert bool(found) is cyclic
    for finding in found:
        cycle = dict(finding.data)["cycle"]
        edges = naive_edges(plan)
        assert all(turn in edges for turn in zip(cycle, [*cycle[1:], cycle[0]], strict=True))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 7), unique=True, max_size=3), min_size=2, max_size=8),
    st.integers(0, 7),
    st.integers(0, 7),
    st.lists(st.integers(1, 9), min_size=8, max_size=8),
)
def test_the_cost_of_a_dependency_is_what_the_longest_chain_grows_by(
    needs: list[list[int]], one: int, other: int, efforts: list[int]
) -> None:
    def build(extra: tuple[int, int] | None) -> Plan:
        rows = []
        for number, row in enumerate(needs):
            before = {f"t{need}" for need in row if need < number}
            before |= {f"t{extra[0]}"} if extra is not None and extra[1] == number else set()
            rows.append(task(f"t{number}", *sorted(before), effort=f"{efforts[number]}h"))
        return plan_of("".join(rows))

    one, other = one % len(needs), other % len(needs)
    order = Order(build(None))
    first, second = f"t{one}", f"t{other}"
    if one == other or order.ordered(first, second):
        return
    chains = Chains(order)
    grown = Chains(Order(build((one, other)))).length
    assert chains.cost_of(first, second) == grown - chains.length


def test_the_longest_chain_goes_through_checkpoints() -> None:
    gate = "checkpoints:\n  gate: {participants: work, after: a, before: b, duration: 30m}\n"
    chains = Chains(Order(plan_of(task("a") + task("b"), gate)))
    assert chains.length == 2 * 3600 + 1800


def test_a_chain_of_ten_thousand_tasks_is_ordered_without_recursion() -> None:
    rows = [
        f"  t{n}: {{workstream: work, effort: 1h, needs: t{n - 1}}}\n" for n in range(1, 10_000)
    ]
    plan = plan_of("  t0: {workstream: work, effort: 1h}\n" + "".join(rows))
    start = time.process_time()
    findings = check(plan)
    assert time.process_time() - start < 20
    assert {finding.code for finding in findings} == {"task-without-verification"}
    order = Order(plan)
    assert order.before("t0", "t9999")
    assert not order.before("t9999", "t0")


def test_a_cycle_of_ten_thousand_tasks_is_told_as_one() -> None:
    rows = [
        f"  t{n}: {{workstream: work, effort: 1h, needs: t{(n - 1) % 10_000}}}\n"
        for n in range(10_000)
    ]
    findings = [f for f in check(plan_of("".join(rows))) if f.code == "dependency-cycle"]
    assert len(findings) == 1
    assert len(dict(findings[0].data)["cycle"]) == 10_000
