"""Accounts: found by (issuer, subject), joined only by an e-mail address that is verified."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, exists, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from coditect_cloud.database import Database, new_id, utc_now
from coditect_cloud.identity.authenticator import not_a_member
from coditect_cloud.identity.principal import Principal, PrincipalKind, Role
from coditect_cloud.identity.recording import Record, unrecorded
from coditect_cloud.identity.tables import (
    AccountRow,
    InvitationRow,
    MembershipRow,
    SignInRow,
)
from coditect_cloud.identity.tokens import Identity, email_not_verified
from coditect_cloud.refusals import Code, Refusal


@dataclass(frozen=True, slots=True)
class Membership:
    """A role of an account in one organisation."""

    org: str
    role: Role
    created_at: datetime


class Accounts:
    """Who people are, and where they are members."""

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

    async def sign_in(self, identity: Identity, *, org: str | None) -> Principal:
        """Give the principal of who signed in, in the organisation named or joined first.

        Makes the account at the first sign-in, and takes invitations to its verified address.
        Refusal EMAIL_NOT_VERIFIED, or FORBIDDEN: disabled, or no member.
        """
        account = await self._known(identity)
        if account is None:
            try:
                account = await self._join(identity)
            except IntegrityError:  # another request of the same person was faster
                account = await self._join(identity)
        if account.disabled_at is not None:
            raise Refusal(Code.FORBIDDEN, "this account is disabled", hint="Ask for help.")
        memberships = await self.memberships(account.id)
        chosen = next((m for m in memberships if org in (None, m.org)), None)
        if chosen is None:
            raise not_a_member()
        return Principal(
            kind=PrincipalKind.USER,
            id=account.id,
            org=chosen.org,
            role=chosen.role,
            holder=f"user:{account.id}",
            name=account.name or account.email,
        )

    async def memberships(self, account: str) -> list[Membership]:
        """Where an account is a member, the organisation it joined first at the head."""
        async with self._database.read() as session:
            rows = await session.scalars(
                select(MembershipRow)
                .where(MembershipRow.account == account)
                .order_by(MembershipRow.created_at, MembershipRow.org)
            )
            return [Membership(r.org, Role(r.role), r.created_at) for r in rows]

    async def disable(self, account: str, *, disabled: bool = True) -> None:
        """Let nobody sign in as this account any more, or again; for operators. NOT_FOUND."""
        async with self._database.write() as session:
            row = await session.get(AccountRow, account)
            if row is None:
                raise Refusal(Code.NOT_FOUND, "there is no such account")
            row.disabled_at = self._clock() if disabled else None

    async def _known(self, identity: Identity) -> AccountRow | None:
        """The account of a sign-in that was seen before, if nothing has to be written for it."""
        async with self._database.read() as session:
            row = await _of_sign_in(session, identity)
            if row is None or row.disabled_at is not None or identity.email is None:
                return row
            invited = await session.scalar(
                select(exists().where(InvitationRow.email == identity.email))
            )
            return None if invited else row

    async def _join(self, identity: Identity) -> AccountRow:
        async with self._database.write() as session:
            account = await _of_sign_in(session, identity)
            if account is None:
                account = await self._link(session, identity)
            # By the address the issuer vouches for now: the account's own may be an old one.
            if identity.email is not None and account.disabled_at is None:
                await self._take_invitations(session, account.id, identity.email)
            return account

    async def _link(self, session: AsyncSession, identity: Identity) -> AccountRow:
        if identity.email is None:
            raise email_not_verified()
        now = self._clock()
        account = await session.scalar(select(AccountRow).where(AccountRow.email == identity.email))
        if account is None:
            account = AccountRow(
                id=self._new_id("acc"),
                email=identity.email,
                name=identity.name,
                created_at=now,
            )
            session.add(account)
            await session.flush()
        elif not identity.issuer.links_by_email:
            raise Refusal(
                Code.FORBIDDEN,
                "this identity provider may not join accounts that exist",
                hint="Sign in the way you did before.",
            )
        session.add(
            SignInRow(
                issuer=identity.issuer.issuer,
                subject=identity.subject,
                account=account.id,
                created_at=now,
            )
        )
        await session.flush()
        return account

    async def _take_invitations(self, session: AsyncSession, account: str, email: str) -> None:
        now = self._clock()
        invitations = await session.scalars(
            select(InvitationRow)
            .where(InvitationRow.email == email)
            .order_by(InvitationRow.created_at, InvitationRow.id)
        )
        for invitation in invitations.all():
            if (
                invitation.expires_at > now
                and await session.get(MembershipRow, (invitation.org, account)) is None
            ):
                session.add(
                    MembershipRow(
                        org=invitation.org,
                        account=account,
                        role=invitation.role,
                        created_at=now,
                        added_by=invitation.invited_by,
                    )
                )
                await self._record(
                    session,
                    org=invitation.org,
                    actor=account,
                    kind="member.joined",
                    subject=account,
                    body={"role": invitation.role, "invitation": invitation.id},
                )
        await session.execute(delete(InvitationRow).where(InvitationRow.email == email))


async def _of_sign_in(session: AsyncSession, identity: Identity) -> AccountRow | None:
    return await session.scalar(
        select(AccountRow)
        .join(SignInRow, SignInRow.account == AccountRow.id)
        .where(SignInRow.issuer == identity.issuer.issuer, SignInRow.subject == identity.subject)
    )
