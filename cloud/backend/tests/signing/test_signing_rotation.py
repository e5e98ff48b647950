"""Rotation of roots: with overlap, without restart, and never backwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jwt
import pytest

from cloud_support.signing_world import ISSUER, START, World, root_key, root_token, trust
from coditect_cloud.refusals import Refusal
from coditect_cloud.signing import (
    FileKeyring,
    Keyring,
    KeyringError,
    Reason,
    RootEntry,
    RootSettings,
    RootUnavailable,
    Status,
    Trust,
    Typ,
    Untrusted,
    accept_bundle,
    publish,
    rotate,
    verify_artefact,
    verify_lease,
)
from coditect_cloud.signing.bundle import bundle_claims
from coditect_cloud.signing.jws import VerificationKey

HOUR = 3600
KID = {name: VerificationKey.of(root_key(name).public_key()).kid for name in ("one", "two")}


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def store(tmp_path: Path) -> FileKeyring:
    return FileKeyring(tmp_path / "ring" / "keyring.json", Keyring.single("one"))


def reason(token: str, known: Trust, now: float = START) -> Reason:
    with pytest.raises(Untrusted) as caught:
        accept_bundle(token, known, now=now)
    return caught.value.reason


@pytest.mark.anyio
async def test_a_root_is_rotated_under_a_running_service(world: World, store: FileKeyring) -> None:
    signing = world.signing(store)
    await signing.maintain()
    before = signing.sign_lease(world.lease())
    file_before = await signing.sign_root(Typ.LICENSE, {"exp": START + 30 * 24 * HOUR})
    ring = await rotate(store, "two", world.opener, now=world.clock.wall)
    assert ring.version == 2
    assert [root.status for root in ring.roots] == [Status.RETIRING, Status.ACTIVE]
    await signing.maintain()
    after = signing.sign_lease(world.lease())

    health = signing.health()
    assert (health.keyring_version, health.root_kid) == (2, KID["two"])
    for token in (before, after):
        assert signing.verify_own_lease(token)
    # Who has pinned the old root learns the new one from a bundle that the old root signed.
    pinned = trust("one")
    now = world.clock.wall
    with pytest.raises(Untrusted):
        verify_lease(after, pinned, audience=None, now=now)
    learned = accept_bundle(signing.bundle(KID["one"]), pinned, now=now)
    assert verify_lease(after, learned, audience=None, now=now)
    assert verify_lease(before, learned, audience=None, now=now)
    # Who has pinned the new one only learns the old one, too.
    fresh = accept_bundle(signing.bundle(), trust("two"), now=now)
    assert fresh == learned
    assert verify_artefact(file_before, fresh, typ=Typ.LICENSE, audience=None, now=now)


@pytest.mark.anyio
async def test_after_its_overlap_a_retired_root_signs_nothing_that_is_believed(
    world: World, store: FileKeyring
) -> None:
    signing = world.signing(store)
    await signing.maintain()
    old_file = await signing.sign_root(Typ.LICENSE, {"exp": START + 90 * 24 * HOUR})
    await rotate(store, "two", world.opener, now=world.clock.wall)
    with pytest.raises(KeyringError, match="overlap"):
        await store.change(lambda ring: ring.retire(KID["one"], now=world.clock.wall))
    world.clock.go(25 * HOUR)
    await store.change(lambda ring: ring.retire(KID["one"], now=world.clock.wall))
    await signing.maintain()
    assert world.roots["one"].closed
    with pytest.raises(Refusal):
        signing.bundle(KID["one"])
    now = world.clock.wall
    known = accept_bundle(signing.bundle(), trust("two"), now=now)
    assert verify_artefact(old_file, known, typ=Typ.LICENSE, audience=None, now=now)
    late = root_token({"iss": ISSUER, "iat": now, "exp": now + 9}, Typ.LICENSE)
    with pytest.raises(Untrusted, match="after its time"):
        verify_artefact(late, known, typ=Typ.LICENSE, audience=None, now=now)
    bundle = root_token(bundle_claims(known, now=now), Typ.BUNDLE)
    assert reason(bundle, known, now) is Reason.KEY


@pytest.mark.anyio
async def test_a_published_root_is_known_before_it_signs(world: World, store: FileKeyring) -> None:
    signing = world.signing(store)
    await signing.maintain()
    await publish(store, "two", world.opener)
    await signing.maintain()
    assert signing.health().root_kid == KID["one"]
    known = accept_bundle(signing.bundle(), trust("one"), now=world.clock.wall)
    assert known.roots[KID["two"]].status is Status.NEXT
    await rotate(store, "two", world.opener, now=world.clock.wall, overlap_s=HOUR)
    await signing.maintain()
    token = signing.sign_lease(world.lease())
    assert verify_lease(token, known, audience=None, now=world.clock.wall)
    assert signing.health().keyring_version == 3


@pytest.mark.anyio
async def test_a_new_root_that_does_not_sign_changes_nothing(
    world: World, store: FileKeyring
) -> None:
    world.roots["two"].outage()
    with pytest.raises(RootUnavailable):
        await rotate(store, "two", world.opener, now=START)
    with pytest.raises(RootSettings):
        await rotate(store, "nowhere", world.opener, now=START)
    assert (await store.load()).version == 1


@pytest.mark.anyio
async def test_when_the_new_root_cannot_be_opened_the_old_one_goes_on(
    world: World, store: FileKeyring
) -> None:
    signing = world.signing(store)
    await signing.maintain()
    await rotate(store, "two", world.opener, now=world.clock.wall)
    world.roots["two"].outage()
    world.clock.go(7 * HOUR)
    await signing.maintain()
    health = signing.health()
    assert (health.ready, health.keyring_version, health.failures) == (True, 1, 1)
    assert health.delegation_age_s == 0
    world.roots["two"].down = None
    world.clock.go(60)
    await signing.maintain()
    assert signing.health().keyring_version == 2


@pytest.mark.anyio
async def test_a_keyring_with_a_root_that_the_profile_refuses_does_not_end_the_service(
    world: World, store: FileKeyring
) -> None:
    signing = world.signing(store)
    await signing.start()
    try:
        key = VerificationKey.of(root_key("two").public_key())
        one = VerificationKey.of(root_key("one").public_key())
        await store.change(
            lambda ring: ring.publish("nowhere", key).promote(
                key.kid, one, now=START, overlap_s=HOUR
            )
        )
        await signing.maintain()
        assert "profile" in signing.health().error
        assert signing.sign_lease(world.lease())
    finally:
        await signing.close()


@pytest.mark.anyio
async def test_a_retiring_root_that_is_out_keeps_no_bundle_back(
    world: World, store: FileKeyring
) -> None:
    signing = world.signing(store)
    await rotate(store, "two", world.opener, now=world.clock.wall)
    world.roots["one"].outage()
    await signing.maintain()
    assert accept_bundle(signing.bundle(), trust("two"), now=world.clock.wall).version == 2
    with pytest.raises(Refusal):
        signing.bundle(KID["one"])


@pytest.mark.anyio
async def test_a_root_with_another_key_than_the_keyring_says_is_refused(
    world: World, tmp_path: Path
) -> None:
    wrong = VerificationKey.of(root_key("two").public_key()).jwk()
    store = FileKeyring(tmp_path / "k.json", Keyring((RootEntry("one", jwk=wrong),)))
    signing = world.signing(store)
    await signing.maintain()
    assert "another key" in signing.health().error
    assert not signing.health().ready


@pytest.mark.anyio
async def test_an_older_keyring_is_not_taken(world: World, store: FileKeyring) -> None:
    signing = world.signing(store)
    await rotate(store, "two", world.opener, now=world.clock.wall)
    await signing.maintain()
    store.path.unlink()
    world.clock.go(15)
    await signing.maintain()
    health = signing.health()
    assert (health.keyring_version, health.failures) == (2, 1)
    assert "older" in health.error
    assert health.ready


@pytest.mark.anyio
async def test_stolen_leaves_are_ended_by_the_next_version(
    world: World, store: FileKeyring
) -> None:
    signing = world.signing(store)
    await signing.maintain()
    stolen = signing.sign_lease(world.lease())
    await store.change(Keyring.end_delegations)
    await signing.maintain()
    now = world.clock.wall
    known = accept_bundle(signing.bundle(), trust(), now=now)
    with pytest.raises(Untrusted, match="were ended"):
        verify_lease(stolen, known, audience=None, now=now)
    with pytest.raises(Refusal):
        signing.verify_own_lease(stolen)
    assert verify_lease(signing.sign_lease(world.lease()), known, audience=None, now=now)


@pytest.mark.anyio
async def test_a_stolen_root_is_believed_in_nothing(world: World, store: FileKeyring) -> None:
    signing = world.signing(store)
    await signing.maintain()
    old = signing.sign_lease(world.lease())
    await rotate(store, "two", world.opener, now=world.clock.wall)
    with pytest.raises(KeyringError, match="Rotate first"):
        await store.change(lambda ring: ring.distrust(KID["two"]))
    await store.change(lambda ring: ring.distrust(KID["one"]))
    await signing.maintain()
    known = accept_bundle(signing.bundle(), trust("one", "two"), now=world.clock.wall)
    assert set(known.roots) == {KID["two"]}
    with pytest.raises(Untrusted):
        verify_lease(old, known, audience=None, now=world.clock.wall)
    assert [key["kid"] for key in signing.jwks()["keys"] if key["kty"] == "RSA"] == [KID["two"]]


def known(version: int = 3, **more: Any) -> Trust:
    return Trust(ISSUER, trust("one").roots, version=version, **more)


def bundle(number: int, name: str = "one", **more: Any) -> str:
    claims = {**bundle_claims(known(number), now=START), **more}
    return root_token(claims, Typ.BUNDLE, name)


def test_a_rolled_back_bundle_is_refused() -> None:
    newest = accept_bundle(bundle(3), trust(), now=START)
    assert reason(bundle(2), newest) is Reason.ROLLBACK
    assert accept_bundle(bundle(3), newest, now=START) == newest
    assert accept_bundle(bundle(4), newest, now=START).version == 4


def test_another_statement_under_the_same_version_is_refused() -> None:
    newest = accept_bundle(bundle(3), trust(), now=START)
    assert reason(bundle(3, min_delegation=2), newest) is Reason.ROLLBACK


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"version": 0}, Reason.ROLLBACK),
        ({"version": "3"}, Reason.CLAIMS),
        ({"roots": []}, Reason.CLAIMS),
        ({"roots": {}}, Reason.CLAIMS),
        ({"roots": ["root"]}, Reason.CLAIMS),
        ({"roots": [{"jwk": {}, "status": "active"}]}, Reason.KEY),
        ({"exp": START}, Reason.CLAIMS),
        ({"iss": "https://evil.example"}, Reason.ISSUER),
    ],
)
def test_a_bundle_that_says_nonsense_is_refused(change: Any, expected: Reason) -> None:
    assert reason(bundle(3, **change), trust()) is expected


@pytest.mark.parametrize("status", ["boss", "retired"])
def test_a_bundle_that_leaves_no_root_is_refused(status: str) -> None:
    jwk = trust().roots[KID["one"]].key.jwk()
    assert reason(bundle(3, roots=[{"jwk": jwk, "status": status}]), trust()) is Reason.CLAIMS


def test_a_bundle_by_a_stranger_and_an_old_one_are_refused() -> None:
    assert reason(bundle(3, name="two"), trust()) is Reason.KEY
    assert reason(bundle(3), trust(), START + 8 * 24 * HOUR) is Reason.EXPIRED


def test_keyrings_that_cannot_be_are_refused() -> None:
    key = VerificationKey.of(root_key("two").public_key())
    ring = Keyring.single("one")
    with pytest.raises(KeyringError, match="Exactly one"):
        Keyring(())
    with pytest.raises(KeyringError, match="Versions"):
        Keyring((RootEntry("one"),), 0)
    with pytest.raises(KeyringError, match="already"):
        ring.publish("two", key).publish("again", key)
    with pytest.raises(KeyringError, match="No root"):
        ring.promote("nobody", key, now=START, overlap_s=1)
    done = ring.publish("two", key).promote(
        key.kid, VerificationKey.of(root_key("one").public_key()), now=START, overlap_s=1
    )
    with pytest.raises(KeyringError, match="next root"):
        done.promote(key.kid, key, now=START, overlap_s=1)
    with pytest.raises(KeyringError, match="retiring"):
        done.retire(key.kid, now=START)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version":1,"min_delegation":0,"roots":[]}'])
def test_a_keyring_that_cannot_be_read_says_so(text: str) -> None:
    with pytest.raises(KeyringError):
        Keyring.from_json(text)


def test_a_keyring_goes_through_its_file() -> None:
    key = VerificationKey.of(root_key("two").public_key())
    ring = Keyring.single("one").publish("two", key).end_delegations()
    assert Keyring.from_json(ring.to_json()) == ring


@pytest.mark.anyio
async def test_a_broken_keyring_file_is_told_and_the_service_goes_on(
    world: World, store: FileKeyring
) -> None:
    signing = world.signing(store)
    await signing.maintain()
    store.path.parent.mkdir()
    store.path.write_text("{", encoding="utf-8")
    await signing.maintain()
    assert "cannot be read" in signing.health().error
    token = signing.sign_lease(world.lease())
    assert jwt.get_unverified_header(token)["alg"] == "EdDSA"
