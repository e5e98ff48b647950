import json
from pathlib import Path
from typing import Any

import pytest

from coditect.schedule.bounds import bounds, longest
from coditect.schedule.instance import Instance
from coditect.schedule.solution import Solver, solve_instance

SAMPLES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "data" / "psplib-samples.json").read_text(encoding="utf-8")
)["instances"]


def instance_of(sample: dict[str, Any]) -> Instance:
    before: list[list[int]] = [[] for _ in sample["dur"]]
    for activity, after in enumerate(sample["succ"]):
        for other in after:
            before[other].append(activity)
    uses = [
        tuple((one, amount) for one, amount in enumerate(row) if amount) for row in sample["req"]
    ]
    return Instance(
        tuple(sample["dur"]), tuple(map(tuple, before)), tuple(sample["cap"]), tuple(uses)
    )


def check(instance: Instance, starts: list[int], makespan: int) -> None:
    spans = [(start, start + one) for start, one in zip(starts, instance.durations, strict=True)]
    assert max(finish for _, finish in spans) == makespan
    for activity, before in enumerate(instance.predecessors):
        assert all(spans[other][1] <= spans[activity][0] for other in before)
    for moment in range(makespan):
        for resource, capacity in enumerate(instance.capacities):
            used = sum(
                amount
                for (start, finish), uses in zip(spans, instance.uses, strict=True)
                for one, amount in uses
                if one == resource and start <= moment < finish
            )
            assert used <= capacity


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample["name"])
def test_published_lengths_bounds_and_optima_are_met(sample: dict[str, Any]) -> None:
    instance = instance_of(sample)
    assert max(longest(instance)) == sample["cpm"]
    assert bounds(instance).makespan <= sample["best"]
    solvers: tuple[Solver, ...] = ("never", "auto")
    for solver in solvers:
        answer = solve_instance(instance, seconds=1, solver=solver)
        check(instance, answer.layout.starts, answer.layout.makespan)
        assert answer.lower_bound <= sample["best"] <= answer.layout.makespan
        assert answer.layout.makespan <= 1.06 * sample["best"]


def test_small_published_instances_are_proven_optimal() -> None:
    pytest.importorskip("ortools")
    for sample in SAMPLES:
        if sample["name"] not in {"j301_1", "j3020_4", "j3045_5", "j601_1"}:
            continue
        answer = solve_instance(instance_of(sample), seconds=20, solver="auto")
        assert answer.layout.makespan == answer.lower_bound == sample["best"]


def test_more_than_there_is_cannot_be_used() -> None:
    instance = Instance((1,), ((),), (2,), (((0, 3),),))
    with pytest.raises(ValueError, match="uses 3 of resource 0, which has 2"):
        _ = instance.packed
