"""What every verb of the service shares: who may, whose it is, and the way to the store."""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from coditect_cloud.database import Database, new_id
from coditect_cloud.identity.principal import Permission, Principal
from coditect_cloud.leases.service.answers import Seat
from coditect_cloud.leases.service.claims import lease_claims
from coditect_cloud.leases.service.guard import Guard
from coditect_cloud.leases.service.ledger import Ledger
from coditect_cloud.leases.service.signer import Signer
from coditect_cloud.leases.service.terms import KnownLicenses
from coditect_cloud.leases.store import SeatStore
from coditect_cloud.leases.types import Granted, Kind, Lease, Release
from coditect_cloud.licenses.service import no_license
from coditect_cloud.licenses.types import License
from coditect_cloud.licenses.validation import check_entitlements, validate
from coditect_cloud.refusals import Code, Refusal

T = TypeVar("T")

_HOLDER = re.compile(r"[a-z][a-z0-9_-]{0,31}:[^\s/][^\s]{0,222}")
_REMEMBERED = 100_000


def wall_ms() -> int:
    """The wall clock: only for what is written into tokens."""
    return time.time_ns() // 1_000_000


def monotonic_ms() -> float:
    """A clock that nobody sets: for what is remembered."""
    return time.monotonic() * 1000


@dataclass(frozen=True, eq=False)
class Desk:
    """Collaborators, and the checks that come before every verb."""

    database: Database
    store: SeatStore
    signer: Signer
    issuer: str
    """`iss` of all that is signed."""
    wall_ms: Callable[[], int] = wall_ms
    monotonic_ms: Callable[[], float] = monotonic_ms
    new_id: Callable[[str], str] = new_id
    ledger: Ledger = field(init=False)
    licenses: KnownLicenses = field(init=False)
    guard: Guard = field(init=False)
    _holders: OrderedDict[str, Lease] = field(init=False, default_factory=OrderedDict, repr=False)

    _undoing: set[asyncio.Future[object]] = field(init=False, default_factory=set, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ledger", Ledger(self.database))
        object.__setattr__(self, "licenses", KnownLicenses(self.database, self.monotonic_ms))
        object.__setattr__(self, "guard", Guard(self.store, self.ledger, self.licenses))

    def now(self) -> datetime:
        """The wall clock as a moment, for what is not about seats."""
        return datetime.fromtimestamp(self.wall_ms() / 1000, UTC)

    def demand_entitlements(self, license: License, asked: Sequence[str]) -> None:
        """Refuse what the license does not include; what is wrong with itself is said first."""
        if not check_entitlements(license, asked).valid:
            validate(license, self.now(), asked).demand()

    async def license(self, principal: Principal, license: str, permission: Permission) -> License:
        """Give a license that the principal may do this with; S8: another tenant's is not there."""
        principal.demand(permission)
        found = await self.licenses.get(license) if principal.uses(license) else None
        if found is None or found.org != principal.org:
            raise no_license()
        return found

    async def run(self, license: str, operation: Callable[[], Awaitable[T]]) -> T:
        """Run an operation of the store: restored where it has to be, refused where it is away."""
        return await self.guard.run(license, operation)

    async def lease(self, license: str, lease: str) -> Lease | None:
        """A live lease by its id."""
        return await self.run(license, lambda: self.store.lease(license, lease))

    async def demand_own(self, principal: Principal, license: str, lease: str) -> None:
        """Refuse a lease that is not the principal's holder's, as if it were not there.

        A lease that has ended is nobody's: the store says how it ended, and nothing revives it.
        """
        if principal.holder is None:
            return
        found = self._holders.get(lease)
        if found is None or found.license != license:
            found = await self.lease(license, lease)
            if found is not None:
                self.remember(found)
        if found is not None and not principal.holds_as(found.holder):
            raise no_lease()

    def remember(self, lease: Lease) -> None:
        """Keep whose a lease is: that never changes."""
        self._holders[lease.id] = lease
        self._holders.move_to_end(lease.id)
        while len(self._holders) > _REMEMBERED:
            self._holders.popitem(last=False)

    def seat(self, license: License, granted: Granted, secret: str = "") -> Seat:
        """Sign what was granted. A borrowed seat has its own artefact, an ended one has none."""
        lease, token = granted.lease, ""
        self.remember(lease)
        if not granted.ended and lease.kind is Kind.FLOATING:
            claims = lease_claims(
                license,
                lease,
                remaining_ms=granted.remaining_ms,
                issuer=self.issuer,
                wall_ms=self.wall_ms(),
            )
            if claims["exp"] > claims["iat"]:  # tokens count seconds: this one's were over
                token = self.signer.sign_lease(claims)
        return told(license, granted, token, secret if lease.kind is Kind.FLOATING else "")

    async def undo(self, work: Coroutine[Any, Any, object]) -> None:
        """Finish an undoing, even if the request that needs it is cancelled meanwhile."""
        task = asyncio.ensure_future(work)
        self._undoing.add(task)
        task.add_done_callback(self._undoing.discard)
        with suppress(Refusal):  # what led here is what the caller has to hear
            await asyncio.shield(task)

    async def give_up(self, lease: Lease) -> None:
        """Free a seat again that its holder will never hear of; else its time frees it."""
        release = Release(lease.license, lease.id, lease.fence)
        with suppress(Refusal):
            await self.run(lease.license, lambda: self.store.release(release))


def told(license: License, granted: Granted, token: str, secret: str = "") -> Seat:
    """Make the caller's answer out of the store's."""
    return Seat(
        lease=granted.lease,
        now_ms=granted.now_ms,
        remaining_ms=granted.remaining_ms,
        token=token,
        secret=secret,
        seats=granted.seats,
        replayed=granted.replayed,
        ended=granted.ended,
        entitlements=dict(license.terms.entitlements),
    )


def holder_of(principal: Principal, asked: str) -> str:
    """Give the holder to act as, checked; FORBIDDEN for somebody else's."""
    holder = principal.holder_for(asked)
    if not _HOLDER.fullmatch(holder):
        raise Refusal(
            Code.INVALID_REQUEST,
            "a holder is `kind:id`, with `/slot` behind it if it has many, without spaces",
            hint="For example `machine:ci-17` or `user:ada/2`.",
        )
    return holder


def no_lease() -> Refusal:
    """What is answered for a lease that is not there, or not the caller's: the same."""
    return Refusal(Code.LEASE_NOT_FOUND, "there is no such lease", hint="Acquire again.")
