"""What nobody uses, and estimates that look like slips."""

from __future__ import annotations

from collections.abc import Iterator

from coditect.findings import Finding, Severity
from coditect.plan import Plan, format_duration

_WIDE = 10
"""A pessimistic figure this many times the likely one says that nobody knows."""


def leftover_findings(plan: Plan) -> Iterator[Finding]:
    """Tell repositories, agents and workstreams that no task uses, and odd estimates."""
    streams = {task.workstream for task in plan.tasks.values()}
    for checkpoint in plan.checkpoints.values():
        streams.update(checkpoint.participants)
    agents = {agent for stream in plan.workstreams.values() for agent in stream.agents}
    agents.update(
        task.fallback.agent
        for task in plan.tasks.values()
        if task.fallback is not None and task.fallback.agent is not None
    )
    repositories: set[str] = set()
    for stream in plan.workstreams.values():
        repositories.update(path.repository for path in stream.owns)
    for task in plan.tasks.values():
        repositories.update(path.repository for path in task.owns)
        repositories.update(task.reads)
        repositories.update(each.repository for each in task.verify if each.repository is not None)
    for section, used in (
        ("repositories", repositories),
        ("agents", agents),
        ("workstreams", streams),
    ):
        noun = "repository" if section == "repositories" else section[:-1]
        for name in getattr(plan, section):
            if name not in used:
                yield Finding(
                    f"unused-{noun}",
                    f"Nothing in the plan uses the {noun} `{name}`.",
                    "Remove it, or check the spelling where it should be used.",
                    Severity.WARNING,
                    plan.place(section, name),
                    data=(("name", name),),
                )
    yield from _estimates(plan)


def _estimates(plan: Plan) -> Iterator[Finding]:
    for name, task in plan.tasks.items():
        effort = task.effort
        if effort.pessimistic > _WIDE * effort.likely or effort.likely > _WIDE * effort.optimistic:
            hours = plan.calendar.hours_per_day
            low, likely, high = (
                format_duration(figure, hours)
                for figure in (effort.optimistic, effort.likely, effort.pessimistic)
            )
            yield Finding(
                "estimate-odd",
                f"Task `{name}` may take {low}, {likely} or {high}: figures more than {_WIDE} times"
                " apart.",
                "Check the units; if it is really unknown, make finding out a task of its own.",
                Severity.WARNING,
                plan.place("tasks", name, "effort"),
            )
