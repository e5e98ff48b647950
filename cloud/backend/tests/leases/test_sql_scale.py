"""Acquire costs the same at ten leases as at a million: by its plan, and by what it counts."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text, update

from cloud_support.postgres import PostgresServer
from cloud_support.seat_lab import LONG_MS, Lab
from cloud_support.sql_seats import SettableClock, make_tables, opened
from coditect_cloud.database import Database
from coditect_cloud.leases.sql import SqlSeats
from coditect_cloud.leases.sql.tables import LEASE, LICENSE
from coditect_cloud.leases.types import Granted

pytestmark = pytest.mark.anyio


async def fill(database: Database, lab: Lab, clock: SettableClock, seats: int) -> None:
    """Enter so many live leases at once."""
    row = {
        "license": lab.license,
        "device": "",
        "kind": "floating",
        "epoch": 1,
        "granted_ms": clock.now_ms,
        "ttl_ms": LONG_MS,
        "overage": False,
        "burned": False,
        "label": "",
        "secret_base": "",
        "secrets_handed": "",
        "reservation": "",
        "proof": "",
    }
    values = [
        row
        | {
            "id": f"lea_{n:09}",
            "holder": f"user:{n}",
            "counter": n + 1,
            "expires_ms": clock.now_ms + LONG_MS + n,
        }
        for n in range(seats)
    ]
    async with database.write() as session:
        await session.execute(insert(LEASE), values)
        await session.execute(
            update(LICENSE)
            .where(LICENSE.c.license == lab.license)
            .values(live=seats, counter=seats)
        )


@pytest.fixture(params=["embedded", "strict"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    url = f"sqlite+aiosqlite:///{tmp_path}/seats.db"
    if request.param == "strict":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        url = server.url
    opened_database = Database.open(url)
    await make_tables(opened_database)
    yield opened_database
    await opened_database.close()


async def test_no_step_looks_through_all_leases(database: Database) -> None:
    clock = SettableClock()
    store = SqlSeats(database, clock=clock)
    lab = Lab(store, clock.advance, can_jump=True)
    await lab.know(limit=20_000)
    await fill(database, lab, clock, 10_000)
    explain = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
    async with database.write() as session:
        if not database.is_sqlite:
            await session.execute(text("ANALYZE seat_lease"))
        for statement in (store._statements.long, store._statements.short):
            found = await session.execute(
                text(explain + statement.text), {"license": lab.license, "clock": clock.now_ms}
            )
            plan = "\n".join(str(row) for row in found)
            if database.is_sqlite and statement is store._statements.long:
                assert "ix_seat_lease_reserved" in plan
            # Every look at the leases goes through an index and a bound.
            assert not re.search(r"Seq Scan on seat_lease|SCAN l\b|SCAN seat_lease", plan), plan


async def test_a_holder_is_asked_for_by_name(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/seats.db"
    async with opened(url) as store, store._database.read() as session:
        found = await session.execute(
            text(
                "EXPLAIN QUERY PLAN SELECT * FROM seat_lease WHERE license = 'l'"
                " AND holder = 'h' AND expires_ms > 5 AND burned IS 0"
            )
        )
        assert "ix_seat_lease_holder (license=? AND holder=?" in str(found.all())


async def test_the_count_is_right_when_many_end_at_once(database: Database) -> None:
    clock = SettableClock()
    store = SqlSeats(database, clock=clock)
    lab = Lab(store, clock.advance, can_jump=True)
    await lab.know(limit=3_000)
    await fill(database, lab, clock, 3_000)
    assert (await lab.refuse("x")).seats is not None
    await lab.advance(LONG_MS + 1_499)  # half of them
    assert await lab.in_use() == 1_500
    for n in range(40):
        await lab.grant(f"new{n}")
        assert await lab.in_use() == 1_500 + n + 1
        if n % 10 == 0:
            await lab.advance(1)
            assert await lab.in_use() == 1_500 - 1 + n + 1
            await lab.grant(f"more{n}")
    async with database.read() as session:
        rows = (
            (
                await session.execute(
                    select(LEASE.c.expires_ms).where(LEASE.c.license == lab.license)
                )
            )
            .scalars()
            .all()
        )
    assert sum(expiry > clock.now_ms for expiry in rows) == await lab.in_use()
    assert len(rows) < 3_040  # it was purged along the way


async def test_a_clock_that_goes_back_is_not_followed(tmp_path: Path) -> None:
    clock = SettableClock()
    url = f"sqlite+aiosqlite:///{tmp_path}/seats.db"
    async with opened(url, clock=clock) as store:
        lab = Lab(store, clock.advance, can_jump=True)
        await lab.know(limit=1)
        lease = await lab.grant("a", ttl_ms=1_000)
        await lab.advance(1_000)
        other = await lab.grant("b")
        name, policy = lab.license, lab.policy
    # Also after a restart: the highest time is stored.
    clock.now_ms -= 3_600_000
    async with opened(url, clock=clock) as store:
        lab = Lab(store, clock.advance, can_jump=True, license=name)
        lab.policy = policy
        assert not isinstance(await lab.beat(lease), Granted)
        assert (await lab.refuse("c")).now_ms == other.granted_ms
        assert isinstance(await lab.beat(other), Granted)
