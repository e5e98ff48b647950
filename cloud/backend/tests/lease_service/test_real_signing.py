"""With the signing of the service itself: what it signs verifies offline from the pinned root."""

from __future__ import annotations

import pytest

from cloud_support.licensing import tenant
from cloud_support.signing_world import ISSUER, World, trust
from coditect_cloud.database import Database
from coditect_cloud.leases.service import Ask, LeaseService, Seat
from coditect_cloud.leases.sql import SqlSeats
from coditect_cloud.licenses.service import LicenseService
from coditect_cloud.licenses.types import Terms
from coditect_cloud.refusals import Code, Refusal
from coditect_cloud.signing import Typ, verify_artefact, verify_lease

pytestmark = pytest.mark.anyio


async def test_every_artefact_verifies_offline(database: Database) -> None:
    world = World()
    signing = world.signing()
    owner, _ = await tenant(database)
    service = LeaseService(
        database,
        SqlSeats(database),
        signing,
        issuer=ISSUER,
        wall_ms=lambda: int(world.clock.wall * 1000),
    )
    licenses = LicenseService(database, on_change=service.push)
    terms = Terms("Studio", 2, entitlements={"render": None}, borrow_max_ms=86_400_000)
    license = (await licenses.create(owner, product="render", terms=terms)).license.id
    with pytest.raises(Refusal) as caught:
        await service.acquire(owner, license, Ask("machine:a"))
    assert caught.value.code is Code.SIGNER_UNAVAILABLE
    assert (await service.seats(owner, license)).in_use == 0
    await signing.maintain()
    seat = await service.acquire(owner, license, Ask("machine:a", device="d"))
    assert isinstance(seat, Seat)
    now = world.clock.wall + 1
    claims = verify_lease(seat.token, trust(), audience="render", now=now)
    assert (claims["jti"], claims["sub"]) == (seat.lease.id, "machine:a")
    assert signing.verify_own_lease(seat.token) == claims
    lent = await service.borrow(owner, license, Ask("machine:b"), for_ms=86_400_000)
    claims = verify_artefact(lent.token, trust(), typ=Typ.BORROW, audience="render", now=now)
    assert claims["kind"] == "borrowed"
    file = await service.license_file(owner, license)
    claims = verify_artefact(file, trust(), typ=Typ.LICENSE, audience="render", now=now)
    assert (claims["sub"], claims["seats"]) == (license, 2)
