"""Seats that are kept for a job which has not started."""

from __future__ import annotations

from collections.abc import Sequence

from coditect_cloud.leases.rules.admission import expiry_ms, license_refusal, refuse
from coditect_cloud.leases.rules.view import Decision, Drop, Held, Note, Put, Standing, unchanged
from coditect_cloud.leases.types import (
    Acquire,
    Fence,
    Kind,
    Lease,
    Refused,
    Reserve,
    Reserved,
)
from coditect_cloud.refusals import Code

KEEP_MS = 24 * 3_600_000
"""The longest that seats are kept."""


def reserve(
    standing: Standing, ask: Reserve, *, kept: int = 0, until_ms: int = 0, before: bool = False
) -> Decision[Reserved | Refused]:
    """Keep all the seats asked for, or none.

    `kept` live seats of it are left, until `until_ms`; `before` says that it was asked already, so
    that a repetition gives what is left, be it nothing.
    Raises ValueError for fewer than one seat.
    """
    if ask.seats < 1:
        raise ValueError("a reservation keeps one seat or more")
    if kept or before:
        left = Reserved(ask.reservation, kept, max(until_ms, standing.now_ms), standing.now_ms)
        return unchanged(standing, left)
    code = license_refusal(standing.policy, standing.now_ms)
    if code is None and standing.settling:
        code = Code.SETTLING
    # As many newcomers at once: those who wait have their seats first.
    if code is None and standing.free - standing.queued < ask.seats:
        code = Code.SEATS_EXHAUSTED
    if code is not None:
        asked = Acquire(ask.license, ask.reservation, holder="", label=ask.by)
        refused = refuse(standing, asked, code)
        assert isinstance(refused.answer, Refused)
        return Decision(
            refused.answer, refused.live, refused.counter, refused.effects, refused.notes
        )
    life = min(ask.ttl_ms, KEEP_MS)
    end = expiry_ms(standing.policy, standing.now_ms, life)
    puts = tuple(
        Put(
            Held(
                Lease(
                    id=f"{ask.reservation}#{number}",
                    license=ask.license,
                    holder="",
                    device="",
                    kind=Kind.RESERVED,
                    fence=Fence(standing.epoch, standing.counter + number),
                    granted_ms=standing.now_ms,
                    expires_ms=end,
                    ttl_ms=life,
                    overage=standing.live + number > standing.policy.limit,
                    label=ask.by,
                ),
                reservation=ask.reservation,
            )
        )
        for number in range(1, ask.seats + 1)
    )
    note = Note(
        "reserved",
        {
            "reservation": ask.reservation,
            "seats": ask.seats,
            "leases": [put.held.lease.id for put in puts],
            "expires_ms": end,
            "by": ask.by,
        },
    )
    return Decision(
        Reserved(ask.reservation, ask.seats, end, standing.now_ms),
        standing.live + ask.seats,
        standing.counter + ask.seats,
        puts,
        (note,),
    )


def unreserve(
    standing: Standing, reservation: str, kept: Sequence[Held], *, by: str
) -> Decision[int]:
    """Give back the live seats that nobody has taken; how many they were."""
    if not kept:
        return unchanged(standing, 0)
    leases = [held.lease.id for held in kept]
    body = {"reservation": reservation, "seats": len(kept), "leases": leases, "by": by}
    return Decision(
        len(kept),
        standing.live - len(kept),
        standing.counter,
        tuple(Drop(lease) for lease in leases),
        (Note("unreserved", body),),
    )
