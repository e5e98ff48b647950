"""A license becomes known, takes its terms, and counts again what outlived the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import text

from coditect_cloud.leases import rules
from coditect_cloud.leases.rules import Decision, Held, Note, Put
from coditect_cloud.leases.sql import rows
from coditect_cloud.leases.sql.step import Step
from coditect_cloud.leases.types import Lease, Policy

MAKE = text(
    "INSERT INTO seat_license (license, org, version, seat_limit, overage, state, starts_ms,"
    " expires_ms, ttl_ms, queue_limit, epoch, counter, seq, placed, settling_until_ms, clock_ms,"
    " live) VALUES (:license, :org, :version, :seat_limit, :overage, :state, :starts_ms,"
    " :expires_ms, :ttl_ms, :queue_limit, 0, 0, 0, 0, 0, 0, 0) ON CONFLICT (license) DO NOTHING"
)
"""A license with no terms yet (version -1) and epoch 0: what follows sets both."""


async def take_terms(step: Step, policy: Policy, **terms: Any) -> None:
    """Take newer terms; store the rest of the step in any case."""
    standing = step.standing
    notes: tuple[Note, ...] = ()
    if policy.version > standing.policy.version:
        terms |= rows.policy_values(policy)
        notes = (rules.policy_set(policy),)
        step.standing = replace(standing, policy=policy)
    decision = Decision(None, standing.live, standing.counter, (), notes)
    await step.carry_out(decision, **terms)


async def count_again(step: Step, borrowed: Sequence[Lease]) -> None:
    """Enter borrowed seats that the store does not know, under the fences of their tokens."""
    known = await step.many([lease.id for lease in borrowed])
    lost = [
        lease
        for lease in borrowed
        if lease.id not in known and lease.expires_ms > step.standing.now_ms
    ]
    if lost:
        notes = tuple(Note("registered", rules.facts(lease, borrowed=True)) for lease in lost)
        puts = tuple(Put(Held(lease)) for lease in lost)
        live = step.standing.live + len(lost)
        await step.carry_out(Decision(None, live, step.standing.counter, puts, notes))
