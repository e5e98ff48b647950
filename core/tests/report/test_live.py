from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from coditect.plan.model import HOUR, Plan
from coditect.report.evidence import Evidence
from coditect.report.live import KEEP, Follower, LiveView, snapshot
from coditect.run import actions as act
from coditect.run import events as ev
from coditect.run.program import Settings
from coditect.run.state import Door, Phase
from support.journey import Journey
from support.small import PLANNED, TEXT, small_journey, small_plan
from support.world import Odds, World, random_program


def view_of(journey: Journey, **options: object) -> LiveView:
    follower = Follower(journey.program)
    follower.take(journey.journal)
    chosen: dict[str, object] = {"now": journey.now, "run": "small-x", **options}
    return snapshot(
        journey.plan,
        journey.program,
        follower.state,
        follower.facts,
        **chosen,  # type: ignore[arg-type]
    )


def at(moment: int, **options: object) -> LiveView:
    journey = small_journey()
    journey.run(until=moment)
    return view_of(journey, **options)


def test_a_lane_says_who_does_what_since_when_and_what_was_said_last() -> None:
    said: list[tuple[str, int]] = []

    def output(task: str, number: int) -> bytes:
        said.append((task, number))
        return b"compiling\nran \x1b[32m3 tests\x1b[0m\n"

    code, text = at(1500, output=output).lanes
    assert (code.workstream, code.task, code.agent, code.stage) == ("code", "a", "ann", "working")
    assert (code.elapsed, code.expected) == (1500, 2000)
    assert code.output == "ran 3 tests"
    assert (text.task, text.elapsed) == ("e", 440)
    assert said == [("a", 1), ("e", 1)]


def test_an_idle_lane_says_what_its_next_task_waits_for() -> None:
    code, text = at(2500).lanes
    assert code.task == "b"
    assert text.task == ""
    assert text.waits == "d needs b (active); needs checkpoint gate (pending)".partition(";")[0]


def test_a_lane_whose_agent_attends_says_what() -> None:
    lanes = at(3500).lanes
    assert [(lane.agent, lane.waits) for lane in lanes] == [
        ("ann", "attends checkpoint gate"),
        ("bob", "attends checkpoint gate"),
    ]


def test_the_attendance_of_a_checkpoints_work_is_shown() -> None:
    text = TEXT.replace("after: [b, c], before: d, duration: 1h,", "during: d,").replace(
        'deliverable: "app:code/b.py", approval', 'deliverable: "app:text/d.md", approval'
    )
    journey = small_journey(small_plan(text=text))
    journey.run(until=3500)
    code, own = view_of(journey).lanes
    assert (code.agent, code.waits) == ("ann", "attends d")
    assert own.task == "d"


def test_a_workstream_with_nothing_left_says_so() -> None:
    journey = small_journey()
    journey.at(4500, ev.ApprovalRecorded("gate", True, "Ada", request="r"))
    journey.run(until=5000)
    code, text = view_of(journey).lanes
    assert code.waits == "nothing left to do"
    assert text.task == "d"


def test_a_checkpoint_that_waits_for_a_person_says_the_very_command() -> None:
    (gate,) = at(4500).checkpoints
    assert (gate.door, gate.calls) == (Door.WAITING, True)
    assert gate.command == "coditect approve small-x gate"
    assert gate.text == "waits for a person to approve"
    (gate,) = at(4500, typed=lambda *words: "! ".join(words)).checkpoints
    assert gate.command == "approve! gate! small-x"
    (gate,) = at(3500).checkpoints
    assert (gate.door, gate.calls) == (Door.HELD, False)


def test_progress_counts_tasks_and_planned_hours() -> None:
    view = at(2500)
    assert (view.done, view.tasks, view.done_hours, view.hours) == (3, 5, 4.0, 6.0)
    assert view.evidence is Evidence.REHEARSED
    assert view.outcome == ""


def test_the_forecast_and_the_plan_are_told_in_real_time() -> None:
    view = at(2500, forecast={"a": (0, 2 * HOUR), "d": (5 * HOUR, 6 * HOUR)})
    assert (view.planned, view.forecast) == (5000, 6000)
    assert at(2500).forecast is None


def test_what_waits_says_for_what_and_how_long_already() -> None:
    view = at(500)
    waits = {wait.task: wait for wait in view.waiting}
    assert waits["e"].phase is Phase.READY
    assert waits["e"].since == 500
    assert waits["e"].text == "text is busy with c"
    assert waits["b"].text == "needs a (active)"
    assert [wait.task for wait in view.waiting] == ["e", "b", "d"]


def test_a_parked_task_comes_first_with_what_to_type() -> None:
    def fail(effect: act.Effect, journey: Journey) -> Sequence[ev.Event] | None:
        if isinstance(effect, act.Watch) and effect.attempt.task == "c":
            return (ev.AttemptExited("c", effect.attempt.number, "exit", 3),)
        return None

    journey = small_journey(twist=fail, settings=Settings(pace=1000, backoff=3000))
    journey.run(until=1500)
    (failed,) = (wait for wait in view_of(journey).waiting if wait.phase is Phase.FAILED)
    assert failed.text == "is tried again in 3 s after exit: the agent ended with exit status 3"
    journey.run(until=14_000)
    view = view_of(journey)
    assert view.waiting[0].task == "c"
    assert view.waiting[0].command == "coditect retry small-x c"
    assert "exit status 3" in view.waiting[0].text


def test_a_checkpoint_that_failed_is_tried_again_by_a_command() -> None:
    def fail(effect: act.Effect, journey: Journey) -> Sequence[ev.Event] | None:
        if isinstance(effect, act.Confirm):
            return (ev.CheckpointVerified("gate", False, ({"ok": False, "message": "missing"},)),)
        return None

    journey = small_journey(twist=fail)
    journey.run()
    (gate,) = view_of(journey).checkpoints
    assert (gate.door, gate.command, gate.text) == (
        Door.PARKED,
        "coditect retry small-x gate",
        "missing",
    )


def test_the_queue_before_integration_says_what_its_head_does() -> None:
    def slow(effect: act.Effect, journey: Journey) -> Sequence[ev.Event] | None:
        if isinstance(effect, act.Verify) and effect.attempt.task == "c":
            journey.at(3000, *journey.answer(effect))
            return ()
        return None

    journey = small_journey(twist=slow)
    journey.run(until=2500)
    view = view_of(journey)
    assert view.queue == ("c (its merge is being verified)", "a")
    assert {lane.stage for lane in view.lanes} == {"queued"}


def test_the_latest_events_come_last_without_the_routine_ones() -> None:
    events = at(2500).events
    assert [said.text for _, said in events][-3:] == [
        "integrated as " + "0" * 10,
        "ann starts",
        "integrated as " + "0" * 10,
    ]
    assert not any(said.routine for _, said in events)
    assert events[0][0] == 0


def test_a_finished_run_stands_still() -> None:
    journey = small_journey(settings=Settings(pace=1000, approve_all=True))
    journey.run()
    view = view_of(journey, now=journey.now + 10**9, forecast=PLANNED)
    assert view.outcome == "succeeded"
    assert view.elapsed == journey.journal[-1].at - journey.zero
    assert view.forecast is None
    assert view.done == 5


def test_a_run_that_has_not_begun_can_be_looked_at() -> None:
    journey = small_journey()
    follower = Follower(journey.program)
    view = snapshot(journey.plan, journey.program, follower.state, follower.facts, now=5)
    assert (view.elapsed, view.done, view.planned, view.run) == (0, 0, None, "small")


def test_a_cancelled_run_asks_for_nothing() -> None:
    journey = small_journey()
    journey.at(4500, ev.CancelRequested("Ada", request="r"))
    journey.run()
    view = view_of(journey)
    assert view.outcome == "cancelled"
    assert not any(gate.calls for gate in view.checkpoints)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**48), st.binary(max_size=80))
def test_any_moment_of_any_run_can_be_followed_and_looked_at(seed: int, said: bytes) -> None:
    rng = random.Random(seed)
    world = World(random_program(rng, rng.randint(1, 8), Settings()), rng, Odds())
    world.run()
    follower = Follower(world.program)
    plan = _plan_like(small_plan(), world)
    for entry in world.journal:
        follower.take((entry,))
        assert set(follower.facts.ready_since) == set(follower.state.ready)
        view = snapshot(
            plan,
            world.program,
            follower.state,
            follower.facts,
            now=entry.at,
            output=lambda task, number: said,
        )
        busy = [lane.task for lane in view.lanes if lane.task]
        assert sorted(busy) == sorted(follower.state.live)
        assert all(lane.output.isprintable() for lane in view.lanes)
        assert view.elapsed >= 0
        waiting = {wait.task for wait in view.waiting}
        done = {name for name, task in follower.state.tasks.items() if task.phase == "integrated"}
        assert waiting | set(busy) | done == set(follower.state.tasks)
    assert follower.state == world.state
    assert len(follower.facts.recent) <= KEEP


def _plan_like(plan: Plan, world: World) -> Plan:
    """A plan whose tasks have the names of a made-up program; effort is all that is asked of it."""
    task = plan.tasks["a"]
    return replace(plan, tasks={name: replace(task, id=name) for name in world.program.tasks})
