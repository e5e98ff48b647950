"""Between service and store: tells a store what it forgot, and answers for one that is away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar
from weakref import WeakValueDictionary

from coditect_cloud.leases.service.ledger import Ledger
from coditect_cloud.leases.service.terms import KnownLicenses
from coditect_cloud.leases.store import NeedsRestore, SeatStore, StoreUnavailable
from coditect_cloud.licenses.service import no_license
from coditect_cloud.refusals import Code, Refusal

T = TypeVar("T")


class Guard:
    """Runs operations of a store; restores a license that the store does not know, once."""

    def __init__(self, store: SeatStore, ledger: Ledger, licenses: KnownLicenses) -> None:
        self._store = store
        self._ledger = ledger
        self._licenses = licenses
        self._restoring: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._restores: dict[str, int] = {}

    async def run(self, license: str, operation: Callable[[], Awaitable[T]]) -> T:
        """Give what the operation gives. Refusal STORE_UNAVAILABLE if the store is away.

        NeedsRestore is raised before anything was changed, so repeating the operation is safe.
        """
        seen = self._restores.get(license, 0)
        try:
            try:
                return await operation()
            except NeedsRestore:
                await self._restore(license, seen)
                return await operation()
        except NeedsRestore as lost:
            raise _away("the store of seats forgets again and again") from lost
        except StoreUnavailable as fault:
            raise _away("the store of seats does not answer") from fault

    async def _restore(self, license: str, seen: int) -> None:
        """Raise the epoch and restore, unless somebody here did since `seen`."""
        lock = self._restoring.setdefault(license, asyncio.Lock())
        async with lock:
            if self._restores.get(license, 0) != seen:
                return
            found = await self._licenses.newest(license)
            if found is None:
                raise no_license()
            epoch = await self._ledger.raise_epoch(license)
            # Read behind the epoch: a seat written down before it is in here, and one written
            # later is refused (`Ledger.borrowed`).
            borrowed = await self._ledger.seats(license)
            await self._store.restore(
                found.policy(),
                epoch=epoch,
                borrowed=borrowed,
                settle=self._store.lossy and epoch > 1,
            )
            self._restores[license] = seen + 1


def _away(detail: str) -> Refusal:
    return Refusal(
        Code.STORE_UNAVAILABLE,
        detail,
        hint="Ask again, with the same Idempotency-Key.",
        retry_after_ms=1_000,
    )
