"""A request that would change nothing is refused in words."""

from __future__ import annotations

import pytest

from coditect.cli.effect import idle
from coditect.run.state import Door, GateState, Phase, State, TaskState


def state(
    door: Door = Door.PENDING,
    phase: Phase = Phase.PENDING,
    *,
    approved: bool | None = None,
    cancelled: bool = False,
    finished: str | None = None,
    stopping: bool = False,
) -> State:
    return State(
        tasks={"task": TaskState(phase, cancelled=stopping, why="gate is parked")},
        gates={"gate": GateState(door, approved=approved, why="its test refused")},
        unmet={},
        cancelled=cancelled,
        finished=finished,
    )


def refused(standing: State, what: str, name: str | None) -> str:
    finding = idle("run-1", standing, what, name)
    assert finding is not None
    assert finding.code == "nothing-to-do"
    return finding.message


@pytest.mark.parametrize("what", ["approve", "reject"])
@pytest.mark.parametrize("door", [Door.PENDING, Door.DUE, Door.HELD, Door.CONFIRMING, Door.WAITING])
def test_a_checkpoint_may_be_decided_on_as_long_as_it_is_not_open(what: str, door: Door) -> None:
    assert idle("run-1", state(door), what, "gate") is None


@pytest.mark.parametrize("what", ["approve", "reject", "retry"])
def test_an_open_checkpoint_cannot_be_closed_again(what: str) -> None:
    assert "is open already" in refused(state(Door.OPEN, approved=True), what, "gate")


def test_the_same_decision_twice_is_once_too_often() -> None:
    assert "approved already" in refused(state(Door.DUE, approved=True), "approve", "gate")
    assert "rejected already" in refused(state(Door.REJECTED, approved=False), "reject", "gate")


def test_a_decision_may_be_turned_round() -> None:
    assert idle("run-1", state(Door.DUE, approved=True), "reject", "gate") is None
    assert idle("run-1", state(Door.REJECTED, approved=False), "approve", "gate") is None


@pytest.mark.parametrize("what", ["approve", "reject"])
def test_a_parked_checkpoint_wants_a_retry_first(what: str) -> None:
    assert "its test refused" in refused(state(Door.PARKED), what, "gate")


@pytest.mark.parametrize("door", [Door.PARKED, Door.REJECTED])
def test_a_parked_or_rejected_checkpoint_is_retried(door: Door) -> None:
    assert idle("run-1", state(door, approved=False), "retry", "gate") is None


def test_a_checkpoint_on_its_way_is_not_retried() -> None:
    assert "gate is due" in refused(state(Door.DUE), "retry", "gate")


def test_only_a_parked_task_is_retried() -> None:
    assert idle("run-1", state(phase=Phase.PARKED), "retry", "task") is None
    assert "because gate is parked" in refused(state(phase=Phase.SKIPPED), "retry", "task")
    assert "task is active" in refused(state(phase=Phase.ACTIVE), "retry", "task")


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.READY, Phase.ACTIVE, Phase.FAILED])
def test_a_task_that_is_not_over_can_be_stopped(phase: Phase) -> None:
    assert idle("run-1", state(phase=phase), "cancel", "task") is None


@pytest.mark.parametrize("phase", [Phase.INTEGRATED, Phase.SKIPPED, Phase.PARKED])
def test_a_task_that_is_over_cannot_be_stopped(phase: Phase) -> None:
    assert "nothing to stop" in refused(state(phase=phase), "cancel", "task")


def test_a_task_is_stopped_once() -> None:
    assert "being stopped" in refused(state(phase=Phase.ACTIVE, stopping=True), "cancel", "task")


def test_a_run_that_has_ended_cannot_be_stopped() -> None:
    assert idle("run-1", state(), "cancel", None) is None
    assert "ended already: failed" in refused(state(finished="failed"), "cancel", None)


@pytest.mark.parametrize(
    ("what", "name"), [("approve", "gate"), ("retry", "task"), ("cancel", None)]
)
def test_a_cancelled_run_takes_no_more_requests(what: str, name: str | None) -> None:
    assert "was cancelled" in refused(state(cancelled=True), what, name)
