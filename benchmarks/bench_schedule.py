"""How quick scheduling is: list schedules as plans grow, the live forecast, the founding plan.

The ratio that matters is the growth per doubling of tasks: 2 is the floor of anything that looks
at every task, and n log n stays below 2.5.

    python benchmarks/bench_schedule.py [--quick] [--json]
"""

from __future__ import annotations

import argparse
import json
import math
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from coditect.plan import load_plan
from coditect.schedule import Activity, Kind, Problem, curve, forecast, problem_of
from coditect.schedule.bounds import bounds
from coditect.schedule.generation import parallel
from coditect.schedule.heuristics import latest_finish, ranks_of

PLAN = Path(__file__).resolve().parents[1] / "plans" / "coditect-cloud.yaml"

WHOLE = """
from time import perf_counter, process_time
started = perf_counter()
from pathlib import Path
from coditect.plan import load_plan
from coditect.schedule import exact, problem_of, solve
exact.load()
schedule = solve(problem_of(load_plan(Path({plan!r}))), solver="always")
print(perf_counter() - started, schedule.makespan / 3600, schedule.proven)
"""


def problem(size: int, agents: int = 20, streams: int = 5) -> Problem:
    """A plan-like problem: a few workstreams with several agents each, local needs, some gates."""
    rng = random.Random(size)
    activities: dict[str, Activity] = {}
    for number in range(size):
        reach = min(number, 40)
        needs = rng.sample(range(number - reach, number), min(reach, rng.choice((0, 1, 1, 2))))
        gate = number % 50 == 49
        demands = rng.sample(range(streams), 2) if gate else [rng.randrange(streams)]
        activities[f"t{number}"] = Activity(
            f"t{number}",
            Kind.CHECKPOINT if gate else Kind.TASK,
            rng.randint(1, 16) * 900,
            tuple(f"w{one}" for one in demands),
            tuple(f"t{one}" for one in needs),
        )
    each = max(1, agents // streams)
    return Problem(
        activities,
        {f"w{one}": tuple(f"a{one}-{other}" for other in range(each)) for one in range(streams)},
    )


def timed(work: Callable[[], object], times: int) -> float:
    """The least processor time of some repetitions, in seconds: what others do does not count."""
    found = []
    for _ in range(times):
        started = process_time()
        work()
        found.append(process_time() - started)
    return min(found)


def growth(sizes: list[int], seconds: list[float]) -> float:
    """The worst factor per doubling between neighbouring sizes."""
    factors = [
        float((after / before) ** (1 / math.log2(large / small)))
        for small, large, before, after in zip(sizes, sizes[1:], seconds, seconds[1:], strict=False)
    ]
    return max(factors)


def measure(*, quick: bool) -> dict[str, Any]:
    """Measure everything."""
    times = 3 if quick else 7
    sizes = [1000, 5000, 10_000]
    lists, whole, gaps = [], [], []
    for size in sizes:
        asked = problem(size)
        instance = asked.translation.instance
        urgency = ranks_of(latest_finish(instance))
        lists.append(timed(lambda i=instance, u=urgency: parallel(i, u), times))  # type: ignore[misc]
        started = perf_counter()
        made = problem(size).translation.instance
        layout = parallel(made, ranks_of(latest_finish(made)))
        whole.append(perf_counter() - started)
        gaps.append(layout.makespan / bounds(made).makespan - 1)
    live = problem(120)
    founding = problem_of(load_plan(PLAN))
    result = subprocess.run(
        [sys.executable, "-c", WHOLE.format(plan=str(PLAN))],
        capture_output=True,
        text=True,
        check=False,
    )
    with_solver = result.stdout.split()
    started = perf_counter()
    points = curve(founding)
    return {
        "sizes": sizes,
        "list_seconds": lists,
        "list_growth_per_doubling": growth(sizes, lists),
        "translated_and_scheduled_seconds": whole,
        "list_gap_to_bound": gaps,
        "forecast_120_seconds": timed(lambda: forecast(live, {}, {}, 0), 20 * times),
        "founding_with_import_seconds": float(with_solver[0]) if with_solver else None,
        "founding_hours": float(with_solver[1]) if with_solver else None,
        "founding_proven": with_solver[2] == "True" if with_solver else None,
        "curve_seconds": perf_counter() - started,
        "curve_proven": sum(point.schedule.proven for point in points),
        "curve_points": len(points),
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = measure(quick=options.quick)
    if options.json:
        print(json.dumps(found, indent=2))
        return 0
    for size, seconds, gap in zip(
        found["sizes"], found["list_seconds"], found["list_gap_to_bound"], strict=True
    ):
        print(
            f"list schedule, {size:,} tasks on 20 agents: {1000 * seconds:.1f} ms, "
            f"at most {100 * gap:.1f} % above the shortest"
        )
    print(
        f"growth per doubling: {found['list_growth_per_doubling']:.2f} (floor 2, aim at most 2.5)"
    )
    print(f"forecast, 120 tasks: {1000 * found['forecast_120_seconds']:.2f} ms (aim 2 ms)")
    if found["founding_with_import_seconds"] is None:
        print("founding plan with the solver: OR-Tools is not installed")
    else:
        proof = "proven" if found["founding_proven"] else "not proven"
        print(
            f"founding plan, loaded and solved with the solver's import: "
            f"{found['founding_hours']:g} h, {proof}, in "
            f"{found['founding_with_import_seconds']:.2f} s (aim 2 s)"
        )
    print(
        f"founding curve: {found['curve_proven']} of {found['curve_points']} points proven in "
        f"{found['curve_seconds']:.2f} s (aim 15 s)"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
