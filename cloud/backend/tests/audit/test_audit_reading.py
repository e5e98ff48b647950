from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select

from cloud_support.audit_lab import ScriptedOutbox, change, make_licenses
from coditect_cloud.audit.chain import genesis
from coditect_cloud.audit.drainer import Drainer
from coditect_cloud.audit.export import CHECKPOINT, Exporter
from coditect_cloud.audit.log import AuditLog
from coditect_cloud.audit.reading import AuditService, forget_denials
from coditect_cloud.audit.scan import EveryLicense
from coditect_cloud.audit.tables import ChainRow, EntryRow
from coditect_cloud.audit.verify import verify
from coditect_cloud.database import Database
from coditect_cloud.identity.principal import Principal, PrincipalKind, Role
from coditect_cloud.refusals import Code, Refusal

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 5, 1, tzinfo=UTC)
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def principal(org: str = "org_1", role: Role = Role.AUDITOR) -> Principal:
    return Principal(
        kind=PrincipalKind.USER,
        id="acc_1",
        org=org,
        role=role,
        scopes=frozenset(),
        license=None,
        holder=None,
        name="a",
    )


def service(database: Database) -> AuditService:
    return AuditService(database, Exporter(database))


async def record(database: Database, kind: str, subject: str, org: str = "org_1") -> None:
    log = AuditLog(clock=lambda: NOW)
    async with database.write() as session:
        await log.record(session, org=org, actor="acc_1", kind=kind, subject=subject, body={"n": 1})


async def test_a_change_undone_leaves_no_entry(database: Database) -> None:
    async def change_and_fail() -> None:
        async with database.write() as session:
            await AuditLog().record(
                session, org="org_1", actor="a", kind="k.made", subject="lic_1", body={}
            )
            raise KeyError

    with pytest.raises(KeyError):
        await change_and_fail()
    async with database.read() as session:
        assert (await session.scalars(select(EntryRow))).all() == []
        assert (await session.scalars(select(ChainRow))).all() == []


async def test_recording_at_once_from_many_transactions_makes_one_chain(
    database: Database,
) -> None:
    await asyncio.gather(*(record(database, "license.made", f"lic_{n}") for n in range(8)))
    lines = [line async for line in service(database).export(principal())]
    verdict = verify(lines, org="org_1")
    assert verdict.holds
    assert verdict.entries == 8


async def test_entries_are_read_page_by_page_and_only_by_their_tenant(
    database: Database,
) -> None:
    for n in range(5):
        await record(database, "license.made", f"lic_{n}")
    await record(database, "license.made", "lic_x", org="org_2")
    reader = service(database)
    first = await reader.entries(principal(), most=3)
    second = await reader.entries(principal(), most=3, cursor=first.next)
    assert [e.subject for e in (*first.items, *second.items)] == [f"lic_{n}" for n in range(5)]
    assert second.next is None
    assert {e.at_ms for e in first.items} == {int(NOW.timestamp() * 1000)}
    others = await reader.entries(principal("org_2"))
    assert [(e.seq, e.subject) for e in others.items] == [(1, "lic_x")]
    assert (await reader.head(principal("org_2"))).hash == others.items[0].hash
    assert await reader.head(principal("org_3")) == genesis("org_3")


async def test_entries_can_be_narrowed(database: Database) -> None:
    await record(database, "license.made", "lic_1")
    await record(database, "license.suspended", "lic_1")
    await record(database, "license.made", "lic_2")
    reader = service(database)
    assert len((await reader.entries(principal(), license="lic_1")).items) == 2
    assert len((await reader.entries(principal(), kind="license.made")).items) == 2
    assert (await reader.entries(principal(), license="lic_9")).items == ()


async def test_who_may_not_read_the_audit_is_refused(database: Database) -> None:
    reader = service(database)
    holder = principal(role=Role.HOLDER)
    for ask in (reader.entries(holder), reader.head(holder)):
        with pytest.raises(Refusal) as refused:
            await ask
        assert refused.value.code is Code.FORBIDDEN
    with pytest.raises(Refusal):
        reader.export(holder)


@pytest.mark.parametrize("cursor", ["nonsense", "MTotMQ", "MTphYmM"])
async def test_a_cursor_of_somebody_else_is_refused(database: Database, cursor: str) -> None:
    with pytest.raises(Refusal) as refused:
        await service(database).entries(principal(), cursor=cursor)
    assert refused.value.code is Code.INVALID_REQUEST


async def test_an_export_goes_on_behind_an_entry(database: Database) -> None:
    for n in range(4):
        await record(database, "license.made", f"lic_{n}")
    reader = service(database)
    whole = [line async for line in reader.export(principal())]
    rest = [line async for line in reader.export(principal(), behind=2)]
    assert rest[:-1] == whole[2:-1]
    assert verify(rest).holds
    with pytest.raises(Refusal):
        reader.export(principal(), behind=-1)


async def test_entries_taken_out_of_the_database_are_missed(database: Database) -> None:
    for n in range(4):
        await record(database, "license.made", f"lic_{n}")
    async with database.write() as session:
        await session.execute(delete(EntryRow).where(EntryRow.seq > 2))
    lines = [line async for line in service(database).export(principal())]
    assert not verify(lines).holds


class Root:
    def __init__(self) -> None:
        self.signed: list[tuple[str, dict[str, Any]]] = []

    async def sign_root(self, typ: str, claims: Mapping[str, Any]) -> str:
        self.signed.append((typ, dict(claims)))
        return "a.b.c"


async def test_the_root_signs_the_head(database: Database) -> None:
    await record(database, "license.made", "lic_1")
    root = Root()
    exporter = Exporter(database, signer=root, issuer="https://cloud.test", clock=lambda: NOW)
    lines = [line async for line in exporter.lines("org_1")]
    typ, claims = root.signed[0]
    assert typ == CHECKPOINT
    verdict = verify(lines, check_signature=lambda token: claims if token == "a.b.c" else {})
    assert (verdict.closed, verdict.signed) == (True, True)
    assert await exporter.checkpoint("org_1") == lines[-1]


async def test_denials_are_summed_up_for_sizing(database: Database) -> None:
    store = ScriptedOutbox(database)
    await store.make()
    denied: dict[str, Any] = {"kind": "denied", "code": "seats-exhausted"}
    await store.put(
        change(1, holder="user:a", **denied),
        change(2, holder="user:a", **denied),
        change(3, holder="user:b", **denied),
        change(4, kind="queued", holder="user:b"),
        change(5, kind="unqueued", holder="user:b"),
    )

    async def nothing(after: str, most: int) -> list[str]:
        return []

    await Drainer(database, store, AuditLog(), licenses=nothing).drain("lic_1")  # type: ignore[arg-type]
    reader = service(database)
    span = {"since": LONG_AGO, "until": NOW}
    worst, waits = await reader.denials(principal(), "lic_1", **span)
    assert (worst.code, worst.times, worst.holders) == ("seats-exhausted", 3, 2)
    assert worst.last_at - worst.first_at == timedelta(milliseconds=2)
    assert (waits.kind, waits.times) == ("queued", 1)
    assert len(await reader.denials(principal(), "", **span)) == 2
    assert await reader.denials(principal(), "lic_2", **span) == []
    assert await reader.denials(principal("org_2"), "lic_1", **span) == []
    with pytest.raises(Refusal):
        await reader.denials(principal(), "", since=NOW, until=NOW)
    assert await forget_denials(database, before=NOW, most=3) == 3
    assert await forget_denials(database, before=NOW) == 2
    assert await reader.denials(principal(), "", **span) == []


async def test_the_scan_knows_every_license(database: Database) -> None:
    await make_licenses(database, {"lic_b": None, "lic_a": None, "lic_c": None})
    licenses = EveryLicense(database)
    assert list(await licenses("", 2)) == ["lic_a", "lic_b"]
    assert list(await licenses("lic_b", 2)) == ["lic_c"]
