"""What callers get: a seat, a place in the queue, or a refusal that says all it can. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from coditect_cloud.leases.types import Kind, Lease, Queued, Refused, Seats
from coditect_cloud.refusals import Code, Refusal, meaning


@dataclass(frozen=True, slots=True)
class Seat:
    """A seat that is the caller's."""

    lease: Lease
    now_ms: int
    """Store time of the answer."""
    remaining_ms: int
    """Life left, counted from when the request was *sent*."""
    token: str = field(default="", repr=False)
    """The signed lease; "" if it has ended (an idempotent repetition), or does not renew."""
    secret: str = field(default="", repr=False)
    """To show with the next heartbeat; "" if the caller does not rotate."""
    seats: Seats | None = None
    replayed: bool = False
    """Nothing was granted anew: a repetition, or the holder's own seat."""
    ended: bool = False
    """Only with `replayed`: it has ended since."""
    entitlements: Mapping[str, int | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A place in the queue; kept while the caller polls with the ticket."""

    ticket: str
    position: int
    seats: Seats
    poll_within_ms: int
    """Without a poll for so long the place is lost."""


@dataclass(frozen=True, slots=True)
class Mine:
    """One page of leases."""

    leases: tuple[Lease, ...]
    now_ms: int
    next: str | None


def waiting(queued: Queued) -> Waiting:
    """Tell of a place in the queue."""
    return Waiting(queued.ticket, queued.position, queued.seats, queued.poll_within_ms)


def facts(seats: Seats) -> dict[str, Any]:
    """How a license stands, for machines: the data of a refusal."""
    return {
        "limit": seats.limit,
        "overage": seats.overage,
        "in_use": seats.in_use,
        "reserved": seats.reserved,
        "queued": seats.queued,
        "earliest_release_ms": earliest_ms(seats),
    }


def earliest_ms(seats: Seats) -> int | None:
    """Milliseconds from now until the first seat is free if nobody beats again; None: no seat."""
    if seats.earliest_release_ms is None:
        return None
    return max(0, seats.earliest_release_ms - seats.now_ms)


def refusal(refused: Refused) -> Refusal:
    """Make an answer of the store one for people and machines."""
    seats = refused.seats
    data: dict[str, Any] = facts(seats) if seats is not None else {}
    if refused.lease is not None:
        # Only ever the asking holder's own, so naming it tells nothing about others.
        data["lease"] = refused.lease.id
        data["kind"] = refused.lease.kind.value
        data["remaining_ms"] = max(0, refused.lease.expires_ms - refused.now_ms)
    detail = _detail(refused.code, seats, refused.lease)
    return Refusal(
        refused.code,
        detail,
        hint=_HINTS.get(refused.code, ""),
        retry_after_ms=_retry_ms(refused.code, seats),
        data=data,
    )


def _detail(code: Code, seats: Seats | None, lease: Lease | None) -> str:
    if code is Code.SEATS_EXHAUSTED and seats is not None:
        beyond = f" and {seats.overage} beyond" if seats.overage else ""
        return f"{seats.in_use} seats are in use, of {seats.limit}{beyond}"
    if code is Code.QUEUE_FULL and seats is not None:
        return f"{seats.queued} are waiting already"
    if code is Code.HOLDER_HAS_SEAT and lease is not None and lease.kind is Kind.BORROWED:
        return "this holder has borrowed a seat on another device"
    if code is Code.CONFLICT and lease is not None:
        if lease.kind is Kind.BORROWED:
            return "this seat is borrowed: its device works offline until the seat's time ends"
        return f"this seat is {lease.kind.value}, not borrowed"
    return _DETAILS.get(code, meaning(code).title.lower())


_DETAILS = {
    Code.LEASE_NOT_FOUND: "there is no such lease, or its time ended long ago",
    Code.LEASE_EXPIRED: "the lease ended by its time; its seat may belong to another now",
    Code.STALE_FENCE: "the lease was continued by a newer incarnation of its holder",
    Code.CLONE_SUSPECTED: "another copy of this client has used the lease since",
    Code.SETTLING: "the store lost its memory, and waits for those who hold seats to come back",
    Code.IDEMPOTENCY_KEY_REUSED: "this key was used before, to ask for something else",
}
_HINTS = {
    Code.SEATS_EXHAUSTED: "Ask again with `wait` to queue, or look who holds seats.",
    Code.QUEUE_FULL: "Ask again later.",
    Code.HOLDER_HAS_SEAT: "Ask again with `take_over` to move the seat here.",
    Code.LEASE_NOT_FOUND: "Register its signed token if the store is settling, else acquire.",
    Code.LEASE_EXPIRED: "Acquire again.",
    Code.LEASE_RELEASED: "Acquire again.",
    Code.STALE_FENCE: "Stop using the seat here.",
    Code.CLONE_SUSPECTED: "Stop using the seat here, and acquire one of its own for each copy.",
    Code.SEAT_BURNED: "It counts until its time ends; acquire another seat.",
    Code.SETTLING: "Who has a signed lease can register it now; all others ask again later.",
    Code.IDEMPOTENCY_KEY_REUSED: "Make a new key for each thing that you want.",
    Code.RESERVATION_NOT_FOUND: "It ended, or all its seats were taken: acquire without it.",
    Code.TICKET_NOT_FOUND: "Ask again without a ticket to queue anew.",
    Code.CONFLICT: "A lost borrowed seat can be declared so (burn); it counts until its end.",
}


def _retry_ms(code: Code, seats: Seats | None) -> int | None:
    """When to ask again: as early as a seat can be free, within a second and half a minute."""
    if not meaning(code).retry:
        return None
    if seats is None:
        return 1_000
    if code is Code.SETTLING:
        return max(1_000, seats.settling_until_ms - seats.now_ms)
    soonest = earliest_ms(seats)
    return min(max(1_000, soonest if soonest is not None else 30_000), 30_000)
