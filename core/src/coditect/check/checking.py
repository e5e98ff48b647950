"""One look at a plan that tells everything."""

from __future__ import annotations

from collections.abc import Iterator

from coditect.check.bounds import bound_findings
from coditect.check.capacity import capacity_findings, stuck_streams
from coditect.check.cycles import cycle_findings, unreachable_findings
from coditect.check.gates import gate_findings
from coditect.check.judges import judge_findings
from coditect.check.leftovers import leftover_findings
from coditect.check.names import name_findings
from coditect.check.order import Order
from coditect.check.ownership import ownership_findings
from coditect.check.scope import Scopes
from coditect.findings import Finding, Place, Severity, errors
from coditect.plan import Plan

_RANK = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.NOTE: 2}


def check(plan: Plan, *, max_witnesses: int = 50) -> tuple[Finding, ...]:
    """Tell all that is wrong with a plan, in the order of its text.

    A plan without errors can be carried out as far as can be known: every name is borne, nothing
    waits for itself, every checkpoint can open, everybody may write what he promises, and no two
    tasks that can be alive at once own a common path. At most `max_witnesses` overlaps are told;
    that there are more is a finding too.
    """
    order = Order(plan)
    scopes = Scopes(plan)
    found = [
        *name_findings(plan),
        *cycle_findings(plan, order),
        *bound_findings(plan, scopes),
        *ownership_findings(plan, order, scopes, max_witnesses=max_witnesses),
        *gate_findings(plan, order, scopes),
        *capacity_findings(plan),
        *judge_findings(plan, scopes),
        *leftover_findings(plan),
    ]
    found.extend(_unreachable(plan, order, found))
    return tuple(sorted(found, key=_reading_order))


def _unreachable(plan: Plan, order: Order, found: list[Finding]) -> Iterator[Finding]:
    dead: dict[int, str] = {
        node: "which waits for itself" for component in order.cyclic for node in component
    }
    stuck = stuck_streams(plan)
    for name, task in plan.tasks.items():
        if task.workstream in stuck:
            dead.setdefault(order.number(name), "whose workstream can do no work")
    for finding in errors(found):
        gate = dict(finding.data).get("checkpoint")
        if finding.code == "checkpoint-never-opens" and isinstance(gate, str):
            dead.setdefault(order.checkpoint_number(gate), "which never opens")
    yield from unreachable_findings(plan, order, dead)


def _reading_order(finding: Finding) -> tuple[bool, Place, int, str, str]:
    place = finding.place or Place("", 0, 0)
    rank = _RANK[finding.severity]
    return (finding.place is None, place, rank, finding.code, finding.message)
