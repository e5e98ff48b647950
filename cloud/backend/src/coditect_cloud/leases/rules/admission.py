"""Who gets a seat: one ordered list of questions, the first that answers decides."""

from __future__ import annotations

from dataclasses import replace

from coditect_cloud.leases.rules.view import (
    Bury,
    Decision,
    Drop,
    Effect,
    Enqueue,
    Held,
    Leave,
    Note,
    Poll,
    Put,
    Recalled,
    Remember,
    Secrets,
    Standing,
    Ticket,
    facts,
    next_fence,
    unchanged,
)
from coditect_cloud.leases.types import (
    MAX_TTL_MS,
    Acquire,
    Granted,
    Kind,
    Lease,
    LicenseState,
    Policy,
    Queued,
    Refused,
    Seats,
)
from coditect_cloud.refusals import Code

BORROW_MS = 30 * 24 * 3_600_000
"""The longest a seat may be taken offline."""

_TOLD = {
    Code.SEATS_EXHAUSTED,
    Code.QUEUE_FULL,
    Code.LICENSE_REVOKED,
    Code.LICENSE_SUSPENDED,
    Code.LICENSE_NOT_STARTED,
    Code.LICENSE_EXPIRED,
}
"""Refusals that are data about demand; the others are about the caller."""

Answer = Granted | Queued | Refused


def seats_of(standing: Standing) -> Seats:
    """Tell how the license stands."""
    return Seats(
        now_ms=standing.now_ms,
        limit=standing.policy.limit,
        overage=standing.policy.overage,
        in_use=standing.live,
        reserved=standing.reserved,
        queued=standing.queued,
        earliest_release_ms=standing.earliest_ms,
        epoch=standing.epoch,
        settling_until_ms=standing.settling_until_ms if standing.settling else 0,
    )


def license_refusal(policy: Policy, now_ms: int) -> Code | None:
    """Say why a license may not be used now; None if it may."""
    if policy.state is LicenseState.REVOKED:
        return Code.LICENSE_REVOKED
    if policy.state is LicenseState.SUSPENDED:
        return Code.LICENSE_SUSPENDED
    if policy.starts_ms > now_ms:
        return Code.LICENSE_NOT_STARTED
    if 0 < policy.expires_ms <= now_ms:
        return Code.LICENSE_EXPIRED
    return None


def life_ms(policy: Policy, ask: Acquire) -> int:
    """How long the lease lives from now or from its last heartbeat."""
    if ask.kind is Kind.BORROWED:
        return min(ask.ttl_ms or policy.ttl_ms, BORROW_MS)
    longest = min(policy.ttl_ms, MAX_TTL_MS)
    return min(ask.ttl_ms or longest, longest)


def expiry_ms(policy: Policy, now_ms: int, life: int) -> int:
    """When a life that starts now ends: never after its license."""
    end = now_ms + life
    return min(end, policy.expires_ms) if policy.expires_ms else end


def acquire(
    standing: Standing,
    ask: Acquire,
    *,
    recalled: Recalled | None = None,
    recalled_now: Held | None = None,
    own: Held | None = None,
    ticket: Ticket | None = None,
    kept: Held | None = None,
) -> Decision[Answer]:
    """Decide on one request for a seat.

    `recalled` is what its key gave, and `recalled_now` that lease if it lives; `own` the holder's
    live lease that was not burned; `ticket` its live ticket; `kept` a live seat of its reservation.
    S1: `live` never rises beyond the capacity.
    """
    if recalled is not None:
        return _repeat(standing, ask, recalled, recalled_now)
    code = license_refusal(standing.policy, standing.now_ms)
    if code is not None:
        return refuse(standing, ask, code)
    if own is not None:
        return _own(standing, ask, own, ticket)
    if standing.settling:
        return refuse(standing, ask, Code.SETTLING)
    if ask.reservation:
        if kept is None:
            return refuse(standing, ask, Code.RESERVATION_NOT_FOUND)
        return _redeem(standing, ask, kept, ticket)
    if ticket is not None and ticket.holder != ask.holder:
        return refuse(standing, ask, Code.TICKET_NOT_FOUND)
    # Seats for those who wait come first: a ticket may take one of as many seats as stand at or
    # before its place; a newcomer only what is left when all who wait have theirs.
    ahead = standing.queued if ticket is None else ticket.position - 1
    if standing.free > ahead:
        return _grant(standing, ask, ticket)
    return _wait(standing, ask, ticket)


def refuse(standing: Standing, ask: Acquire, code: Code) -> Decision[Answer]:
    """Say no; what tells of demand is written down."""
    answer = Refused(code, standing.now_ms, seats_of(standing))
    told = code in _TOLD
    body = {
        "holder": ask.holder,
        "label": ask.label,
        "code": code.value,
        "limit": standing.policy.limit,
        "in_use": standing.live,
        "queued": standing.queued,
    }
    notes = (Note("denied", body),) if told else ()
    return Decision(answer, standing.live, standing.counter, (), notes)


def _repeat(
    standing: Standing, ask: Acquire, recalled: Recalled, now: Held | None
) -> Decision[Answer]:
    """S4: the same lease, as it is now. Nothing is granted, nothing revived."""
    if recalled.fingerprint != ask.fingerprint:
        return refuse(standing, ask, Code.IDEMPOTENCY_KEY_REUSED)
    if now is None or now.lease.fence != recalled.lease.fence:
        # It ended, or lives on in a newer incarnation that this caller is not.
        ended = Granted(recalled.lease, standing.now_ms, replayed=True, ended=True)
        return unchanged(standing, ended)
    answer = Granted(now.lease, standing.now_ms, replayed=True)
    if not ask.secret:
        return unchanged(standing, answer)
    # The first answer may have been lost with its secret; this one's is as good.
    put = Put(replace(now, secrets=now.secrets.add(ask.secret)))
    return Decision(answer, standing.live, standing.counter, (put,))


def _own(standing: Standing, ask: Acquire, own: Held, ticket: Ticket | None) -> Decision[Answer]:
    """The holder has a seat: the same device continues it, another may move it."""
    lease = own.lease
    moves = lease.device != ask.device
    if lease.kind is Kind.BORROWED:
        # Its device works offline and cannot be told that anything changed.
        if moves:
            answer = Refused(Code.HOLDER_HAS_SEAT, standing.now_ms, seats_of(standing), lease)
            return unchanged(standing, answer)
        return unchanged(standing, Granted(lease, standing.now_ms, replayed=True))
    if moves and not ask.take_over:
        answer = Refused(Code.HOLDER_HAS_SEAT, standing.now_ms, seats_of(standing), lease)
        return unchanged(standing, answer)
    life = life_ms(standing.policy, ask)
    after = replace(
        lease,
        id=ask.lease if moves else lease.id,
        device=ask.device,
        kind=ask.kind,
        fence=next_fence(standing),
        granted_ms=standing.now_ms if moves else lease.granted_ms,
        expires_ms=expiry_ms(standing.policy, standing.now_ms, life),
        ttl_ms=life,
        label=ask.label or lease.label,
    )
    effects: list[Effect] = [Drop(lease.id), Bury(lease.id)] if moves else []
    effects += _take(ask, after, ticket)
    if moves:
        note = Note("taken_over", facts(after, previous=lease.id))
    else:
        kind = "borrowed" if after.kind is Kind.BORROWED else "granted"
        note = Note(kind, facts(after, again=True))
    return Decision(
        Granted(after, standing.now_ms, replayed=not moves),
        standing.live,
        after.fence.counter,
        tuple(effects),
        (note,),
    )


def _redeem(
    standing: Standing, ask: Acquire, kept: Held, ticket: Ticket | None
) -> Decision[Answer]:
    """One kept seat ends, one is granted: the same count."""
    lease = replace(_new_lease(standing, ask), overage=kept.lease.overage)
    note = Note(
        "borrowed" if lease.kind is Kind.BORROWED else "granted",
        facts(lease, reservation=ask.reservation, redeemed=kept.lease.id),
    )
    return Decision(
        Granted(lease, standing.now_ms),
        standing.live,
        lease.fence.counter,
        (Drop(kept.lease.id), *_take(ask, lease, ticket)),
        (note,),
    )


def _grant(standing: Standing, ask: Acquire, ticket: Ticket | None) -> Decision[Answer]:
    lease = _new_lease(standing, ask)
    after = replace(
        standing,
        live=standing.live + 1,
        queued=standing.queued - (1 if ticket else 0),
        earliest_ms=min(standing.earliest_ms or lease.expires_ms, lease.expires_ms),
    )
    kind = "borrowed" if lease.kind is Kind.BORROWED else "granted"
    return Decision(
        Granted(lease, standing.now_ms, seats_of(after)),
        after.live,
        lease.fence.counter,
        tuple(_take(ask, lease, ticket)),
        (Note(kind, facts(lease)),),
    )


def _wait(standing: Standing, ask: Acquire, ticket: Ticket | None) -> Decision[Answer]:
    if not (ask.wait and ask.ticket):
        return refuse(standing, ask, Code.SEATS_EXHAUSTED)
    if ticket is not None:
        queued = Queued(ticket.id, ticket.position, seats_of(standing))
        return Decision(queued, standing.live, standing.counter, (Poll(ticket.id),))
    if standing.queued >= standing.policy.queue_limit:
        return refuse(standing, ask, Code.QUEUE_FULL)
    after = replace(standing, queued=standing.queued + 1)
    body = {"ticket": ask.ticket, "holder": ask.holder, "position": after.queued}
    return Decision(
        Queued(ask.ticket, after.queued, seats_of(after)),
        standing.live,
        standing.counter,
        (Enqueue(ask.ticket, ask.holder),),
        (Note("queued", body),),
    )


def _new_lease(standing: Standing, ask: Acquire) -> Lease:
    life = life_ms(standing.policy, ask)
    return Lease(
        id=ask.lease,
        license=ask.license,
        holder=ask.holder,
        device=ask.device,
        kind=ask.kind,
        fence=next_fence(standing),
        granted_ms=standing.now_ms,
        expires_ms=expiry_ms(standing.policy, standing.now_ms, life),
        ttl_ms=life,
        overage=standing.live >= standing.policy.limit,
        label=ask.label,
    )


def _take(ask: Acquire, lease: Lease, ticket: Ticket | None) -> list[Effect]:
    """What every seat that is taken brings along."""
    effects: list[Effect] = [Put(Held(lease, Secrets().add(ask.secret)))]
    if ask.key:
        effects.append(Remember(ask.key, ask.fingerprint, lease))
    if ticket is not None and ticket.holder == ask.holder:
        effects.append(Leave(ticket.id))
    return effects
