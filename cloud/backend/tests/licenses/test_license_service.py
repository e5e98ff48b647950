from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud_support.licensing import ROOT, somebody, tenant
from coditect_cloud.database import Database
from coditect_cloud.database.paging import after
from coditect_cloud.identity.principal import Role
from coditect_cloud.leases.types import LicenseState
from coditect_cloud.licenses import keys
from coditect_cloud.licenses.service import LicenseService, StoredLicenseKeys
from coditect_cloud.licenses.tables import LicenseKeyTable
from coditect_cloud.licenses.types import License, Overage, OverageStrategy, Terms
from coditect_cloud.organisations.service import OrganisationService, ProductService
from coditect_cloud.refusals import Code, Refusal

pytestmark = pytest.mark.anyio

TERMS = Terms("Studio", 5, entitlements={"render": None, "export": 3})
WHEN = datetime(2026, 11, 25, 12, tzinfo=UTC)


class Journal:
    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.bodies: list[Mapping[str, Any]] = []

    async def __call__(
        self,
        session: AsyncSession,
        *,
        org: str,
        actor: str,
        kind: str,
        subject: str,
        body: Mapping[str, Any],
    ) -> None:
        self.kinds.append(kind)
        self.bodies.append(body)


def refused(caught: pytest.ExceptionInfo[Refusal]) -> Code:
    return caught.value.code


async def test_a_license_is_made_with_a_key_that_is_kept_only_hashed(database: Database) -> None:
    owner, product = await tenant(database)
    journal, told = Journal(), list[License]()

    async def tell(license: License) -> None:
        told.append(license)

    service = LicenseService(database, on_change=tell, record=journal)
    terms = replace(
        TERMS,
        overage=Overage(OverageStrategy.PERCENT, 20),
        starts_at=WHEN,
        expires_at=WHEN + timedelta(days=30),
        trial=False,
    )
    issued = await service.create(owner, product="render", terms=terms)
    found = await service.get(owner, issued.license.id)
    assert found == issued.license == told[0]
    assert found.terms == replace(terms, entitlements={"export": 3, "render": None})
    assert (found.product, found.product_slug, found.version) == (product.id, "render", 1)
    assert found.key_hint == issued.key[-5:]
    assert journal.kinds == ["license.created"]
    assert issued.key not in repr(journal.bodies)
    async with database.read() as session:
        rows = (await session.scalars(select(LicenseKeyTable))).all()
    assert [row.digest for row in rows] == [keys.digest(issued.key)]
    key = await StoredLicenseKeys(database).find(keys.digest(issued.key))
    assert key is not None
    assert (key.license, key.org, key.name) == (found.id, owner.org, "Studio")
    assert await StoredLicenseKeys(database).find(b"\0" * 32) is None


async def test_a_changed_license_goes_up_a_version_and_a_late_change_is_refused(
    database: Database,
) -> None:
    owner, product = await tenant(database)
    service = LicenseService(database)
    made = (await service.create(owner, product=product.id, terms=TERMS)).license
    more = replace(made.terms, seats=9)
    changed = await service.update(owner, made.id, more, version=1)
    assert (changed.version, changed.terms.seats) == (2, 9)
    with pytest.raises(Refusal) as caught:
        await service.update(owner, made.id, TERMS, version=1)
    assert refused(caught) is Code.PRECONDITION_FAILED
    assert caught.value.data == {"version": 2}
    with pytest.raises(Refusal) as caught:
        await service.update(owner, made.id, replace(more, trial=True), version=2)
    assert refused(caught) is Code.IMPOSSIBLE_POLICY
    assert (await service.get(owner, made.id)).version == 2


async def test_suspended_comes_back_and_revoked_never(database: Database) -> None:
    owner, product = await tenant(database)
    journal = Journal()
    service = LicenseService(database, record=journal)
    issued = await service.create(owner, product=product.id, terms=TERMS)
    one = issued.license.id
    suspended = await service.suspend(owner, one, reason="unpaid")
    assert (suspended.state, suspended.state_reason) == (LicenseState.SUSPENDED, "unpaid")
    assert (await service.suspend(owner, one)).version == suspended.version
    assert (await service.validate(owner, one)).code is Code.LICENSE_SUSPENDED
    back = await service.reinstate(owner, one, version=suspended.version)
    assert (back.state, back.state_reason, back.version) == (LicenseState.ACTIVE, "", 3)
    assert (await service.validate(owner, one, entitlements=["render"])).valid
    await service.revoke(owner, one, reason="leaked")
    for again in (
        service.reinstate(owner, one),
        service.rotate_key(owner, one),
        service.update(owner, one, TERMS, version=None),
    ):
        with pytest.raises(Refusal) as caught:
            await again
        assert refused(caught) is Code.CONFLICT
    assert journal.kinds == [
        "license.created",
        "license.suspended",
        "license.reinstated",
        "license.revoked",
    ]
    with pytest.raises(Refusal):
        await service.suspend(owner, one, reason="x" * 501)


async def test_a_rotated_key_works_on_for_the_overlap_and_no_longer(database: Database) -> None:
    owner, product = await tenant(database)
    now = WHEN
    service = LicenseService(database, clock=lambda: now)
    stored = StoredLicenseKeys(database, clock=lambda: now)
    first = await service.create(owner, product=product.id, terms=TERMS)
    one = first.license.id
    second = await service.rotate_key(owner, one, overlap_ms=60_000)
    assert second.license.version == 2
    assert second.old_key_ends_at == WHEN + timedelta(minutes=1)

    async def works(*tried: str) -> list[bool]:
        return [await stored.find(keys.digest(key)) is not None for key in tried]

    assert await works(first.key, second.key) == [True, True]
    third = await service.rotate_key(owner, one, overlap_ms=3_600_000)
    now = WHEN + timedelta(minutes=1)
    assert await works(first.key, second.key, third.key) == [False, True, True]
    fourth = await service.rotate_key(owner, one)
    assert await works(first.key, second.key, third.key, fourth.key) == [False, False, False, True]


async def test_another_tenants_license_is_not_there(database: Database) -> None:
    owner, product = await tenant(database)
    other, _others = await tenant(database, "Another")
    service = LicenseService(database)
    one = (await service.create(owner, product=product.id, terms=TERMS)).license.id
    two = (await service.create(owner, product=product.id, terms=TERMS)).license.id
    with pytest.raises(Refusal) as missing:
        await service.get(owner, "lic_none")
    for attempt in (
        service.get(other, one),
        service.update(other, one, TERMS, version=1),
        service.suspend(other, one),
        service.revoke(other, one),
        service.rotate_key(other, one),
        service.validate(other, one),
        service.get(somebody(owner.org, license=two), one),
        service.suspend(somebody(owner.org, license=two), one),
    ):
        with pytest.raises(Refusal) as caught:
            await attempt
        assert refused(caught) is Code.LICENSE_NOT_FOUND
        assert caught.value.detail == missing.value.detail
    assert (await service.list(other)).items == ()
    with pytest.raises(Refusal) as caught:
        await service.create(other, product=product.id, terms=TERMS)
    assert refused(caught) is Code.NOT_FOUND


async def test_pages_give_each_license_once_whatever_is_made_between(database: Database) -> None:
    owner, product = await tenant(database)
    another = await ProductService(database).create(owner, slug="other", name="Other")
    service = LicenseService(database)
    made = [
        (await service.create(owner, product=product.id, terms=TERMS)).license.id for _ in range(5)
    ]
    seen: list[str] = []
    page = await service.list(owner, most=2)
    while True:
        seen += [license.id for license in page.items]
        if page.next is None:
            break
        if len(seen) == 2:
            late = (await service.create(owner, product=another.id, terms=TERMS)).license.id
        page = await service.list(owner, cursor=page.next, most=2)
    assert seen == [*made, late]
    assert [x.id for x in (await service.list(owner, product=another.id)).items] == [late]
    await service.suspend(owner, late)
    found = await service.list(owner, state=LicenseState.SUSPENDED)
    assert [x.id for x in found.items] == [late]
    for bad in ("?", "MTox€", "x" * 300, "Mjp4"):
        with pytest.raises(Refusal) as caught:
            await service.list(owner, cursor=bad)
        assert refused(caught) is Code.INVALID_REQUEST
    with pytest.raises(Refusal):
        await service.list(owner, most=201)
    assert after(None) == ""


async def test_roles_decide_who_may(database: Database) -> None:
    owner, product = await tenant(database)
    service = LicenseService(database)
    one = (await service.create(owner, product=product.id, terms=TERMS)).license.id
    auditor, holder = (somebody(owner.org, role) for role in (Role.AUDITOR, Role.HOLDER))
    assert (await service.get(auditor, one)).id == one
    for attempt in (
        service.create(auditor, product=product.id, terms=TERMS),
        service.suspend(auditor, one),
        service.get(holder, one),
        service.list(holder),
    ):
        with pytest.raises(Refusal) as caught:
            await attempt
        assert refused(caught) is Code.FORBIDDEN
    keyed = somebody(owner.org, Role.HOLDER, license=one)
    assert (await service.get(keyed, one)).id == one
    assert (await service.validate(keyed, one)).valid


async def test_organisations_are_the_platforms_to_make(database: Database) -> None:
    journal = Journal()
    service = OrganisationService(database, record=journal)
    root = await service.ensure_root()
    assert (root.id, root.name) == ("org_root", "platform")
    assert journal.kinds == []  # it was there
    owner, _ = await tenant(database)
    other, _ = await tenant(database, "Another")
    with pytest.raises(Refusal) as caught:
        await service.create(owner, "Mine")
    assert refused(caught) is Code.FORBIDDEN
    for attempt in (
        service.get(owner, other.org),
        service.get(owner, "org_none"),
        service.rename(owner, other.org, "Stolen", version=None),
        service.get(ROOT, "org_none"),
        service.rename(ROOT, "org_none", "x", version=None),
    ):
        with pytest.raises(Refusal) as caught:
            await attempt
        assert refused(caught) is Code.NOT_FOUND
    renamed = await service.rename(owner, owner.org, " Nord SA ", version=1)
    assert (renamed.name, renamed.version) == ("Nord SA", 2)
    with pytest.raises(Refusal) as caught:
        await service.rename(owner, owner.org, "Late", version=1)
    assert refused(caught) is Code.PRECONDITION_FAILED
    assert [x.id for x in (await service.list(owner)).items] == [owner.org]
    assert {x.id for x in (await service.list(ROOT)).items} == {"org_root", owner.org, other.org}
    with pytest.raises(Refusal):
        await service.create(ROOT, "two\nlines")


async def test_products_have_one_slug_each_within_their_organisation(database: Database) -> None:
    owner, product = await tenant(database)
    _other, others = await tenant(database, "Another")
    assert product.slug == others.slug
    service = ProductService(database)
    with pytest.raises(Refusal) as caught:
        await service.create(owner, slug="render", name="Again")
    assert refused(caught) is Code.CONFLICT
    with pytest.raises(Refusal) as caught:
        await service.create(owner, slug="-no-", name="Again")
    assert refused(caught) is Code.INVALID_REQUEST
    with pytest.raises(Refusal) as caught:
        await service.create(somebody("org_none"), slug="x", name="x")
    assert refused(caught) is Code.NOT_FOUND
    assert (await service.get(owner, "render")) == (await service.get(owner, product.id))
    for attempt in (
        service.get(owner, others.id),
        service.rename(owner, others.id, "Stolen", version=None),
    ):
        with pytest.raises(Refusal) as caught:
            await attempt
        assert refused(caught) is Code.NOT_FOUND
    renamed = await service.rename(owner, product.id, "Render 2", version=1)
    assert (renamed.name, renamed.version, renamed.slug) == ("Render 2", 2, "render")
    page = await service.list(owner, most=1)
    assert [x.id for x in page.items] == [product.id]
    assert page.next is None
