"""API keys: issued, narrowed, rotated, revoked; no secret is kept or shown."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from cloud_support.identity_clock import Clock
from coditect_cloud.database import Database, new_id
from coditect_cloud.identity.api_keys import ApiKeys, Issued
from coditect_cloud.identity.principal import ROOT_ORG, Principal, PrincipalKind, Role
from coditect_cloud.identity.secrets import KeyText
from coditect_cloud.identity.tables import ApiKeyRow
from coditect_cloud.refusals import Code, Refusal

pytestmark = pytest.mark.anyio

OWNER = Principal(PrincipalKind.USER, "acc_1", "org_a", Role.OWNER)
ADMIN = Principal(PrincipalKind.USER, "acc_2", "org_a", Role.ADMIN)


@pytest.fixture
def keys(database: Database, clock: Clock) -> ApiKeys:
    return ApiKeys(database, clock=clock)


async def refusal(doing: Any) -> Code:
    with pytest.raises(Refusal) as refused:
        await doing
    return refused.value.code


async def opens(keys: ApiKeys, issued: Issued) -> bool:
    try:
        await keys.resolve(issued.secret.text, org=None)
    except Refusal as refused:
        if refused.code is not Code.UNAUTHENTICATED:
            raise
        return False
    return True


async def test_a_key_opens_with_its_role_and_scopes(keys: ApiKeys) -> None:
    issued = await keys.issue(OWNER, name="ci", role=Role.ADMIN, scopes=["leases:use"])
    assert issued.secret.text.startswith("cck_")
    resolved = await keys.resolve(issued.secret.text, org=None)
    who = resolved.principal
    assert (who.kind, who.id, who.org, who.role) == (
        PrincipalKind.API_KEY, issued.key.id, "org_a", Role.ADMIN,
    )  # fmt: skip
    assert {p.value for p in who.permissions} == {"leases:use"}
    assert resolved.until is None
    assert await refusal(keys.resolve(issued.secret.text, org="org_b")) is Code.FORBIDDEN


async def test_what_is_no_key_opens_nothing(keys: ApiKeys) -> None:
    issued = await keys.issue(OWNER, name="ci", role=Role.ADMIN)
    shown = issued.secret.text
    last = "A" if shown[-2] != "A" else "B"
    for wrong in (
        "", "cck_", shown[:-2] + last + shown[-1], shown + "A", shown[:-1], shown.upper(),
        KeyText.make(new_id("key")).text, KeyText.make(issued.key.id).text, " " + shown,
    ):  # fmt: skip
        assert await refusal(keys.resolve(wrong, org=None)) is Code.UNAUTHENTICATED


async def test_a_secret_is_in_no_repr_and_not_in_the_database(
    keys: ApiKeys, database: Database
) -> None:
    issued = await keys.issue(OWNER, name="ci", role=Role.ADMIN)
    secret = issued.secret.text[37:]
    assert len(secret) == 43
    resolved = await keys.resolve(issued.secret.text, org=None)
    assert secret not in f"{issued!r} {issued} {issued.secret} {issued.key!r} {resolved!r}"
    async with database.read() as session:
        rows = (await session.execute(text("select * from api_keys"))).all()
    assert secret not in repr(rows)


async def test_a_key_expires(keys: ApiKeys, clock: Clock) -> None:
    ends = clock.now + timedelta(hours=1)
    issued = await keys.issue(OWNER, name="ci", role=Role.ADMIN, expires_at=ends)
    assert (await keys.resolve(issued.secret.text, org=None)).until == ends
    clock.move(hours=1)
    assert await refusal(keys.resolve(issued.secret.text, org=None)) is Code.TOKEN_EXPIRED
    assert await refusal(keys.rotate(OWNER, issued.key.id)) is Code.CONFLICT
    assert (
        await refusal(keys.issue(OWNER, name="ci", role=Role.ADMIN, expires_at=ends))
        is Code.INVALID_REQUEST
    )


async def test_rotation_overlaps(keys: ApiKeys, clock: Clock) -> None:
    first = await keys.issue(OWNER, name="ci", role=Role.ADMIN)
    second = await keys.rotate(OWNER, first.key.id, overlap=timedelta(hours=1))
    assert second.key.id == first.key.id
    assert await opens(keys, first)
    assert await opens(keys, second)
    until = (await keys.resolve(first.secret.text, org=None)).until
    assert until == clock.now + timedelta(hours=1), "and is not remembered longer"
    third = await keys.rotate(OWNER, first.key.id, overlap=timedelta(hours=1))
    assert not await opens(keys, first), "two rotations back"
    assert await opens(keys, second)
    clock.move(hours=1)
    assert not await opens(keys, second)
    assert await opens(keys, third)
    last = await keys.rotate(OWNER, first.key.id, overlap=timedelta(0))
    assert not await opens(keys, third)
    assert await opens(keys, last)
    too_long = keys.rotate(OWNER, first.key.id, overlap=timedelta(days=31))
    assert await refusal(too_long) is Code.INVALID_REQUEST


async def test_a_revoked_key_opens_with_neither_secret(keys: ApiKeys) -> None:
    first = await keys.issue(OWNER, name="ci", role=Role.ADMIN)
    second = await keys.rotate(OWNER, first.key.id)
    revoked = await keys.revoke(OWNER, first.key.id)
    assert revoked.revoked_at
    assert await keys.revoke(OWNER, first.key.id) == revoked
    assert not await opens(keys, first)
    assert not await opens(keys, second)
    assert await refusal(keys.rotate(OWNER, first.key.id)) is Code.CONFLICT


async def test_nobody_issues_or_rotates_a_key_above_themselves(keys: ApiKeys) -> None:
    owners = await keys.issue(OWNER, name="owner", role=Role.OWNER)
    assert await refusal(keys.issue(ADMIN, name="x", role=Role.OWNER)) is Code.FORBIDDEN
    assert await refusal(keys.rotate(ADMIN, owners.key.id)) is Code.FORBIDDEN
    assert await refusal(keys.revoke(ADMIN, owners.key.id)) is Code.FORBIDDEN
    narrow = frozenset({"keys:write", "leases:read"})
    clerk = Principal(PrincipalKind.API_KEY, "key_9", "org_a", Role.ADMIN, scopes=narrow)
    assert await refusal(keys.issue(clerk, name="x", role=Role.ADMIN)) is Code.FORBIDDEN
    with_more = keys.issue(clerk, name="x", role=Role.ADMIN, scopes=["licenses:write"])
    assert await refusal(with_more) is Code.FORBIDDEN
    await keys.issue(clerk, name="x", role=Role.ADMIN, scopes=["leases:read"])
    holder = Principal(PrincipalKind.USER, "acc_3", "org_a", Role.HOLDER)
    for doing in (
        keys.issue(holder, name="x", role=Role.HOLDER),
        keys.rotate(holder, owners.key.id),
        keys.revoke(holder, owners.key.id),
        keys.page(holder),
        keys.get(holder, owners.key.id),
    ):
        assert await refusal(doing) is Code.FORBIDDEN


async def test_another_tenants_keys_do_not_exist(keys: ApiKeys) -> None:
    issued = await keys.issue(OWNER, name="ci", role=Role.ADMIN)
    stranger = Principal(PrincipalKind.USER, "acc_9", "org_b", Role.OWNER)
    for id in (issued.key.id, "key_nothing"):
        assert await refusal(keys.get(stranger, id)) is Code.NOT_FOUND
        assert await refusal(keys.rotate(stranger, id)) is Code.NOT_FOUND
        assert await refusal(keys.revoke(stranger, id)) is Code.NOT_FOUND
    assert await keys.page(stranger) == []
    assert [k.id for k in await keys.page(OWNER)] == [issued.key.id]
    assert (await keys.get(OWNER, issued.key.id)).name == "ci"
    assert await keys.page(OWNER, after=issued.key.id) == []


async def test_names_and_scopes_are_checked(keys: ApiKeys) -> None:
    for name in ("", "x" * 201, "a\nb"):
        assert await refusal(keys.issue(OWNER, name=name, role=Role.ADMIN)) is Code.INVALID_REQUEST
    bad = keys.issue(OWNER, name="x", role=Role.ADMIN, scopes=["everything"])
    assert await refusal(bad) is Code.INVALID_REQUEST


async def test_use_is_noted_at_most_once_a_minute(
    keys: ApiKeys, database: Database, clock: Clock
) -> None:
    issued = await keys.issue(OWNER, name="ci", role=Role.ADMIN)

    async def used() -> Any:
        async with database.read() as session:
            return await session.scalar(select(ApiKeyRow.last_used_at))

    assert await used() is None
    first = clock.now
    await keys.resolve(issued.secret.text, org=None)
    clock.move(seconds=59)
    await keys.resolve(issued.secret.text, org=None)
    assert await used() == first
    clock.move(seconds=1)
    await keys.resolve(issued.secret.text, org=None)
    assert await used() == clock.now


async def test_a_note_that_is_lost_locks_nobody_out(keys: ApiKeys, database: Database) -> None:
    issued = await keys.issue(OWNER, name="ci", role=Role.ADMIN)
    async with database.engine.begin() as connection:
        await connection.exec_driver_sql(
            "create trigger full before update on api_keys begin select raise(abort, 'full'); end"
        )
    await keys.resolve(issued.secret.text, org=None)


async def test_the_bootstrap_key_is_made_once(keys: ApiKeys, database: Database) -> None:
    made = await asyncio.gather(*(keys.bootstrap() for _ in range(6)))
    issued = [m for m in made if m is not None]
    assert len(issued) == 1
    who = (await keys.resolve(issued[0].secret.text, org=None)).principal
    assert who.org == ROOT_ORG
    assert who.runs_the_platform
    await keys.revoke(who, issued[0].key.id)
    assert await keys.bootstrap() is None, "and it does not come back"
    again = await keys.issue_for_owner(ROOT_ORG, name="recovery")
    assert await opens(keys, again)


async def test_changes_are_recorded_without_secrets(database: Database, clock: Clock) -> None:
    entries: list[dict[str, Any]] = []

    async def record(session: Any, **entry: Any) -> None:
        del session
        entries.append(entry)

    keys = ApiKeys(database, clock=clock, record=record)
    first = await keys.issue(OWNER, name="ci", role=Role.ADMIN)
    second = await keys.rotate(OWNER, first.key.id)
    await keys.revoke(OWNER, first.key.id)
    await keys.revoke(OWNER, first.key.id)
    assert [e["kind"] for e in entries] == [
        "api_key.issued", "api_key.rotated", "api_key.revoked",
    ]  # fmt: skip
    assert all(s.secret.text[37:] not in repr(entries) for s in (first, second))
