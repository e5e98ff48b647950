"""From a study to the rows of its Gantt chart."""

from __future__ import annotations

from typing import Literal

from coditect.report.figures import figure, hours
from coditect.report.gantt import Bar, Look, Row, colours
from coditect.schedule import Activity, Booking, Kind, Study

HOUR = 3600


def gantt_rows(study: Study, by: Literal["agent", "task"] = "agent") -> tuple[Row, ...]:
    """A row for each agent, or for each task and checkpoint in the order of their starts."""
    if by == "task":
        bookings = sorted(study.schedule.bookings.values(), key=lambda one: (one.start, one.finish))
        return tuple(
            Row(
                study.problem.activities[one.id].title or one.id,
                (_bar(study, one, one.agents[0]),),
                note=", ".join(one.agents),
            )
            for one in bookings
        )
    rows = []
    for agent in study.problem.agents:
        bars = [
            _bar(study, booking, agent)
            for booking in study.schedule.bookings.values()
            if agent in booking.agents
        ]
        streams = [stream for stream, agents in study.problem.cast.items() if agent in agents]
        rows.append(Row(agent, tuple(bars), note=", ".join(streams)))
    return tuple(rows)


def _bar(study: Study, booking: Booking, agent: str) -> Bar:
    activity = study.problem.activities[booking.id]
    if activity.kind is Kind.CHECKPOINT:
        look = Look.CHECKPOINT
    elif booking.agents[0] == agent:
        look = Look.TASK
    else:
        look = Look.ATTENDANCE
    return Bar(
        label=activity.title or activity.id,
        start=booking.start / HOUR,
        finish=booking.finish / HOUR,
        look=look,
        critical=booking.id in study.network.critical_path,
        colour=colours(study.problem.cast)[activity.demands[0]],
        tooltip=tooltip(study, activity, booking),
    )


def tooltip(study: Study, activity: Activity, booking: Booking) -> str:
    """What a bar says when it is pointed at, a fact a line."""
    times = study.network.times[activity.id]
    lines = [
        activity.title or activity.id,
        f"{activity.kind}, {hours(activity.duration)}: "
        f"hour {figure(booking.start / HOUR)} to {figure(booking.finish / HOUR)}",
        "by " + ", ".join(booking.agents),
        "on the critical path"
        if activity.id in study.network.critical_path
        else f"slack {hours(times.slack)}",
    ]
    lines.extend(
        f"is the work of the checkpoint {study.plan.checkpoints[held].title}"
        for held in activity.holds
    )
    return "\n".join(lines)
