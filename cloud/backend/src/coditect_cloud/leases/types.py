"""What the stores of seats take and give: frozen values, times in milliseconds of *store* time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from coditect_cloud.refusals import Code


class LicenseState(StrEnum):
    """Whether a license may be used; kept beside the seats so that a change acts at once."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKED = "revoked"


class Kind(StrEnum):
    """What occupies a seat."""

    FLOATING = "floating"
    """Lives by heartbeats."""
    BORROWED = "borrowed"
    """Taken offline for days: never beats, ends by its time, or when it is returned."""
    RESERVED = "reserved"
    """Kept for a job that has not started; has no holder yet."""


@dataclass(frozen=True, slots=True, order=True)
class Fence:
    """Orders the incarnations of a license's leases: each grant gets a higher one.

    The epoch comes from SQL and goes up after every loss of memory, so a counter that starts again
    never makes a fence twice.
    """

    epoch: int
    counter: int

    def __str__(self) -> str:
        return f"{self.epoch}.{self.counter}"

    @classmethod
    def parse(cls, text: str) -> Fence:
        """Read what `str` writes; ValueError for anything else."""
        epoch, dot, counter = text.partition(".")
        if not (
            dot
            and epoch.isascii()
            and epoch.isdigit()
            and counter.isascii()
            and counter.isdigit()
            and len(text) <= 40
        ):
            raise ValueError(f"not a fence: {text!r}")
        return cls(int(epoch), int(counter))


@dataclass(frozen=True, slots=True)
class Policy:
    """The terms of one license, as far as seats go; kept in the store beside them."""

    license: str
    org: str
    version: int
    """Goes up with each change in SQL; a store never takes an older one over a newer."""
    limit: int
    """Seats, 0 or more."""
    overage: int = 0
    """Seats that may be granted beyond the limit, each flagged."""
    state: LicenseState = LicenseState.ACTIVE
    starts_ms: int = 0
    """Store time from which it may be used; 0: always."""
    expires_ms: int = 0
    """Store time at which it ends, and every lease with it; 0: never."""
    ttl_ms: int = 60_000
    """Life of a lease from its last heartbeat; at most `MAX_TTL_MS`."""
    queue_limit: int = 1_000
    """Tickets that may wait."""

    @property
    def capacity(self) -> int:
        """The most seats that may ever be in use at once (S1)."""
        return self.limit + self.overage


MAX_TTL_MS = 3_600_000
"""No floating lease lives longer without a heartbeat (1 h)."""
TICKET_TTL_MS = 15_000
"""A ticket that is not polled for so long leaves the queue; clients poll every 10 s or sooner."""
IDEMPOTENCY_MS = 24 * 3_600_000
"""How long the same key gives the same lease (within one epoch)."""
PURGE = 100
"""Entries that one operation removes at most: more would block the store for all."""


@dataclass(frozen=True, slots=True)
class Acquire:
    """Asks for one seat."""

    license: str
    lease: str
    """The id the new lease would get; unique, made by the caller."""
    holder: str
    """`kind:id[/slot]`; a holder has at most one lease of a license."""
    device: str = ""
    """Thumbprint of the key that the lease is bound to (`cnf.jkt`); "" where there is none."""
    key: str = ""
    """Idempotency key, already scoped to its principal; "" for none."""
    fingerprint: str = ""
    """Hash of all that was asked under the key; another one under the same key is refused."""
    ttl_ms: int = 0
    """0: as the policy says; else at most the policy's (floating) or the borrow's length."""
    kind: Kind = Kind.FLOATING
    take_over: bool = False
    """Move the holder's own seat here from another device."""
    ticket: str = ""
    """The caller's ticket in the queue: made by the caller, and put in the queue if `wait`."""
    wait: bool = False
    """Queue when there is no seat."""
    reservation: str = ""
    """Take one of the seats that this reservation keeps."""
    secret: str = ""
    """Hash of the rotating secret that the first heartbeat has to show; "" for none."""
    label: str = ""
    """What the holder calls itself, for people who look at who holds seats."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Says that a holder still uses its seat."""

    license: str
    lease: str
    fence: Fence
    shown: str = ""
    """Hash of the secret handed out with the last answer; checked where the lease has one."""
    secret: str = ""
    """Hash of the one handed out with this answer."""


@dataclass(frozen=True, slots=True)
class Release:
    """Gives a seat back."""

    license: str
    lease: str
    fence: Fence | None
    """None: by force, by somebody who may (an owner, an admin)."""
    by: str = ""
    """Who forces it, for the audit."""


@dataclass(frozen=True, slots=True)
class Lease:
    """One seat of a holder, as the store has it."""

    id: str
    license: str
    holder: str
    device: str
    kind: Kind
    fence: Fence
    granted_ms: int
    expires_ms: int
    """Store time at which the seat may be given away; it is live while this is later than now."""
    ttl_ms: int
    overage: bool = False
    """Granted beyond the limit."""
    burned: bool = False
    label: str = ""


@dataclass(frozen=True, slots=True)
class Seats:
    """How a license stands at one instant of store time."""

    now_ms: int
    limit: int
    overage: int
    in_use: int
    """Live leases of every kind, reservations among them."""
    reserved: int
    queued: int
    earliest_release_ms: int | None
    """Expiry of the lease that ends first if nobody beats again; None if none is live."""
    epoch: int
    settling_until_ms: int
    """0, or store time until which nothing new is granted."""


@dataclass(frozen=True, slots=True)
class Granted:
    """The seat is the caller's."""

    lease: Lease
    now_ms: int
    seats: Seats | None = None
    replayed: bool = False
    """An idempotent repetition, or a holder that has its seat already: nothing was granted anew."""
    ended: bool = False
    """Only with `replayed`: the lease has ended since; `remaining_ms` is 0."""

    @property
    def remaining_ms(self) -> int:
        """Life left, however the clocks of store and caller differ; 0 once it has ended."""
        return 0 if self.ended else max(0, self.lease.expires_ms - self.now_ms)


@dataclass(frozen=True, slots=True)
class Queued:
    """No seat now; the ticket keeps the caller's place while it polls."""

    ticket: str
    position: int
    """1 is the head."""
    seats: Seats
    poll_within_ms: int = TICKET_TTL_MS


@dataclass(frozen=True, slots=True)
class Refused:
    """No seat, and why; `seats` says limit, in use and earliest release where that matters."""

    code: Code
    now_ms: int
    seats: Seats | None = None
    lease: Lease | None = None
    """The lease that is in the way, if it is the caller's own holder's."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A release: the seat is free. Releasing twice is no fault."""

    lease: str
    now_ms: int
    already: bool = False
    """It had ended before: released, expired, or never there."""


@dataclass(frozen=True, slots=True)
class Reserve:
    """Keeps seats for a job that has not started, from now on."""

    license: str
    reservation: str
    seats: int
    ttl_ms: int
    """At most 24 h; what nobody has taken by then is free again."""
    by: str = ""


@dataclass(frozen=True, slots=True)
class Reserved:
    """The seats are kept."""

    reservation: str
    seats: int
    expires_ms: int
    now_ms: int


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of a license's outbox, written by the operation that made the change (S6).

    Kinds: `granted taken_over released forced expired borrowed returned burned reserved unreserved
    registered denied queued unqueued policy_set settling_opened clone_suspected`. Heartbeats are
    not changes. `denied` and `queued` are data for denials and never enter the audit chain.
    """

    license: str
    org: str
    seq: int
    """Counts the changes of a license within an epoch; a gap is a lost tail."""
    epoch: int
    at_ms: int
    kind: str
    body: dict[str, Any]
    cursor: str = ""
    """Where it stands in the outbox; opaque, ordered, only for `discard`."""
