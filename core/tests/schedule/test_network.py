import itertools

from hypothesis import given, settings

from coditect.schedule import network, ranks
from coditect.schedule.problem import Problem
from schedule.founding import HOUR, founding_problem
from schedule.oracle import chains, problem_from, problems


@settings(max_examples=150, deadline=None)
@given(problems(most=9))
def test_times_are_those_of_the_longest_chains(problem: Problem) -> None:
    found = network(problem)
    length = {
        name: max(
            sum(problem.activities[one].duration for one in chain)
            for chain in chains(problem, name)
        )
        for name in problem.activities
    }
    assert found.length == max(length.values())
    for name, activity in problem.activities.items():
        times = found.times[name]
        assert times.early_finish == length[name]
        assert times.early_start == length[name] - activity.duration
        after = [
            found.times[other].late_start
            for other, one in problem.activities.items()
            if name in one.predecessors
        ]
        assert times.late_finish == min(after, default=found.length)
        assert times.slack == times.late_finish - times.early_finish >= 0


@settings(max_examples=100, deadline=None)
@given(problems())
def test_the_critical_path_is_a_chain_without_slack_as_long_as_the_network(
    problem: Problem,
) -> None:
    found = network(problem)
    path = found.critical_path
    assert sum(problem.activities[name].duration for name in path) == found.length
    assert all(found.times[name].slack == 0 for name in path)
    assert not problem.activities[path[0]].predecessors
    for before, after in itertools.pairwise(path):
        assert before in problem.activities[after].predecessors


def test_the_founding_plan_has_the_critical_path_that_one_finds_by_hand() -> None:
    found = network(founding_problem())
    assert found.length == 53 * HOUR
    assert found.critical_path == (
        *("api-contract", "fastapi-setup", "models", "acquire-endpoint", "heartbeat-endpoint"),
        *("release-endpoint", "kms-integration", "jwt-validation", "backend-tests"),
        *("backend-complete", "e2e-tests", "deploy-gke", "e2e-validation", "sdk-structure"),
        *("sdk-implementation", "sdk-offline-mode", "sdk-tests", "sdk-publish"),
        *("sdk-integrate", "client-sdk-ready"),
    )


def test_an_empty_problem_has_an_empty_network() -> None:
    found = network(Problem({}, {}))
    assert found.length == 0
    assert found.critical_path == ()


@settings(max_examples=100, deadline=None)
@given(problems())
def test_ranks_go_by_late_start_and_keep_predecessors_first(problem: Problem) -> None:
    found, times = ranks(problem), network(problem).times
    assert sorted(found.values()) == list(range(len(problem.activities)))
    ordered = sorted(found, key=found.__getitem__)
    late = [times[name].late_start for name in ordered]
    assert late == sorted(late)
    for name, activity in problem.activities.items():
        assert all(found[other] < found[name] for other in activity.predecessors)


def test_of_equally_urgent_tasks_the_longer_one_comes_first() -> None:
    problem = problem_from(
        [
            ("short", "w", 1, []),
            ("long", "w", 3, []),
            ("end", "w", 2, ["long"]),
            ("tail", "w", 4, ["short"]),
        ],
        {"w": ("a",)},
    )
    found = ranks(problem)
    assert found["long"] < found["short"]
