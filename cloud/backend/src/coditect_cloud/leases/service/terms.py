"""Licenses, kept in memory for moments: what a heartbeat needs of them must not cost a query."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from weakref import WeakValueDictionary

from coditect_cloud.database import Database
from coditect_cloud.licenses import repository
from coditect_cloud.licenses.types import License

FRESH_MS = 5_000
"""So long another instance may still see older entitlements. Limits and states never wait: they
stand in the store of seats."""
_MOST = 10_000


class KnownLicenses:
    """The newest license by id, at most `FRESH_MS` old."""

    def __init__(self, database: Database, monotonic_ms: Callable[[], float]) -> None:
        self._database = database
        self._now = monotonic_ms
        self._known: dict[str, tuple[float, License]] = {}
        self._asking: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def get(self, license: str) -> License | None:
        """One license whoever owns it (the caller checks); None if there is none."""
        if (known := self._fresh(license)) is not None:
            return known
        lock = self._asking.setdefault(license, asyncio.Lock())
        async with lock:  # one query, however many ask at once
            return self._fresh(license) or await self.newest(license)

    async def newest(self, license: str) -> License | None:
        """Ask the database, whatever is remembered."""
        async with self._database.read() as session:
            found = await repository.license_of_any(session, license)
        if found is not None:
            self.put(found)
        return found

    def put(self, license: License) -> None:
        """Remember a license, unless a newer version is known already."""
        known = self._known.pop(license.id, None)
        if known is not None and known[1].version > license.version:
            license = known[1]
        self._known[license.id] = (self._now() + FRESH_MS, license)
        while len(self._known) > _MOST:  # the one put first goes first
            del self._known[next(iter(self._known))]

    def _fresh(self, license: str) -> License | None:
        known = self._known.get(license)
        return known[1] if known is not None and known[0] > self._now() else None
