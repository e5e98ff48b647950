"""What a schedule costs: the days of the project, and agents who have a price of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coditect.plan.model import Plan

HOUR = 3600


@dataclass(frozen=True, slots=True)
class Cost:
    """Money, in the calendar's currency."""

    exact: float
    """Makespan in working days, with their fractions, at the project's price of a day, and the
    time that each agent is occupied at the agent's own."""
    whole_days: float
    """The same with the project's last day paid in full."""
    currency: str


def cost_of(plan: Plan, makespan: int, busy: Mapping[str, int]) -> Cost | None:
    """Price a makespan and the seconds that agents are occupied; None if the plan has no prices.

    An agent that the plan does not have, such as a second one of a workstream, costs as much as
    the one whose name it continues.
    """
    day = plan.calendar.hours_per_day * HOUR
    per_day = plan.calendar.cost_per_day
    agents = Fraction(0)
    priced = per_day is not None
    for agent, seconds in busy.items():
        known = plan.agents.get(agent) or plan.agents.get(re.sub(r"-\d+$", "", agent))
        if known and known.cost_per_day is not None:
            priced = True
            agents += Fraction(known.cost_per_day) * seconds / day
    if not priced:
        return None
    project = Fraction(per_day or 0)
    return Cost(
        exact=float(project * makespan / day + agents),
        whole_days=float(project * -(-makespan // day) + agents),
        currency=plan.calendar.currency,
    )
