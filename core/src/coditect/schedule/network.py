"""The critical path method: times that follow from durations and precedence alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from coditect.schedule.bounds import longest
from coditect.schedule.heuristics import latest_start
from coditect.schedule.problem import Problem


@dataclass(frozen=True, slots=True)
class Times:
    """When an activity may take place if nobody were ever busy elsewhere. Seconds of work."""

    early_start: int
    early_finish: int
    late_start: int
    late_finish: int

    @property
    def slack(self) -> int:
        """How much it may be late without making the whole late."""
        return self.late_start - self.early_start


@dataclass(frozen=True, slots=True)
class Network:
    """Early and late times of every activity (Kelley and Walker 1959)."""

    times: Mapping[str, Times]
    critical_path: tuple[str, ...]
    """One longest chain in order; of several, the one whose activities were declared first."""
    length: int
    """Seconds of work."""


def network(problem: Problem) -> Network:
    """Work out early and late times, slack and the critical path."""
    translation = problem.translation
    instance, ids = translation.instance, translation.ids
    heads, tails = longest(instance), longest(instance.reversed)
    durations = instance.durations
    finishes = [head + duration for head, duration in zip(heads, durations, strict=True)]
    length = max(finishes, default=0)
    times = {
        name: Times(
            early_start=heads[one],
            early_finish=finishes[one],
            late_start=length - tails[one] - durations[one],
            late_finish=length - tails[one],
        )
        for one, name in enumerate(ids)
    }
    path: list[int] = []
    here = next((one for one, finish in enumerate(finishes) if finish == length), None)
    while here is not None:
        path.append(here)
        begins = heads[here]
        binding = (one for one in sorted(instance.predecessors[here]) if finishes[one] == begins)
        here = next(binding, None)
    return Network(times, tuple(ids[one] for one in reversed(path)), length)


def ranks(problem: Problem) -> dict[str, int]:
    """The order in which a run prefers what is ready: 0 is the most critical.

    By late start, then the longer first, then as declared along the precedence.
    """
    ordered = latest_start(problem.translation.instance)
    return {problem.translation.ids[one]: rank for rank, one in enumerate(ordered)}
