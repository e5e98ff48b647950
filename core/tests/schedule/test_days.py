from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from coditect.plan import Plan, load_plan
from coditect.schedule import days, problem_of, solve
from schedule.founding import DATA, HOUR, STREAMS, founding_problem

Write = Callable[[str], Plan]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(text: str) -> Plan:
        path = tmp_path / "plan.yaml"
        path.write_text(text, encoding="utf-8")
        return load_plan(path)

    return written


HEAD = """
schema: 1
name: p
title: P
calendar: {hours_per_day: 8}
repositories: {r: {}}
"""


def founding() -> Plan:
    return load_plan(Path(__file__).parents[3] / "plans" / "coditect-cloud.yaml")


def test_the_plan_file_asks_for_what_the_documents_figures_ask_for() -> None:
    asked, expected = problem_of(founding()), founding_problem()
    assert asked.cast == expected.cast
    assert asked.slots == expected.slots
    assert set(asked.activities) == set(expected.activities)
    for name, one in asked.activities.items():
        other = expected.activities[name]
        assert (one.kind, one.duration, one.demands[0]) == (
            other.kind,
            other.duration,
            other.demands[0],
        )
        assert set(one.demands) == set(other.demands)
        assert set(one.predecessors) == set(other.predecessors)


def test_the_day_matrix_of_the_founding_plan_waits_for_the_security_specialist() -> None:
    plan = founding()
    found = days(plan, solve(problem_of(plan)))
    assert found.unplaced == ()
    # Everything before the deployment is done on day 5; who must attend is there again on day 7.
    assert found.spans["deploy-gke"] == ((48 * HOUR, 52 * HOUR),)
    assert found.makespan == 72 * HOUR
    assert len(found.rows) == 9
    assert set(found.load()["security-specialist"]) <= {1, 2, 3, 7}
    assert found.rows[5]["backend"].standby
    assert found.rows[3]["security"].absent
    assert not found.rows[3]["security"].standby


def test_every_hour_of_work_stands_in_the_matrix_and_no_day_is_too_full() -> None:
    plan = founding()
    found = days(plan, solve(problem_of(plan)))
    own = sum(
        entry.seconds
        for row in found.rows
        for stream in STREAMS
        for entry in row[stream].entries
        if entry.kind == "task" and not entry.attends
    )
    assert own == 133 * HOUR == sum(task["hours"] for task in DATA["tasks"]) * HOUR
    for loads in found.load().values():
        assert max(loads.values()) <= 8 * HOUR
    for row in found.rows:
        assert all(row[stream].seconds <= 8 * HOUR for stream in STREAMS)


def test_precedence_holds_in_the_calendar() -> None:
    plan = founding()
    problem = problem_of(plan)
    found = days(plan, solve(problem))
    for name, activity in problem.activities.items():
        for other in activity.predecessors:
            assert found.spans[other][-1][1] <= found.spans[name][0][0]


def test_the_authors_own_day_stands_beside() -> None:
    plan = founding()
    found = days(plan, solve(problem_of(plan)))
    (entry,) = [one for one in found.rows[0]["backend"].entries if one.id == "models"]
    assert entry.author_day == 2
    gates = [
        one for row in found.rows for one in row["backend"].entries if one.kind == "checkpoint"
    ]
    assert {one.id: one.author_day for one in gates} == {
        "infrastructure-readiness": 2,
        "backend-complete": 5,
        "client-sdk-ready": 10,
    }


def test_work_goes_on_in_the_morning(write: Write) -> None:
    plan = write(
        HEAD
        + """
agents: {a: {adapter: rehearsal}}
workstreams: {w: {agents: a, owns: "r:src/"}}
tasks:
  t: {workstream: w, effort: 20h}
"""
    )
    found = days(plan, solve(problem_of(plan)))
    assert [row["w"].seconds // HOUR for row in found.rows] == [8, 8, 4]


def test_a_task_too_long_for_somebodys_days_is_split_over_them(write: Write) -> None:
    plan = write(
        HEAD
        + """
agents: {a: {adapter: rehearsal, availability: [1, 3, 5]}}
workstreams: {w: {agents: a, owns: "r:src/"}}
tasks:
  long: {workstream: w, effort: 12h}
  after: {workstream: w, effort: 2h, needs: long}
"""
    )
    found = days(plan, solve(problem_of(plan)))
    assert found.spans["long"] == ((0, 8 * HOUR), (16 * HOUR, 20 * HOUR))
    assert found.spans["after"] == ((20 * HOUR, 22 * HOUR),)
    assert found.rows[1]["w"].absent


def test_what_can_never_take_place_is_said_and_so_is_all_behind_it(write: Write) -> None:
    plan = write(
        HEAD
        + """
agents: {a: {adapter: rehearsal, availability: [1]}, b: {adapter: rehearsal}}
workstreams: {w: {agents: a, owns: "r:src/"}, v: {agents: b, owns: "r:doc/"}}
tasks:
  first: {workstream: v, effort: 9h}
  late: {workstream: w, effort: 1h, needs: first}
  last: {workstream: v, effort: 1h, needs: late}
"""
    )
    found = days(plan, solve(problem_of(plan)))
    assert found.unplaced == ("late", "last")
    assert found.spans["first"] == ((0, 9 * HOUR),)
    assert found.makespan == 9 * HOUR


def test_colleagues_stand_in_for_one_another(write: Write) -> None:
    plan = write(
        HEAD
        + """
agents:
  a: {adapter: rehearsal, availability: [1]}
  b: {adapter: rehearsal, availability: [2]}
workstreams: {w: {agents: [a, b], slots: 2, owns: "r:src/"}}
tasks:
  one: {workstream: w, effort: 8h}
  two: {workstream: w, effort: 8h, needs: one}
  three: {workstream: w, effort: 1h}
checkpoints:
  gate: {participants: w, after: two, duration: 0h}
"""
    )
    found = days(plan, solve(problem_of(plan)))
    assert found.unplaced == ("three",) or found.unplaced == ()
    assert found.roles["one"] == (("w", "a"),)
    assert found.roles["two"] == (("w", "b"),)


def test_a_task_may_be_split_over_the_days_of_whoever_can_do_it(write: Write) -> None:
    plan = write(
        HEAD
        + """
agents:
  a: {adapter: rehearsal, availability: [1, 3]}
  b: {adapter: rehearsal, availability: [2, 4]}
workstreams: {w: {agents: [a, b], slots: 2, owns: "r:src/"}}
tasks:
  one: {workstream: w, effort: 10h}
"""
    )
    found = days(plan, solve(problem_of(plan)))
    assert found.spans["one"] == ((0, 8 * HOUR), (16 * HOUR, 18 * HOUR))
    assert found.roles["one"] == (("w", "a"),)


def test_a_plan_without_tasks_has_no_days() -> None:
    plan = replace(founding(), tasks={}, checkpoints={})
    found = days(plan, solve(problem_of(plan)))
    assert found.rows == ()
    assert found.makespan == 0
