"""Scheduling: when everything can take place, who does it, and how good that is at most."""

from coditect.schedule.claims import Claim, claims
from coditect.schedule.cost import Cost, cost_of
from coditect.schedule.curve import Knee, Point, curve, knee
from coditect.schedule.days import Cell, DayPlan, Entry, days
from coditect.schedule.forecasting import forecast
from coditect.schedule.network import Network, Times, network, ranks
from coditect.schedule.problem import Activity, Kind, Problem, problem_of
from coditect.schedule.solution import Booking, Schedule, Solver, solve
from coditect.schedule.study import Study, study

__all__ = [
    "Activity",
    "Booking",
    "Cell",
    "Claim",
    "Cost",
    "DayPlan",
    "Entry",
    "Kind",
    "Knee",
    "Network",
    "Point",
    "Problem",
    "Schedule",
    "Solver",
    "Study",
    "Times",
    "claims",
    "cost_of",
    "curve",
    "days",
    "forecast",
    "knee",
    "network",
    "problem_of",
    "ranks",
    "solve",
    "study",
]
