"""Why something waits: always a reason, and never that it starts next if it does not."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coditect.run import actions as act
from coditect.run import events as ev
from coditect.run.decide import wanted
from coditect.run.explain import why
from coditect.run.program import Settings
from coditect.run.state import Door, Phase
from support.ledger import Ledger
from support.world import Odds, World, random_program

PLAN = """
schema: 1
name: waits
repositories: {app: {}, lib: {}}
agents: {ann: {adapter: command, run: "true"}, bob: {adapter: command, run: "true"}}
workstreams:
  one: {agents: ann, owns: "app:one/"}
  two: {agents: [ann, bob], slots: 2, owns: "lib:two/"}
tasks:
  a: {workstream: one, effort: 1h, retries: 1}
  b: {workstream: one, effort: 1h}
  c: {workstream: two, effort: 1h, owns: "lib:two/c", needs: [a, gate-work]}
  d: {workstream: two, effort: 1h, owns: "lib:two/d"}
  e: {workstream: two, effort: 1h, owns: "lib:two/e"}
  gate-work: {workstream: one, effort: 1h, needs: b}
checkpoints:
  talk: {participants: [one, two], during: gate-work}
  gate: {participants: [one, two], after: [a, d], before: c, duration: 1h, approval: true}
"""


def texts(ledger: Ledger, name: str) -> list[str]:
    return [reason.text for reason in why(ledger.program, ledger.state, name)]


def one(ledger: Ledger, name: str) -> str:
    [text] = texts(ledger, name)
    return text


ALONE = """
schema: 1
name: alone
repositories: {app: {}}
agents: {ann: {adapter: command, run: "true"}}
workstreams: {one: {agents: ann, owns: "app:one/"}}
tasks:
  a: {workstream: one, effort: 1h, retries: 1}
"""


@pytest.fixture
def ledger() -> Ledger:
    ledger = Ledger(PLAN)
    ledger.decide()
    return ledger


def test_what_is_not_ready_tells_all_that_it_needs(ledger: Ledger) -> None:
    reasons = why(ledger.program, ledger.state, "c")
    assert [(reason.text, reason.on) for reason in reasons] == [
        ("needs a (active)", ("a",)),
        ("needs checkpoint gate (pending)", ("gate",)),
        ("needs gate-work (pending)", ("gate-work",)),
        ("needs checkpoint talk (pending)", ("talk",)),
    ]
    assert texts(ledger, "gate") == ["needs a (active)", "needs d (active)"]


def test_what_is_ready_tells_who_is_in_the_way(ledger: Ledger) -> None:
    assert set(ledger.state.live) == {"a", "d"}
    assert one(ledger, "b") == "one is busy with a"
    assert one(ledger, "e") == "its agents are busy with a, d"


def test_a_task_at_work_tells_its_stage(ledger: Ledger) -> None:
    assert one(ledger, "a") == "its lane is being prepared"
    who = ledger.start("a")
    assert one(ledger, "a") == "ann works on it"
    ledger.record(ev.AttemptExited(*who, reason="exit", code=0))
    assert one(ledger, "a") == "its work is being saved"
    ledger.record(ev.WorkSaved(*who, "work", "tree", "ref", 1))
    assert one(ledger, "a") == "the gate reads its diff"
    ledger.record(ev.DiffChecked(*who, ok=True))
    assert one(ledger, "a") == "it waits for integration"
    ledger.queue("d")
    [behind] = why(ledger.program, ledger.state, "d")
    assert (behind.text, behind.on) == ("waits for integration behind 1", ("a",))
    ledger.record(ev.CandidateBuilt(*who, "base", "merge", "tree"))
    assert one(ledger, "a") == "its merge is being verified"
    ledger.record(ev.CandidateVerified(*who, "merge", ok=True))
    assert one(ledger, "a") == "it is verified"
    ledger.decide()
    assert one(ledger, "a") == "it is being integrated"
    ledger.record(ev.Integrated(*who, "app", "merge"))
    assert texts(ledger, "a") == []


def test_a_failed_task_tells_when_it_is_tried_again_and_a_parked_one_why() -> None:
    ledger = Ledger(ALONE)
    ledger.exit("a", code=3)
    ledger.decide()
    assert one(ledger, "a") == (
        "is tried again in 1 s after exit: the agent ended with exit status 3"
    )
    ledger.record(ev.TimerFired("retry:a"))
    ledger.exit("a", code=3)
    ledger.decide()
    assert one(ledger, "a") == "the agent ended with exit status 3"


def test_a_skipped_task_tells_what_kept_it(ledger: Ledger) -> None:
    ledger.record(ev.CancelRequested("eve", "d"))
    ledger.exit("d", reason="stopped")
    ledger.integrate("a", "b", "e", "gate-work")
    ledger.record(ev.CheckpointVerified("talk", ok=True))
    for land in ledger.effects(act.Land):
        ledger.record(ev.Landed(land.repository, "main", land.commit))
    ledger.decide()
    assert ledger.state.finished == "failed"
    assert one(ledger, "c") == "d is parked"
    assert one(ledger, "gate") == "needs d (parked)"


def test_a_checkpoint_that_gathers_tells_for_whom_it_waits_and_keeps_others_waiting(
    ledger: Ledger,
) -> None:
    ledger = Ledger(PLAN.replace("agents: [ann, bob], slots: 2", "agents: bob, slots: 2"))
    ledger.integrate("a")
    assert set(ledger.state.live) == {"b", "d"}
    ledger.integrate("b")
    assert one(ledger, "gate-work") == "checkpoint talk gathers one, two"
    assert one(ledger, "e") == "bob is busy with d"
    ledger.record(ev.CancelRequested("eve", "d"))
    ledger.exit("d", reason="stopped")
    ledger.decide()
    assert ledger.state.live["gate-work"].attending == {"two": "bob"}
    assert one(ledger, "e") == "bob is busy with gate-work"


def test_a_task_that_has_to_wait_because_a_checkpoint_gathers_says_so() -> None:
    text = PLAN.replace("[one, two], during", "[one, two, six], during")
    text = text.replace("agents: [ann, bob], slots: 2", "agents: bob")
    text = text.replace("agents: {", 'agents: {sue: {adapter: command, run: "true"}, ')
    text = text.replace("tasks:", '  six: {agents: sue, owns: "app:six/"}\ntasks:')
    ledger = Ledger(text.replace("  b:", "  s: {workstream: six, effort: 1h}\n  b:"))
    ledger.integrate("a")
    assert set(ledger.state.live) == {"b", "d", "s"}
    ledger.integrate("b", "d")
    assert ledger.phase("gate-work") == "ready"
    assert one(ledger, "e") == "checkpoint talk gathers one, two, six"


def test_of_two_checkpoints_one_goes_first() -> None:
    text = ALONE + "  b: {workstream: one, effort: 1h, needs: a}\n"
    text += """
checkpoints:
  first: {participants: one, after: a, before: b, duration: 1h}
  second: {participants: one, after: a, before: b, duration: 1h}
"""
    ledger = Ledger(text, rehearse=True, pace=1000)
    who = ledger.queue("a")
    ledger.decide()
    ledger.record(
        ev.CandidateBuilt(*who, "base", "merge", "tree"),
        ev.CandidateVerified(*who, "merge", ok=True),
    )
    ledger.decide()
    ledger.record(ev.Integrated(*who, "app", "merge"))
    assert one(ledger, "first") == "waits until its agents are done"
    assert one(ledger, "second") == "checkpoint first goes first"
    ledger.decide()
    assert (ledger.door("first"), ledger.door("second")) == ("held", "due")
    ledger.record(ev.CancelRequested("eve"))
    assert one(ledger, "second") == "the run is being stopped"


def test_a_checkpoint_tells_where_it_is() -> None:
    ledger = Ledger(PLAN, rehearse=True, pace=1000)
    ledger.work_until(lambda: ledger.door("gate") == "held")
    assert one(ledger, "gate") == "ann attend"
    ledger.record(ev.TimerFired("hold:gate"))
    assert one(ledger, "gate") == "its deliverable is looked at"
    ledger.record(ev.CheckpointVerified("gate", ok=True))
    assert one(ledger, "gate") == "waits for a person to approve"
    ledger.record(ev.ApprovalRecorded("gate", False, "eve", "too early"))
    assert one(ledger, "gate") == "too early"
    ledger.record(ev.ApprovalRecorded("gate", True, "eve"))
    ledger.decide()
    assert texts(ledger, "gate") == []


def test_a_parked_checkpoint_tells_what_refused_it(ledger: Ledger) -> None:
    ledger.work_until(lambda: ledger.door("talk") == "confirming")
    refused = ({"ok": False, "message": "`make` ended with exit status 2"},)
    ledger.record(ev.CheckpointVerified("talk", False, refused))
    assert one(ledger, "talk") == "`make` ended with exit status 2"


def test_what_is_stopped_says_so(ledger: Ledger) -> None:
    ledger.start("a")
    ledger.record(ev.CancelRequested("eve", "a"))
    assert one(ledger, "a") == "it is being stopped"
    ledger.record(ev.CancelRequested("eve"))
    assert one(ledger, "d") == "it is being stopped"
    assert one(ledger, "b") == "the run is being stopped"


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**48))
def test_there_is_always_a_reason_and_what_starts_next_does(seed: int) -> None:
    rng = random.Random(seed)
    program = random_program(rng, rng.randint(1, 12), Settings())
    world = World(program, rng, Odds(person=0.05))
    for _ in range(2000):
        if world.state.finished:
            break
        settled = not any(isinstance(a, act.Record) for a in wanted(program, world.state))
        for name, task in world.state.tasks.items():
            said = [reason.text for reason in why(program, world.state, name)]
            assert bool(said) == (task.phase is not Phase.INTEGRATED)
            assert all(said), (name, task)
            if settled:
                assert "starts next" not in said, (name, task.phase)
        for name, gate in world.state.gates.items():
            said = [reason.text for reason in why(program, world.state, name)]
            assert bool(said) == (gate.door is not Door.OPEN)
            assert all(said), (name, gate)
        world.turn()
