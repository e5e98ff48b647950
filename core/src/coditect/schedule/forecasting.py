"""What is still to come of a project that is under way."""

from __future__ import annotations

from collections.abc import Mapping

from coditect.schedule.generation import Begun, parallel
from coditect.schedule.heuristics import latest_start, ranks_of
from coditect.schedule.problem import Problem

Span = tuple[int, int]
"""Start and finish, in seconds of work."""


def forecast(
    problem: Problem,
    done: Mapping[str, Span],
    active: Mapping[str, Span],
    now: int,
    priority: Mapping[str, int] | None = None,
) -> dict[str, Span]:
    """When everything will have taken place, given what has finished and what is under way.

    One pass of the parallel scheme from `now`, which hands out work just as a run does: what is
    ready goes first by `priority` (by default that of `ranks`). `active` has the start and the
    expected finish; who is late is expected at any moment, so not before `now`. The past is kept
    as it was.
    """
    translation = problem.translation
    instance, index = translation.instance, translation.index
    if priority is None:
        order = ranks_of(latest_start(instance))
    else:
        order = [priority[name] for name in translation.ids]
    running = tuple((finish, index[name]) for name, (_, finish) in active.items())
    begun = Begun(now, frozenset(index[name] for name in done), running)
    layout = parallel(instance, order, begun)
    found = dict(done)
    found.update((name, (start, max(finish, now))) for name, (start, finish) in active.items())
    for one, name in enumerate(translation.ids):
        if name not in found:
            start = layout.starts[one]
            found[name] = (start, start + instance.durations[one])
    return found
