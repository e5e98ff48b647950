"""API keys: issued, rotated with an overlap, revoked, and resolved to a principal."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import or_, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from coditect_cloud.database import Database, new_id, utc_now
from coditect_cloud.identity.authenticator import Resolved, in_org
from coditect_cloud.identity.principal import (
    ROOT_ORG,
    Permission,
    Principal,
    PrincipalKind,
    Role,
    check_scopes,
)
from coditect_cloud.identity.recording import Record, unrecorded
from coditect_cloud.identity.secrets import KeyText, opens
from coditect_cloud.identity.tables import ApiKeyRow, BootstrapRow
from coditect_cloud.refusals import Code, Refusal

_log = structlog.get_logger(__name__)

OVERLAP = timedelta(hours=24)
OVERLAP_AT_MOST = timedelta(days=30)
USED_AT_MOST_EVERY = timedelta(minutes=1)
"""Between two notes that a key was used."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key without its secret."""

    id: str
    name: str
    role: Role
    scopes: frozenset[str]
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    rotated_at: datetime | None
    previous_until: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Issued:
    """A new secret, shown this once; `secret.text` is it, and no repr shows it."""

    key: ApiKey
    secret: KeyText


class ApiKeys:
    """The keys of organisations. Methods with `by` act in its own, and need `keys:write`."""

    def __init__(
        self,
        database: Database,
        *,
        record: Record = unrecorded,
        clock: Callable[[], datetime] = utc_now,
        new_id: Callable[[str], str] = new_id,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._database = database
        self._record = record
        self._clock = clock
        self._new_id = new_id
        self._random = random

    async def issue(
        self,
        by: Principal,
        *,
        name: str,
        role: Role,
        scopes: Iterable[str] = (),
        expires_at: datetime | None = None,
    ) -> Issued:
        """Make a key that may no more than who makes it. FORBIDDEN, INVALID_REQUEST."""
        by.demand(Permission.KEYS_WRITE)
        wanted = check_scopes(scopes)
        _demand_grantable(by, role, wanted)
        return await self._make(by.org, by.id, name, role, wanted, expires_at)

    async def issue_for_owner(self, org: str, *, name: str, by: str = "operator") -> Issued:
        """Make an owner's key for an organisation; for operators at the machine, and new tenants.

        Asks nobody's permission: never reachable with a tenant's credential.
        """
        return await self._make(org, by, name, Role.OWNER, frozenset(), None)

    async def bootstrap(self, org: str = ROOT_ORG) -> Issued | None:
        """Make the first owner's key, once in the life of a deployment; None if that was done.

        However many instances start at once, one of them gets it.
        """
        made = self._new(org, "bootstrap", "bootstrap", Role.OWNER, frozenset(), None)
        try:
            async with self._database.write() as session:
                session.add(BootstrapRow(name=f"owner-key:{org}"[:64], at=self._clock()))
                await session.flush()
                return await self._add(session, *made)
        except IntegrityError:
            return None

    async def rotate(self, by: Principal, key: str, *, overlap: timedelta = OVERLAP) -> Issued:
        """Give a key a new secret; the old one opens for `overlap` longer (0 to 30 days).

        A secret that was rotated away before stops at once. NOT_FOUND, FORBIDDEN, CONFLICT.
        """
        by.demand(Permission.KEYS_WRITE)
        if not timedelta(0) <= overlap <= OVERLAP_AT_MOST:
            raise Refusal(Code.INVALID_REQUEST, "an overlap is 0 to 30 days")
        now = self._clock()
        async with self._database.write() as session:
            row = await session.get(ApiKeyRow, key, with_for_update=True)
            if row is None or row.org != by.org:
                raise _no_such_key()
            _demand_grantable(by, Role(row.role), frozenset(row.scopes))
            if row.revoked_at is not None or (row.expires_at and row.expires_at <= now):
                raise Refusal(
                    Code.CONFLICT, "this key has ended", hint="Issue a new one in its place."
                )
            secret = KeyText.make(row.id, self._random)
            row.previous_digest, row.previous_until = row.digest, now + overlap
            row.digest, row.rotated_at = secret.digest, now
            await self._record(
                session, org=row.org, actor=by.id, kind="api_key.rotated", subject=row.id,
                body={"previous_until": row.previous_until.isoformat()},
            )  # fmt: skip
            return Issued(_key(row), secret)

    async def revoke(self, by: Principal, key: str) -> ApiKey:
        """End a key, both of its secrets; again is no fault. NOT_FOUND, FORBIDDEN.

        Other instances may serve it for the seconds that they remember it.
        """
        by.demand(Permission.KEYS_WRITE)
        async with self._database.write() as session:
            row = await session.get(ApiKeyRow, key, with_for_update=True)
            if row is None or row.org != by.org:
                raise _no_such_key()
            if Role(row.role) is Role.OWNER and by.role is not Role.OWNER:
                raise Refusal(Code.FORBIDDEN, "only an owner ends the key of an owner")
            if row.revoked_at is None:
                row.revoked_at = self._clock()
                await self._record(
                    session, org=row.org, actor=by.id, kind="api_key.revoked", subject=row.id,
                    body={},
                )  # fmt: skip
            return _key(row)

    async def get(self, by: Principal, key: str) -> ApiKey:
        """One key. NOT_FOUND, another organisation's as well."""
        by.demand(Permission.KEYS_WRITE)
        async with self._database.read() as session:
            row = await session.get(ApiKeyRow, key)
            if row is None or row.org != by.org:
                raise _no_such_key()
            return _key(row)

    async def page(self, by: Principal, *, after: str = "", most: int = 100) -> list[ApiKey]:
        """Keys by id, revoked ones too, from the first behind `after`."""
        by.demand(Permission.KEYS_WRITE)
        async with self._database.read() as session:
            rows = await session.scalars(
                select(ApiKeyRow)
                .where(ApiKeyRow.org == by.org, ApiKeyRow.id > after)
                .order_by(ApiKeyRow.id)
                .limit(most)
            )
            return [_key(r) for r in rows]

    async def resolve(self, credential: str, *, org: str | None) -> Resolved:
        """Say whose key this is. UNAUTHENTICATED alike for unknown, wrong and revoked ones."""
        shown = KeyText.parse(credential)
        if shown is None:
            raise _unknown_key()
        async with self._database.read() as session:
            row = await session.get(ApiKeyRow, shown.id)
        current, previous = opens(
            shown,
            row.digest if row is not None else bytes(32),
            row.previous_digest if row is not None else None,
        )
        now = self._clock()
        overlaps = row is not None and row.previous_until is not None and now < row.previous_until
        if row is None or row.revoked_at is not None or not (current or (previous and overlaps)):
            raise _unknown_key()
        if row.expires_at is not None and row.expires_at <= now:
            raise Refusal(
                Code.TOKEN_EXPIRED, "the API key has expired", hint="Have a new one issued."
            )
        principal = Principal(
            kind=PrincipalKind.API_KEY,
            id=row.id,
            org=row.org,
            role=Role(row.role),
            scopes=frozenset(row.scopes),
            name=row.name,
        )
        resolved = Resolved(in_org(principal, org), _earlier(row, current=current))
        await self._note_use(row, now)
        return resolved

    async def _note_use(self, row: ApiKeyRow, now: datetime) -> None:
        edge = now - USED_AT_MOST_EVERY
        if row.last_used_at is not None and row.last_used_at > edge:
            return
        try:
            async with self._database.write() as session:
                await session.execute(
                    update(ApiKeyRow)
                    .where(
                        ApiKeyRow.id == row.id,
                        or_(ApiKeyRow.last_used_at.is_(None), ApiKeyRow.last_used_at <= edge),
                    )
                    .values(last_used_at=now)
                )
        except DBAPIError as error:  # a note that is lost locks nobody out
            _log.warning("api_key_use_not_noted", key=row.id, reason=type(error).__name__)

    async def _make(
        self,
        org: str,
        by: str,
        name: str,
        role: Role,
        scopes: frozenset[str],
        expires_at: datetime | None,
    ) -> Issued:
        made = self._new(org, by, name, role, scopes, expires_at)
        async with self._database.write() as session:
            return await self._add(session, *made)

    def _new(
        self,
        org: str,
        by: str,
        name: str,
        role: Role,
        scopes: frozenset[str],
        expires_at: datetime | None,
    ) -> tuple[ApiKeyRow, KeyText]:
        now = self._clock()
        if not 0 < len(name) <= 200 or not name.isprintable():
            raise Refusal(Code.INVALID_REQUEST, "a key's name has 1 to 200 printable characters")
        if expires_at is not None and expires_at <= now:
            raise Refusal(Code.INVALID_REQUEST, "a key cannot expire in the past")
        secret = KeyText.make(self._new_id("key"), self._random)
        row = ApiKeyRow(
            id=secret.id,
            org=org,
            name=name,
            role=role.value,
            scopes=sorted(scopes),
            digest=secret.digest,
            created_at=now,
            created_by=by,
            expires_at=expires_at,
        )
        return row, secret

    async def _add(self, session: AsyncSession, row: ApiKeyRow, secret: KeyText) -> Issued:
        session.add(row)
        await self._record(
            session, org=row.org, actor=row.created_by, kind="api_key.issued", subject=row.id,
            body={"name": row.name, "role": row.role, "scopes": list(row.scopes)},
        )  # fmt: skip
        return Issued(_key(row), secret)


def _earlier(row: ApiKeyRow, *, current: bool) -> datetime | None:
    ends = [row.expires_at, None if current else row.previous_until]
    return min((e for e in ends if e is not None), default=None)


def _demand_grantable(by: Principal, role: Role, scopes: frozenset[str]) -> None:
    if not by.grantable(role, scopes):
        raise Refusal(
            Code.FORBIDDEN,
            "nobody hands out a key that may more than they may themselves",
            hint="Choose a lesser role, or scopes among your own.",
        )


def _no_such_key() -> Refusal:
    return Refusal(Code.NOT_FOUND, "there is no such API key")


def _unknown_key() -> Refusal:
    return Refusal(
        Code.UNAUTHENTICATED,
        "this is no API key that we know, or it was revoked",
        hint="Have a new one issued by an owner or admin.",
    )


def _key(row: ApiKeyRow) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        role=Role(row.role),
        scopes=frozenset(row.scopes),
        created_at=row.created_at,
        created_by=row.created_by,
        expires_at=row.expires_at,
        rotated_at=row.rotated_at,
        previous_until=row.previous_until,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )
