from __future__ import annotations

import os
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coditect.run import events as ev
from coditect.run.decide import wanted
from coditect.run.kernel import replay
from coditect.run.program import Settings
from coditect.run.state import Door, Phase
from support.world import Odds, World, random_program

CASES = int(os.environ.get("CODITECT_KERNEL_CASES", "2000"))
seeds = st.integers(0, 2**48)


def make(seed: int, odds: Odds, tasks: int | None = None, **options: object) -> World:
    rng = random.Random(seed)
    program = random_program(rng, tasks or rng.randint(1, 12), Settings(**options))  # type: ignore[arg-type]
    return World(program, rng, odds)


@settings(max_examples=CASES, deadline=None)
@given(seeds)
def test_random_plans_and_event_orders_keep_the_invariants_and_every_run_ends(seed: int) -> None:
    world = make(seed, Odds())
    outcome = world.run()
    assert outcome in {"succeeded", "failed", "cancelled"}
    assert not world.state.live
    assert not world.lives
    if outcome == "succeeded":
        assert set(world.merged) == set(world.program.tasks)
        assert world.opened == set(world.program.gates)


@settings(max_examples=200, deadline=None)
@given(seeds)
def test_without_trouble_everything_is_integrated_and_every_checkpoint_opens(seed: int) -> None:
    calm = Odds(fail=0, lose=0, conflict=0, refuse=0, crash=0, person=0, repeat=0.2)
    world = make(seed, calm, approve_all=True)
    world.chance = lambda odds: odds != 0.02 and world.rng.random() < odds  # type: ignore[method-assign]
    assert world.run() == "succeeded"
    assert set(world.merged) == set(world.program.tasks)
    assert world.state.landed == world.refs


@settings(max_examples=100, deadline=None)
@given(seeds)
def test_every_prefix_of_a_journal_replays_to_the_state_it_had(seed: int) -> None:
    world = make(seed, Odds(), tasks=5)
    world.run()
    state = replay(world.program, [])
    for length, entry in enumerate(world.journal, 1):
        state = replay(world.program, [entry], state)
        if length % 7 == 0:
            assert replay(world.program, world.journal[:length]) == state


@settings(max_examples=100, deadline=None)
@given(seeds)
def test_a_step_never_changes_the_state_it_was_given(seed: int) -> None:
    world = make(seed, Odds(), tasks=4)
    before, copy = world.state, world.state.copy()
    world.run()
    assert before == copy


@settings(max_examples=100, deadline=None)
@given(seeds)
def test_the_same_state_always_wants_the_same(seed: int) -> None:
    world = make(seed, Odds(), tasks=5)
    for _ in range(60):
        if world.state.finished:
            break
        assert wanted(world.program, world.state) == wanted(world.program, world.state.copy())
        world.turn()


def test_a_finished_run_goes_on_when_a_person_retries_what_was_parked() -> None:
    for seed in range(200):
        world = make(seed, Odds(fail=0.9, person=0, crash=0), approve_all=True)
        world.run()
        parked = [n for n, t in world.state.tasks.items() if t.phase is Phase.PARKED]
        if not parked:
            continue
        world.odds = Odds(0, 0, 0, 0, 0, 0, 0)
        world.record(ev.RetryRequested(parked[0], "ann", request="again"))
        assert world.state.finished is None
        world.run()
        assert world.state.tasks[parked[0]].attempts > 0
        return
    pytest.fail("no run was parked")


def test_a_rejected_checkpoint_ends_the_run_and_a_later_approval_goes_on() -> None:
    seen = 0
    for seed in range(300):
        world = make(seed, Odds(0, 0, 0, 0, 0, 0, 0))
        gates = [g for g, node in world.program.gates.items() if node.approval]
        if not gates:
            continue
        for i, gate in enumerate(gates):
            world.record(ev.ApprovalRecorded(gate, False, "ann", "not yet", f"no-{i}"))
        world.chance = lambda odds: False  # type: ignore[method-assign]
        outcome = world.run()
        rejected = [g for g in gates if world.state.gates[g].door is Door.REJECTED]
        if not rejected:
            continue
        seen += 1
        assert outcome == "failed"
        for i in range(len(gates) + 1):
            for j, gate in enumerate(gates):
                world.record(ev.ApprovalRecorded(gate, True, "ann", "", f"yes-{i}-{j}"))
            assert world.run() in {"failed", "succeeded"}
        assert world.state.finished == "succeeded"
    assert seen > 10


@pytest.mark.chaos
def test_a_long_random_walk_keeps_the_invariants() -> None:
    walks = int(os.environ.get("CODITECT_WALKS", "20000"))
    for seed in range(walks):
        rng = random.Random(seed)
        odds = Odds(*(rng.random() * 0.3 for _ in range(7)))
        make(seed, odds, tasks=rng.randint(1, 30)).run(limit=200_000)
