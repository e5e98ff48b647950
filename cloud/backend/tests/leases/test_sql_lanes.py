"""Steps that share a transaction, callers that go away, a database that does not answer."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncSession

from cloud_support.postgres import PostgresServer, postgres
from cloud_support.seat_lab import Lab
from cloud_support.sql_seats import SettableClock, opened
from coditect_cloud.database import Database
from coditect_cloud.leases.sql import SqlSeats
from coditect_cloud.leases.sql.lanes import Lanes
from coditect_cloud.leases.store import NeedsRestore, StoreUnavailable
from coditect_cloud.leases.types import Acquire, Fence, Granted, Heartbeat, Kind, Reserve

pytestmark = pytest.mark.anyio


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path}/seats.db"


async def test_the_fault_of_one_step_is_not_the_fault_of_the_others(url: str) -> None:
    database = Database.open(url)
    lanes = Lanes(database, deadline_s=5)

    async def well(session: AsyncSession) -> int:
        return int((await session.execute(text("SELECT 7"))).scalar_one())

    async def badly(_: AsyncSession) -> int:
        raise ZeroDivisionError

    async def unknown(_: AsyncSession) -> int:
        raise NeedsRestore("lic_x", fresh=True)

    answers = await asyncio.gather(
        *(lanes.run("", work) for work in (well, badly, unknown, well)), return_exceptions=True
    )
    assert answers[0] == answers[3] == 7
    assert isinstance(answers[1], ZeroDivisionError)
    assert isinstance(answers[2], NeedsRestore)
    await lanes.close()
    await database.close()


async def test_a_caller_that_goes_away_leaves_no_half_step(url: str) -> None:
    clock = SettableClock()
    async with opened(url, clock=clock) as store:
        lab = Lab(store, clock.advance, can_jump=True)
        await lab.know(limit=3)
        gone = asyncio.create_task(lab.acquire("a"))
        stays = asyncio.create_task(lab.acquire("b"))
        await asyncio.sleep(0)
        gone.cancel()
        assert isinstance(await stays, Granted)
        with pytest.raises(asyncio.CancelledError):
            await gone
        shown = await store.leases(lab.license)
        assert await lab.in_use() == len(shown)
        assert isinstance(await lab.acquire("c"), Granted)


async def test_a_database_that_another_holds_is_unavailable_not_wrong(url: str) -> None:
    clock = SettableClock()
    async with opened(url, clock=clock) as store:
        lab = Lab(store, clock.advance, can_jump=True)
        await lab.know()
        impatient_database = Database.open(url)

        @event.listens_for(impatient_database.engine.sync_engine, "connect")
        def soon(connection: Any, _record: Any) -> None:
            connection.execute("PRAGMA busy_timeout = 50")

        impatient = SqlSeats(impatient_database, clock=clock)
        other = Database.open(url)
        async with other.write() as session:
            await session.execute(text("SELECT 1"))  # BEGIN IMMEDIATE: the writer's lock
            with pytest.raises(StoreUnavailable):
                await impatient.acquire(lab.ask("a"))
        assert isinstance(await store.acquire(lab.ask("b")), Granted)
        await impatient.close()
        await impatient_database.close()
        await other.close()


async def test_a_database_that_is_away_is_unavailable_and_comes_back() -> None:
    with postgres() as server:
        async with opened(server.url) as store:
            lab = Lab(store, SettableClock().advance)
            await lab.know(limit=2)
            lease = await lab.grant("a")
            server.stop(crash=True)
            with pytest.raises(StoreUnavailable):
                await lab.acquire("b")
            with pytest.raises(StoreUnavailable):
                await store.now_ms()
            with pytest.raises(StoreUnavailable):
                await lab.beat(lease)
            server.start()
            # What was answered before the crash is known after it.
            assert isinstance(await lab.beat(lease), Granted)
            assert await lab.in_use() == 1


async def test_licenses_do_not_wait_for_each_other_in_postgresql(
    postgres_server: PostgresServer,
) -> None:
    async with opened(postgres_server.url) as store:
        held, free = Lab(store, SettableClock().advance), Lab(store, SettableClock().advance)
        await held.know()
        await free.know()
        other = Database.open(postgres_server.url)
        async with other.write() as session:
            await session.execute(
                text("SELECT 1 FROM seat_license WHERE license = :l FOR UPDATE"),
                {"l": held.license},
            )
            waits = asyncio.create_task(held.acquire("a"))
            assert isinstance(await free.acquire("a"), Granted)
            assert not waits.done()
        assert isinstance(await waits, Granted)
        await other.close()


async def test_what_makes_no_sense_is_said_so(url: str) -> None:
    async with opened(url, clock=SettableClock()) as store:
        with pytest.raises(ValueError, match="one seat or more"):
            await store.reserve(Reserve("lic_x", "rsv_x", 0, 1_000))
        with pytest.raises(ValueError, match="reserve"):
            await store.acquire(Acquire("lic_x", "lea_x", "user:a", kind=Kind.RESERVED))
        with pytest.raises(ValueError, match="more than one license"):
            await store.heartbeat_many(
                [Heartbeat(name, "lea_x", Fence(1, 1)) for name in ("lic_x", "lic_y")]
            )
        with pytest.raises(ValueError, match="fence"):
            await store.discard("lic_x", "nonsense")


async def test_heartbeats_that_come_together_are_answered_each_its_own(url: str) -> None:
    clock = SettableClock()
    async with opened(url, clock=clock) as store:
        lab = Lab(store, clock.advance, can_jump=True)
        await lab.know(limit=9)
        leases = [await lab.grant(f"h{n}") for n in range(9)]
        await lab.release(leases[4])
        await lab.advance(10)
        beats = [Heartbeat(lab.license, lease.id, lease.fence) for lease in leases]
        asked = [asyncio.create_task(store.heartbeat(beat)) for beat in beats]
        asked.append(asyncio.create_task(store.heartbeat(beats[0])))
        many = asyncio.create_task(store.heartbeat_many(beats[:3]))
        await asyncio.sleep(0)
        asked[0].cancel()
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert isinstance(answers[0], asyncio.CancelledError)
        for lease, answer in list(zip(leases, answers, strict=False))[1:]:
            assert isinstance(answer, Granted) is (lease is not leases[4])
            if isinstance(answer, Granted):
                assert answer.lease.id == lease.id
                assert answer.lease.expires_ms == lease.expires_ms + 10
        assert [isinstance(answer, Granted) for answer in await many] == [True] * 3


async def test_heartbeats_of_an_unknown_license_are_all_told_so(url: str) -> None:
    async with opened(url, clock=SettableClock()) as store:
        beats = [store.heartbeat(Heartbeat("lic_x", f"lea_{n}", Fence(1, n))) for n in range(3)]
        answers = await asyncio.gather(*beats, return_exceptions=True)
        assert all(isinstance(answer, NeedsRestore) for answer in answers)
