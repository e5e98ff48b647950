"""Makes licenses, changes their terms and states, rotates their keys."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from coditect_cloud.database import Database, new_id, utc_now
from coditect_cloud.database.paging import Page, after, page, size
from coditect_cloud.identity.principal import Permission, Principal
from coditect_cloud.identity.recording import Record, unrecorded
from coditect_cloud.leases.types import LicenseState
from coditect_cloud.licenses import keys, repository
from coditect_cloud.licenses.rules import check_overlap, check_terms, next_state
from coditect_cloud.licenses.tables import LicenseKeyTable, LicenseTable
from coditect_cloud.licenses.types import Issued, License, LicenseKeyRow, Terms
from coditect_cloud.licenses.validation import Verdict, validate
from coditect_cloud.organisations import repository as organisations
from coditect_cloud.organisations.rules import check_version
from coditect_cloud.refusals import Code, Refusal

OnChange = Callable[[License], Awaitable[None]]
"""Told of each license after its change is committed: pushes the terms to the store of seats."""


class LicenseService:
    """Licenses of the principal's own organisation.

    A change is kept in SQL first, and then told to the store of seats through `on_change`. Where
    that fails, the change stands, and the seats follow as soon as the store answers again
    (`LeaseService.push_pending`).
    """

    def __init__(
        self,
        database: Database,
        *,
        on_change: OnChange | None = None,
        record: Record = unrecorded,
        clock: Callable[[], datetime] = utc_now,
        new_key: Callable[[], str] = keys.new_key,
    ) -> None:
        self._database = database
        self._on_change = on_change
        self._record = record
        self._clock = clock
        self._new_key = new_key

    async def create(self, principal: Principal, *, product: str, terms: Terms) -> Issued:
        """Make a license and its key, which nobody can show again.

        `product` is an id or a slug. IMPOSSIBLE_POLICY if the terms contradict each other.
        """
        principal.demand(Permission.LICENSES_WRITE)
        terms = check_terms(terms)
        key, now = self._new_key(), self._clock()
        async with self._database.write() as session:
            org = principal.org
            found = await organisations.product(session, org, product)
            found = found or await organisations.product_by_slug(session, org, product)
            if found is None:
                raise Refusal(Code.NOT_FOUND, "there is no such product")
            row = LicenseTable(
                id=new_id("lic"),
                org=org,
                product=found.id,
                state=LicenseState.ACTIVE.value,
                state_reason="",
                version=1,
                key_hint=keys.hint(key),
                created_at=now,
                updated_at=now,
            )
            repository.write_terms(row, terms)
            session.add(row)
            await session.flush()
            session.add(_key_row(row, key, now))
            license = repository.to_license(row, found.slug)
            await self._note(session, principal, license, "license.created", facts(license))
        await self._tell(license)
        return Issued(license, key)

    async def get(self, principal: Principal, license: str) -> License:
        """One license. LICENSE_NOT_FOUND for another tenant's.

        Who has its key may read it, and only it.
        """
        if principal.license != license:
            principal.demand(Permission.LICENSES_READ)
        return await self._get(principal, license)

    async def list(
        self,
        principal: Principal,
        *,
        product: str | None = None,
        state: LicenseState | None = None,
        cursor: str | None = None,
        most: int = 50,
    ) -> Page[License]:
        """The organisation's licenses, in order of age."""
        principal.demand(Permission.LICENSES_READ)
        async with self._database.read() as session:
            found = await repository.licenses(
                session,
                principal.org,
                product=product,
                state=state,
                after=after(cursor),
                most=size(most) + 1,
            )
        return page(found, most, [license.id for license in found])

    async def update(
        self, principal: Principal, license: str, terms: Terms, *, version: int | None
    ) -> License:
        """Replace the terms. PRECONDITION_FAILED if they were changed since `version`.

        Fewer seats throw nobody out: nothing new is granted until enough have left.
        """
        principal.demand(Permission.LICENSES_WRITE)
        terms = check_terms(terms)
        async with self._database.write() as session:
            row, slug = await self._row(session, principal, license)
            check_version(row.version, version)
            if LicenseState(row.state) is LicenseState.REVOKED:
                raise Refusal(
                    Code.CONFLICT,
                    "this license is revoked: its terms do not matter any more",
                    data={"state": row.state},
                )
            repository.write_terms(row, terms)
            self._touch(row)
            changed = repository.to_license(row, slug)
            await self._note(session, principal, changed, "license.updated", facts(changed))
        await self._tell(changed)
        return changed

    async def suspend(
        self, principal: Principal, license: str, *, reason: str = "", version: int | None = None
    ) -> License:
        """Stop it for a while: nothing is granted or prolonged. Suspending twice is no fault."""
        return await self._set(principal, license, LicenseState.SUSPENDED, reason, version)

    async def reinstate(
        self, principal: Principal, license: str, *, version: int | None = None
    ) -> License:
        """Let a suspended license work again; leases whose time is not over live on."""
        return await self._set(principal, license, LicenseState.ACTIVE, "", version)

    async def revoke(
        self, principal: Principal, license: str, *, reason: str = "", version: int | None = None
    ) -> License:
        """Stop it for ever."""
        return await self._set(principal, license, LicenseState.REVOKED, reason, version)

    async def rotate_key(
        self, principal: Principal, license: str, *, overlap_ms: int = 0
    ) -> Issued:
        """Make another key; the one before works on for the overlap (0: not at all).

        Of keys before that one, none works longer than it would have.
        """
        principal.demand(Permission.LICENSES_WRITE)
        check_overlap(overlap_ms)
        key, now = self._new_key(), self._clock()
        ends = now + timedelta(milliseconds=overlap_ms)
        async with self._database.write() as session:
            row, slug = await self._row(session, principal, license)
            if LicenseState(row.state) is LicenseState.REVOKED:
                raise Refusal(
                    Code.CONFLICT,
                    "this license is revoked: a new key would open nothing",
                    data={"state": row.state},
                )
            await repository.end_keys(session, license, at=ends, now=now)
            session.add(_key_row(row, key, now))
            row.key_hint = keys.hint(key)
            self._touch(row)
            changed = repository.to_license(row, slug)
            body = {"key_hint": row.key_hint, "old_key_ends_at": ends.isoformat()}
            await self._note(session, principal, changed, "license.key_rotated", body)
        await self._tell(changed)
        return Issued(changed, key, ends)

    async def validate(
        self, principal: Principal, license: str, *, entitlements: Iterable[str] = ()
    ) -> Verdict:
        """Say whether it holds now, and if not, the first reason."""
        if principal.license != license:
            principal.demand(Permission.LEASES_READ)
        return validate(await self._get(principal, license), self._clock(), entitlements)

    async def _set(
        self,
        principal: Principal,
        license: str,
        state: LicenseState,
        reason: str,
        version: int | None,
    ) -> License:
        principal.demand(Permission.LICENSES_WRITE)
        if len(reason) > 500:
            raise Refusal(Code.INVALID_REQUEST, "a reason has 500 characters at most")
        async with self._database.write() as session:
            row, slug = await self._row(session, principal, license)
            check_version(row.version, version)
            current = repository.to_license(row, slug)
            if next_state(current, state) is None:
                return current
            row.state, row.state_reason = state.value, reason
            self._touch(row)
            changed = repository.to_license(row, slug)
            verb = "reinstated" if state is LicenseState.ACTIVE else state.value
            await self._note(session, principal, changed, f"license.{verb}", {"reason": reason})
        await self._tell(changed)
        return changed

    async def _get(self, principal: Principal, license: str) -> License:
        if not principal.uses(license):
            raise no_license()
        async with self._database.read() as session:
            found = await repository.license(session, principal.org, license)
        if found is None:
            raise no_license()
        return found

    async def _row(
        self, session: Any, principal: Principal, license: str
    ) -> tuple[LicenseTable, str]:
        row = None
        if principal.uses(license):
            row = await repository.row(session, principal.org, license)
        if row is None:
            raise no_license()
        product = await organisations.product(session, principal.org, row.product)
        return row, product.slug if product else ""

    def _touch(self, row: LicenseTable) -> None:
        row.version, row.updated_at = row.version + 1, self._clock()

    async def _note(
        self,
        session: Any,
        principal: Principal,
        license: License,
        kind: str,
        body: dict[str, Any],
    ) -> None:
        body = {**body, "version": license.version}
        await self._record(
            session, org=license.org, actor=principal.id, kind=kind, subject=license.id, body=body
        )

    async def _tell(self, license: License) -> None:
        if self._on_change is not None:
            await self._on_change(license)


class StoredLicenseKeys:
    """`LicenseKeys` over the database."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self._clock = clock

    async def find(self, digest: bytes) -> LicenseKeyRow | None:
        """The license of a key by its digest; None if there is none, or its time is over."""
        async with self._database.read() as session:
            return await repository.find_key(session, digest, self._clock())


def no_license() -> Refusal:
    """What is answered for a license that does not exist, or is another tenant's: the same."""
    return Refusal(Code.LICENSE_NOT_FOUND, "there is no such license")


def facts(license: License) -> dict[str, Any]:
    """The terms as the audit keeps them."""
    terms = license.terms
    return {
        "product": license.product,
        "name": terms.name,
        "seats": terms.seats,
        "overage": {"strategy": terms.overage.strategy.value, "value": terms.overage.value},
        "entitlements": dict(terms.entitlements),
        "starts_at": terms.starts_at.isoformat() if terms.starts_at else None,
        "expires_at": terms.expires_at.isoformat() if terms.expires_at else None,
        "trial": terms.trial,
        "ttl_ms": terms.ttl_ms,
        "queue_limit": terms.queue_limit,
        "borrow_max_ms": terms.borrow_max_ms,
    }


def _key_row(row: LicenseTable, key: str, now: datetime) -> LicenseKeyTable:
    return LicenseKeyTable(
        digest=keys.digest(key), license=row.id, org=row.org, created_at=now, expires_at=None
    )
