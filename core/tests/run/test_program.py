"""Compiling a plan to the kernel's graph: it is the order that `check` proves with."""

from __future__ import annotations

import random
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from coditect.check import Order
from coditect.plan import load_plan
from coditect.plan.model import HOUR, Plan
from coditect.run.program import Program, Settings, compile_program

HEAD = """
schema: 1
name: graph
repositories: {app: {}}
agents: {ann: {adapter: command, run: "true"}, bob: {adapter: command, run: "true"}}
workstreams:
  one: {agents: [ann, bob], slots: 2, owns: "app:one/"}
  two: {agents: bob, owns: "app:two/"}
tasks:
"""


def compiled(text: str, **options: object) -> Program:
    plan = load_plan(Path("plan.yaml"), text=text)
    return compile_program(plan, Settings(**options), tuple(plan.tasks), {})  # type: ignore[arg-type]


def test_a_checkpoint_stands_between_what_is_before_and_what_is_behind_it() -> None:
    program = compiled(
        HEAD
        + """
  a: {workstream: one, effort: 1h}
  b: {workstream: two, effort: 1h, needs: a}
  c: {workstream: one, effort: 1h}
checkpoints: {gate: {participants: [one, two], after: a, before: [b, c], duration: 2h}}
"""
    )
    assert program.needs == {
        "a": frozenset(),
        "b": {"a", "gate"},
        "c": {"gate"},
        "gate": {"a"},
    }
    assert program.dependents == {"a": ("b", "gate"), "gate": ("b", "c")}
    assert program.gates["gate"].hold == 0
    assert program.gates["gate"].participants == ("one", "two")


def test_a_checkpoints_work_comes_after_its_after_and_all_that_needs_it_is_behind() -> None:
    program = compiled(
        HEAD
        + """
  a: {workstream: one, effort: 1h}
  work: {workstream: one, effort: 1h}
  b: {workstream: two, effort: 1h, needs: work}
  c: {workstream: two, effort: 1h}
checkpoints: {gate: {participants: [one, two], after: a, during: work, before: c, approval: true}}
"""
    )
    assert program.needs["work"] == {"a"}
    assert program.needs["gate"] == {"work"}
    assert program.needs["b"] == {"work", "gate"}
    assert program.needs["c"] == {"gate"}
    assert program.tasks["work"].checkpoint == "gate"
    assert program.tasks["b"].checkpoint is None
    assert program.gates["gate"].approval


def test_a_rehearsed_checkpoint_is_held_for_its_paced_duration() -> None:
    text = HEAD + "  a: {workstream: one, effort: 1h}\n"
    text += "checkpoints: {gate: {participants: one, after: a, duration: 90m}}\n"
    assert compiled(text, pace=1000).gates["gate"].hold == 1500
    assert compiled(text).gates["gate"].hold == 0


def test_the_most_critical_comes_first_and_the_unknown_last() -> None:
    text = HEAD + "  a: {workstream: one, effort: 1h}\n  b: {workstream: one, effort: 1h}\n"
    text += "checkpoints: {gate: {participants: one, during: a}}\n"
    plan = load_plan(Path("plan.yaml"), text=text)
    program = compile_program(plan, Settings(), ("b", "a"), {})
    assert (program.tasks["b"].rank, program.tasks["a"].rank) == (0, 1)
    assert program.gates["gate"].rank == 1
    program = compile_program(plan, Settings(), ("b",), {})
    assert (program.tasks["a"].rank, program.gates["gate"].rank) == (1, 1)


def test_retries_fallbacks_slots_and_agents_are_the_plans() -> None:
    program = compiled(
        HEAD
        + """
  a: {workstream: one, effort: 1h, retries: 5, fallback: {agent: bob}}
  b: {workstream: two, effort: 1h, fallback: {brief: Try harder}}
"""
    )
    first, second = program.tasks["a"], program.tasks["b"]
    assert (first.retries, first.has_fallback, first.fallback_agent) == (5, True, "bob")
    assert (second.retries, second.has_fallback, second.fallback_agent) == (2, True, None)
    assert first.repository == "app"
    assert program.streams["one"].slots == 2
    assert program.streams["one"].agents == ("ann", "bob")


def test_a_risk_is_due_after_the_planned_finish_in_the_runs_own_time() -> None:
    text = HEAD + "  a: {workstream: one, effort: 1h}\n"
    text += "risks:\n  late: {title: L, trigger: {task: a, late_by: 1h}}\n"
    text += "  hard: {title: H, trigger: {task: a}}\n  calm: {title: C}\n"
    plan = load_plan(Path("plan.yaml"), text=text)
    planned = {"a": (0, 2 * HOUR)}
    program = compile_program(plan, Settings(), ("a",), planned)
    assert set(program.risks) == {"late", "hard"}
    assert program.risks["late"].due == 3 * HOUR * 1000
    assert program.risks["hard"].due is None
    paced = compile_program(plan, Settings(pace=500), ("a",), planned)
    assert paced.risks["late"].due == 1500


def random_plan(seed: int) -> Plan:
    rng = random.Random(seed)
    names = [f"t{n}" for n in range(rng.randint(1, 9))]
    text = HEAD

    def listed(key: str, chosen: list[str]) -> str:
        return f", {key}: [{', '.join(chosen)}]" if chosen else ""

    for index, name in enumerate(names):
        needs = listed("needs", [other for other in names[:index] if rng.random() < 0.3])
        stream = rng.choice(("one", "two"))
        text += f"  {name}: {{workstream: {stream}, effort: 1h{needs}}}\n"
    free = names[:]
    count = rng.randint(0, 3)
    text += "checkpoints:\n" if count else ""
    for number in range(count):
        cut = rng.randint(0, len(names))
        during = rng.choice(free) if free and rng.random() < 0.5 else None
        after = [name for name in names[:cut] if rng.random() < 0.5 and name != during]
        before = [name for name in names[cut:] if rng.random() < 0.5 and name != during]
        fields = listed("after", after) + listed("before", before)
        if during:
            free.remove(during)
            fields += f", during: {during}"
        text += f"  g{number}: {{participants: one{fields}}}\n"
    return load_plan(Path("plan.yaml"), text=text)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32))
def test_the_kernels_order_is_the_very_order_that_check_proves_with(seed: int) -> None:
    plan = random_plan(seed)
    program = compile_program(plan, Settings(), (), {})
    order = Order(plan)
    edges = {(order.name(edge.source), order.name(edge.target)) for edge in order.edges}
    needs = {(before, name) for name, all_of in program.needs.items() for before in all_of}
    assert needs == edges
    assert {
        (name, after) for name, all_of in program.dependents.items() for after in all_of
    } == edges
