"""What becomes of a seat that is held: heartbeat, release, burn."""

from __future__ import annotations

from dataclasses import replace

from coditect_cloud.leases.rules.admission import expiry_ms, license_refusal
from coditect_cloud.leases.rules.view import (
    Bury,
    Decision,
    Drop,
    Held,
    Note,
    Put,
    Standing,
    facts,
    unchanged,
)
from coditect_cloud.leases.types import (
    Ended,
    Granted,
    Heartbeat,
    Kind,
    Lease,
    Refused,
    Release,
)
from coditect_cloud.refusals import Code


def heartbeat(
    standing: Standing, beat: Heartbeat, held: Held | None, *, buried: Code | None = None
) -> Decision[Granted | Refused]:
    """Prolong a live lease of this fence; S2: never revive one.

    `held` may have expired and not been purged yet; `buried` says how it is known to have ended.
    """
    now = standing.now_ms
    if held is None:
        return unchanged(standing, Refused(buried or Code.LEASE_NOT_FOUND, now))
    lease = held.lease
    if lease.expires_ms <= now:
        return unchanged(standing, Refused(Code.LEASE_EXPIRED, now))
    if lease.fence != beat.fence:
        return unchanged(standing, Refused(Code.STALE_FENCE, now))
    ended = license_refusal(standing.policy, now)
    if ended is not None:
        return unchanged(standing, Refused(ended, now))
    if lease.burned:
        return unchanged(standing, Refused(Code.SEAT_BURNED, now))
    if lease.kind is not Kind.FLOATING:
        return unchanged(standing, Granted(lease, now))
    secrets = held.secrets.show(beat.shown, beat.secret)
    if secrets is None:
        return Decision(
            Refused(Code.CLONE_SUSPECTED, now),
            standing.live,
            standing.counter,
            (),
            (Note("clone_suspected", facts(lease)),),
        )
    after = replace(lease, expires_ms=expiry_ms(standing.policy, now, lease.ttl_ms))
    return Decision(
        Granted(after, now),
        standing.live,
        standing.counter,
        (Put(replace(held, lease=after, secrets=secrets)),),
    )


def release(standing: Standing, ask: Release, held: Held | None) -> Decision[Ended | Refused]:
    """End a lease; what has ended already stays so, and that is no fault."""
    now = standing.now_ms
    if held is None or held.lease.expires_ms <= now:
        return unchanged(standing, Ended(ask.lease, now, already=True))
    lease = held.lease
    if ask.fence is not None and ask.fence != lease.fence:
        return unchanged(standing, Refused(Code.STALE_FENCE, now))
    if lease.burned:
        return unchanged(standing, Refused(Code.SEAT_BURNED, now, lease=lease))
    if ask.fence is None and lease.kind is Kind.BORROWED:
        # Its device works offline until its token ends: it can be burned, not freed.
        return unchanged(standing, Refused(Code.CONFLICT, now, lease=lease))
    if ask.fence is None:
        note = Note("forced", facts(lease, by=ask.by))
    else:
        kind = "returned" if lease.kind is Kind.BORROWED else "released"
        note = Note(kind, facts(lease))
    return Decision(
        Ended(ask.lease, now),
        standing.live - 1,
        standing.counter,
        (Drop(lease.id), Bury(lease.id)),
        (note,),
    )


def burn(standing: Standing, held: Held | None, *, by: str) -> Decision[Lease | Refused]:
    """Declare a borrowed seat lost. Its holder may then have another; it counts until its end."""
    if held is None or held.lease.expires_ms <= standing.now_ms:
        return unchanged(standing, Refused(Code.LEASE_NOT_FOUND, standing.now_ms))
    if held.lease.kind is not Kind.BORROWED:
        answer = Refused(Code.CONFLICT, standing.now_ms, lease=held.lease)
        return unchanged(standing, answer)
    if held.lease.burned:
        return unchanged(standing, held.lease)
    lease = replace(held.lease, burned=True)
    return Decision(
        lease,
        standing.live,
        standing.counter,
        (Put(replace(held, lease=lease)),),
        (Note("burned", facts(lease, by=by)),),
    )
