from time import perf_counter

from hypothesis import given, settings
from hypothesis import strategies as st

from coditect.schedule import forecast, ranks, solve
from coditect.schedule.problem import Problem
from schedule.founding import HOUR, founding_problem
from schedule.oracle import problem_from, problems


def test_before_anything_has_begun_it_is_the_schedule_a_run_would_keep() -> None:
    found = forecast(founding_problem(), {}, {}, 0)
    assert max(finish for _, finish in found.values()) == 62 * HOUR


@settings(max_examples=100, deadline=None)
@given(problems(most=15), st.integers(0, 40))
def test_the_past_stays_and_the_future_keeps_the_rules(problem: Problem, now: int) -> None:
    plan = solve(problem, seconds=0.01, solver="never").bookings
    done = {name: (one.start, one.finish) for name, one in plan.items() if one.finish <= now}
    active = {
        name: (one.start, one.finish) for name, one in plan.items() if one.start < now < one.finish
    }
    found = forecast(problem, done, active, now)
    assert set(found) == set(problem.activities)
    for name, (start, finish) in found.items():
        if name in done:
            assert (start, finish) == done[name]
        elif name in active:
            assert (start, finish) == active[name]
        else:
            assert start >= now
            assert finish - start == problem.activities[name].duration
            for other in problem.activities[name].predecessors:
                assert found[other][1] <= start


def test_who_is_late_is_expected_at_any_moment_and_keeps_his_agent() -> None:
    problem = problem_from([("a", "w", 3, []), ("b", "w", 2, [])], {"w": ("x",)})
    found = forecast(problem, {}, {"a": (0, 3)}, 10)
    assert found == {"a": (0, 10), "b": (10, 12)}


def test_what_is_under_way_is_believed_even_where_the_plan_has_no_room_for_it() -> None:
    problem = problem_from(
        [("a", "w", 3, []), ("b", "w", 2, []), ("c", "w", 2, ["a"])], {"w": ("x",)}
    )
    found = forecast(problem, {}, {"a": (0, 3), "b": (0, 4)}, 1)
    assert found["c"][0] >= 3


def test_shared_agents_are_taken_into_account_for_what_is_under_way() -> None:
    problem = problem_from(
        [("a", "w", 5, []), ("b", "v", 5, []), ("c", "v", 1, [])],
        {"w": ("x", "y"), "v": ("y",)},
    )
    found = forecast(problem, {}, {"a": (0, 5), "b": (0, 5)}, 1)
    assert found["c"] == (5, 6)


def test_other_priorities_may_be_given() -> None:
    problem = problem_from([("a", "w", 3, []), ("b", "w", 2, [])], {"w": ("x",)})
    assert forecast(problem, {}, {}, 0, ranks(problem))["a"] == (0, 3)
    assert forecast(problem, {}, {}, 0, {"a": 1, "b": 0})["b"] == (0, 2)


def test_it_is_quick_enough_for_a_live_view() -> None:
    problem = founding_problem()
    forecast(problem, {}, {}, 0)
    started = perf_counter()
    for _ in range(20):
        forecast(problem, {}, {}, 0)
    assert (perf_counter() - started) / 20 < 0.01
