"""What a store remembers: terms, what expired, and what comes back after a loss."""

from __future__ import annotations

from dataclasses import replace

from coditect_cloud.leases.rules.admission import license_refusal, seats_of
from coditect_cloud.leases.rules.view import (
    Bury,
    Decision,
    Drop,
    Effect,
    Held,
    Note,
    Put,
    Secrets,
    Standing,
    facts,
    next_fence,
    unchanged,
)
from coditect_cloud.leases.types import Granted, Lease, Policy, Refused
from coditect_cloud.refusals import Code


def policy_set(policy: Policy) -> Note:
    """The change that tells of new terms."""
    return Note(
        "policy_set",
        {
            "version": policy.version,
            "limit": policy.limit,
            "overage": policy.overage,
            "state": policy.state.value,
            "starts_ms": policy.starts_ms,
            "expires_ms": policy.expires_ms,
            "ttl_ms": policy.ttl_ms,
            "queue_limit": policy.queue_limit,
        },
    )


def expired(lease: Lease) -> Note:
    """The change that tells of a lease which ended by its time: written when it is purged."""
    return Note("expired", facts(lease))


def register(
    standing: Standing,
    lease: Lease,
    *,
    held: Held | None,
    own: Held | None,
    buried: Code | None = None,
) -> Decision[Granted | Refused]:
    """Let a lease back in whose token its holder shows, while the store settles.

    `held` is the live lease of that id, `own` the holder's live lease, of whatever id. The same
    token may come twice (an answer was lost); an older one than the store knows is stale. A token
    that is newer than what the store kept wins: that was the grant which the store forgot.
    """
    now = standing.now_ms
    proof = str(lease.fence)
    if held is not None and held.proof == proof and held.lease.fence.epoch == standing.epoch:
        return unchanged(standing, Granted(held.lease, now, replayed=True))
    code = _register_refusal(standing, lease, held=held, own=own, buried=buried)
    if code is not None:
        return unchanged(standing, Refused(code, now, seats_of(standing)))
    before = held or own
    # The store may know of a heartbeat that is later than the token: nothing is ever shortened.
    after = replace(
        lease,
        fence=next_fence(standing),
        expires_ms=max(lease.expires_ms, held.lease.expires_ms if held else 0),
        overage=before.lease.overage if before else standing.live >= standing.policy.limit,
    )
    secrets = held.secrets if held else Secrets()
    effects: list[Effect] = [Put(Held(after, secrets, proof=proof))]
    if before is not None and before.lease.id != lease.id:
        effects = [Drop(before.lease.id), Bury(before.lease.id), *effects]
    return Decision(
        Granted(after, now, replayed=before is not None),
        standing.live + (0 if before else 1),
        after.fence.counter,
        tuple(effects),
        (Note("registered", facts(after, proof=proof)),),
    )


def _register_refusal(
    standing: Standing, lease: Lease, *, held: Held | None, own: Held | None, buried: Code | None
) -> Code | None:
    ended = license_refusal(standing.policy, standing.now_ms)
    if ended is not None:
        return ended
    if lease.expires_ms <= standing.now_ms:
        return Code.LEASE_EXPIRED
    if not standing.settling:
        return Code.LEASE_NOT_FOUND
    if buried is Code.LEASE_RELEASED:  # not expired: the store may have forgotten a heartbeat
        return buried
    if held is not None:
        return None if held.lease.fence == lease.fence else Code.STALE_FENCE
    if own is not None:
        return None if own.lease.fence < lease.fence else Code.STALE_FENCE
    return Code.SEATS_EXHAUSTED if standing.free < 1 else None
