"""Asks the database for licenses; every question that serves a caller names a tenant."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from coditect_cloud.leases.types import LicenseState
from coditect_cloud.licenses.tables import LicenseKeyTable, LicenseTable
from coditect_cloud.licenses.types import (
    License,
    LicenseKeyRow,
    Overage,
    OverageStrategy,
    Terms,
)
from coditect_cloud.organisations.tables import ProductRow

_WITH_SLUG = select(LicenseTable, ProductRow.slug).join(
    ProductRow, ProductRow.id == LicenseTable.product
)


async def license(session: AsyncSession, org: str, license: str) -> License | None:
    """One license of a tenant."""
    query = _WITH_SLUG.where(LicenseTable.org == org, LicenseTable.id == license)
    return _one((await session.execute(query)).one_or_none())


async def license_of_any(session: AsyncSession, license: str) -> License | None:
    """One license whoever owns it: for the service itself, never for a caller's question."""
    return _one((await session.execute(_WITH_SLUG.where(LicenseTable.id == license))).one_or_none())


async def row(session: AsyncSession, org: str, license: str) -> LicenseTable | None:
    """One license of a tenant to change it: nobody else changes it in this transaction."""
    query = select(LicenseTable).where(LicenseTable.org == org, LicenseTable.id == license)
    return (await session.scalars(query.with_for_update())).one_or_none()


async def licenses(
    session: AsyncSession,
    org: str,
    *,
    product: str | None,
    state: LicenseState | None,
    after: str,
    most: int,
) -> list[License]:
    """Licenses of a tenant in order of id."""
    query = _WITH_SLUG.where(LicenseTable.org == org, LicenseTable.id > after)
    if product is not None:
        query = query.where(LicenseTable.product == product)
    if state is not None:
        query = query.where(LicenseTable.state == state.value)
    rows = (await session.execute(query.order_by(LicenseTable.id).limit(most))).all()
    return [to_license(found[0], found[1]) for found in rows]


async def find_key(session: AsyncSession, digest: bytes, now: datetime) -> LicenseKeyRow | None:
    """What a key stands for, if its time is not over."""
    query = (
        select(LicenseKeyTable.license, LicenseKeyTable.org, LicenseTable.name)
        .join(LicenseTable, LicenseTable.id == LicenseKeyTable.license)
        .where(
            LicenseKeyTable.digest == digest,
            or_(LicenseKeyTable.expires_at.is_(None), LicenseKeyTable.expires_at > now),
        )
    )
    found = (await session.execute(query)).one_or_none()
    return None if found is None else LicenseKeyRow(found[0], found[1], found[2])


async def end_keys(session: AsyncSession, license: str, *, at: datetime, now: datetime) -> None:
    """Let the current key work until `at`; forget those whose time was over before."""
    await session.execute(
        delete(LicenseKeyTable).where(
            LicenseKeyTable.license == license, LicenseKeyTable.expires_at <= now
        )
    )
    await session.execute(
        update(LicenseKeyTable)
        .where(LicenseKeyTable.license == license)
        .where(or_(LicenseKeyTable.expires_at.is_(None), LicenseKeyTable.expires_at > at))
        .values(expires_at=at)
    )


def write_terms(row: LicenseTable, terms: Terms) -> None:
    """Put terms into a row."""
    row.name = terms.name
    row.seats = terms.seats
    row.overage_strategy = terms.overage.strategy.value
    row.overage_value = terms.overage.value
    row.entitlements = dict(terms.entitlements)
    row.starts_at = terms.starts_at
    row.expires_at = terms.expires_at
    row.trial = terms.trial
    row.ttl_ms = terms.ttl_ms
    row.queue_limit = terms.queue_limit
    row.borrow_max_ms = terms.borrow_max_ms


def to_license(row: LicenseTable, slug: str) -> License:
    """Read a row."""
    terms = Terms(
        name=row.name,
        seats=row.seats,
        overage=Overage(OverageStrategy(row.overage_strategy), row.overage_value),
        entitlements=dict(row.entitlements),
        starts_at=row.starts_at,
        expires_at=row.expires_at,
        trial=row.trial,
        ttl_ms=row.ttl_ms,
        queue_limit=row.queue_limit,
        borrow_max_ms=row.borrow_max_ms,
    )
    return License(
        id=row.id,
        org=row.org,
        product=row.product,
        product_slug=slug,
        terms=terms,
        state=LicenseState(row.state),
        state_reason=row.state_reason,
        version=row.version,
        key_hint=row.key_hint,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _one(found: Any) -> License | None:
    return None if found is None else to_license(found[0], found[1])
