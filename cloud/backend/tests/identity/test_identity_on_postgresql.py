"""What several instances do to one PostgreSQL at once, where only row locks hold them apart."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from cloud_support.identity_clock import Clock
from coditect_cloud.database import Database
from coditect_cloud.identity.accounts import Accounts
from coditect_cloud.identity.api_keys import ApiKeys
from coditect_cloud.identity.issuers import Issuer
from coditect_cloud.identity.members import Members
from coditect_cloud.identity.principal import Principal, PrincipalKind, Role
from coditect_cloud.identity.tables import AccountRow, ApiKeyRow
from coditect_cloud.identity.tokens import Identity
from coditect_cloud.refusals import Code, Refusal

pytestmark = pytest.mark.anyio

ISSUER = Issuer("https://issuer.example", ("coditect",))
OWNER = Principal(PrincipalKind.API_KEY, "key_1", "org_a", Role.OWNER)


def who(subject: str, email: str) -> Identity:
    return Identity(ISSUER, subject, email, "", Clock().now + timedelta(hours=1), {})


async def test_the_first_sign_in_at_once_makes_one_account(
    strict_database: Database, clock: Clock
) -> None:
    accounts = Accounts(strict_database, clock=clock)
    members = Members(strict_database, clock=clock)
    await members.invite(OWNER, "ada@example.org", Role.OWNER)
    found = await asyncio.gather(
        *(accounts.sign_in(who("g1", "ada@example.org"), org=None) for _ in range(8))
    )
    assert len({p.id for p in found}) == 1
    async with strict_database.read() as session:
        assert await session.scalar(select(func.count()).select_from(AccountRow)) == 1


async def test_an_organisation_keeps_an_owner_whoever_removes_whom(
    strict_database: Database, clock: Clock
) -> None:
    accounts = Accounts(strict_database, clock=clock)
    members = Members(strict_database, clock=clock)
    for round in range(5):
        org = f"org_{round}"
        owner = Principal(PrincipalKind.API_KEY, "key_1", org, Role.OWNER)
        owners = []
        for name in ("ada", "bob", "cy"):
            await members.invite(owner, f"{name}@example.org", Role.OWNER)
            owners.append(await accounts.sign_in(who(name, f"{name}@example.org"), org=org))
        a, b, c = (o.id for o in owners)
        done = await asyncio.gather(
            members.remove(owner, a),
            members.change_role(owner, b, Role.ADMIN),
            members.remove(owner, c),
            return_exceptions=True,
        )
        left = await members.page(owner)
        assert [m.role for m in left].count(Role.OWNER) == 1
        refused = [d for d in done if isinstance(d, BaseException)]
        assert [type(r) for r in refused] == [Refusal]


async def test_the_same_invitation_and_membership_at_once_break_nothing(
    strict_database: Database, clock: Clock
) -> None:
    accounts = Accounts(strict_database, clock=clock)
    members = Members(strict_database, clock=clock)
    done = await asyncio.gather(
        *(members.invite(OWNER, "ada@example.org", Role.OWNER) for _ in range(6)),
        return_exceptions=True,
    )
    assert all(
        isinstance(d, Refusal) and d.code is Code.CONFLICT
        for d in done
        if isinstance(d, BaseException)
    )
    assert len(await members.invitations(OWNER)) == 1
    ada = await accounts.sign_in(who("g1", "ada@example.org"), org=None)
    other = Principal(PrincipalKind.API_KEY, "key_2", "org_b", Role.OWNER)
    added = await asyncio.gather(
        *(members.add(other, ada.id, Role.HOLDER) for _ in range(6)), return_exceptions=True
    )
    assert sum(not isinstance(d, BaseException) for d in added) == 1
    assert all(isinstance(d, Refusal) for d in added if isinstance(d, BaseException))


async def test_one_instance_of_many_gets_the_bootstrap_key(
    strict_database: Database, clock: Clock
) -> None:
    keys = ApiKeys(strict_database, clock=clock)
    made = await asyncio.gather(*(keys.bootstrap() for _ in range(8)))
    assert sum(m is not None for m in made) == 1
    async with strict_database.read() as session:
        assert await session.scalar(select(func.count()).select_from(ApiKeyRow)) == 1


async def test_rotations_at_once_leave_one_secret_and_the_one_before(
    strict_database: Database, clock: Clock
) -> None:
    keys = ApiKeys(strict_database, clock=clock)
    first = await keys.issue(OWNER, name="ci", role=Role.ADMIN)
    more = await asyncio.gather(*(keys.rotate(OWNER, first.key.id) for _ in range(4)))
    opened = 0
    for issued in (first, *more):
        try:
            opened += (await keys.resolve(issued.secret.text, org=None)).principal.org == "org_a"
        except Refusal:
            continue
    assert opened == 2
    assert (await keys.get(OWNER, first.key.id)).last_used_at == clock.now
