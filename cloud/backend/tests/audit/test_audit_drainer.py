"""Each change enters the chain exactly once, whoever drains and whenever he dies."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from cloud_support.audit_lab import ScriptedOutbox, ask, change, policy
from coditect_cloud.audit.drainer import Batch, Drainer
from coditect_cloud.audit.export import Exporter
from coditect_cloud.audit.log import AuditLog, entry_of
from coditect_cloud.audit.tables import ChainRow, DenialRow, EntryRow
from coditect_cloud.audit.verify import Verdict, verify
from coditect_cloud.database import Database
from coditect_cloud.leases.sql import SqlSeats
from coditect_cloud.leases.store import NeedsRestore, SeatStore, StoreUnavailable
from coditect_cloud.leases.types import Granted, Release

pytestmark = pytest.mark.anyio

STEPS = (
    "read",
    "begin",
    "locked",
    "appended",
    "moved",
    "commit",
    "committed",
    "discard",
    "discarded",
)
TESTS = Path(__file__).parents[1]


async def no_licenses(after: str, most: int) -> Sequence[str]:
    return []


def drainer(database: Database, store: Any, **more: Any) -> Drainer:
    return Drainer(database, store, AuditLog(), **{"licenses": no_licenses, **more})


async def entries(database: Database, org: str = "org_1") -> list[EntryRow]:
    query = select(EntryRow).where(EntryRow.org == org).order_by(EntryRow.seq)
    async with database.read() as session:
        return list(await session.scalars(query))


async def verdict(database: Database, org: str = "org_1") -> Verdict:
    lines = [line async for line in Exporter(database).lines(org)]
    return verify(lines, org=org)


async def taken(database: Database, license: str = "lic_1") -> Counter[tuple[int, int]]:
    """How often each change of a license stands in the audit, denials included."""
    found: Counter[tuple[int, int]] = Counter()
    for row in await entries(database):
        body = json.loads(row.body)
        if row.license == license and row.kind != "lease.tail_lost":
            found[body["epoch"], body["seq"]] += 1
    async with database.read() as session:
        query = select(DenialRow).where(DenialRow.license == license)
        for denial in await session.scalars(query):
            found[denial.epoch, denial.seq] += 1
    return found


async def use(store: SeatStore, rounds: int, license: str = "lic_1") -> None:
    """Grants, denials and releases: five changes a round."""
    for n in range(rounds):
        got = []
        for who in "abc":
            answer = await store.acquire(ask(f"{who}{n}", license))
            if isinstance(answer, Granted):
                got.append(answer.lease)
        for lease in got:
            await store.release(Release(license, lease.id, lease.fence))


async def eventually(true: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 30
    while not await true():
        assert time.monotonic() < deadline, "it did not come to pass"
        await asyncio.sleep(0.02)


async def test_the_changes_of_a_real_store_enter_the_chain_once(database: Database) -> None:
    store = SqlSeats(database)
    await store.restore(policy(limit=2), epoch=1, settle=False)
    await use(store, 3)
    work = drainer(database, store, batch=4)
    changes = await store.outbox("lic_1")
    assert await work.drain("lic_1") == len(changes)
    assert await work.drain("lic_1") == 0
    assert await store.outbox("lic_1") == []
    assert await taken(database) == {(c.epoch, c.seq): 1 for c in changes}
    found = await verdict(database)
    assert found.holds
    assert found.closed
    async with database.read() as session:
        denials = list(await session.scalars(select(DenialRow)))
    assert {(d.code, d.kind) for d in denials} == {("seats-exhausted", "denied")}
    assert {d.holder for d in denials} == {"user:c0", "user:c1", "user:c2"}


async def test_killed_at_any_step_nothing_is_lost_or_doubled(database: Database, url: str) -> None:
    store = SqlSeats(database)
    await store.restore(policy(limit=2), epoch=1, settle=False)
    wanted: set[tuple[int, int]] = set()
    async with victims(url) as drained_until:
        for step in STEPS:
            await use(store, 1)
            wanted |= {(c.epoch, c.seq) for c in await store.outbox("lic_1")}
            assert await drained_until(step) == -signal.SIGKILL
            found = await taken(database)
            left = {(c.epoch, c.seq) for c in await store.outbox("lic_1")}
            assert set(found) | left == wanted, f"lost at {step}"
            assert set(found.values()) <= {1}, f"doubled at {step}"
            assert (await verdict(database)).holds, f"broken at {step}"
        assert await drained_until("-") == 0
    assert await taken(database) == dict.fromkeys(wanted, 1)
    assert await store.outbox("lic_1") == []


@asynccontextmanager
async def victims(url: str) -> AsyncIterator[Callable[[str], Awaitable[int]]]:
    """Gives what drains in a process of its own until it is killed at a step; and its exit."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "cloud_support.audit_victim",
        url,
        "lic_1",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    pipe, answers = process.stdin, process.stdout

    async def drained_until(step: str) -> int:
        pipe.write(f"{step}\n".encode())
        return int(await answers.readline())

    try:
        yield drained_until
    finally:
        pipe.close()
        await process.wait()


async def test_many_instances_drain_the_same_licenses_at_once(database: Database, url: str) -> None:
    store = SqlSeats(database)
    licenses = ["lic_1", "lic_2"]
    for license in licenses:
        await store.restore(policy(license, limit=2), epoch=1, settle=False)
        await use(store, 6, license)
    wanted = {
        license: {(c.epoch, c.seq): 1 for c in await store.outbox(license)} for license in licenses
    }
    others = [Database.open(url) for _ in range(3)]
    try:
        works = [drainer(each, SqlSeats(each), batch=2) for each in others]
        await asyncio.gather(*(work.drain(name) for work in works for name in licenses))
    finally:
        for each in others:
            await each.close()
    for license in licenses:
        assert await taken(database, license) == wanted[license]
    assert (await verdict(database)).holds


async def test_an_outbox_read_before_another_instance_drained_changes_nothing(
    database: Database,
) -> None:
    store = ScriptedOutbox(database)
    await store.make()
    await store.put(change(1), change(2))
    late = drainer(database, store)
    early = drainer(database, store)
    stale = await store.outbox("lic_1")
    await early.drain("lic_1")
    await store.put(*stale)  # it read them before they were discarded
    await late.drain("lic_1")
    assert [row.seq for row in await entries(database)] == [1, 2]
    assert await store.outbox("lic_1") == []


async def test_a_lost_tail_is_an_entry_of_the_chain(database: Database) -> None:
    store = ScriptedOutbox(database)
    await store.make()
    work = drainer(database, store)
    await store.put(change(1), change(2), change(5))
    await work.drain("lic_1")
    await store.put(change(1, epoch=2, kind="settling_opened", last_epoch=1, last_seq=8))
    await work.drain("lic_1")
    assert [row.kind for row in await entries(database)] == [
        "lease.granted",
        "lease.granted",
        "lease.tail_lost",
        "lease.granted",
        "lease.tail_lost",
        "lease.settling_opened",
    ]
    assert (await verdict(database)).holds


async def test_text_that_a_database_cannot_keep_does_not_stop_the_audit(
    database: Database,
) -> None:
    store = ScriptedOutbox(database)
    await store.make()
    await store.put(
        change(1, holder="user:\x00a" + "x" * 900, label="\x00\ud800", ratio=0.5),
        change(2, kind="denied", holder="\x00", code="seats-exhausted"),
    )
    await drainer(database, store).drain("lic_1")
    (row,) = await entries(database)
    assert json.loads(row.body)["change"]["ratio"] == "0.5"
    assert entry_of(row).actor.startswith("user:\ufffda")
    assert (await verdict(database)).holds


class Noting:
    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.fails = False
        self.told: list[tuple[str, int, int, int]] = []

    async def follow(self, session: AsyncSession, batch: Batch) -> None:
        self.batches.append(batch)
        if self.fails:
            raise OSError("the follower's trouble")

    def drained(self, license: str, *, changes: int, entries: int, lag_ms: int) -> None:
        self.told.append((license, changes, entries, lag_ms))


async def test_what_a_follower_cannot_do_undoes_the_batch(database: Database) -> None:
    store = SqlSeats(database)
    await store.restore(policy(), epoch=1, settle=False)
    await store.acquire(ask("a"))
    noting = Noting()
    noting.fails = True
    work = drainer(database, store, followers=[noting], watcher=noting)
    with pytest.raises(OSError, match="follower"):
        await work.drain("lic_1")
    assert await entries(database) == []
    noting.fails = False
    await work.drain("lic_1")
    assert [row.kind for row in await entries(database)][-1] == "lease.granted"
    seats = noting.batches[-1].seats
    assert seats is not None
    assert (seats.in_use, seats.limit) == (1, 3)
    license, changes, count, lag = noting.told[-1]
    assert (license, changes, count) == ("lic_1", len(noting.batches[-1].changes), changes)
    assert lag >= 0


async def test_dirty_licenses_are_drained_while_it_runs(database: Database) -> None:
    store = SqlSeats(database)
    await store.restore(policy(), epoch=1, settle=False)
    work = drainer(database, store, gather_seconds=0.01, scan_seconds=60)
    running = asyncio.create_task(work.run())
    try:
        await store.acquire(ask("a"))
        work.dirty("lic_1")

        async def drained() -> bool:
            return "lease.granted" in [row.kind for row in await entries(database)]

        await eventually(drained)
        assert work.waiting_seconds == 0
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_licenses_that_nobody_called_dirty_are_found_by_the_scan(
    database: Database,
) -> None:
    store = SqlSeats(database)
    for license in ("lic_1", "lic_2"):
        await store.restore(policy(license), epoch=1, settle=False)
        await store.acquire(ask("a", license))

    async def licenses(after: str, most: int) -> Sequence[str]:
        return [name for name in ("lic_1", "lic_2") if name > after][:1]

    work = drainer(database, store, licenses=licenses, scan_seconds=0.01)
    running = asyncio.create_task(work.run())
    try:

        async def drained() -> bool:
            return {row.license for row in await entries(database)} == {"lic_1", "lic_2"}

        await eventually(drained)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


class Troubled(SqlSeats):
    """A store that does not answer for one license at first."""

    troubles = 2

    async def outbox(self, license: str, *, most: int = 500) -> list[Any]:
        if license == "lic_1" and self.troubles > 0:
            self.troubles -= 1
            raise StoreUnavailable
        if license == "lic_0":
            raise KeyError("a fault of ours")
        if license == "lic_3":
            raise NeedsRestore(license, fresh=True)
        return await super().outbox(license, most=most)


async def test_a_license_in_trouble_is_tried_again_and_holds_up_nobody(
    database: Database,
) -> None:
    store = Troubled(database)
    for license in ("lic_0", "lic_1", "lic_2"):
        await store.restore(policy(license), epoch=1, settle=False)
        await store.acquire(ask("a", license))
    work = drainer(database, store, gather_seconds=0.01, scan_seconds=60)
    for license in ("lic_0", "lic_1", "lic_2", "lic_3"):
        work.dirty(license)
    await work.flush()
    assert {row.license for row in await entries(database)} == {"lic_2"}
    assert work.waiting_seconds > 0
    running = asyncio.create_task(work.run())
    try:

        async def drained() -> bool:
            return {row.license for row in await entries(database)} == {"lic_1", "lic_2"}

        await eventually(drained)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_a_store_that_does_not_count_only_leaves_followers_without_counts(
    database: Database,
) -> None:
    class Uncounted(SqlSeats):
        async def seats(self, license: str) -> Any:
            raise StoreUnavailable

    store = Uncounted(database)
    await store.restore(policy(), epoch=1, settle=False)
    await store.acquire(ask("a"))
    noting = Noting()
    await drainer(database, store, followers=[noting]).drain("lic_1")
    assert noting.batches[-1].seats is None


async def test_a_scan_goes_on_after_trouble_with_sql(database: Database) -> None:
    asked: list[str] = []

    async def licenses(after: str, most: int) -> Sequence[str]:
        asked.append(after)
        raise OSError

    work = drainer(database, SqlSeats(database), licenses=licenses, scan_seconds=0.001)
    running = asyncio.create_task(work.run())
    try:

        async def twice() -> bool:
            return len(asked) > 1

        await eventually(twice)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_a_change_in_the_database_is_found_by_the_export(database: Database) -> None:
    store = ScriptedOutbox(database)
    await store.make()
    await store.put(*(change(n, holder="user:a") for n in range(1, 6)))
    await drainer(database, store).drain("lic_1")
    async with database.write() as session:
        await session.execute(
            update(EntryRow).where(EntryRow.seq == 3).values(actor="user:mallory")
        )
    fault = (await verdict(database)).fault
    assert fault is not None
    assert (fault.line, fault.seq) == (3, 3)


async def test_a_head_that_moved_under_the_lock_stops_the_append(database: Database) -> None:
    class Careless(AuditLog):
        async def lock(self, session: AsyncSession, org: str) -> Any:
            head = await super().lock(session, org)
            await session.execute(update(ChainRow).values(seq=ChainRow.seq + 1))
            return head

    store = ScriptedOutbox(database)
    await store.make()
    await store.put(change(1))
    with pytest.raises(RuntimeError, match="moved under its lock"):
        await Drainer(database, store, Careless(), licenses=no_licenses).drain("lic_1")  # type: ignore[arg-type]
    assert await entries(database) == []
