"""A study as plain data, as `coditect schedule --json` prints it. Times are hours of work."""

from __future__ import annotations

from typing import Any

from coditect.schedule import Booking, DayPlan, Point, Study, claims, cost_of

HOUR = 3600


def schedule_json(study: Study) -> dict[str, Any]:
    """Everything a study says. Keys are stable; times count from the start of the first day."""
    schedule, network = study.schedule, study.network
    return {
        "plan": study.plan.name,
        "title": study.plan.title,
        "digest": study.plan.digest,
        "evidence": "modelled",
        "agents": len(study.problem.agents),
        "workstreams": len(study.problem.workstreams),
        "task_hours": study.task_seconds / HOUR,
        "checkpoint_hours": study.checkpoint_seconds / HOUR,
        "sequential_hours": study.sequential_seconds / HOUR,
        "critical_path_hours": network.length / HOUR,
        "critical_path": list(network.critical_path),
        "makespan_hours": schedule.makespan / HOUR,
        "lower_bound_hours": schedule.lower_bound / HOUR,
        "gap": schedule.gap,
        "proven": schedule.proven,
        "method": schedule.method,
        "speed_up": study.sequential_seconds / schedule.makespan if schedule.makespan else None,
        "hours_per_day": study.plan.calendar.hours_per_day,
        "cost": _cost(study, schedule.makespan, schedule.busy()),
        "tasks": [_activity(study, booking) for booking in _in_order(study)],
        "curve": [_point(study, point) for point in study.points],
        "knee": _knee(study),
        "utilization": _utilization(study),
        "days": _days(study.days),
        "claims": [
            {
                "id": claim.id,
                "title": claim.title,
                "claim": claim.said,
                "from_data": claim.found,
                "why": claim.why,
                "agrees": claim.agrees,
            }
            for claim in claims(study)
        ],
    }


def _in_order(study: Study) -> list[Booking]:
    return sorted(study.schedule.bookings.values(), key=lambda one: (one.start, one.finish))


def _activity(study: Study, booking: Booking) -> dict[str, Any]:
    activity = study.problem.activities[booking.id]
    times = study.network.times[booking.id]
    return {
        "id": booking.id,
        "title": activity.title,
        "kind": str(activity.kind),
        "workstream": activity.workstream,
        "participants": list(activity.demands),
        "holds": list(activity.holds),
        "hours": activity.duration / HOUR,
        "start": booking.start / HOUR,
        "finish": booking.finish / HOUR,
        "agents": list(booking.agents),
        "early_start": times.early_start / HOUR,
        "early_finish": times.early_finish / HOUR,
        "late_start": times.late_start / HOUR,
        "late_finish": times.late_finish / HOUR,
        "slack": times.slack / HOUR,
        "critical": booking.id in study.network.critical_path,
        "needs": list(activity.predecessors),
    }


def _point(study: Study, point: Point) -> dict[str, Any]:
    schedule = point.schedule
    return {
        "agents": point.agents,
        "agents_used": len(point.serves),
        "makespan_hours": schedule.makespan / HOUR,
        "lower_bound_hours": schedule.lower_bound / HOUR,
        "gap": schedule.gap,
        "proven": schedule.proven,
        "cost": _cost(study, schedule.makespan, schedule.busy()),
        "cast": {agent: list(streams) for agent, streams in point.serves.items()},
        "notes": list(point.notes),
    }


def _cost(study: Study, makespan: int, busy: dict[str, int]) -> dict[str, Any] | None:
    cost = cost_of(study.plan, makespan, busy)
    if cost is None:
        return None
    return {"amount": cost.exact, "whole_days": cost.whole_days, "currency": cost.currency}


def _knee(study: Study) -> dict[str, Any] | None:
    if study.knee is None:
        return None
    return {
        "agents": study.knee.agents,
        "makespan_hours": study.knee.makespan / HOUR,
        "shortest_hours": study.knee.shortest / HOUR,
        "saved_hours": {str(agents): saved / HOUR for agents, saved in study.knee.saved.items()},
    }


def _utilization(study: Study) -> dict[str, Any]:
    makespan = study.schedule.makespan
    span = len(study.days.rows) * study.days.hours_per_day * HOUR
    loads = study.days.load()
    busy = study.schedule.busy()

    def share(seconds: int, whole: int) -> float | None:
        return seconds / whole if whole else None

    return {
        "agents": {
            agent: {
                "busy_hours": busy.get(agent, 0) / HOUR,
                "of_makespan": share(busy.get(agent, 0), makespan),
                "of_days": share(sum(loads.get(agent, {}).values()), span),
                "active_days": list(loads.get(agent, {})),
            }
            for agent in study.problem.agents
        },
        "workstreams": {
            stream: {
                "busy_hours": seconds / HOUR,
                "of_makespan": share(seconds, makespan),
                "active_days": [
                    number for number, row in enumerate(study.days.rows, 1) if row[stream].entries
                ],
            }
            for stream, seconds in study.busy_streams().items()
        },
    }


def _days(plan: DayPlan) -> dict[str, Any]:
    return {
        "hours_per_day": plan.hours_per_day,
        "working_days": len(plan.rows),
        "makespan_hours": plan.makespan / HOUR,
        "unplaced": list(plan.unplaced),
        "rows": [
            {
                "day": number,
                "workstreams": {
                    stream: {
                        "state": "absent"
                        if cell.absent
                        else "standby"
                        if cell.standby
                        else "working",
                        "hours": cell.seconds / HOUR,
                        "entries": [
                            {
                                "id": entry.id,
                                "title": entry.title,
                                "kind": str(entry.kind),
                                "hours": entry.seconds / HOUR,
                                "attends": entry.attends,
                                "author_day": entry.author_day,
                            }
                            for entry in cell.entries
                        ],
                    }
                    for stream, cell in row.items()
                },
            }
            for number, row in enumerate(plan.rows, 1)
        ],
    }
