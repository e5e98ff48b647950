"""The figures of a whole run, each with what it rests on. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from coditect.plan.model import HOUR
from coditect.report.compare import Source, gated, sequential_hours
from coditect.report.evidence import Evidence, Figure, difference, ratio
from coditect.report.history import Ending
from coditect.report.run_report import CheckpointLine, TaskLine, Totals


def totals(
    source: Source, tasks: Sequence[TaskLine], checkpoints: Sequence[CheckpointLine]
) -> Totals:
    """Sum the lines up."""
    history = source.history
    records = list(history.attempts.values())
    done = [task for task in tasks if task.state == "integrated"]
    succeeded = history.state.finished == "succeeded"

    def modelled(hours: float) -> Figure:
        return Figure(hours, "hours", Evidence.MODELLED)

    def ours(value: float, unit: str = "hours") -> Figure:
        return Figure(value, unit, source.evidence)

    sequential = modelled(sequential_hours(source.plan))
    planned = modelled(source.planned_makespan) if source.planned else None
    elapsed = ours(source.elapsed)
    makespan = elapsed if succeeded else None
    hours_done = modelled(sum(task.effort for task in done) + _opened_hours(source))
    overheads = sorted(task.gate.total for task in done if task.gate)
    rework = source.rework
    return Totals(
        sequential=sequential,
        planned_makespan=planned,
        elapsed=elapsed,
        makespan=makespan,
        delay=difference(makespan, planned) if makespan and planned else None,
        planned_speed_up=ratio(sequential, planned, "times") if planned else None,
        speed_up=ratio(sequential, makespan, "times") if makespan else None,
        velocity=ratio(hours_done, elapsed, "planned hours an hour"),
        throughput=ratio(ours(len(done), "tasks"), elapsed, "tasks an hour"),
        waiting=ours(sum(task.waiting for task in tasks)),
        gate=ours(source.clock.hours(gated(source, records))),
        approval_wait=ours(sum(each.approval_wait for each in checkpoints)),
        downtime=ours(source.clock.hours(history.downtime)) if history.downtime else None,
        done=len(done),
        tasks=len(tasks),
        attempts=len(records),
        failed=sum(record.ending is Ending.FAILED for record in records),
        lost=sum(record.ending is Ending.LOST for record in records),
        retried=sum(len(task.attempts) > 1 for task in tasks),
        conflicts=sum(bool(record.conflicts) for record in records),
        changed=sum(map(len, rework.changed.values())) if rework else None,
        rework=None if rework is None or rework.share is None else ours(rework.share, "share"),
        overhead_median=ours(median(overheads), "ms") if overheads else None,
        overhead_p95=ours(_percentile(overheads, 0.95), "ms") if overheads else None,
        usage={
            name: sum(record.usage.get(name, 0.0) for record in records)
            for name in sorted({name for record in records for name in record.usage})
        },
    )


def _opened_hours(source: Source) -> float:
    gates = source.history.state.gates
    return sum(
        each.duration / HOUR
        for each in source.plan.checkpoints.values()
        if not each.during and gates[each.id].door == "open"
    )


def _percentile(ordered: Sequence[int], share: float) -> int:
    """Give the nearest rank: the smallest value that so large a share does not exceed."""
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]
