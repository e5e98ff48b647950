"""Asks the database for organisations and products; products always by tenant."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from coditect_cloud.organisations.tables import OrganisationRow, ProductRow


async def organisation(
    session: AsyncSession, org: str, *, lock: bool = False
) -> OrganisationRow | None:
    """One organisation; `lock` keeps others from changing it in this transaction."""
    query = select(OrganisationRow).where(OrganisationRow.id == org)
    return (await session.scalars(query.with_for_update() if lock else query)).one_or_none()


async def organisations(
    session: AsyncSession, *, only: str | None, after: str, most: int
) -> Sequence[OrganisationRow]:
    """Organisations in order of id; `only` one of them, or all for the platform."""
    query = select(OrganisationRow).where(OrganisationRow.id > after)
    if only is not None:
        query = query.where(OrganisationRow.id == only)
    return (await session.scalars(query.order_by(OrganisationRow.id).limit(most))).all()


async def product(
    session: AsyncSession, org: str, product: str, *, lock: bool = False
) -> ProductRow | None:
    """One product of a tenant by its id."""
    query = select(ProductRow).where(ProductRow.org == org, ProductRow.id == product)
    return (await session.scalars(query.with_for_update() if lock else query)).one_or_none()


async def product_by_slug(session: AsyncSession, org: str, slug: str) -> ProductRow | None:
    """One product of a tenant by its slug."""
    query = select(ProductRow).where(ProductRow.org == org, ProductRow.slug == slug)
    return (await session.scalars(query)).one_or_none()


async def products(
    session: AsyncSession, org: str, *, after: str, most: int
) -> Sequence[ProductRow]:
    """Products of a tenant in order of id."""
    query = select(ProductRow).where(ProductRow.org == org, ProductRow.id > after)
    return (await session.scalars(query.order_by(ProductRow.id).limit(most))).all()
