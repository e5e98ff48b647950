"""A database with the tables of audit and webhooks, and a store whose outbox tests fill."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Column, MetaData, String, Table, Text, delete, insert, select

import coditect_cloud.audit.tables
import coditect_cloud.webhooks.tables  # noqa: F401 - they make their tables known
from coditect_cloud.database import Base, Database
from coditect_cloud.leases.sql import SEAT_TABLES
from coditect_cloud.leases.types import Acquire, Change, Policy
from coditect_cloud.licenses.tables import LicenseTable
from coditect_cloud.organisations.tables import OrganisationRow, ProductRow

NAMES = (
    "audit_chains",
    "audit_entries",
    "audit_positions",
    "denials",
    "organisations",
    "products",
    "licenses",
    "webhook_endpoints",
    "webhook_deliveries",
    "webhook_marks",
)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """Open a database; the tables are made if they are missing."""
    database = Database.open(url)
    try:
        async with database.engine.begin() as connection:
            tables = [Base.metadata.tables[name] for name in NAMES]
            await connection.run_sync(Base.metadata.create_all, tables=[*tables, *SEAT_TABLES])
        yield database
    finally:
        await database.close()


def change(
    seq: int,
    *,
    epoch: int = 1,
    kind: str = "granted",
    license: str = "lic_1",
    org: str = "org_1",
    at_ms: int = 1_000,
    **body: Any,
) -> Change:
    """A change as a store writes it."""
    return Change(license, org, seq, epoch, at_ms + seq, kind, body, f"{epoch:06}-{seq:06}")


def policy(license: str = "lic_1", *, limit: int = 3, org: str = "org_1") -> Policy:
    """Terms with few seats."""
    return Policy(license=license, org=org, version=1, limit=limit, ttl_ms=60_000)


def ask(name: str, license: str = "lic_1", **more: Any) -> Acquire:
    """Ask for a seat for `user:<name>`."""
    return Acquire(license=license, lease=f"lea_{name}", holder=f"user:{name}", **more)


_OUTBOX = Table(
    "scripted_outbox",
    MetaData(),
    Column("license", String(64), primary_key=True),
    Column("cursor", String(64), primary_key=True),
    Column("seq", BigInteger),
    Column("epoch", BigInteger),
    Column("org", String(64)),
    Column("at_ms", BigInteger),
    Column("kind", String(64)),
    Column("body", Text),
)


class ScriptedOutbox:
    """An outbox that a test writes: losses, new epochs, repetitions. No seats behind it."""

    def __init__(self, database: Database, *, lossy: bool = True) -> None:
        self._database, self.lossy = database, lossy

    async def make(self) -> None:
        async with self._database.engine.begin() as connection:
            await connection.run_sync(_OUTBOX.metadata.create_all)

    async def put(self, *changes: Change) -> None:
        async with self._database.write() as session:
            for one in changes:
                values = {
                    name: getattr(one, name)
                    for name in ("license", "cursor", "seq", "epoch", "org", "at_ms", "kind")
                }
                await session.execute(insert(_OUTBOX).values(**values, body=json.dumps(one.body)))

    async def outbox(self, license: str, *, most: int = 500) -> list[Change]:
        query = (
            select(_OUTBOX)
            .where(_OUTBOX.c.license == license)
            .order_by(_OUTBOX.c.cursor)
            .limit(most)
        )
        async with self._database.read() as session:
            rows: Sequence[Any] = (await session.execute(query)).all()
        return [
            Change(r.license, r.org, r.seq, r.epoch, r.at_ms, r.kind, json.loads(r.body), r.cursor)
            for r in rows
        ]

    async def discard(self, license: str, cursor: str) -> None:
        async with self._database.write() as session:
            await session.execute(
                delete(_OUTBOX).where(_OUTBOX.c.license == license, _OUTBOX.c.cursor <= cursor)
            )

    async def now_ms(self) -> int:
        return 2_000


async def make_licenses(
    database: Database, ends: Mapping[str, datetime | None], org: str = "org_1"
) -> None:
    """Make licenses of one organisation, each with its end."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    moments = {"created_at": at, "updated_at": at}
    async with database.write() as session:
        session.add(OrganisationRow(id=org, name=org, version=1, **moments))
        await session.flush()
        session.add(ProductRow(id="prd_1", org=org, slug="p", name="p", version=1, **moments))
        await session.flush()
        for license, end in ends.items():
            session.add(
                LicenseTable(
                    id=license,
                    org=org,
                    product="prd_1",
                    name=license,
                    seats=3,
                    overage_strategy="none",
                    overage_value=0,
                    entitlements={},
                    starts_at=None,
                    expires_at=end,
                    trial=False,
                    ttl_ms=60_000,
                    queue_limit=10,
                    borrow_max_ms=0,
                    state="active",
                    state_reason="",
                    version=1,
                    key_hint="",
                    **moments,
                )
            )
