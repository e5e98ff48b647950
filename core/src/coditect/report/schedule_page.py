"""The schedule as one HTML page that needs nothing beside itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from coditect.report.curve_chart import curve_svg
from coditect.report.figures import counted, days, figure, hours, money, percent
from coditect.report.gantt import gantt_svg
from coditect.report.schedule_rows import gantt_rows
from coditect.report.schedule_words import days_text, knee_text, optimality, ranges
from coditect.schedule import Study, claims, cost_of

HOUR = 3600


@dataclass(frozen=True, slots=True)
class Fact:
    """A figure at the top of the page."""

    name: str
    value: str
    more: str


def schedule_page(study: Study) -> str:
    """Render the page. Everything a plan says is escaped; nothing is loaded from elsewhere."""
    environment = Environment(
        loader=PackageLoader("coditect.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(hours=hours, percent=percent, counted=counted)
    return environment.get_template("schedule.html").render(**_context(study))


def _context(study: Study) -> dict[str, Any]:
    per_day = study.plan.calendar.hours_per_day
    gantt = gantt_svg(
        gantt_rows(study),
        hours_per_day=per_day,
        title=f"Schedule of {study.plan.title}",
        description=f"{counted(len(study.schedule.bookings), 'activity', 'activities')} over "
        f"{hours(study.schedule.makespan)}; the table at the end of the page has every time.",
    )
    points = _points(study)
    # Both drawings escape what they are given, so they may stand in the page as they are.
    drawn = Markup(gantt)  # noqa: S704
    curve = Markup(curve_svg(study.points, study.knee)) if study.knee else Markup()  # noqa: S704
    return {
        "title": study.plan.title,
        "name": study.plan.name,
        "digest": study.plan.digest,
        "method": study.schedule.method,
        "hours_per_day": per_day,
        "facts": facts(study),
        "gantt": drawn,
        "curve": curve,
        "critical": [study.problem.activities[one] for one in study.network.critical_path],
        "critical_seconds": study.network.length,
        "points": points,
        "priced": any(point["cost"] for point in points),
        "knee_text": knee_text(study),
        "agents": _agents(study),
        "streams": study.days.workstreams,
        "days": study.days.rows,
        "days_text": days_text(study),
        "unplaced": study.days.unplaced,
        "claims": claims(study),
        "tasks": _tasks(study),
    }


def facts(study: Study) -> tuple[Fact, ...]:
    """The figures that matter most."""
    per_day = study.plan.calendar.hours_per_day
    one, many = study.sequential_seconds, study.schedule.makespan
    found = [
        Fact("One after the other", hours(one), f"{days(one, per_day)} for one agent"),
        Fact("Side by side", hours(many), f"{days(many, per_day)}; {optimality(study.schedule)}"),
        Fact(
            "Speed-up",
            f"{figure(one / many if many else 1, 2)}×",
            f"with {counted(len(study.problem.agents), 'agent')}",
        ),
        Fact(
            "Critical path",
            hours(study.network.length),
            f"{days(study.network.length, per_day)}, however many agents",
        ),
        Fact(
            "In the calendar",
            counted(len(study.days.rows), "day"),
            f"of {per_day} h, on the days on which agents are there",
        ),
    ]
    cost = cost_of(study.plan, many, study.schedule.busy())
    if cost:
        whole = money(cost.whole_days, cost.currency)
        found.append(Fact("Cost", money(cost.exact, cost.currency), f"{whole} in whole days"))
    return tuple(found)


def _points(study: Study) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for point in study.points:
        cost = cost_of(study.plan, point.makespan, point.schedule.busy())
        saved = study.knee.saved.get(point.agents) if study.knee else None
        rows.append(
            {
                "agents": point.agents,
                "makespan": point.makespan,
                "lower_bound": point.schedule.lower_bound,
                "proven": point.schedule.proven,
                "saved": "" if saved is None else hours(saved),
                "cost": money(cost.exact, cost.currency) if cost else "",
                "serves": point.serves,
                "same": bool(rows) and rows[-1]["serves"] == point.serves,
                "notes": point.notes,
                "knee": study.knee is not None and point.agents == study.knee.agents,
            }
        )
    return rows


def _agents(study: Study) -> list[dict[str, Any]]:
    busy, loads = study.schedule.busy(), study.days.load()
    span = len(study.days.rows) * study.days.hours_per_day * HOUR
    return [
        {
            "id": agent,
            "serves": [stream for stream, team in study.problem.cast.items() if agent in team],
            "busy": busy.get(agent, 0),
            "share": busy.get(agent, 0) / (study.schedule.makespan or 1),
            "of_days": sum(loads.get(agent, {}).values()) / (span or 1),
            "days": ranges(loads.get(agent, {})),
        }
        for agent in study.problem.agents
    ]


def _tasks(study: Study) -> list[dict[str, Any]]:
    rows = []
    for booking in sorted(
        study.schedule.bookings.values(), key=lambda one: (one.start, one.finish)
    ):
        activity, times = study.problem.activities[booking.id], study.network.times[booking.id]
        rows.append(
            {
                "title": activity.title or activity.id,
                "stream": activity.workstream or "checkpoint",
                "agents": booking.agents,
                "hours": figure(activity.duration / HOUR),
                "start": figure(booking.start / HOUR),
                "finish": figure(booking.finish / HOUR),
                "early": figure(times.early_start / HOUR),
                "late": figure(times.late_start / HOUR),
                "slack": figure(times.slack / HOUR),
                "critical": booking.id in study.network.critical_path,
            }
        )
    return rows
