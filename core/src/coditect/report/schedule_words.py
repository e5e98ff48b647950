"""Sentences about a schedule, the same on the page and in the terminal."""

from __future__ import annotations

from collections.abc import Iterable

from coditect.report.figures import counted, days, hours, percent
from coditect.schedule import Schedule, Study


def optimality(schedule: Schedule) -> str:
    """How good it is at most."""
    if schedule.proven:
        return "proven shortest"
    return f"at most {percent(schedule.gap)} above the shortest ({hours(schedule.lower_bound)})"


def knee_text(study: Study) -> str:
    """What the curve says about the number of agents."""
    if study.knee is None:
        return ""
    if len(study.points) == 1:
        point = study.points[0]
        return f"{counted(point.agents, 'agent')} take {hours(point.makespan)}."
    knee = study.knee
    parts = [
        f"The knee is at {counted(knee.agents, 'agent')}: {hours(knee.makespan)}, and all further "
        f"ones together save less than 5 % of that."
    ]
    flat = [agents for agents, saved in knee.saved.items() if saved == 0 and agents <= knee.agents]
    if flat:
        listed = ranges(flat)
        parts.append(f"The step to {listed} agents saves nothing.")
    return " ".join(parts)


def days_text(study: Study) -> str:
    """What the calendar makes of the schedule."""
    plan, makespan = study.days, study.schedule.makespan
    text = (
        f"{counted(len(plan.rows), 'working day')} of {plan.hours_per_day} hours. Work that is not "
        "done in the evening goes on in the morning."
    )
    if plan.makespan > makespan:
        away = [
            agent.id
            for agent in study.plan.agents.values()
            if agent.days is not None and agent.id in study.problem.agents
        ]
        text += (
            f" The schedule itself takes {hours(makespan)}, which is "
            f"{days(makespan, plan.hours_per_day)}; the days on which {_listed(away)} "
            f"{'are' if len(away) > 1 else 'is'} there make it {hours(plan.makespan)}."
        )
    return text


def ranges(numbers: Iterable[int]) -> str:
    """Numbers with runs of them joined: `1–3, 7`."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and found[-1][-1] == number - 1:
            found[-1].append(number)
        else:
            found.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in found)


def _listed(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)
