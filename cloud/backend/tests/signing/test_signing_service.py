"""The facade: delegations in time, outages of the root, readiness, what is refused."""

from __future__ import annotations

import asyncio
from typing import Any

import jwt
import pytest

from cloud_support.signing_world import ISSUER, World, root_key, trust
from coditect_cloud.refusals import Code, Refusal
from coditect_cloud.signing import (
    Exchange,
    FixedKeyring,
    Keyring,
    RootRefused,
    RootSettings,
    SigningTimes,
    Trust,
    Typ,
    accept_bundle,
    verify_artefact,
    verify_lease,
)

pytestmark = pytest.mark.anyio
HOUR = 3600
GET = Exchange(200, "GET", "/v1/me", b"{}")


@pytest.fixture
def world() -> World:
    return World()


def refused(act: Any, *args: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        act(*args)
    return caught.value


async def test_a_lease_verifies_offline_from_the_pinned_root(world: World) -> None:
    signing = world.signing()
    await signing.maintain()
    token = signing.sign_lease(world.lease())
    claims = verify_lease(token, trust(), audience="prd_editor", now=world.clock.wall + 1)
    assert claims["iss"] == ISSUER
    assert claims["fence"] == "1.42"
    assert signing.verify_own_lease(token) == claims
    assert len(token) < 3_500


async def test_an_instance_verifies_leases_of_another(world: World) -> None:
    one, other = world.signing(), world.signing()
    await one.maintain()
    await other.maintain()
    assert other.verify_own_lease(one.sign_lease(world.lease()))["jti"]


async def test_a_thousand_leases_ask_the_root_for_nothing(world: World) -> None:
    signing = world.signing()
    await signing.maintain()
    before = world.roots["one"].signed
    for _ in range(1000):
        signing.sign_lease(world.lease())
    assert world.roots["one"].signed == before == 2


async def test_a_day_takes_few_signatures_of_the_root(world: World) -> None:
    signing = world.signing()
    for _ in range(24 * 60):
        world.clock.go(60)
        await signing.maintain()
    assert signing.health().root_signatures <= 6


async def test_the_delegation_is_renewed_at_half_its_life(world: World) -> None:
    signing = world.signing(jitter=0.5)
    await signing.maintain()
    first = signing.sign_lease(world.lease())
    kid = jwt.get_unverified_header(first)["kid"]
    world.clock.go(6.5 * HOUR)
    await signing.maintain()
    assert jwt.get_unverified_header(signing.sign_lease(world.lease()))["kid"] == kid
    world.clock.go(0.2 * HOUR)
    await signing.maintain()
    assert jwt.get_unverified_header(signing.sign_lease(world.lease()))["kid"] != kid
    assert signing.health().delegation_age_s == 0


async def test_leases_of_the_former_leaf_verify_after_a_renewal(world: World) -> None:
    signing = world.signing()
    await signing.maintain()
    world.clock.go(6 * HOUR)
    before = signing.sign_lease(world.lease())
    await signing.maintain()
    assert signing.verify_own_lease(before)
    assert len(signing.jwks()["keys"]) == 3


async def test_through_an_outage_it_signs_until_the_delegation_ends(world: World) -> None:
    signing = world.signing()
    await signing.maintain()
    world.roots["one"].outage()
    for _ in range(11):
        world.clock.go(HOUR)
        await signing.maintain()
        assert signing.verify_own_lease(signing.sign_lease(world.lease()))
    health = signing.health()
    assert health.ready
    assert health.late_s == pytest.approx(5 * HOUR)
    assert health.failures > 0
    assert "late" in health.detail
    world.clock.go(HOUR)
    await signing.maintain()
    assert not signing.health().ready
    refusal = refused(signing.sign_lease, world.lease())
    assert refusal.code is Code.SIGNER_UNAVAILABLE
    assert refusal.retry_after_ms
    assert refused(signing.sign_response, GET).code is Code.SIGNER_UNAVAILABLE
    world.roots["one"].down = None
    world.clock.go(HOUR)
    await signing.maintain()
    assert signing.health().ready
    assert signing.health().failures == 0
    assert signing.sign_lease(world.lease())


async def test_a_new_instance_without_a_delegation_is_not_ready(world: World) -> None:
    world.roots["one"].outage()
    signing = world.signing()
    await signing.start()
    try:
        health = signing.health()
        assert not health.ready
        assert health.error == "The root is out."
        assert refused(signing.sign_lease, world.lease()).code is Code.SIGNER_UNAVAILABLE
        assert refused(signing.bundle).code is Code.SIGNER_UNAVAILABLE
        assert refused(signing.verify_own_lease, "x").code is Code.SIGNER_UNAVAILABLE
        assert refused(signing.verify_own_artefact, Typ.BORROW, "x").code is Code.SIGNER_UNAVAILABLE
        with pytest.raises(Refusal):
            await signing.sign_root(Typ.LICENSE, {"exp": world.clock.wall + 9})
        assert not (await signing.check_root()).ok
        world.roots["one"].down = None
        world.clock.go(2)
        await signing.maintain()
        assert signing.health().ready
        assert (await signing.check_root()).ok
    finally:
        await signing.close()


async def test_a_start_does_not_wait_for_a_silent_root(world: World) -> None:
    world.times = SigningTimes(start_s=0.01, look_s=0.01)
    world.roots["one"].free.clear()
    signing = world.signing()
    await signing.start()
    try:
        assert not signing.health().ready
        world.roots["one"].free.set()
        async with asyncio.timeout(10):
            while not signing.health().ready:
                await asyncio.sleep(0.01)
    finally:
        await signing.close()


async def test_a_start_that_never_got_its_root_can_be_closed(world: World) -> None:
    world.times = SigningTimes(start_s=0.01)
    world.roots["one"].free.clear()
    signing = world.signing()
    await signing.start()
    await signing.close()
    assert not signing.health().ready


async def test_nothing_is_known_before_the_first_round(world: World) -> None:
    signing = world.signing()
    assert signing.jwks() == {"keys": []}
    assert signing.health().keyring_version == 0
    assert not (await signing.check_root()).ok


async def test_the_root_is_left_alone_longer_with_each_failure(world: World) -> None:
    world.roots["one"].outage()
    signing = world.signing(jitter=1.0)
    failures = []
    for _ in range(200):
        await signing.maintain()
        failures.append(signing.health().failures)
        world.clock.go(1)
    assert failures[:4] == [1, 2, 2, 3]
    assert failures[-1] == 9


async def test_a_refusing_root_is_asked_again_too(world: World) -> None:
    world.roots["one"].down = RootRefused("No permission.")
    signing = world.signing()
    await signing.maintain()
    assert signing.health().error == "No permission."
    world.roots["one"].down = None
    world.clock.go(60)
    await signing.maintain()
    assert signing.health().ready


async def test_the_background_renews_by_itself(world: World) -> None:
    world.times = SigningTimes(look_s=0.01)
    signing = world.signing()
    await signing.start()
    try:
        before = signing.health().root_signatures
        world.clock.go(7 * HOUR)
        async with asyncio.timeout(10):
            while signing.health().root_signatures == before:
                await asyncio.sleep(0.01)
        assert signing.health().delegation_age_s == 0
    finally:
        await signing.close()
    assert world.roots["one"].closed
    assert refused(signing.sign_lease, world.lease()).code is Code.SIGNER_UNAVAILABLE


async def test_a_fault_in_a_round_does_not_end_the_background(world: World) -> None:
    world.times = SigningTimes(look_s=0.01)
    signing = world.signing()
    await signing.start()
    try:
        world.clock.go(7 * HOUR)
        world.roots["one"].down = ZeroDivisionError("a fault of ours")
        await asyncio.sleep(0.05)
        world.roots["one"].down = None
        async with asyncio.timeout(10):
            while signing.health().delegation_age_s > 0:
                await asyncio.sleep(0.01)
    finally:
        await signing.close()


async def test_a_clock_that_was_set_back_makes_a_new_delegation(world: World) -> None:
    signing = world.signing()
    await signing.maintain()
    world.clock.wall -= HOUR
    assert not signing.health().ready
    assert refused(signing.sign_lease, world.lease()).code is Code.SIGNER_UNAVAILABLE
    await signing.maintain()
    assert signing.sign_lease(world.lease())


async def test_a_profile_that_refuses_the_root_does_not_start(world: World) -> None:
    signing = world.signing(FixedKeyring(Keyring.single("nowhere")))
    with pytest.raises(RootSettings):
        await signing.start()


@pytest.mark.parametrize("change", [{"exp": 0}, {"exp": None}, {"iat": "now"}])
async def test_times_that_no_lease_may_have_are_a_fault_of_the_caller(
    world: World, change: dict[str, Any]
) -> None:
    signing = world.signing()
    await signing.maintain()
    with pytest.raises((ValueError, Refusal)):
        signing.sign_lease(world.lease(**change))


async def test_a_lease_longer_than_an_hour_is_a_fault_of_the_caller(world: World) -> None:
    signing = world.signing()
    await signing.maintain()
    with pytest.raises(ValueError, match="lives longer"):
        signing.sign_lease(world.lease(exp=world.clock.wall + 3601))


async def test_what_is_not_ours_is_refused(world: World) -> None:
    signing = world.signing()
    await signing.maintain()
    token = signing.sign_lease(world.lease())
    refusal = refused(signing.verify_own_lease, token[:-8] + "AAAAAAAA")
    assert refusal.code is Code.INVALID_REQUEST
    assert refusal.data["reason"] in {"signature", "malformed"}
    world.clock.go(60)
    assert refused(signing.verify_own_lease, token).code is Code.LEASE_EXPIRED


async def test_the_root_signs_license_files_and_borrowed_seats_only(world: World) -> None:
    signing = world.signing()
    await signing.maintain()
    now = world.clock.wall
    for typ in (Typ.LICENSE, Typ.BORROW):
        token = await signing.sign_root(typ, {"aud": "prd_editor", "exp": now + 9})
        claims = verify_artefact(token, trust(), typ=typ, audience="prd_editor", now=now)
        assert claims["iat"] == int(now)
        assert signing.verify_own_artefact(typ, token) == claims
    assert refused(signing.verify_own_artefact, Typ.LICENSE, token).code is Code.INVALID_REQUEST
    point = await signing.sign_root("coditect-audit+jwt", {"org": "org_1", "seq": 7})
    kept = verify_artefact(point, trust(), typ=Typ.AUDIT, audience=None, now=now + 1e9)
    assert kept["seq"] == 7
    with pytest.raises(ValueError, match="unknown"):
        await signing.sign_root("unknown", {"exp": now + 9})
    for typ in (Typ.DELEGATION, Typ.BUNDLE, Typ.LEASE):
        with pytest.raises(ValueError, match="not for others"):
            await signing.sign_root(typ, {"exp": now + 9})
    with pytest.raises(ValueError, match="exp"):
        await signing.sign_root(Typ.LICENSE, {})
    world.roots["one"].outage()
    with pytest.raises(Refusal) as caught:
        await signing.sign_root(Typ.LICENSE, {"exp": now + 9})
    assert caught.value.retry_after_ms == 7000


async def test_a_root_that_signs_with_another_key_is_noticed(world: World) -> None:
    signing = world.signing()
    world.roots["one"]._given = root_key("two")
    await world.roots["one"].open()
    world.roots["one"]._take(root_key("one").public_key())
    await signing.maintain()
    assert not signing.health().ready
    assert "signature" in signing.health().error


async def test_the_leaf_can_be_replaced_at_once(world: World) -> None:
    signing = world.signing()
    await signing.maintain()
    before = signing.sign_lease(world.lease())
    await signing.rotate_delegation()
    after = signing.sign_lease(world.lease())
    kids = {jwt.get_unverified_header(token)["kid"] for token in (before, after)}
    assert len(kids) == 2
    world.roots["one"].outage()
    with pytest.raises(Refusal):
        await signing.rotate_delegation()
    assert signing.sign_lease(world.lease())


async def test_the_key_set_and_the_bundle_are_published(world: World) -> None:
    signing = world.signing()
    await signing.maintain()
    keys = {key["kid"]: key for key in signing.jwks()["keys"]}
    assert {key["alg"] for key in keys.values()} == {"PS512", "EdDSA"}
    assert all("d" not in key and key["use"] == "sig" for key in keys.values())
    assert "max-age=300" in signing.cache_control
    token = signing.sign_lease(world.lease())
    found = jwt.PyJWKSet.from_dict(signing.jwks())[jwt.get_unverified_header(token)["kid"]]
    options: Any = {"verify_exp": False, "verify_iat": False}
    assert jwt.decode(token, found, algorithms=["EdDSA"], audience="prd_editor", options=options)
    pinned: Trust = trust()
    assert accept_bundle(signing.bundle(), pinned, now=world.clock.wall).version == 1
    assert refused(signing.bundle, "unknown").code is Code.NOT_FOUND


async def test_the_bundle_is_signed_anew_before_it_ends(world: World) -> None:
    signing = world.signing()
    await signing.maintain()
    first = signing.bundle()
    for _ in range(5):
        world.clock.go(24 * HOUR)
        await signing.maintain()
    assert signing.bundle() != first
    known = accept_bundle(first, trust(), now=world.clock.wall)
    assert accept_bundle(signing.bundle(), known, now=world.clock.wall) == known


async def test_no_secret_is_in_what_it_prints(world: World) -> None:
    signing = world.signing()
    await signing.maintain()
    leaf = signing._state.leaf
    assert leaf is not None
    assert "rivate" not in repr(leaf)
