"""A store of seats that is watched: timed, counted, and its changes announced to the drainer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from coditect_cloud.leases.store import SeatStore
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
from coditect_cloud.observe.metrics import Metrics


def _nobody(_license: str) -> None:
    return None


class WatchedStore:
    """Behaves as the store it wraps.

    `changed` is called behind each operation that may have written to a license's outbox, also
    when it failed: what was asked may have happened.
    """

    def __init__(
        self, store: SeatStore, metrics: Metrics, *, changed: Callable[[str], None] = _nobody
    ) -> None:
        self._store, self._metrics, self._changed = store, metrics, changed
        self.lossy = store.lossy

    async def put_policy(self, policy: Policy) -> None:
        """Take the newest terms."""
        with self._changing("put_policy", policy.license):
            await self._store.put_policy(policy)

    async def restore(
        self, policy: Policy, *, epoch: int, borrowed: Sequence[Lease] = (), settle: bool
    ) -> None:
        """Make a license known."""
        with self._changing("restore", policy.license):
            await self._store.restore(policy, epoch=epoch, borrowed=borrowed, settle=settle)

    async def acquire(self, ask: Acquire) -> Granted | Queued | Refused:
        """Grant a seat, or say why not."""
        with self._changing("acquire", ask.license):
            answer = await self._store.acquire(ask)
        if isinstance(answer, Granted) and not answer.replayed:
            self._metrics.granted(answer.lease.kind.value)
        if isinstance(answer, Refused):
            self._metrics.denied(answer.code.value)
        if answer.seats is not None:
            self._metrics.seats(ask.license, answer.seats)
        return answer

    async def heartbeat(self, beat: Heartbeat) -> Granted | Refused:
        """Prolong a live lease; a refused one may have told of a clone."""
        with self._metrics.store("heartbeat"):
            answer = await self._store.heartbeat(beat)
        if isinstance(answer, Refused):
            self._changed(beat.license)
        return answer

    async def heartbeat_many(self, beats: Sequence[Heartbeat]) -> list[Granted | Refused]:
        """Prolong many leases of one license."""
        with self._metrics.store("heartbeat_many"):
            answers = await self._store.heartbeat_many(beats)
        if any(isinstance(answer, Refused) for answer in answers):
            self._changed(beats[0].license)
        return answers

    async def release(self, release: Release) -> Ended | Refused:
        """End a lease."""
        with self._changing("release", release.license):
            return await self._store.release(release)

    async def register(self, lease: Lease) -> Granted | Refused:
        """Enter a lease that its holder proves."""
        with self._changing("register", lease.license):
            return await self._store.register(lease)

    async def burn(self, license: str, lease: str, *, by: str) -> Lease | Refused:
        """Declare a borrowed seat lost."""
        with self._changing("burn", license):
            return await self._store.burn(license, lease, by=by)

    async def reserve(self, ask: Reserve) -> Reserved | Refused:
        """Keep seats."""
        with self._changing("reserve", ask.license):
            return await self._store.reserve(ask)

    async def unreserve(self, license: str, reservation: str, *, by: str) -> int:
        """Give back what is left of a reservation."""
        with self._changing("unreserve", license):
            return await self._store.unreserve(license, reservation, by=by)

    async def leave(self, license: str, ticket: str) -> bool:
        """Leave the queue."""
        with self._changing("leave", license):
            return await self._store.leave(license, ticket)

    async def position(self, license: str, ticket: str) -> Queued | None:
        """Where a ticket stands."""
        with self._metrics.store("position"):
            return await self._store.position(license, ticket)

    async def seats(self, license: str) -> Seats:
        """How a license stands."""
        with self._metrics.store("seats"):
            seats = await self._store.seats(license)
        self._metrics.seats(license, seats)
        return seats

    async def lease(self, license: str, lease: str) -> Lease | None:
        """A live lease by its id."""
        with self._metrics.store("lease"):
            return await self._store.lease(license, lease)

    async def leases(self, license: str, *, after: str = "", most: int = 100) -> list[Lease]:
        """Who holds seats."""
        with self._metrics.store("leases"):
            return await self._store.leases(license, after=after, most=most)

    async def outbox(self, license: str, *, most: int = 500) -> list[Change]:
        """The oldest changes that were not discarded."""
        with self._metrics.store("outbox"):
            return await self._store.outbox(license, most=most)

    async def discard(self, license: str, cursor: str) -> None:
        """Forget changes that stand in the audit."""
        with self._metrics.store("discard"):
            await self._store.discard(license, cursor)

    async def highest_fence(self, license: str) -> Fence | None:
        """The newest fence granted."""
        with self._metrics.store("highest_fence"):
            return await self._store.highest_fence(license)

    async def now_ms(self) -> int:
        """The store's time."""
        with self._metrics.store("now"):
            return await self._store.now_ms()

    async def close(self) -> None:
        """Let go of connections."""
        await self._store.close()

    @contextmanager
    def _changing(self, operation: str, license: str) -> Iterator[None]:
        try:
            with self._metrics.store(operation):
                yield
        finally:
            self._changed(license)
