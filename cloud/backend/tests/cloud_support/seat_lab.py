"""What the tests of a store of seats get: the store, its time, and short ways to ask."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from coditect_cloud.database import new_id
from coditect_cloud.leases.store import SeatStore
from coditect_cloud.leases.types import (
    Acquire,
    Ended,
    Granted,
    Heartbeat,
    Lease,
    Policy,
    Queued,
    Refused,
    Release,
)

LONG_MS = 60_000
"""A life that no test outlasts."""
SHORT_MS = 300
"""A life that a test waits for, where time cannot be moved."""


@dataclass
class Lab:
    """A store under test and one license in it."""

    store: SeatStore
    advance: Callable[[int], Awaitable[None]]
    """Let at least so many milliseconds of store time pass: move the clock, or wait."""
    can_jump: bool = False
    """Whether `advance` moves a clock; else it waits, and hours are not for it."""
    license: str = field(default_factory=lambda: new_id("lic"))
    policy: Policy = field(init=False)

    def __post_init__(self) -> None:
        self.policy = Policy(self.license, "org_lab", 1, limit=2, ttl_ms=LONG_MS)

    async def know(self, **terms: Any) -> None:
        """Make the license known, under the first epoch, with these terms."""
        self.policy = replace(self.policy, **terms)
        await self.store.restore(self.policy, epoch=1, settle=False)

    async def terms(self, **terms: Any) -> None:
        """Put the next version of the terms."""
        self.policy = replace(self.policy, version=self.policy.version + 1, **terms)
        await self.store.put_policy(self.policy)

    def ask(self, holder: str, **more: Any) -> Acquire:
        """A request by this holder, under a new lease id."""
        more.setdefault("lease", new_id("lea"))
        return Acquire(license=self.license, holder=f"user:{holder}", **more)

    async def acquire(self, holder: str, **more: Any) -> Granted | Queued | Refused:
        return await self.store.acquire(self.ask(holder, **more))

    async def grant(self, holder: str, **more: Any) -> Lease:
        """Acquire, which has to be granted."""
        answer = await self.acquire(holder, **more)
        assert isinstance(answer, Granted), answer
        return answer.lease

    async def refuse(self, holder: str, **more: Any) -> Refused:
        """Acquire, which has to be refused."""
        answer = await self.acquire(holder, **more)
        assert isinstance(answer, Refused), answer
        return answer

    async def wait(self, holder: str, ticket: str, **more: Any) -> Granted | Queued | Refused:
        """Poll (or enter) the queue."""
        return await self.acquire(holder, ticket=ticket, wait=True, **more)

    async def beat(self, lease: Lease, **more: Any) -> Granted | Refused:
        more.setdefault("fence", lease.fence)
        return await self.store.heartbeat(Heartbeat(lease.license, lease.id, **more))

    async def release(self, lease: Lease) -> Ended | Refused:
        return await self.store.release(Release(lease.license, lease.id, lease.fence))

    async def in_use(self) -> int:
        return (await self.store.seats(self.license)).in_use

    async def kinds(self) -> list[str]:
        """The kinds of all changes so far, in their order."""
        return [change.kind for change in await self.store.outbox(self.license)]
