"""A run's report as one HTML page that needs nothing else: no script, no font, no request.

The page forbids itself every request by its own policy; every text is escaped by the template.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from coditect import __version__
from coditect.report import run_words as words
from coditect.report.clock import real_time
from coditect.report.gantt import gantt_svg
from coditect.report.plain import plain
from coditect.report.run_report import RunReport
from coditect.report.run_rows import run_rows


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("coditect.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_harmless,
    )
    environment.globals["words"] = words
    return environment


def _harmless(value: Any) -> Any:
    """Take control and invisible characters out of every text, on top of the escaping."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return plain(value)


def run_page(report: RunReport) -> str:
    """Give the page as HTML text."""
    return (
        _environment()
        .get_template("run.html")
        .render(
            report=report,
            sums=report.totals,
            gantt=Markup(_gantt(report)),  # noqa: S704 - gantt_svg escapes all that it is given
            day_hours=_day_hours(report),
            started=_moment(report.started),
            last=_moment(report.last),
            took=real_time(report.last - report.started),
            version=__version__,
        )
    )


def _gantt(report: RunReport) -> str:
    late = ""
    if report.totals.makespan and report.totals.planned_makespan:
        late = (
            f"The plan takes {words.hours(report.totals.planned_makespan.value)}, "
            f"the run took {words.hours(report.totals.makespan.value)}."
        )
    unfinished = report.outcome == "unfinished"
    return gantt_svg(
        run_rows(report),
        hours_per_day=_day_hours(report),
        title=f"Plan and run of {plain(report.title)}",
        description=(
            "A row for each workstream and one for the checkpoints; "
            "planned bars above, what happened as thinner bars below. " + late
        ).strip(),
        now=report.totals.elapsed.value if unfinished else None,
        ident="run-gantt",
    )


def _day_hours(report: RunReport) -> int:
    """Real agents work through the night, so their hours make days of the clock."""
    return report.hours_per_day if report.pace else 24


def _moment(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, tz=UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
