import itertools
import random
import sys
from time import monotonic

import pytest
from hypothesis import given, settings

from coditect.schedule import Point, curve, knee, solve
from coditect.schedule.bounds import bounds
from coditect.schedule.casts import Cast, count, every, joined_by, merged, moved
from coditect.schedule.heuristics import by_rules
from coditect.schedule.problem import Activity, Kind, Problem
from schedule.founding import HOUR, founding_problem
from schedule.oracle import faults, problem_from, problems, shortest


def test_the_founding_curve_is_proven_at_every_point() -> None:
    seen: list[int] = []
    started = monotonic()
    points = curve(founding_problem(), watch=lambda point: seen.append(point.agents))
    assert monotonic() - started < 15
    assert [point.makespan // HOUR for point in points] == [
        *(137, 80, 62, 62, 62),
        *(53, 53, 53, 53, 53),
    ]
    assert all(point.schedule.proven for point in points)
    assert seen == list(range(1, 11))
    for point in points:
        recast = founding_problem().recast(point.cast)
        assert faults(recast, point.schedule) == []
        assert len(recast.agents) <= point.agents


def test_with_as_many_agents_as_the_plan_has_its_own_cast_is_preferred() -> None:
    problem = founding_problem()
    (point,) = curve(problem, [5])
    assert point.cast == problem.cast


def test_the_founding_knee_is_six_and_three_agents_are_as_good_as_five() -> None:
    found = knee(curve(founding_problem()))
    assert found.agents == 6
    assert found.shortest == found.makespan == 53 * HOUR
    assert found.saved[4] == found.saved[5] == 0
    assert found.saved[6] == 9 * HOUR


def test_second_agents_come_with_a_warning_about_paths() -> None:
    problem = founding_problem()

    def note(point: Point) -> str:
        return " ".join(point.notes)

    (silent,) = curve(problem, [6])
    assert "must own different paths" in note(silent)
    (clash,) = curve(problem, [6], collide=lambda one, other: True)
    assert "would run at once on the same paths" in note(clash)
    (apart,) = curve(problem, [6], collide=lambda one, other: False)
    assert "nothing side by side is on the same paths" in note(apart)


@settings(max_examples=25, deadline=None)
@given(problems(most=8, longest=4))
def test_more_agents_never_take_longer_and_bounds_hold(problem: Problem) -> None:
    points = curve(problem, range(1, 6), seconds=0.05)
    for before, after in itertools.pairwise(points):
        assert after.makespan <= before.makespan
    for point in points:
        assert point.schedule.lower_bound <= point.makespan
        assert faults(problem.recast(point.cast), point.schedule) == []
    assert points[0].makespan == sum(one.duration for one in problem.activities.values())


@settings(max_examples=20, deadline=None)
@given(problems(most=5, longest=3, streams=3, zero=False))
def test_points_are_the_best_over_all_casts(problem: Problem) -> None:
    streams = problem.workstreams
    for agents in range(1, len(streams) + 2):
        casts = [cast.named(problem) for cast in every(streams, agents)]
        best = min(shortest(problem.recast(cast)) for cast in casts)
        (point,) = curve(problem, [agents], seconds=2)
        used = {agent for stream in streams for agent in problem.cast[stream]}
        if len(used) == agents:
            own = problem.recast({stream: problem.cast[stream] for stream in streams})
            best = min(best, shortest(own))
        assert point.makespan == best
        assert point.schedule.proven


def test_the_plans_own_cast_counts_even_where_it_shares_agents_unevenly() -> None:
    problem = problem_from(
        [("a", "x", 4, []), ("b", "y", 2, []), ("c", "y", 2, [])],
        {"x": ("one",), "y": ("one", "two")},
    )
    (point,) = curve(problem, [2])
    assert point.makespan == 4
    assert solve(problem).makespan == 4


def hard(streams: int, size: int, seed: int = 11) -> Problem:
    rng = random.Random(seed)
    activities: dict[str, Activity] = {}
    for number in range(size):
        earlier = sorted(activities)[-9:]
        needs = rng.sample(earlier, min(len(earlier), rng.choice((0, 1, 2))))
        demands = rng.sample(range(streams), rng.choice((1, 1, 1, 2)))
        activities[f"t{number:03}"] = Activity(
            f"t{number:03}",
            Kind.TASK,
            rng.randint(1, 9),
            tuple(f"s{one}" for one in demands),
            tuple(needs),
        )
    return Problem(activities, {f"s{one}": (f"a{one}",) for one in range(streams)})


def test_many_workstreams_are_cast_step_by_step_and_that_is_said() -> None:
    problem = hard(14, 60)
    points = curve(problem, [5, 10, 30], seconds=0.05, solver="never")
    for point in points:
        assert any("not all casts" in note for note in point.notes)
        assert faults(problem.recast(point.cast), point.schedule) == []
        assert point.schedule.lower_bound <= point.makespan
    assert points[0].makespan > points[1].makespan >= points[2].makespan


@pytest.mark.parametrize("solver", ["never", "auto"])
def test_casts_that_bounds_leave_open_are_looked_into(
    solver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if solver == "never":
        monkeypatch.setitem(sys.modules, "ortools", None)
    problem = hard(4, 30)
    points = curve(problem, range(1, 7), seconds=0.1)
    for before, after in itertools.pairwise(points):
        assert after.makespan <= before.makespan
    for point in points:
        assert faults(problem.recast(point.cast), point.schedule) == []


def rules_alone(problem: Problem) -> int:
    instance = problem.translation.instance
    return by_rules(instance, bounds(instance).makespan).makespan


@pytest.mark.parametrize("seed", [5, 6, 16, 25, 39])
def test_where_rules_do_not_reach_the_best_the_search_goes_on(seed: int) -> None:
    problem = hard(3, 16, seed)
    best = solve(problem, seconds=5)
    assert rules_alone(problem) > best.makespan
    (point,) = curve(problem, [3], seconds=5)
    assert point.makespan == best.makespan == best.lower_bound


def test_no_workstreams_or_no_agents_give_no_points() -> None:
    assert curve(Problem({}, {})) == ()
    assert curve(founding_problem(), [0, -3]) == ()


@pytest.mark.parametrize(("streams", "agents"), [(1, 1), (5, 2), (5, 3), (6, 4), (3, 3), (3, 6)])
def test_every_cast_is_named_once(streams: int, agents: int) -> None:
    names = [f"s{number}" for number in range(streams)]
    casts = list(every(names, agents))
    assert len(casts) == count(streams, agents)
    assert len({(frozenset(map(frozenset, cast.blocks)), cast.sizes) for cast in casts}) == len(
        casts
    )
    for cast in casts:
        assert cast.agents == agents
        assert sorted(stream for block in cast.blocks for stream in block) == names


def test_neighbours_of_a_cast_move_one_thing() -> None:
    cast = Cast((("a", "b"), ("c",)), (1, 1))
    assert [one.blocks for one in merged(cast)] == [(("a", "b", "c"),)]
    assert {one.blocks for one in moved(cast)} == {
        (("b",), ("c", "a")),
        (("a",), ("c", "b")),
    }
    assert [one.sizes for one in joined_by(cast)] == [(2, 1), (1, 2)]


def test_names_of_further_agents_collide_with_nobody() -> None:
    problem = problem_from([("t", "x", 1, []), ("u", "y", 1, [])], {"x": ("a",), "y": ("a-2",)})
    found = Cast((("x",), ("y",)), (2, 1)).named(problem)
    assert found == {"x": ("a", "a-3"), "y": ("a-2",)}
    shared = problem_from([("t", "x", 1, []), ("u", "y", 1, [])], {"x": ("a",), "y": ("a",)})
    agents = Cast((("x",), ("y",)), (1, 1)).named(shared)
    assert len({*agents["x"], *agents["y"]}) == 2
