"""What the kernel decides in the corners: cancels, losses, fallbacks, landings, checkpoints."""

from __future__ import annotations

import pytest

from coditect.run import actions as act
from coditect.run import events as ev
from coditect.run.state import Stage
from support.ledger import Ledger

TWO = """
schema: 1
name: two
repositories: {app: {}, lib: {}}
agents: {ann: {adapter: command, run: "true"}, bob: {adapter: command, run: "true"}}
workstreams:
  one: {agents: [ann, bob], owns: "app:one/"}
  two: {agents: bob, owns: "lib:two/"}
tasks:
  a: {workstream: one, effort: 1h, retries: 1, fallback: {brief: Think again}}
  b: {workstream: two, effort: 1h, retries: 0}
  c: {workstream: two, effort: 1h, needs: [a, b]}
"""

GATES = """
schema: 1
name: gates
repositories: {app: {}}
agents: {ann: {adapter: command, run: "true"}}
workstreams: {one: {agents: ann, owns: "app:one/"}}
tasks:
  a: {workstream: one, effort: 1h}
  b: {workstream: one, effort: 1h}
  c: {workstream: one, effort: 1h}
checkpoints:
  first: {participants: one, after: a, before: b, duration: 1h}
  second: {participants: one, after: a, before: c, duration: 1h, approval: true}
"""


# --- trouble while an agent is at work ------------------------------------------------------------


def test_trouble_with_watching_never_takes_an_attempt_away_from_its_living_agent() -> None:
    ledger = Ledger(TWO)
    who = ledger.start("a")
    ledger.record(ev.EffectFailed(*who, "watch", "no space left on device"))
    assert ledger.state.live["a"].stage is Stage.RUNNING
    assert ledger.effects(act.Watch)
    ledger.record(ev.AttemptExited(*who, reason="exit", code=0))
    assert [save.attempt.task for save in ledger.effects(act.Save)] == ["a"]
    ledger.record(ev.WorkSaved(*who, "work", "tree", "ref", 1))
    assert ledger.effects(act.Inspect)


@pytest.mark.parametrize("effect", ["launch", "save", "inspect", "build", "verify"])
def test_trouble_elsewhere_is_a_failure_of_the_engine_that_is_tried_again(effect: str) -> None:
    ledger = Ledger(TWO)
    ledger.decide()
    who = ("a", 1)
    if effect != "launch":
        ledger.record(ev.AttemptAttached(*who, pid=1), ev.AttemptExited(*who, reason="exit"))
    if effect in {"inspect", "build", "verify"}:
        ledger.record(ev.WorkSaved(*who, "work", "tree", "ref", 1))
    ledger.record(ev.EffectFailed(*who, effect, "no space left on device"))
    ledger.decide()
    failed = ledger.events(ev.AttemptFailed)[-1]
    assert (failed.task, failed.reason) == ("a", "engine")
    assert failed.retry_at is not None
    assert "no space" in failed.message


# --- cancelling -----------------------------------------------------------------------------------


def test_a_cancelled_attempt_that_never_started_is_not_started_again() -> None:
    ledger = Ledger(TWO)
    ledger.decide()
    ledger.record(ev.CancelRequested("ann", "a"), ev.AttemptLost("a", 1, "it never started"))
    ledger.decide()
    assert ledger.phase("a") == "parked"
    assert "a" not in ledger.state.live
    ledger.record(ev.RetryRequested("a", "ann"))
    ledger.decide()
    assert ledger.state.live["a"].number == 2


def test_a_cancelled_run_ends_while_a_task_waits_for_its_next_try() -> None:
    ledger = Ledger(TWO)
    ledger.exit("a", code=1)
    ledger.decide()
    assert ledger.phase("a") == "failed"
    who = ledger.start("b")
    ledger.record(ev.CancelRequested("ann"))
    assert [stop.attempt.task for stop in ledger.effects(act.Stop)] == ["b"]
    ledger.record(ev.AttemptExited(*who, reason="stopped"))
    ledger.record(ev.WorkSaved(*who, "work", "tree", "ref", 1))
    ledger.decide()
    assert ledger.state.finished == "cancelled"
    assert not ledger.state.timers


def test_a_cancelled_task_that_waits_for_its_next_try_is_parked_at_once() -> None:
    ledger = Ledger(TWO)
    ledger.exit("a", code=1)
    ledger.decide()
    ledger.record(ev.CancelRequested("ann", "a"))
    assert ledger.phase("a") == "parked"
    assert "retry:a" not in ledger.state.timers


@pytest.mark.parametrize("far", ["queued", "built", "verified"])
def test_a_cancelled_task_leaves_the_queue_whatever_is_done_with_it(far: str) -> None:
    ledger = Ledger(TWO)
    who = ledger.queue("a")
    ledger.decide()
    if far != "queued":
        ledger.record(ev.CandidateBuilt(*who, "base", "merge", "tree"))
    if far == "verified":
        ledger.record(ev.CandidateVerified(*who, "merge", ok=True))
    ledger.record(ev.CancelRequested("ann", "a"))
    assert not ledger.effects(act.Verify)
    assert not ledger.state.queue
    assert ledger.phase("a") == "parked"
    ledger.record(ev.CandidateVerified(*who, "merge", ok=True))
    assert not ledger.effects(act.Swap)


def test_what_is_about_to_be_integrated_is_integrated_though_the_run_is_cancelled() -> None:
    ledger = Ledger(TWO)
    who = ledger.queue("a")
    ledger.decide()
    ledger.record(
        ev.CandidateBuilt(*who, "base", "merge", "tree"),
        ev.CandidateVerified(*who, "merge", ok=True),
    )
    ledger.decide()
    assert ledger.state.live["a"].stage is Stage.PREPARED
    ledger.record(ev.CancelRequested("ann"))
    assert ledger.effects(act.Swap)


def test_a_run_is_cancelled_while_a_checkpoint_is_held_or_waits_for_a_person() -> None:
    ledger = Ledger(GATES, rehearse=True, pace=1000)
    ledger.integrate("a")
    assert ledger.door("first") == "held"
    ledger.record(ev.CancelRequested("ann"))
    ledger.decide()
    assert ledger.state.finished == "cancelled"


def test_a_cancel_that_comes_after_the_end_does_not_forbid_a_later_retry() -> None:
    ledger = Ledger(TWO)
    for number in (1, 2, 3):
        ledger.exit("a", code=1)
        ledger.decide()
        if number < 3:
            ledger.record(ev.TimerFired("retry:a"))
    ledger.integrate("b")
    for land in ledger.effects(act.Land):
        ledger.record(ev.Landed(land.repository, "main", land.commit))
    ledger.decide()
    assert ledger.state.finished == "failed"
    ledger.record(ev.CancelRequested("ann"), ev.CancelRequested("ann", "a"))
    assert ledger.state.finished == "failed"
    ledger.record(ev.RetryRequested("a", "ann"))
    ledger.decide()
    assert ledger.state.live["a"].number == 4


# --- losses and fallbacks -------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["lost", "orphaned"])
def test_a_task_that_is_lost_again_and_again_under_a_living_coordinator_is_parked(
    reason: str,
) -> None:
    ledger = Ledger(TWO, lost_limit=3)
    for _ in range(4):
        assert ledger.phase("b") != "parked"
        ledger.exit("b", reason=reason, code=None)
        ledger.decide()
    assert ledger.phase("b") == "parked"
    assert "too often" in ledger.state.tasks["b"].why


@pytest.mark.parametrize("reason", ["lost", "orphaned"])
def test_what_is_lost_with_its_coordinator_is_never_counted(reason: str) -> None:
    ledger = Ledger(TWO, lost_limit=1)
    for _ in range(5):
        ledger.decide()
        who = ("b", ledger.state.live["b"].number)
        ledger.record(
            ev.AttemptAttached(*who, pid=1, again=True),
            ev.AttemptExited(*who, reason=reason),
            ev.WorkSaved(*who, "work", "tree", "", 0),
        )
    ledger.decide()
    assert ledger.state.tasks["b"].losses == 0
    assert ledger.phase("b") == "active"


def fail_to_the_fallback(ledger: Ledger) -> None:
    for _ in range(2):
        ledger.exit("a", code=1)
        ledger.decide()
        ledger.record(ev.TimerFired("retry:a"))
    ledger.decide()


def test_a_fallback_that_was_lost_is_tried_again_as_a_fallback() -> None:
    ledger = Ledger(TWO)
    fail_to_the_fallback(ledger)
    assert ledger.state.live["a"].rescue
    ledger.exit("a", reason="lost", code=None)
    ledger.decide()
    assert ledger.state.live["a"].number == 4
    assert ledger.state.live["a"].rescue
    ledger.exit("a", code=1)
    ledger.decide()
    assert ledger.phase("a") == "parked"


def test_a_fallback_without_an_agent_of_its_own_takes_any_of_the_workstream() -> None:
    text = TWO + "checkpoints: {meet: {participants: one, during: a, before: c}}\n"
    ledger = Ledger(text.replace("agents: bob", "agents: ann"))
    fail_to_the_fallback(ledger)
    attempt = ledger.state.live["a"]
    assert attempt.rescue
    assert ledger.state.live["b"].agent == "ann"
    assert attempt.agent == "bob"


def test_a_checkpoints_fallback_waits_for_its_agent_and_then_has_it() -> None:
    text = TWO.replace("{brief: Think again}", "{agent: bob}").replace("[ann, bob]", "ann")
    ledger = Ledger(text + "checkpoints: {meet: {participants: one, during: a, before: c}}\n")
    fail_to_the_fallback(ledger)
    assert "a" not in ledger.state.live
    ledger.exit("b", code=1)
    ledger.decide()
    assert ledger.state.live["a"].agent == "bob"


# --- landing --------------------------------------------------------------------------------------


def test_a_checkpoint_with_nothing_to_land_does_not_land_what_comes_after_it() -> None:
    ledger = Ledger(GATES, landing="checkpoint")
    ledger.integrate("a")
    ledger.record(ev.CheckpointVerified("first", ok=True))
    [land] = ledger.effects(act.Land)
    ledger.record(ev.Landed("app", "main", land.commit))
    ledger.decide()
    ledger.record(
        ev.CheckpointVerified("second", ok=True), ev.ApprovalRecorded("second", True, "ann")
    )
    assert ledger.door("second") == "waiting"
    ledger.decide()
    assert ledger.door("second") == "open"
    ledger.integrate("b")
    assert not ledger.effects(act.Land)


def test_a_day_without_work_does_not_land_the_next_days_first_merge() -> None:
    ledger = Ledger(GATES, landing="daily")
    ledger.record(ev.TimerFired("landing"))
    ledger.integrate("a")
    assert not ledger.effects(act.Land)
    ledger.record(ev.TimerFired("landing"))
    assert ledger.effects(act.Land)


def test_landing_at_the_end_lands_nothing_before_it() -> None:
    ledger = Ledger(GATES, landing="end", approve_all=True)
    ledger.integrate("a")
    for gate in ("first", "second"):
        assert not ledger.effects(act.Land)
        ledger.record(ev.CheckpointVerified(gate, ok=True))
    ledger.integrate("b")
    assert not ledger.effects(act.Land)
    ledger.integrate("c")
    [land] = ledger.effects(act.Land)
    assert land.commit == "c-1"
    ledger.record(ev.Landed("app", "main", "c-1"))
    ledger.decide()
    assert ledger.state.finished == "succeeded"


def test_a_landing_that_is_held_is_tried_again_when_the_head_moves_and_ends_the_run_well() -> None:
    ledger = Ledger(GATES, approve_all=True)
    ledger.integrate("a")
    [land] = ledger.effects(act.Land)
    ledger.record(ev.LandingHeld("app", "main", land.commit, "dirty"))
    assert not ledger.effects(act.Land)
    for gate in ("first", "second"):
        ledger.decide()
        ledger.record(ev.CheckpointVerified(gate, ok=True))
    ledger.integrate("b")
    [land] = ledger.effects(act.Land)
    assert land.commit == "b-1"
    ledger.record(ev.Landed("app", "main", "b-1"))
    assert not ledger.state.held
    ledger.integrate("c")
    [land] = ledger.effects(act.Land)
    ledger.record(ev.LandingHeld("app", "main", land.commit, "dirty"))
    ledger.decide()
    assert ledger.state.finished == "succeeded"


# --- people ---------------------------------------------------------------------------------------


def test_a_request_that_is_recorded_twice_counts_once() -> None:
    ledger = Ledger(TWO)
    for request in ("r1", "r1", "r2"):
        ledger.exit("b", code=1)
        ledger.decide()
        ledger.record(ev.RetryRequested("b", "ann", request=request))
        ledger.decide()
        if ledger.phase("b") == "parked":
            break
    assert ledger.state.tasks["b"].attempts == 2


def test_a_parked_checkpoint_is_looked_at_again_when_a_person_asks() -> None:
    ledger = Ledger(GATES)
    ledger.integrate("a")
    results = ({"ok": True, "message": "fine"}, {"ok": False, "message": "make contract refuses"})
    ledger.record(ev.CheckpointVerified("first", False, results))
    assert ledger.door("first") == "parked"
    assert ledger.state.gates["first"].why == "make contract refuses"
    ledger.record(ev.RetryRequested("first", "ann"))
    assert "first" in [confirm.checkpoint for confirm in ledger.effects(act.Confirm)]
    ledger.record(ev.CheckpointVerified("first", ok=True))
    ledger.decide()
    assert ledger.door("first") == "open"


def test_a_rejection_before_the_checkpoint_is_due_keeps_it_shut() -> None:
    ledger = Ledger(GATES)
    ledger.record(ev.ApprovalRecorded("second", False, "ann", "not like this"))
    ledger.integrate("a")
    ledger.record(ev.CheckpointVerified("first", ok=True))
    ledger.decide()
    ledger.record(ev.CheckpointVerified("second", ok=True))
    ledger.decide()
    assert ledger.door("second") == "rejected"
    assert ledger.state.gates["second"].why == "not like this"
    ledger.integrate("b")
    for land in ledger.effects(act.Land):
        ledger.record(ev.Landed(land.repository, "main", land.commit))
    ledger.decide()
    assert ledger.state.finished == "failed"
    assert ledger.state.tasks["c"].why == "checkpoint second is rejected"
    ledger.record(ev.RetryRequested("second", "ann"))
    ledger.decide()
    ledger.record(ev.CheckpointVerified("second", ok=True))
    ledger.decide()
    assert ledger.door("second") == "waiting"
    ledger.record(ev.ApprovalRecorded("second", True, "ann"))
    ledger.integrate("c")


# --- risks ----------------------------------------------------------------------------------------

RISKS = """
risks:
  slow: {title: B is slow, trigger: {task: b, late_by: 30m}}
  hard: {title: B is hard, trigger: {task: b}}
  calm: {title: A is slow, trigger: {task: a, late_by: 30m}}
"""


def test_risks_strike_once_when_a_task_is_late_or_has_no_tries_left() -> None:
    ledger = Ledger(TWO + RISKS)
    ledger.integrate("a")
    ledger.record(ev.TimerFired("risk:calm"), ev.TimerFired("risk:slow"))
    ledger.exit("b", code=1)
    ledger.decide()
    ledger.decide()
    assert [(risk.risk, risk.why) for risk in ledger.events(ev.RiskTriggered)] == [
        ("slow", "b is late"),
        ("hard", "b is parked"),
    ]


def test_a_risk_is_due_so_long_after_the_planned_finish() -> None:
    ledger = Ledger(TWO + RISKS)
    assert ledger.program.risks["slow"].due == 30 * 60 * 1000
    assert ledger.program.risks["hard"].due is None
    paced = Ledger(TWO + RISKS, pace=2000)
    assert paced.program.risks["slow"].due == 1000


def test_a_fact_that_is_no_event_is_refused() -> None:
    with pytest.raises(TypeError, match="not an event"):
        Ledger(TWO).record("hello")  # type: ignore[arg-type]
