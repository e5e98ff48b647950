"""Members of an organisation, and who is invited. Every method acts in the caller's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from coditect_cloud.database import Database, new_id, utc_now
from coditect_cloud.identity.email import normalised
from coditect_cloud.identity.principal import Permission, Principal, Role
from coditect_cloud.identity.recording import Record, unrecorded
from coditect_cloud.identity.tables import AccountRow, InvitationRow, MembershipRow
from coditect_cloud.refusals import Code, Refusal

INVITED_FOR = timedelta(days=14)
INVITED_AT_MOST = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody of an organisation."""

    account: str
    email: str
    name: str
    role: Role
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Invitation:
    """A role that waits for who owns an e-mail address."""

    id: str
    email: str
    role: Role
    created_at: datetime
    expires_at: datetime


class Members:
    """Adds, changes and removes members. All need `members:write`; reading `organisations:read`.

    An organisation that has an owner never loses its last one. An admin touches no owner.
    """

    def __init__(
        self,
        database: Database,
        *,
        record: Record = unrecorded,
        clock: Callable[[], datetime] = utc_now,
        new_id: Callable[[str], str] = new_id,
    ) -> None:
        self._database = database
        self._record = record
        self._clock = clock
        self._new_id = new_id

    async def page(self, by: Principal, *, after: str = "", most: int = 100) -> list[Member]:
        """Members by account id, from the first behind `after`."""
        by.demand(Permission.ORGANISATIONS_READ)
        async with self._database.read() as session:
            rows = await session.execute(
                select(MembershipRow, AccountRow)
                .join(AccountRow, AccountRow.id == MembershipRow.account)
                .where(MembershipRow.org == by.org, MembershipRow.account > after)
                .order_by(MembershipRow.account)
                .limit(most)
            )
            return [_member(m, a) for m, a in rows.all()]

    async def get(self, by: Principal, account: str) -> Member:
        """One member. NOT_FOUND for who is none, known elsewhere or not."""
        by.demand(Permission.ORGANISATIONS_READ)
        async with self._database.read() as session:
            return _member(*await _found(session, by.org, account))

    async def add(self, by: Principal, account: str, role: Role) -> Member:
        """Make an account a member, by the id that its owner has told. NOT_FOUND, CONFLICT."""
        _demand_manages(by, role)
        async with self._database.write() as session:
            row = await session.get(AccountRow, account)
            if row is None:
                raise _no_such("account")
            if await session.get(MembershipRow, (by.org, account)) is not None:
                raise Refusal(
                    Code.CONFLICT, "this account is a member already", hint="Change its role."
                )
            member = MembershipRow(
                org=by.org, account=account, role=role.value, created_at=self._clock(),
                added_by=by.id,
            )  # fmt: skip
            session.add(member)
            await _flush(session)
            await self._note(session, by, "member.added", account, role=role.value)
            return _member(member, row)

    async def change_role(self, by: Principal, account: str, role: Role) -> Member:
        """Give a member another role. NOT_FOUND, FORBIDDEN, CONFLICT for the last owner."""
        _demand_manages(by, role)
        async with self._database.write() as session:
            member, row, last_owner = await _locked(session, by.org, account)
            _demand_manages(by, Role(member.role))
            if last_owner and role is not Role.OWNER:
                raise _needs_an_owner()
            member.role = role.value
            await self._note(session, by, "member.role_changed", account, role=role.value)
            return _member(member, row)

    async def remove(self, by: Principal, account: str) -> None:
        """Take a member out; everybody may leave. NOT_FOUND, FORBIDDEN, CONFLICT (last owner)."""
        leaves = by.id == account
        if not leaves:
            by.demand(Permission.MEMBERS_WRITE)
        async with self._database.write() as session:
            member, _, last_owner = await _locked(session, by.org, account)
            if not leaves:
                _demand_manages(by, Role(member.role))
            if last_owner:
                raise _needs_an_owner()
            await session.delete(member)
            await self._note(session, by, "member.removed", account)

    async def invite(
        self, by: Principal, email: str, role: Role, *, lasts: timedelta = INVITED_FOR
    ) -> Invitation:
        """Keep a role for who proves to own the address; again for the same address: renewed.

        The answer is the same whether or not somebody has an account for it. INVALID_REQUEST.
        """
        _demand_manages(by, role)
        address = normalised(email)
        if address is None or not timedelta(0) < lasts <= INVITED_AT_MOST:
            raise Refusal(
                Code.INVALID_REQUEST,
                "an invitation needs an e-mail address, and lasts at most 90 days",
            )
        now = self._clock()
        async with self._database.write() as session:
            row = await session.scalar(
                select(InvitationRow).where(
                    InvitationRow.org == by.org, InvitationRow.email == address
                )
            )
            if row is None:
                row = InvitationRow(id=self._new_id("inv"), org=by.org, email=address)
                session.add(row)
            else:
                _demand_manages(by, Role(row.role))
            row.role, row.created_at, row.expires_at = role.value, now, now + lasts
            row.invited_by = by.id
            await _flush(session)
            await self._note(session, by, "member.invited", row.id, role=role.value)
            return _invitation(row)

    async def invitations(self, by: Principal) -> list[Invitation]:
        """Who is invited and has not signed in since; at most 1,000."""
        by.demand(Permission.ORGANISATIONS_READ)
        async with self._database.read() as session:
            rows = await session.scalars(
                select(InvitationRow)
                .where(InvitationRow.org == by.org, InvitationRow.expires_at > self._clock())
                .order_by(InvitationRow.id)
                .limit(1_000)
            )
            return [_invitation(r) for r in rows]

    async def withdraw(self, by: Principal, invitation: str) -> None:
        """Invite somebody no longer. NOT_FOUND, another organisation's as well."""
        by.demand(Permission.MEMBERS_WRITE)
        async with self._database.write() as session:
            row = await session.get(InvitationRow, invitation)
            if row is None or row.org != by.org:
                raise _no_such("invitation")
            _demand_manages(by, Role(row.role))
            await session.delete(row)
            await self._note(session, by, "member.uninvited", invitation)

    async def _note(
        self, session: AsyncSession, by: Principal, kind: str, subject: str, **body: str
    ) -> None:
        await self._record(session, org=by.org, actor=by.id, kind=kind, subject=subject, body=body)


async def _found(session: AsyncSession, org: str, account: str) -> tuple[MembershipRow, AccountRow]:
    member = await session.get(MembershipRow, (org, account))
    row = await session.get(AccountRow, account) if member is not None else None
    if member is None or row is None:
        raise _no_such("member")
    return member, row


async def _locked(
    session: AsyncSession, org: str, account: str
) -> tuple[MembershipRow, AccountRow, bool]:
    """A member to change, and whether it is the only owner.

    All owners are locked with it, in one order: of two who remove each other one does not succeed.
    """
    rows = await session.scalars(
        select(MembershipRow)
        .where(
            MembershipRow.org == org,
            or_(MembershipRow.account == account, MembershipRow.role == Role.OWNER.value),
        )
        .order_by(MembershipRow.account)
        .with_for_update()
    )
    owners = {r.account for r in rows if r.role == Role.OWNER.value}
    member, row = await _found(session, org, account)
    return member, row, owners == {account}


def _needs_an_owner() -> Refusal:
    return Refusal(
        Code.CONFLICT,
        "this is the last owner of the organisation",
        hint="Make somebody else an owner first.",
    )


def _demand_manages(by: Principal, role: Role) -> None:
    by.demand(Permission.MEMBERS_WRITE)
    if not by.manages(role):
        raise Refusal(
            Code.FORBIDDEN,
            f"a member of role {role.value} is not for role {by.role.value} to add or change",
            hint="Ask an owner.",
        )


async def _flush(session: AsyncSession) -> None:
    try:
        await session.flush()
    except IntegrityError as error:  # another request did the same at the same time
        raise Refusal(Code.CONFLICT, "somebody did this just now", hint="Look again.") from error


def _no_such(what: str) -> Refusal:
    return Refusal(Code.NOT_FOUND, f"there is no such {what}")


def _member(member: MembershipRow, account: AccountRow) -> Member:
    return Member(
        account=account.id,
        email=account.email,
        name=account.name,
        role=Role(member.role),
        created_at=member.created_at,
    )


def _invitation(row: InvitationRow) -> Invitation:
    return Invitation(row.id, row.email, Role(row.role), row.created_at, row.expires_at)
