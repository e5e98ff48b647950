"""SQL stores for tests: tables made, a clock to move, everything closed again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from coditect_cloud.database import Base, Database
from coditect_cloud.leases.sql import SEAT_TABLES, SqlSeats
from coditect_cloud.leases.store import SeatStore


class SettableClock:
    """Milliseconds that pass only when a test says so."""

    def __init__(self, now_ms: int = 1_800_000_000_000) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms

    async def advance(self, ms: int) -> None:
        self.now_ms += ms


async def make_tables(database: Database) -> None:
    """Make the tables of seats where they are missing."""
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all, tables=SEAT_TABLES)


@asynccontextmanager
async def opened(
    url: str,
    *,
    clock: Callable[[], int] | None = None,
    make: bool = True,
    kind: type[SqlSeats] = SqlSeats,
) -> AsyncIterator[SqlSeats]:
    """Open a store; its tables are made if they are missing."""
    database = Database.open(url)
    try:
        if make:
            await make_tables(database)
        store = kind(database, clock=clock)
        try:
            yield store
        finally:
            await store.close()
    finally:
        await database.close()


def polling(store: SeatStore) -> Callable[[int], Awaitable[None]]:
    """Let time pass in a store whose clock nobody moves."""

    async def advance(ms: int) -> None:
        until = await store.now_ms() + ms
        while await store.now_ms() < until:
            await asyncio.sleep(0.01)

    return advance
