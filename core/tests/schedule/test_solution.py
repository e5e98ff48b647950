import random
import sys
from time import monotonic

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coditect.findings import CoditectError
from coditect.schedule import exact, solve
from coditect.schedule.bounds import bounds, one_resource
from coditect.schedule.generation import by_start, justified, parallel, serial
from coditect.schedule.heuristics import by_rules, latest_finish, latest_start, ranks_of, search
from coditect.schedule.problem import Activity, Kind, Problem
from coditect.schedule.solution import Answer, Solver, schedule_of
from schedule.founding import HOUR, founding_problem
from schedule.oracle import faults, problem_from, problems, shortest

BOTH: tuple[Solver, ...] = ("never", "always")


@settings(max_examples=150, deadline=None)
@given(problems(), st.sampled_from(["never", "auto"]))
def test_every_schedule_keeps_every_rule(problem: Problem, solver: Solver) -> None:
    assert faults(problem, solve(problem, seconds=0.05, solver=solver)) == []


@settings(max_examples=40, deadline=None)
@given(problems(most=10))
def test_what_the_solver_finds_keeps_every_rule(problem: Problem) -> None:
    assert faults(problem, solve(problem, seconds=0.2, solver="always")) == []


@settings(max_examples=150, deadline=None)
@given(problems(most=20), st.randoms(use_true_random=False))
def test_each_way_to_generate_a_schedule_keeps_every_rule(
    problem: Problem, rng: random.Random
) -> None:
    instance = problem.translation.instance
    order = latest_finish(instance)
    urgency = list(range(len(instance)))
    rng.shuffle(urgency)
    floor = bounds(instance).makespan
    some = [
        serial(instance, order),
        serial(instance, latest_start(instance)),
        parallel(instance, urgency),
        by_rules(instance, floor),
    ]
    for layout in (*some, *(justified(instance, one) for one in some)):
        schedule = schedule_of(problem, Answer(layout, floor, ""))
        assert faults(problem, schedule) == []


@settings(max_examples=60, deadline=None)
@given(problems(most=5, longest=3, streams=3))
def test_tiny_problems_are_solved_to_the_optimum_and_bounds_never_exceed_it(
    problem: Problem,
) -> None:
    best = shortest(problem)
    assert bounds(problem.translation.instance).makespan <= best
    assert solve(problem, seconds=1, solver="never").makespan >= best
    proven = solve(problem, seconds=5, solver="auto")
    assert proven.makespan == best
    assert proven.proven


@settings(max_examples=100, deadline=None)
@given(problems(most=20))
def test_justification_never_makes_a_schedule_longer(problem: Problem) -> None:
    instance = problem.translation.instance
    layout = parallel(instance, list(range(len(instance))))
    assert justified(instance, layout).makespan <= layout.makespan


@settings(max_examples=100, deadline=None)
@given(
    st.integers(1, 3),
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(1, 6), st.integers(0, 9)), min_size=1, max_size=7
    ),
)
def test_the_bound_of_one_resource_is_that_of_its_worst_set(
    capacity: int, bodies: list[tuple[int, int, int]]
) -> None:
    worst = 0
    for chosen in range(1, 1 << len(bodies)):
        some = [body for index, body in enumerate(bodies) if chosen >> index & 1]
        least = min(head for head, _, _ in some) + min(tail for _, _, tail in some)
        work = sum(work for _, work, _ in some)
        worst = max(worst, least * capacity + work)
    assert one_resource(capacity, bodies) == -(-worst // capacity)


def test_work_that_any_of_a_group_may_do_loads_the_group_as_a_whole() -> None:
    # Three times 5 for two agents, and nobody alone has to do any of it.
    problem = problem_from(
        [("a", "both", 5, []), ("b", "both", 5, []), ("c", "both", 5, []), ("d", "first", 1, [])],
        {"both": ("x", "y"), "first": ("x",)},
    )
    assert bounds(problem.translation.instance).makespan == 8


def test_the_founding_plan_takes_62_hours_and_no_schedule_is_shorter() -> None:
    problem = founding_problem()
    started = monotonic()
    schedule = solve(problem)
    assert monotonic() - started < 2
    assert schedule.makespan == schedule.lower_bound == 62 * HOUR
    assert schedule.proven
    assert schedule.gap == 0
    assert faults(problem, schedule) == []


def test_62_hours_follow_by_hand_from_what_the_backend_agent_must_do() -> None:
    # The backend's agent is occupied for 61 h: its own tasks and four checkpoints. Between
    # `backend-complete` and `deploy-gke` it has nothing to do but `bug-fixes` (2 h), while the
    # deployment needs 3 h for `e2e-tests`: one hour is lost to it whatever the order.
    problem = founding_problem()
    mine = [one for one in problem.activities.values() if "backend" in one.demands]
    assert sum(one.duration for one in mine) == 61 * HOUR

    def ancestors(name: str) -> set[str]:
        direct = set(problem.activities[name].predecessors)
        return direct.union(*(ancestors(other) for other in direct))

    before_release, before_deploy = ancestors("backend-complete"), ancestors("deploy-gke")
    assert "backend-complete" in ancestors("e2e-tests")
    assert "e2e-tests" in before_deploy
    between = {
        one.id
        for one in mine
        if one.id not in before_release | {"backend-complete", "deploy-gke"}
        and "deploy-gke" not in ancestors(one.id)
    }
    assert between == {"bug-fixes"}
    assert problem.activities["e2e-tests"].duration == 3 * HOUR
    assert problem.activities["bug-fixes"].duration == 2 * HOUR


def test_the_solver_alone_proves_the_same_62_hours() -> None:
    pytest.importorskip("ortools")
    problem = founding_problem()
    instance = problem.translation.instance
    plain = bounds(instance, sharp=False)
    worst = serial(instance, list(reversed(latest_finish(instance.reversed))))
    proof = exact.improve(instance, worst, plain, 30)
    assert proof.layout.makespan == proof.lower_bound == 62 * HOUR
    nothing = exact.improve(instance, worst, plain, 30, below=62 * HOUR)
    assert nothing.lower_bound == 62 * HOUR


def test_the_same_problem_gives_the_same_schedule_every_time() -> None:
    assert solve(founding_problem()) == solve(founding_problem())


def hard_problem() -> Problem:
    """A problem on which the rules and the bound do not meet."""
    rng = random.Random(7)
    activities: dict[str, Activity] = {}
    for number in range(40):
        earlier = sorted(activities)[-8:]
        needs = rng.sample(earlier, min(len(earlier), rng.choice((0, 1, 2))))
        streams = rng.sample(["x", "y", "z"], rng.choice((1, 1, 1, 2)))
        name = f"t{number:02}"
        activities[name] = Activity(
            name, Kind.TASK, rng.randint(1, 9) * 60, tuple(streams), tuple(needs)
        )
    cast = {"x": ("a", "b"), "y": ("b", "c"), "z": ("c", "d", "e")}
    return Problem(activities, cast, {"x": 1, "y": 2, "z": 2})


@pytest.mark.parametrize("solver", BOTH)
def test_agents_who_overlap_are_shared_out(solver: Solver) -> None:
    problem = hard_problem()
    schedule = solve(problem, seconds=1, solver=solver)
    assert faults(problem, schedule) == []
    assert ("CP-SAT" in schedule.method) == (solver == "always")


def test_a_budget_is_kept() -> None:
    problem = hard_problem()
    exact.load()
    for solver in BOTH:
        started = monotonic()
        solve(problem, seconds=0.5, solver=solver)
        assert monotonic() - started < 3


def test_without_the_solver_everything_works_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ortools", None)
    assert not exact.available()
    problem = hard_problem()
    schedule = solve(problem, seconds=0.2)
    assert faults(problem, schedule) == []
    assert schedule.proven or "OR-Tools is not installed" in schedule.method
    with pytest.raises(CoditectError) as caught:
        solve(problem, solver="always")
    assert caught.value.findings[0].code == "solver-missing"
    assert "coditect[solver]" in caught.value.findings[0].hint


def test_the_solver_is_not_loaded_when_bounds_already_prove_the_schedule(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exact, "load", lambda: pytest.fail("the solver was loaded"))
    assert solve(founding_problem()).proven


def test_too_large_a_problem_is_answered_at_once() -> None:
    rng = random.Random(3)
    tasks = [
        (
            f"t{n}",
            f"w{n % 5}",
            rng.randint(1, 9),
            [f"t{rng.randrange(max(0, n - 30), n)}"] if n else [],
        )
        for n in range(1500)
    ]
    problem = problem_from(tasks, {f"w{n}": (f"a{n}", f"b{n}") for n in range(5)})
    started = monotonic()
    schedule = solve(problem, seconds=60)
    assert monotonic() - started < 10
    assert schedule.makespan < 1.2 * schedule.lower_bound
    assert faults(problem, schedule) == []


def test_the_search_improves_on_the_rules() -> None:
    instance = hard_problem().translation.instance
    first = serial(instance, by_start(instance, [0] * len(instance)))
    found = search(instance, first, 0, 0.3)
    assert found.makespan < first.makespan
    assert search(instance, first, first.makespan, 5) is first


def test_durations_of_any_size_are_solved_in_their_greatest_unit() -> None:
    problem = problem_from(
        [("a", "w", 7200, []), ("b", "w", 10800, []), ("c", "v", 3600, ["a"])],
        {"w": ("x",), "v": ("y",)},
    )
    schedule = solve(problem)
    assert schedule.makespan == schedule.lower_bound == 18000


def test_nothing_to_do_takes_no_time() -> None:
    schedule = solve(Problem({}, {}))
    assert (schedule.makespan, schedule.gap, schedule.proven) == (0, 0, True)
    only_a_gate = Problem({"g": Activity("g", Kind.CHECKPOINT, 0, ("w",))}, {"w": ("a", "b")})
    assert solve(only_a_gate).bookings["g"].agents == ("a",)


def test_an_agent_who_serves_several_participants_attends_once() -> None:
    problem = Problem(
        {"gate": Activity("gate", Kind.CHECKPOINT, 5, ("x", "y", "z"))},
        {"x": ("a",), "y": ("a", "b"), "z": ("c",)},
    )
    assert solve(problem).bookings["gate"].agents == ("a", "c")


@pytest.mark.parametrize(
    ("activity", "cast", "code"),
    [
        (Activity("t", Kind.TASK, 1, ("w",), ("gone",)), {"w": ("a",)}, "schedule-unknown-name"),
        (Activity("t", Kind.TASK, 1, ("w",)), {"w": ()}, "schedule-no-capacity"),
        (Activity("t", Kind.TASK, 1, ("w",), ("t",)), {"w": ("a",)}, "schedule-dependency-cycle"),
    ],
)
def test_problems_without_a_schedule_are_refused_in_words(
    activity: Activity, cast: dict[str, tuple[str, ...]], code: str
) -> None:
    with pytest.raises(CoditectError) as caught:
        Problem({"t": activity}, cast)
    assert caught.value.findings[0].code == code
    assert caught.value.findings[0].hint


def test_ranks_of_an_order_say_who_comes_when() -> None:
    assert ranks_of([2, 0, 1]) == [1, 2, 0]
