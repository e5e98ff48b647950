"""The seam of the stores: SQLite (embedded), Redis, PostgreSQL (strict); one conformance suite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from coditect_cloud.leases.types import (
    Acquire,
    Change,
    Ended,
    Fence,
    Granted,
    Heartbeat,
    Lease,
    Policy,
    Queued,
    Refused,
    Release,
    Reserve,
    Reserved,
    Seats,
)


class NeedsRestore(Exception):
    """The store does not know this license, or lost some of what it knew: `restore` it.

    Raised before anything was changed.
    """

    def __init__(self, license: str, *, fresh: bool) -> None:
        super().__init__(f"the store has to be told about {license}")
        self.license = license
        self.fresh = fresh
        """Nothing at all is known; else only the newest may be lost."""


class StoreUnavailable(Exception):
    """The store did not answer in time or refuses writes; what was asked may have happened.

    A repetition with the same idempotency key (acquire), or of the same request (all others), is
    safe.
    """


class SeatStore(Protocol):
    """Counts seats. Every method is atomic, and time is the store's own.

    S1: at every instant of store time the live leases of a license number at most its capacity.
    S2: an ended lease is never revived; a stale fence changes nothing.
    """

    lossy: bool
    """Whether it can forget (Redis); settling is only for such a store."""

    async def put_policy(self, policy: Policy) -> None:
        """Take the newest terms; an older version changes nothing. Raises NeedsRestore."""
        ...

    async def restore(
        self, policy: Policy, *, epoch: int, borrowed: Sequence[Lease] = (), settle: bool
    ) -> None:
        """Make a license known, under an epoch that SQL has just raised.

        An epoch that is not higher than the store's own changes nothing but the policy. `borrowed`
        seats outlive the store in SQL, and are counted again at once. With `settle`, nothing new
        is granted for one maximum TTL and the replication lag.
        """
        ...

    async def acquire(self, ask: Acquire) -> Granted | Queued | Refused:
        """Grant a seat, or say why not. Raises NeedsRestore."""
        ...

    async def heartbeat(self, beat: Heartbeat) -> Granted | Refused:
        """Prolong a live lease of this fence. Never revives. Raises NeedsRestore."""
        ...

    async def heartbeat_many(self, beats: Sequence[Heartbeat]) -> list[Granted | Refused]:
        """Prolong many leases of ONE license at once; answers in the order asked."""
        ...

    async def release(self, release: Release) -> Ended | Refused:
        """End a lease. Idempotent; a stale fence is refused. Raises NeedsRestore."""
        ...

    async def register(self, lease: Lease) -> Granted | Refused:
        """Enter, while settling, a lease that its holder proves with our own signature.

        It keeps its expiry and gets a fence of the new epoch. Refused (`SETTLING` is over:
        LEASE_NOT_FOUND; expired: LEASE_EXPIRED; all seats taken: SEATS_EXHAUSTED).
        """
        ...

    async def burn(self, license: str, lease: str, *, by: str) -> Lease | Refused:
        """Declare a borrowed seat lost: counted until its token ends, never renewed or returned."""
        ...

    async def reserve(self, ask: Reserve) -> Reserved | Refused:
        """Keep seats. The same reservation id again gives what is left of it. NeedsRestore."""
        ...

    async def unreserve(self, license: str, reservation: str, *, by: str) -> int:
        """Give back what is left of a reservation; how many seats that were."""
        ...

    async def leave(self, license: str, ticket: str) -> bool:
        """Leave the queue; whether the ticket was there."""
        ...

    async def position(self, license: str, ticket: str) -> Queued | None:
        """Where a ticket stands, without polling; None if it is not in the queue."""
        ...

    async def seats(self, license: str) -> Seats:
        """How a license stands. Raises NeedsRestore."""
        ...

    async def lease(self, license: str, lease: str) -> Lease | None:
        """A live lease by its id."""
        ...

    async def leases(self, license: str, *, after: str = "", most: int = 100) -> list[Lease]:
        """Who holds seats: live leases ordered by id, from the first behind `after`."""
        ...

    async def outbox(self, license: str, *, most: int = 500) -> list[Change]:
        """The oldest changes that were not discarded."""
        ...

    async def discard(self, license: str, cursor: str) -> None:
        """Forget the changes up to a cursor: they stand in the audit now."""
        ...

    async def highest_fence(self, license: str) -> Fence | None:
        """The newest fence granted, for those who watch for a loss."""
        ...

    async def now_ms(self) -> int:
        """The store's time; raises StoreUnavailable. Also tells readiness."""
        ...

    async def close(self) -> None:
        """Let go of connections; pending operations end first."""
        ...
