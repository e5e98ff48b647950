from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coditect.findings import CoditectError
from coditect.report.actual import actual
from coditect.report.evidence import Evidence, Figure, difference, of_adapter, ratio, weakest
from coditect.report.history import Ending, read
from coditect.report.rework import rework
from coditect.report.run_report import RunReport, Span, Tally
from coditect.run import actions as act
from coditect.run import events as ev
from coditect.run.program import Settings
from coditect.run.state import Phase
from support.journey import Journey
from support.small import PLANNED, TEXT, small_journey, small_plan
from support.world import Odds, World, random_program

APPROVAL = ev.ApprovalRecorded("gate", True, "Ada", "fine", "r1")


def approved(**options: object) -> Journey:
    journey = small_journey(**options)  # type: ignore[arg-type]
    journey.at(5000, APPROVAL)
    return journey


def report_of(journey: Journey, *, known: bool = True) -> RunReport:
    changes = journey.changes if known else None
    return actual(journey.plan, journey.journal, changes=changes, run="small-x")


def undisturbed() -> RunReport:
    journey = approved()
    journey.run()
    return report_of(journey)


# --- a run whose figures are known ----------------------------------------------------------------


def test_the_whole_run_is_compared_with_the_plan() -> None:
    report = undisturbed()
    sums = report.totals
    assert report.outcome == "succeeded"
    assert sums.sequential == Figure(7.0, "hours", Evidence.MODELLED)
    assert sums.planned_makespan == Figure(5.0, "hours", Evidence.MODELLED)
    assert sums.makespan == Figure(6.06, "hours", Evidence.REHEARSED)
    assert sums.delay is not None
    assert sums.delay.value == pytest.approx(1.06)
    assert sums.delay.label == "rehearsed - modelled"
    assert sums.speed_up is not None
    assert sums.speed_up.value == pytest.approx(7 / 6.06)
    assert sums.velocity is not None
    assert sums.velocity.value == pytest.approx(7 / 6.06)
    assert sums.throughput is not None
    assert sums.throughput.value == pytest.approx(5 / 6.06)
    assert (sums.done, sums.tasks, sums.attempts, sums.failed, sums.lost) == (5, 5, 5, 0, 0)
    assert sums.overhead_median == Figure(50, "ms", Evidence.REHEARSED)
    assert sums.overhead_p95 == Figure(50, "ms", Evidence.REHEARSED)


def test_a_figure_made_from_two_kinds_of_evidence_claims_only_the_weaker() -> None:
    speed_up = undisturbed().totals.speed_up
    assert speed_up is not None
    assert speed_up.evidence is Evidence.MODELLED
    assert speed_up.label == "modelled / rehearsed"


def test_a_task_says_when_it_waited_worked_and_went_through_the_gate() -> None:
    tasks = {task.id: task for task in undisturbed().tasks}
    e = tasks["e"]
    assert e.waiting == pytest.approx(1.06)
    assert e.work == pytest.approx(1.0)
    assert e.actual is not None
    assert [e.actual.start, e.actual.finish] == pytest.approx([1.06, 2.12])
    assert e.late == pytest.approx(0.12)
    assert e.gate is not None
    gate = e.gate
    assert (gate.save, gate.gate, gate.verification, gate.integration) == (10, 10, 10, 10)
    assert gate.total == 50
    assert e.agents == ("bob",)
    assert e.changed == ("text/e.md",)
    assert tasks["a"].waiting == 0
    assert tasks["b"].planned is not None
    assert tasks["b"].planned.hours == 1.0


def test_a_workstream_sums_its_tasks_and_says_how_much_of_the_time_was_used() -> None:
    code, text = undisturbed().streams
    assert [code.done, code.tasks, code.planned_hours, code.work] == pytest.approx([2, 2, 3.0, 3.0])
    assert code.planned_utilisation == pytest.approx(3 / 5)
    assert code.utilisation == pytest.approx(3 / 6.06)
    assert text.waiting == pytest.approx(1.06)
    assert code.gate == pytest.approx(0.1)


def test_a_checkpoint_says_where_its_time_went_and_who_approved() -> None:
    (gate,) = undisturbed().checkpoints
    assert gate.state == "open"
    assert gate.gathering == 0
    assert gate.hold == pytest.approx(1.0)
    assert gate.verification == pytest.approx(0.01)
    assert gate.approval_wait == pytest.approx(5 - 4.13)
    assert gate.actual is not None
    assert [gate.actual.start, gate.actual.finish] == pytest.approx([3.12, 5.0])
    assert set(gate.attending) == {"ann", "bob"}
    assert [(each.by, each.approved, each.note) for each in gate.decisions] == [
        ("Ada", True, "fine")
    ]


def test_an_agent_works_attends_and_is_held_by_the_gate() -> None:
    ann, bob = undisturbed().agents
    assert ann.work == pytest.approx(3.0)
    assert ann.attending == pytest.approx(1.01)
    assert ann.held == pytest.approx(0.12)
    assert ann.utilisation == pytest.approx(4.01 / 6.06)
    assert (bob.attempts, bob.adapter, bob.evidence) == (3, "rehearsal", Evidence.REHEARSED)


def test_presence_checks_of_a_rehearsal_are_counted_as_nothing_more() -> None:
    journey = approved(skipped=True)
    journey.run()
    report = report_of(journey)
    assert report.evidence is Evidence.REHEARSED
    assert report.task_checks == {
        "presence": Tally(2, 0, 0),
        "tool": Tally(0, 0, 1),
        "e2e": Tally(0, 0, 1),
    }
    assert report.checkpoint_checks == {"presence": Tally(1, 0, 0)}
    assert report.unverified == ("b", "c", "d")


def test_a_run_of_real_agents_is_measured_in_hours_of_the_clock() -> None:
    journey = approved(
        plan=small_plan(adapter="command"), settings=Settings(approve_all=True), step=60_000
    )
    journey.run()
    report = report_of(journey)
    assert report.evidence is Evidence.MEASURED
    assert report.tasks[0].work == pytest.approx(2.0)
    assert report.tasks[0].gate is not None
    assert report.tasks[0].gate.total == 300_000


def test_the_journals_own_word_that_it_was_a_rehearsal_is_believed() -> None:
    journey = approved(plan=small_plan(adapter="command"), extra={"rehearse": True, "newer": 1})
    journey.run()
    assert report_of(journey).evidence is Evidence.REHEARSED


def test_a_checkpoint_that_nobody_looked_at_says_yes_approved_it() -> None:
    journey = small_journey(settings=Settings(pace=1000, approve_all=True))
    journey.run()
    (gate,) = report_of(journey).checkpoints
    assert gate.decisions[-1].by == "--yes"


def test_what_agents_say_they_used_is_summed() -> None:
    journey = approved(usage={"tokens": 10.0, "usd": 0.5})
    journey.run()
    assert report_of(journey).totals.usage == {"tokens": 50.0, "usd": 2.5}


# --- trouble --------------------------------------------------------------------------------------


def refuse_once(effect: act.Effect, journey: Journey) -> Sequence[ev.Event] | None:
    match effect:
        case act.Inspect(attempt) if (attempt.task, attempt.number) == ("a", 1):
            finding = {
                "code": "gate-outside-ownership",
                "message": "'x' was added",
                "data": {"path": "x", "task": "a"},
            }
            return (ev.DiffChecked("a", 1, False, (finding,)),)
        case act.Build(attempt, onto) if (attempt.task, attempt.number) == ("c", 1):
            return (ev.CandidateBuilt("c", 1, onto, None, None, ("text/c.md",)),)
        case act.Verify(attempt, candidate) if (attempt.task, attempt.number) == ("e", 1):
            result = journey.result("presence", "test -s text/e.md", False, "it is empty")
            return (ev.CandidateVerified("e", 1, candidate.commit, False, (result,)),)
        case act.Watch(attempt) if (attempt.task, attempt.number) == ("d", 1):
            return (ev.AttemptExited("d", 1, "lost"),)
        case _:
            return None


def disturbed() -> RunReport:
    journey = small_journey(twist=refuse_once)
    journey.at(9000, APPROVAL)
    journey.run()
    return report_of(journey)


def test_what_was_not_let_through_is_told_with_its_paths() -> None:
    report = disturbed()
    assert report.outcome == "succeeded"
    told = {(each.subject, each.by, each.code, each.paths) for each in report.refusals}
    assert told == {
        ("a", "gate", "gate-outside-ownership", ("x",)),
        ("c", "conflict", "merge-conflict", ("text/c.md",)),
        ("e", "verification", "presence", ()),
    }
    assert report.totals.conflicts == 1
    assert report.task_checks["presence"].failed == 1


def test_failed_and_lost_attempts_cost_work_that_was_not_integrated() -> None:
    report = disturbed()
    tasks = {task.id: task for task in report.tasks}
    assert (report.totals.failed, report.totals.lost, report.totals.retried) == (3, 1, 4)
    assert [each.ending for each in tasks["a"].attempts] == ["failed", "integrated"]
    assert tasks["a"].lost_work == pytest.approx(2.0)
    assert tasks["a"].work == pytest.approx(4.0)
    assert tasks["a"].backoff == pytest.approx(1.0)
    assert tasks["d"].attempts[0].reason == "lost"
    assert tasks["d"].backoff == 0
    assert tasks["a"].why == ""


def test_a_risk_that_struck_comes_with_its_planned_answer() -> None:
    (risk,) = disturbed().risks
    assert (risk.id, risk.fallback) == ("slow", "Ask Ann")
    assert risk.at == pytest.approx(3.5)


def test_a_parked_task_and_those_behind_it_say_why_they_are_not_done() -> None:
    def fail(effect: act.Effect, journey: Journey) -> Sequence[ev.Event] | None:
        if isinstance(effect, act.Watch) and effect.attempt.task == "a":
            return (ev.AttemptExited("a", effect.attempt.number, "exit", 3),)
        if isinstance(effect, act.Land):
            return (ev.LandingHeld("app", "main", effect.commit, "main moved.", "Merge it."),)
        return None

    journey = small_journey(twist=fail)
    journey.run()
    report = report_of(journey)
    why = {task.id: (task.state, task.why) for task in report.undone}
    assert report.outcome == "failed"
    assert why["a"] == ("parked", "the agent ended with exit status 3")
    assert why["b"] == ("skipped", "a is parked")
    assert report.totals.makespan is None
    assert report.totals.speed_up is None
    (landing,) = report.landings
    assert (landing.complete, landing.held, landing.hint) == (False, "main moved.", "Merge it.")
    assert report.checkpoints[0].actual is None


def test_a_rejected_checkpoint_says_who_rejected_it_and_what_failed_before() -> None:
    looks = []

    def look(effect: act.Effect, journey: Journey) -> Sequence[ev.Event] | None:
        if isinstance(effect, act.Confirm):
            looks.append(effect)
            if len(looks) == 1:
                missing = ({"ok": False, "message": "no space left"},)
                return (ev.CheckpointVerified("gate", False, missing),)
        return None

    journey = small_journey(twist=look)
    journey.at(6000, ev.RetryRequested("gate", "Ada", "r0"))
    journey.at(7000, ev.ApprovalRecorded("gate", False, "Ada", "not yet", "r1"))
    journey.run()
    report = report_of(journey)
    (gate,) = report.checkpoints
    assert (gate.state, gate.why) == ("rejected", "not yet")
    assert [each.approved for each in gate.decisions] == [False]
    assert report.checkpoint_checks == {"engine": Tally(0, 1, 0)}
    assert [each.message for each in report.refusals] == ["no space left"]
    assert gate.attending == ("ann", "bob")


def test_a_run_that_goes_on_is_reported_as_far_as_it_came() -> None:
    journey = approved()
    journey.run(until=2500)
    report = report_of(journey, known=False)
    tasks = {task.id: task for task in report.tasks}
    assert report.outcome == "unfinished"
    assert report.totals.rework is None
    assert report.totals.changed is None
    assert tasks["b"].state == "active"
    assert tasks["b"].late is None
    assert tasks["b"].attempts[0].ending == "alive"
    assert tasks["d"].actual is None
    assert report.totals.makespan is None
    assert report.totals.elapsed.value == pytest.approx(
        (journey.journal[-1].at - journey.zero) / 1000
    )


def test_restarts_are_counted_once_however_many_agents_were_taken_over() -> None:
    journey = approved()
    for moment in (500, 800):
        journey.at(
            moment,
            *(ev.AttemptAttached(task, 1, pid=7, again=True) for task in ("a", "c")),
        )
    journey.at(2500, ev.AttemptAttached("b", 1, pid=9, again=True))
    journey.run()
    report = report_of(journey)
    assert report.restarts == 3
    assert report.tasks[0].work == pytest.approx(2.0)


def ended_alone(*changes: Mapping[str, Any], at: int = 5000) -> RunReport:
    """Task a works for 1.8 s; the run is killed at 0.5 s and carried on at `at`."""
    exited = {"code": 0, "usage": {"wall": 1.8}, "again": True}

    def leave(effect: act.Effect, journey: Journey) -> Sequence[ev.Event] | None:
        del journey
        match effect:
            case act.Watch(attempt) if attempt.number == 1 and attempt.task in ("a", "c"):
                return ()
            case _:
                return None

    journey = small_journey(twist=leave, settings=Settings(pace=1000, approve_all=True))
    for task, change in zip(("a", "c"), changes, strict=False):
        said = {"reason": "exit", **exited, **change}
        journey.at(at, ev.AttemptExited(task, 1, **said))
    journey.run()
    return report_of(journey)


def test_who_ended_while_nobody_looked_is_not_credited_with_the_downtime() -> None:
    report = ended_alone({}, {"usage": {"wall": 0.5}})
    tasks = {task.id: task for task in report.tasks}
    assert tasks["a"].work == pytest.approx(1.8)
    assert tasks["c"].work == pytest.approx(0.5)
    assert tasks["a"].attempts[0].work == Span(0.01, 1.81)
    assert report.restarts == 1
    assert report.totals.downtime == Figure(4.49, "hours", Evidence.REHEARSED)
    # The downtime is no way through the gate, nor a time that the attempt held its agent.
    assert tasks["a"].gate is not None
    assert tasks["a"].gate.save == 10
    assert tasks["a"].gate.total < 200
    assert report.totals.gate.value < 1
    assert {agent.id: agent.held < 1 for agent in report.agents} == {"ann": True, "bob": True}


def test_an_end_at_which_a_coordinator_was_there_is_taken_from_the_journal() -> None:
    report = ended_alone({"again": False}, {"again": False})
    assert report.tasks[0].work == pytest.approx(4.99)
    assert report.restarts == 0
    assert report.totals.downtime is None


def test_of_a_lost_agent_only_what_somebody_saw_counts_as_work() -> None:
    report = ended_alone({"reason": "lost", "usage": {}}, {"again": False})
    assert report.tasks[0].attempts[0].ending == "lost"
    assert report.tasks[0].lost_work == pytest.approx(3.49)  # the timer of the risk, at 3.5
    assert report.restarts == 1
    assert report.totals.downtime is None


def test_the_figures_of_a_stopped_clock_do_not_reach_beyond_the_moment_of_discovery() -> None:
    report = ended_alone({"usage": {"wall": 99.0}}, {})
    assert report.tasks[0].work == pytest.approx(4.99)


def test_who_ended_before_anybody_saw_it_start_worked_all_the_same() -> None:
    def unseen(effect: act.Effect, journey: Journey) -> Sequence[ev.Event] | None:
        del journey
        if isinstance(effect, act.Launch) and effect.attempt.task == "a":
            return (ev.AttemptExited("a", 1, "exit", 0, usage={"wall": 0.006}, again=True),)
        return None

    journey = small_journey(twist=unseen, settings=Settings(pace=1000, approve_all=True))
    journey.run()
    report = report_of(journey)
    assert report.tasks[0].work == pytest.approx(0.006)
    assert report.restarts == 1
    assert report.totals.downtime is not None
    assert report.totals.downtime.value == pytest.approx(0.004)


def test_files_that_a_later_task_changes_again_are_rework() -> None:
    journey = approved()
    journey.run()
    paths = {"a": ("code/a.py", "code/x.py"), "b": ("code/x.py",)}
    commits = {
        entry.event.commit: entry.event.task
        for entry in journey.journal
        if isinstance(entry.event, ev.Integrated)
    }
    report = actual(
        journey.plan,
        journey.journal,
        changes=lambda _, commit: paths.get(commits[commit], ("text/" + commits[commit],)),
    )
    tasks = {task.id: task for task in report.tasks}
    assert tasks["b"].rework == (("code/x.py", "a"),)
    assert tasks["a"].rework == ()
    assert report.totals.rework == Figure(1 / 6, "share", Evidence.REHEARSED)
    assert report.totals.changed == 6


def test_one_name_in_two_repositories_is_no_rework() -> None:
    found = rework([("a", "one", "x"), ("b", "two", "y")], lambda *_: ("same.txt",))
    assert not found.again
    assert found.share == 0.0
    assert rework([], lambda *_: ()).share is None


def test_the_work_of_a_checkpoint_counts_as_its_holding() -> None:
    text = TEXT.replace("after: [b, c], before: d, duration: 1h,", "during: d,").replace(
        'deliverable: "app:code/b.py", approval', 'deliverable: "app:text/d.md", approval'
    )
    journey = small_journey(small_plan(text=text), settings=Settings(pace=1000, approve_all=True))
    journey.run()
    (gate,) = report_of(journey).checkpoints
    assert gate.hold == pytest.approx(1.06)
    assert set(gate.attending) == {"ann", "bob"}
    ann = next(line for line in report_of(journey).agents if line.id == "ann")
    assert ann.attending == pytest.approx(1.06)


def test_a_journal_without_a_beginning_is_refused_in_words() -> None:
    with pytest.raises(CoditectError, match="does not begin"):
        actual(small_plan(), ())


# --- evidence -------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from(Evidence), min_size=1))
def test_joined_evidence_is_never_stronger_than_any_of_its_parts(kinds: list[Evidence]) -> None:
    strength = list(Evidence).index
    assert strength(weakest(kinds)) == min(map(strength, kinds))


@given(st.sampled_from(Evidence), st.sampled_from(Evidence))
def test_a_ratio_or_difference_says_both_kinds_when_they_differ(
    left: Evidence, right: Evidence
) -> None:
    one, other = Figure(6, "hours", left), Figure(3, "hours", right)
    quotient = ratio(one, other, "times")
    assert quotient is not None
    assert quotient.value == 2
    assert difference(one, other).value == 3
    assert quotient.evidence is weakest((left, right))
    assert (" / " in quotient.label) == (left is not right)


def test_nothing_is_divided_by_nothing() -> None:
    none = Figure(0, "hours", Evidence.MEASURED)
    assert ratio(Figure(1, "hours", Evidence.MEASURED), none, "times") is None


def test_an_adapter_decides_what_its_work_is_evidence_of() -> None:
    assert of_adapter("rehearsal", rehearse=False) is Evidence.REHEARSED
    assert of_adapter("replay", rehearse=False) is Evidence.REPLAYED
    assert of_adapter("claude", rehearse=False) is Evidence.MEASURED
    assert of_adapter("claude", rehearse=True) is Evidence.REHEARSED


# --- any journal ----------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**48))
def test_any_journal_is_read_as_the_kernel_read_it(seed: int) -> None:
    rng = random.Random(seed)
    world = World(random_program(rng, rng.randint(1, 10), Settings()), rng, Odds())
    world.run()
    history = read(world.program, world.journal)
    assert history.state == world.state
    merged = [task for task, _, _ in history.merges]
    assert len(merged) == len(set(merged))
    assert {task: commit for task, _, commit in history.merges} == world.merged
    for task, state in history.state.tasks.items():
        records = history.of(task)
        assert len(records) == state.attempts
        good = [record for record in records if record.ending is Ending.INTEGRATED]
        assert len(good) == (state.phase is Phase.INTEGRATED)
        waits = history.waits[task]
        assert waits.ready >= 0
        assert waits.backoff >= 0
        life = sum((record.ended or world.now) - record.started for record in records)
        assert waits.ready + waits.backoff + life <= world.now - history.started
        for record in records:
            moments = [
                record.started,
                record.attached,
                record.exited,
                record.saved,
                record.checked,
                record.built,
                record.verified,
                record.ended,
            ]
            known = [moment for moment in moments if moment is not None]
            assert known == sorted(known)
    for gate in history.gates.values():
        assert gate.attends_since is None
        assert sum(gate.spent.values()) <= world.now


def test_the_planned_spans_cover_the_small_plan() -> None:
    plan = small_plan()
    assert set(PLANNED) == {*plan.tasks, *plan.checkpoints}


def test_while_a_run_goes_on_only_what_it_gave_up_counts_as_undone() -> None:
    def fail(effect: act.Effect, journey: Journey) -> Sequence[ev.Event] | None:
        if isinstance(effect, act.Watch) and effect.attempt.task == "c":
            return (ev.AttemptExited("c", effect.attempt.number, "exit", 3),)
        if isinstance(effect, act.Watch) and effect.attempt.task == "b":
            return ()  # works and works
        return None

    journey = small_journey(twist=fail, settings=Settings(pace=1000, backoff=1))
    journey.run(until=9000)
    report = report_of(journey)
    assert report.outcome == "unfinished"
    assert [task.id for task in report.undone] == ["c"]
