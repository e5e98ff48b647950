"""Accounts are joined by verified addresses only; members of one tenant are nothing to another."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from cloud_support.identity_clock import Clock
from coditect_cloud.database import Database
from coditect_cloud.identity.accounts import Accounts
from coditect_cloud.identity.email import domain, normalised
from coditect_cloud.identity.issuers import Issuer
from coditect_cloud.identity.members import Members
from coditect_cloud.identity.principal import Principal, PrincipalKind, Role
from coditect_cloud.identity.tables import AccountRow, MembershipRow
from coditect_cloud.identity.tokens import Identity
from coditect_cloud.refusals import Code, Refusal

pytestmark = pytest.mark.anyio

GOOGLE = Issuer("https://google.example", ("coditect",))
GITHUB = Issuer("https://github.example", ("coditect",))
CAUTIOUS = Issuer("https://cautious.example", ("coditect",), links_by_email=False)


def who(
    subject: str, email: str | None = "ada@example.org", issuer: Issuer = GOOGLE, name: str = "Ada"
) -> Identity:
    return Identity(issuer, subject, email, name, Clock().now + timedelta(hours=1), {})


def key(org: str, role: Role = Role.OWNER, id: str = "key_1") -> Principal:
    return Principal(PrincipalKind.API_KEY, id, org, role)


@pytest.fixture
def accounts(database: Database, clock: Clock) -> Accounts:
    return Accounts(database, clock=clock)


@pytest.fixture
def members(database: Database, clock: Clock) -> Members:
    return Members(database, clock=clock)


async def refusal(doing: Any) -> Code:
    with pytest.raises(Refusal) as refused:
        await doing
    return refused.value.code


async def join(
    accounts: Accounts,
    members: Members,
    org: str,
    role: Role,
    subject: str = "g1",
    email: str = "ada@example.org",
) -> Principal:
    await members.invite(key(org), email, role)
    return await accounts.sign_in(who(subject, email), org=org)


async def test_an_invitation_waits_for_the_verified_address(
    accounts: Accounts, members: Members
) -> None:
    assert await refusal(accounts.sign_in(who("g1"), org=None)) is Code.FORBIDDEN
    await members.invite(key("org_a"), " Ada@Example.org ", Role.AUDITOR)
    assert await refusal(accounts.sign_in(who("g2", "eve@example.org"), org=None)) is Code.FORBIDDEN
    ada = await accounts.sign_in(who("g1"), org=None)
    assert (ada.org, ada.role, ada.kind) == ("org_a", Role.AUDITOR, PrincipalKind.USER)
    assert ada.holder == f"user:{ada.id}"
    assert await members.invitations(key("org_a")) == []
    assert await accounts.sign_in(who("g1"), org="org_a") == ada


async def test_an_invitation_ends_and_is_withdrawn(
    accounts: Accounts, members: Members, clock: Clock
) -> None:
    await members.invite(key("org_a"), "ada@example.org", Role.ADMIN, lasts=timedelta(days=1))
    clock.move(days=1)
    assert await members.invitations(key("org_a")) == []
    assert await refusal(accounts.sign_in(who("g1"), org=None)) is Code.FORBIDDEN
    made = await members.invite(key("org_a"), "ada@example.org", Role.ADMIN)
    assert await refusal(members.withdraw(key("org_b"), made.id)) is Code.NOT_FOUND
    await members.withdraw(key("org_a"), made.id)
    assert await refusal(members.withdraw(key("org_a"), made.id)) is Code.NOT_FOUND
    assert await refusal(accounts.sign_in(who("g1"), org=None)) is Code.FORBIDDEN


async def test_two_ways_to_sign_in_are_one_account_by_the_verified_address(
    accounts: Accounts, members: Members
) -> None:
    ada = await join(accounts, members, "org_a", Role.OWNER)
    same = await accounts.sign_in(who("h1", issuer=GITHUB), org=None)
    assert same.id == ada.id


async def test_an_unverified_address_never_links(
    accounts: Accounts, members: Members, database: Database
) -> None:
    await join(accounts, members, "org_a", Role.OWNER)
    await members.invite(key("org_a"), "eve@example.org", Role.OWNER)
    unverified = who("h1", None, GITHUB)
    assert await refusal(accounts.sign_in(unverified, org=None)) is Code.EMAIL_NOT_VERIFIED
    async with database.read() as session:
        assert await session.scalar(select(func.count()).select_from(AccountRow)) == 1


async def test_an_issuer_may_be_kept_from_accounts_that_exist(
    accounts: Accounts, members: Members
) -> None:
    await join(accounts, members, "org_a", Role.OWNER)
    assert await refusal(accounts.sign_in(who("c1", issuer=CAUTIOUS), org=None)) is Code.FORBIDDEN
    await members.invite(key("org_a"), "new@example.org", Role.HOLDER)
    await accounts.sign_in(who("c2", "new@example.org", CAUTIOUS), org=None)


async def test_a_subject_stays_its_account_when_its_address_changes(
    accounts: Accounts, members: Members
) -> None:
    ada = await join(accounts, members, "org_a", Role.OWNER)
    bob = await join(accounts, members, "org_a", Role.HOLDER, "g2", "bob@example.org")
    moved = await accounts.sign_in(who("g1", "bob@example.org"), org=None)
    assert moved.id == ada.id != bob.id
    assert (await accounts.sign_in(who("g1", None), org=None)).id == ada.id


async def test_a_disabled_account_stays_out(accounts: Accounts, members: Members) -> None:
    ada = await join(accounts, members, "org_a", Role.OWNER)
    await accounts.disable(ada.id)
    await members.invite(key("org_b"), "ada@example.org", Role.OWNER)
    assert await refusal(accounts.sign_in(who("g1"), org=None)) is Code.FORBIDDEN
    assert await refusal(accounts.sign_in(who("h1", issuer=GITHUB), org=None)) is Code.FORBIDDEN
    await accounts.disable(ada.id, disabled=False)
    assert (await accounts.sign_in(who("g1"), org="org_b")).role is Role.OWNER
    assert await refusal(accounts.disable("acc_nobody")) is Code.NOT_FOUND


async def test_the_first_sign_in_twice_at_once_makes_one_account(
    accounts: Accounts, members: Members, database: Database
) -> None:
    await members.invite(key("org_a"), "ada@example.org", Role.OWNER)
    found = await asyncio.gather(*(accounts.sign_in(who("g1"), org=None) for _ in range(8)))
    assert len({p.id for p in found}) == 1
    async with database.read() as session:
        assert await session.scalar(select(func.count()).select_from(AccountRow)) == 1
        assert await session.scalar(select(func.count()).select_from(MembershipRow)) == 1


async def test_a_member_of_several_acts_in_the_one_named_or_joined_first(
    accounts: Accounts, members: Members, clock: Clock
) -> None:
    await join(accounts, members, "org_b", Role.HOLDER)
    clock.move(seconds=1)
    await join(accounts, members, "org_a", Role.OWNER)
    assert (await accounts.sign_in(who("g1"), org=None)).org == "org_b"
    assert (await accounts.sign_in(who("g1"), org="org_a")).role is Role.OWNER
    assert await refusal(accounts.sign_in(who("g1"), org="org_c")) is Code.FORBIDDEN


async def test_another_tenants_members_do_not_exist(accounts: Accounts, members: Members) -> None:
    ada = await join(accounts, members, "org_a", Role.OWNER)
    stranger = key("org_b")
    assert await members.page(stranger) == []
    assert await members.invitations(stranger) == []

    async def told(doing: Any) -> tuple[Code, str, dict[str, Any]]:
        with pytest.raises(Refusal) as refused:
            await doing
        return refused.value.code, refused.value.detail, refused.value.data

    for there in (ada.id, "acc_nobody"):
        expected: tuple[Code, str, dict[str, Any]] = (Code.NOT_FOUND, "there is no such member", {})
        assert await told(members.get(stranger, there)) == expected
        assert await told(members.remove(stranger, there)) == expected
        assert await told(members.change_role(stranger, there, Role.HOLDER)) == expected


async def test_an_invitation_does_not_tell_whether_there_is_an_account(
    accounts: Accounts, members: Members
) -> None:
    await join(accounts, members, "org_a", Role.OWNER)
    known = await members.invite(key("org_b"), "ada@example.org", Role.HOLDER)
    unknown = await members.invite(key("org_b"), "nobody@example.org", Role.HOLDER)
    assert (known.role, known.expires_at) == (unknown.role, unknown.expires_at)
    assert {i.email for i in await members.invitations(key("org_b"))} == {
        "ada@example.org",
        "nobody@example.org",
    }
    assert len(await members.page(key("org_b"))) == 0


async def test_the_last_owner_stays(accounts: Accounts, members: Members) -> None:
    ada = await join(accounts, members, "org_a", Role.OWNER)
    assert await refusal(members.remove(ada, ada.id)) is Code.CONFLICT
    assert await refusal(members.change_role(ada, ada.id, Role.ADMIN)) is Code.CONFLICT
    bob = await join(accounts, members, "org_a", Role.OWNER, "g2", "bob@example.org")
    await members.change_role(bob, ada.id, Role.ADMIN)
    assert await refusal(members.remove(bob, bob.id)) is Code.CONFLICT
    assert (await members.get(bob, ada.id)).role is Role.ADMIN


async def test_two_owners_who_remove_each_other_do_not_both_succeed(
    accounts: Accounts, members: Members
) -> None:
    ada = await join(accounts, members, "org_a", Role.OWNER)
    bob = await join(accounts, members, "org_a", Role.OWNER, "g2", "bob@example.org")
    done = await asyncio.gather(
        members.remove(ada, bob.id), members.remove(bob, ada.id), return_exceptions=True
    )
    assert sum(isinstance(d, Refusal) for d in done) == 1
    assert len(await members.page(key("org_a"))) == 1


async def test_an_admin_touches_no_owner(accounts: Accounts, members: Members) -> None:
    ada = await join(accounts, members, "org_a", Role.OWNER)
    await join(accounts, members, "org_a", Role.OWNER, "g3", "eve@example.org")
    admin = key("org_a", Role.ADMIN)
    assert await refusal(members.invite(admin, "x@example.org", Role.OWNER)) is Code.FORBIDDEN
    assert await refusal(members.remove(admin, ada.id)) is Code.FORBIDDEN
    assert await refusal(members.change_role(admin, ada.id, Role.HOLDER)) is Code.FORBIDDEN
    invited = await members.invite(key("org_a"), "boss@example.org", Role.OWNER)
    assert await refusal(members.withdraw(admin, invited.id)) is Code.FORBIDDEN
    assert (
        await refusal(members.invite(admin, "boss@example.org", Role.HOLDER)) is Code.FORBIDDEN
    ), "that would demote the invited owner"
    bob = await join(accounts, members, "org_a", Role.HOLDER, "g2", "bob@example.org")
    await members.change_role(admin, bob.id, Role.ADMIN)
    assert await refusal(members.change_role(admin, bob.id, Role.OWNER)) is Code.FORBIDDEN


async def test_a_holder_changes_nobody_but_may_leave(accounts: Accounts, members: Members) -> None:
    ada = await join(accounts, members, "org_a", Role.OWNER)
    bob = await join(accounts, members, "org_a", Role.HOLDER, "g2", "bob@example.org")
    assert await refusal(members.remove(bob, ada.id)) is Code.FORBIDDEN
    assert await refusal(members.page(bob)) is Code.FORBIDDEN
    assert await refusal(members.invite(bob, "x@example.org", Role.HOLDER)) is Code.FORBIDDEN
    await members.remove(bob, bob.id)
    assert await refusal(accounts.sign_in(who("g2", "bob@example.org"), org=None)) is Code.FORBIDDEN


async def test_an_account_is_added_by_its_id(accounts: Accounts, members: Members) -> None:
    ada = await join(accounts, members, "org_a", Role.OWNER)
    added = await members.add(key("org_b"), ada.id, Role.AUDITOR)
    assert added.email == "ada@example.org"
    assert await refusal(members.add(key("org_b"), ada.id, Role.OWNER)) is Code.CONFLICT
    assert await refusal(members.add(key("org_b"), "acc_nobody", Role.OWNER)) is Code.NOT_FOUND
    assert [m.account for m in await members.page(key("org_b"))] == [ada.id]
    assert await members.page(key("org_b"), after=ada.id) == []


@pytest.mark.parametrize("email", ["", "ada", "a@b@c", "a b@c", "ada@example.org\n", "x" * 300])
async def test_what_is_no_address_is_not_invited(members: Members, email: str) -> None:
    assert await refusal(members.invite(key("org_a"), email, Role.HOLDER)) is Code.INVALID_REQUEST
    assert (
        await refusal(members.invite(key("org_a"), "a@b.c", Role.HOLDER, lasts=timedelta(days=91)))
        is Code.INVALID_REQUEST
    )


def test_addresses_that_only_look_alike_stay_apart() -> None:
    pairs = [("\u212aate@x.org", "kate@x.org"), ("stra\u00dfe@x.org", "strasse@x.org")]
    for odd, plain in pairs:
        assert normalised(odd) != normalised(plain)
    assert normalised("Ada@EXAMPLE.org") == "ada@example.org"
    assert domain("ada@example.org") == "example.org"
    assert normalised("a\u200b@x.org") is None


@given(st.text(max_size=60))
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalised(text)
    assert once is None or (normalised(once) == once and once.count("@") == 1)
