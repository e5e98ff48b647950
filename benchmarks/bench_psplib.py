"""How far from the best known makespan one second takes us, on the published PSPLIB instances.

Instances and best known values: Kolisch and Sprecher (1996), as JSON lines with `jN.bounds.csv`
beside them. Each instance has the whole budget, all included but the import of the solver; every
schedule is checked for feasibility here, apart from the code that made it. The floor is zero.

    python benchmarks/bench_psplib.py [--data FOLDER] [--sets j30,j60] [--sample N | --all]
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, get_args

from coditect.schedule import Solver, exact
from coditect.schedule.instance import Instance
from coditect.schedule.solution import Answer, solve_instance

SAMPLES = Path(__file__).resolve().parents[1] / "core/tests/schedule/data/psplib-samples.json"
DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "benchmarks" / "psplib"
AIMS = {"j30": 0.001, "j60": 0.015, "j120": 0.04}
"""Mean gap to the best known makespan that we aim to stay under within one second."""


@dataclass(frozen=True, slots=True)
class Result:
    """What one set of instances gave."""

    set: str
    instances: int
    seconds: float
    solver: str
    mean_gap: float
    worst_gap: float
    best_known: int
    """How many makespans equal the best known one."""
    proven: int
    mean_seconds: float
    worst_seconds: float
    aim: float | None


def instances(folder: Path, name: str, step: int) -> Iterator[tuple[str, Instance, int, int]]:
    """Name, instance, published lower bound and best known makespan of every n-th instance."""
    if folder == SAMPLES.parent:
        for data in json.loads(SAMPLES.read_text(encoding="utf-8"))["instances"]:
            if data["name"].startswith(name):
                yield data["name"], instance_of(data), data["cpm"], data["best"]
        return
    with (folder / f"{name}.bounds.csv").open(encoding="utf-8", newline="") as file:
        known = {row["instance"]: (int(row["lb"]), int(row["ub"])) for row in csv.DictReader(file)}
    with (folder / f"{name}.jsonl").open(encoding="utf-8") as file:
        for index, line in enumerate(file):
            if index % step != step // 2:
                continue
            data = json.loads(line)
            yield data["name"], instance_of(data), *known[data["name"]]


def instance_of(data: dict[str, Any]) -> Instance:
    """Read one instance as the JSON lines have it."""
    before: list[list[int]] = [[] for _ in data["dur"]]
    for activity, after in enumerate(data["succ"]):
        for other in after:
            before[other].append(activity)
    uses = tuple(
        tuple((one, amount) for one, amount in enumerate(row) if amount) for row in data["req"]
    )
    return Instance(tuple(data["dur"]), tuple(map(tuple, before)), tuple(data["cap"]), uses)


def check(name: str, instance: Instance, answer: Answer, lower: int, best: int) -> None:
    """Stop if a schedule breaks a rule or contradicts what is published."""
    starts, durations = answer.layout.starts, instance.durations
    finishes = [start + one for start, one in zip(starts, durations, strict=True)]
    for activity, before in enumerate(instance.predecessors):
        if any(finishes[other] > starts[activity] for other in before):
            raise SystemExit(f"{name}: precedence is broken")
    for moment in set(starts):
        used = [0] * len(instance.capacities)
        for activity, uses in enumerate(instance.uses):
            if starts[activity] <= moment < finishes[activity]:
                for resource, amount in uses:
                    used[resource] += amount
        if any(one > most for one, most in zip(used, instance.capacities, strict=True)):
            raise SystemExit(f"{name}: a resource is used beyond its capacity")
    if max(finishes) != answer.layout.makespan or answer.layout.makespan < lower:
        raise SystemExit(f"{name}: the makespan is not what it says, or beats a proven bound")
    if answer.lower_bound > best:
        raise SystemExit(f"{name}: the lower bound is above the best known makespan")


def measure(folder: Path, name: str, step: int, seconds: float, solver: Solver) -> Result:
    """Solve a set."""
    gaps: list[float] = []
    times: list[float] = []
    equal = proven = 0
    for label, instance, lower, best in instances(folder, name, step):
        started = perf_counter()
        answer = solve_instance(instance, seconds=seconds, solver=solver)
        times.append(perf_counter() - started)
        check(label, instance, answer, lower, best)
        gaps.append(answer.layout.makespan / best - 1)
        equal += answer.layout.makespan <= best
        proven += answer.layout.makespan <= answer.lower_bound
    return Result(
        set=name,
        instances=len(gaps),
        seconds=seconds,
        solver=solver,
        mean_gap=sum(gaps) / len(gaps),
        worst_gap=max(gaps),
        best_known=equal,
        proven=proven,
        mean_seconds=sum(times) / len(times),
        worst_seconds=max(times),
        aim=AIMS.get(name) if seconds <= 1 else None,
    )


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", type=Path, help="folder of jN.jsonl and jN.bounds.csv")
    parser.add_argument("--sets", default="j30,j60,j120")
    parser.add_argument("--sample", type=int, default=12, help="every so many-th instance")
    parser.add_argument("--all", action="store_true", help="every instance")
    parser.add_argument("--quick", action="store_true", help="every 60th instance")
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--solver", choices=get_args(Solver), default="auto")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    folder = options.data or Path(os.environ.get("CODITECT_PSPLIB") or DEFAULT)
    if not (folder / "j30.jsonl").is_file():
        print(
            f"PSPLIB: {folder} has no instances (--data or CODITECT_PSPLIB name them); these are "
            "the nine that the tests keep.",
            file=sys.stderr,
        )
        folder, options.sets = SAMPLES.parent, "j30,j60"
    step = 1 if options.all else 60 if options.quick else max(1, options.sample)
    if exact.available():
        exact.load()
    results = []
    for name in options.sets.split(","):
        result = measure(folder, name, step, options.seconds, options.solver)
        results.append(result)
        if not options.json:
            aim = f", aim {100 * result.aim:.1f} %" if result.aim is not None else ""
            print(
                f"psplib {name}: mean gap {100 * result.mean_gap:.2f} % to the best known "
                f"(worst {100 * result.worst_gap:.1f} %{aim}); equal {result.best_known}, proven "
                f"{result.proven} of {result.instances}; {result.mean_seconds:.2f} s each, at most "
                f"{result.worst_seconds:.2f} s of {result.seconds:g} s",
                flush=True,
            )
    if options.json:
        print(json.dumps([asdict(result) for result in results], indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
