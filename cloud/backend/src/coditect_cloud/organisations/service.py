"""Makes, shows and renames organisations and products."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.exc import IntegrityError

from coditect_cloud.database import Database, new_id, utc_now
from coditect_cloud.database.paging import Page, after, page, size
from coditect_cloud.identity.principal import ROOT_ORG, Permission, Principal
from coditect_cloud.identity.recording import Record, unrecorded
from coditect_cloud.organisations import repository
from coditect_cloud.organisations.rules import check_name, check_slug, check_version
from coditect_cloud.organisations.tables import OrganisationRow, ProductRow
from coditect_cloud.organisations.types import Organisation, Product
from coditect_cloud.refusals import Code, Refusal


class OrganisationService:
    """Tenants. Only the platform's owners make them; everybody sees at most his own."""

    def __init__(
        self,
        database: Database,
        *,
        record: Record = unrecorded,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._database = database
        self._record = record
        self._clock = clock

    async def ensure_root(self) -> Organisation:
        """Make the platform's own organisation if it is missing; several instances may try."""
        async with self._database.read() as session:
            row = await repository.organisation(session, ROOT_ORG)
        if row is not None:
            return _organisation(row)
        try:
            return await self._make(ROOT_ORG, "platform", actor="system")
        except IntegrityError:  # another instance was first
            return await self.ensure_root()

    async def create(self, principal: Principal, name: str) -> Organisation:
        """Make a tenant. FORBIDDEN for all but the platform's owners."""
        principal.demand(Permission.ORGANISATIONS_WRITE)
        if not principal.runs_the_platform:
            raise Refusal(
                Code.FORBIDDEN,
                "only owners of the platform's organisation make organisations",
                data={"permission": Permission.ORGANISATIONS_WRITE.value},
            )
        return await self._make(new_id("org"), check_name(name), actor=principal.id)

    async def get(self, principal: Principal, org: str) -> Organisation:
        """One organisation. NOT_FOUND for what the principal may not see."""
        principal.demand(Permission.ORGANISATIONS_READ)
        if not principal.sees(org):
            raise _no_organisation()
        async with self._database.read() as session:
            row = await repository.organisation(session, org)
        if row is None:
            raise _no_organisation()
        return _organisation(row)

    async def list(
        self, principal: Principal, *, cursor: str | None = None, most: int = 50
    ) -> Page[Organisation]:
        """The organisations that the principal sees, in order of age."""
        principal.demand(Permission.ORGANISATIONS_READ)
        only = None if principal.runs_the_platform else principal.org
        async with self._database.read() as session:
            rows = await repository.organisations(
                session, only=only, after=after(cursor), most=size(most) + 1
            )
        return page([_organisation(row) for row in rows], most, [row.id for row in rows])

    async def rename(
        self, principal: Principal, org: str, name: str, *, version: int | None
    ) -> Organisation:
        """Give another name. PRECONDITION_FAILED if it is not of this version any more."""
        principal.demand(Permission.ORGANISATIONS_WRITE)
        if not principal.sees(org):
            raise _no_organisation()
        name = check_name(name)
        async with self._database.write() as session:
            row = await repository.organisation(session, org, lock=True)
            if row is None:
                raise _no_organisation()
            check_version(row.version, version)
            row.name, row.version, row.updated_at = name, row.version + 1, self._clock()
            await self._record(
                session,
                org=org,
                actor=principal.id,
                kind="organisation.renamed",
                subject=org,
                body={"name": name},
            )
            return _organisation(row)

    async def _make(self, org: str, name: str, *, actor: str) -> Organisation:
        now = self._clock()
        row = OrganisationRow(id=org, name=name, version=1, created_at=now, updated_at=now)
        async with self._database.write() as session:
            session.add(row)
            await session.flush()
            await self._record(
                session,
                org=org,
                actor=actor,
                kind="organisation.created",
                subject=org,
                body={"name": name},
            )
        return _organisation(row)


class ProductService:
    """Products of the principal's own organisation."""

    def __init__(
        self,
        database: Database,
        *,
        record: Record = unrecorded,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._database = database
        self._record = record
        self._clock = clock

    async def create(self, principal: Principal, *, slug: str, name: str) -> Product:
        """Make a product. CONFLICT if the organisation has one of this slug."""
        principal.demand(Permission.PRODUCTS_WRITE)
        now = self._clock()
        row = ProductRow(
            id=new_id("prd"),
            org=principal.org,
            slug=check_slug(slug),
            name=check_name(name),
            version=1,
            created_at=now,
            updated_at=now,
        )
        try:
            async with self._database.write() as session:
                if await repository.organisation(session, principal.org) is None:
                    raise _no_organisation()
                session.add(row)
                await session.flush()
                await self._record(
                    session,
                    org=principal.org,
                    actor=principal.id,
                    kind="product.created",
                    subject=row.id,
                    body={"slug": slug, "name": row.name},
                )
        except IntegrityError as fault:
            raise Refusal(
                Code.CONFLICT,
                f"there is a product with the slug {slug!r} already",
                hint="Use that one, or choose another slug.",
            ) from fault
        return _product(row)

    async def get(self, principal: Principal, product: str) -> Product:
        """One product by id or slug. NOT_FOUND for another tenant's."""
        principal.demand(Permission.PRODUCTS_READ)
        async with self._database.read() as session:
            row = await repository.product(session, principal.org, product)
            row = row or await repository.product_by_slug(session, principal.org, product)
        if row is None:
            raise _no_product()
        return _product(row)

    async def list(
        self, principal: Principal, *, cursor: str | None = None, most: int = 50
    ) -> Page[Product]:
        """The organisation's products, in order of age."""
        principal.demand(Permission.PRODUCTS_READ)
        async with self._database.read() as session:
            rows = await repository.products(
                session, principal.org, after=after(cursor), most=size(most) + 1
            )
        return page([_product(row) for row in rows], most, [row.id for row in rows])

    async def rename(
        self, principal: Principal, product: str, name: str, *, version: int | None
    ) -> Product:
        """Give another name. PRECONDITION_FAILED if it is not of this version any more."""
        principal.demand(Permission.PRODUCTS_WRITE)
        name = check_name(name)
        async with self._database.write() as session:
            row = await repository.product(session, principal.org, product, lock=True)
            if row is None:
                raise _no_product()
            check_version(row.version, version)
            row.name, row.version, row.updated_at = name, row.version + 1, self._clock()
            await self._record(
                session,
                org=row.org,
                actor=principal.id,
                kind="product.renamed",
                subject=row.id,
                body={"name": name},
            )
            return _product(row)


def _organisation(row: OrganisationRow) -> Organisation:
    return Organisation(row.id, row.name, row.version, row.created_at, row.updated_at)


def _product(row: ProductRow) -> Product:
    return Product(row.id, row.org, row.slug, row.name, row.version, row.created_at, row.updated_at)


def _no_organisation() -> Refusal:
    return Refusal(Code.NOT_FOUND, "there is no such organisation")


def _no_product() -> Refusal:
    return Refusal(Code.NOT_FOUND, "there is no such product")
