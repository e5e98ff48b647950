"""What a rule sees and what it orders: frozen values, times in milliseconds of store time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from coditect_cloud.leases.types import Fence, Lease, Policy

A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Secrets:
    """The rotating secrets of a lease, as hashes.

    The client shows the newest secret it got. Until it does, the one it showed last stays good,
    and so do the few that were handed out in answer to it: any of those answers may have been lost
    or doubled. Two copies of a client part ways at their second heartbeat, and the one that beats
    later shows a secret that is neither.
    """

    base: str = ""
    """Shown last."""
    handed: tuple[str, ...] = ()
    """Handed out since, oldest first."""

    MOST: ClassVar[int] = 4

    @property
    def watched(self) -> bool:
        """Whether a heartbeat has to show one."""
        return bool(self.base or self.handed)

    def add(self, secret: str) -> Secrets:
        """Hand out one more in answer to the same; the oldest is forgotten."""
        if not secret or secret in self.handed:
            return self
        return Secrets(self.base, (*self.handed, secret)[-self.MOST :])

    def show(self, shown: str, secret: str) -> Secrets | None:
        """Take what a heartbeat shows and hand out the next; None if another copy took it."""
        if not self.watched:
            return self.add(secret)
        if shown and shown in self.handed:
            return Secrets(shown).add(secret)
        return self.add(secret) if shown and shown == self.base else None


@dataclass(frozen=True, slots=True)
class Held:
    """A lease with what only the store needs of it."""

    lease: Lease
    secrets: Secrets = Secrets()
    reservation: str = ""
    """The reservation that keeps it, for kind RESERVED."""
    proof: str = ""
    """The fence of the token that registered it in this epoch: the same token may come again."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A live ticket in the queue."""

    id: str
    holder: str
    position: int
    """1 is the head; counts live tickets only."""


@dataclass(frozen=True, slots=True)
class Recalled:
    """What an idempotency key gave, within its time and epoch."""

    fingerprint: str
    lease: Lease
    """As it was granted."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a license stands at the instant of a decision."""

    now_ms: int
    policy: Policy
    epoch: int
    counter: int
    """Of the newest fence."""
    seq: int
    """Of the newest change in this epoch."""
    settling_until_ms: int
    live: int
    """Leases whose expiry is later than now; expired ones are never among them, purged or not."""
    queued: int
    """Live tickets."""
    reserved: int = 0
    earliest_ms: int | None = None

    @property
    def free(self) -> int:
        """Seats that nobody has; below zero if the terms shrank."""
        return self.policy.capacity - self.live

    @property
    def settling(self) -> bool:
        """Whether nothing new may be granted."""
        return self.now_ms < self.settling_until_ms


@dataclass(frozen=True, slots=True)
class Put:
    """Write a lease, new or changed."""

    held: Held


@dataclass(frozen=True, slots=True)
class Drop:
    """Remove a lease that lives."""

    lease: str


@dataclass(frozen=True, slots=True)
class Bury:
    """Remember for a while that a lease was released, so that its holder is told so."""

    lease: str


@dataclass(frozen=True, slots=True)
class Remember:
    """Keep what an idempotency key gave."""

    key: str
    fingerprint: str
    lease: Lease


@dataclass(frozen=True, slots=True)
class Enqueue:
    """Put a ticket at the end of the queue."""

    ticket: str
    holder: str


@dataclass(frozen=True, slots=True)
class Poll:
    """Note that a ticket was polled."""

    ticket: str


@dataclass(frozen=True, slots=True)
class Leave:
    """Take a ticket out of the queue."""

    ticket: str


Effect = Put | Drop | Bury | Remember | Enqueue | Poll | Leave


@dataclass(frozen=True, slots=True)
class Note:
    """A change for the outbox: its kind and facts."""

    kind: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Decision(Generic[A]):
    """The answer, and what has to be true in the store once it is given."""

    answer: A
    live: int
    """Live leases afterwards."""
    counter: int
    """Of the newest fence afterwards; only rises."""
    effects: tuple[Effect, ...] = ()
    notes: tuple[Note, ...] = ()


def unchanged(standing: Standing, answer: A) -> Decision[A]:
    """Answer without changing anything."""
    return Decision(answer, standing.live, standing.counter)


def facts(lease: Lease, **more: Any) -> dict[str, Any]:
    """What every change says of its lease."""
    return {
        "lease": lease.id,
        "holder": lease.holder,
        "device": lease.device,
        "kind": lease.kind.value,
        "fence": str(lease.fence),
        "granted_ms": lease.granted_ms,
        "expires_ms": lease.expires_ms,
        "ttl_ms": lease.ttl_ms,
        "overage": lease.overage,
        "label": lease.label,
        **more,
    }


def next_fence(standing: Standing) -> Fence:
    """The fence of what is granted now."""
    return Fence(standing.epoch, standing.counter + 1)
