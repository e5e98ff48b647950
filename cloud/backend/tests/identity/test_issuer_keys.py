"""Key sets: rotation, outage, floods of unknown keys, and answers that are not what they seem."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cloud_support.identity_clock import Clock
from cloud_support.issuer_server import IssuerServer, public_jwk, rsa_key
from coditect_cloud.identity.fetching import HttpFetch
from coditect_cloud.identity.issuers import Issuer
from coditect_cloud.identity.keys import Freshness, IssuerKeys
from coditect_cloud.refusals import Code, Refusal

pytestmark = pytest.mark.anyio

FRESHNESS = Freshness(fresh_s=900, stale_s=3_600, pause_s=10)


def trusted(server: IssuerServer, **fields: Any) -> Issuer:
    return Issuer(server.issuer, ("coditect",), insecure_http=True, **fields)


@pytest.fixture
async def fetch() -> AsyncIterator[HttpFetch]:
    opened = HttpFetch(deadline_s=2)
    yield opened
    await opened.close()


@pytest.fixture
def keys(issuer: IssuerServer, fetch: HttpFetch, clock: Clock) -> IssuerKeys:
    return IssuerKeys(trusted(issuer), fetch, freshness=FRESHNESS, monotonic=clock.monotonic)


def fetches(issuer: IssuerServer) -> int:
    return sum(path == "/jwks" for path, _ in issuer.asked)


async def test_a_rotated_key_is_found_without_a_restart(
    issuer: IssuerServer, keys: IssuerKeys, clock: Clock
) -> None:
    assert await keys.find("k1")
    issuer.keys["k2"] = rsa_key(2)
    clock.move(seconds=11)
    assert [k.kid for k in await keys.find("k2")] == ["k2"]
    assert await keys.find("k1"), "both count through the overlap"
    del issuer.keys["k1"]
    assert await keys.find("k1"), "until it is fetched again"
    clock.move(seconds=901)
    assert not await keys.find("k1")
    assert await keys.find("k2")


async def test_unknown_keys_are_asked_for_at_most_once_in_a_pause(
    issuer: IssuerServer, keys: IssuerKeys, clock: Clock
) -> None:
    await keys.find("k1")
    for number in range(50):
        assert not await keys.find(f"unknown-{number}")
    assert fetches(issuer) == 1
    clock.move(seconds=11)
    for number in range(50):
        assert not await keys.find(f"unknown-{number}")
    assert fetches(issuer) == 2


async def test_all_who_wait_share_one_fetch(issuer: IssuerServer, keys: IssuerKeys) -> None:
    issuer.gate.clear()
    waiting = [asyncio.create_task(keys.find("k1")) for _ in range(20)]
    await asyncio.sleep(0)
    waiting[0].cancel()  # the others' fetch goes on
    issuer.gate.set()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert all(isinstance(f, tuple) and len(f) == 1 for f in found[1:])
    assert fetches(issuer) == 1


@pytest.mark.parametrize("trouble", ["500", "redirect", "large", "slow", "text", "array"])
async def test_keys_serve_through_a_short_outage_and_no_longer(
    issuer: IssuerServer, clock: Clock, trouble: str
) -> None:
    fetch = HttpFetch(deadline_s=0.3)
    keys = IssuerKeys(trusted(issuer), fetch, freshness=FRESHNESS, monotonic=clock.monotonic)
    await keys.find("k1")
    issuer.trouble = trouble
    clock.move(seconds=4_499)
    assert await keys.find("k1")
    with pytest.raises(Refusal) as refused:
        await keys.find("k2")
    assert refused.value.code is Code.IDENTITY_UNAVAILABLE, "it may be a key we could not learn of"
    assert refused.value.retry_after_ms
    clock.move(seconds=2)
    with pytest.raises(Refusal) as refused:
        await keys.find("k1")
    assert refused.value.code is Code.IDENTITY_UNAVAILABLE
    issuer.trouble = ""
    clock.move(seconds=11)
    assert await keys.find("k1")
    await fetch.close()


async def test_an_outage_is_asked_about_once_in_a_pause(
    issuer: IssuerServer, keys: IssuerKeys, clock: Clock
) -> None:
    issuer.trouble = "500"
    for _ in range(20):
        with pytest.raises(Refusal):
            await keys.find("k1")
    assert len(issuer.asked) == 1
    clock.move(seconds=11)
    issuer.trouble = ""
    assert await keys.find("k1")


async def test_nobody_answers_at_all(fetch: HttpFetch, clock: Clock) -> None:
    nobody = Issuer("http://127.0.0.1:1", ("coditect",), insecure_http=True)
    keys = IssuerKeys(nobody, fetch, monotonic=clock.monotonic)
    with pytest.raises(Refusal) as refused:
        await keys.find("k1")
    assert refused.value.code is Code.IDENTITY_UNAVAILABLE
    assert "127.0.0.1" not in str(refused.value)


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://evil.example", "jwks_uri": "{issuer}/jwks"},
        {"jwks_uri": "{issuer}/jwks"},
        {"issuer": "{issuer}"},
        {"issuer": "{issuer}", "jwks_uri": 7},
        {"issuer": "{issuer}", "jwks_uri": "file:///etc/passwd"},
        {"issuer": "{issuer}", "jwks_uri": "gopher://127.0.0.1/"},
    ],
)
async def test_a_discovery_document_that_is_not_the_issuers_is_refused(
    issuer: IssuerServer, keys: IssuerKeys, document: dict[str, Any]
) -> None:
    issuer.discovery = json.loads(json.dumps(document).replace("{issuer}", issuer.issuer))
    with pytest.raises(Refusal) as refused:
        await keys.find("k1")
    assert refused.value.code is Code.IDENTITY_UNAVAILABLE
    assert fetches(issuer) == 0


@pytest.mark.parametrize("jwks", [{}, {"keys": []}, {"keys": {}}, {"keys": [{"kty": "oct"}]}])
async def test_a_set_without_a_usable_key_does_not_take_the_place_of_one(
    issuer: IssuerServer, keys: IssuerKeys, clock: Clock, jwks: dict[str, Any]
) -> None:
    await keys.find("k1")
    issuer.jwks = jwks
    clock.move(seconds=901)
    assert await keys.find("k1")


async def test_keys_are_read_from_a_file_and_read_again(
    tmp_path: Path, fetch: HttpFetch, clock: Clock
) -> None:
    file = tmp_path / "jwks.json"
    trust = Issuer("https://cluster.example", ("coditect",), jwks_file=str(file))
    keys = IssuerKeys(trust, fetch, freshness=FRESHNESS, monotonic=clock.monotonic)
    for body in (None, "no json", "x" * 300_000):
        if body is not None:
            file.write_text(body)
        with pytest.raises(Refusal):
            await keys.find("k1")
        clock.move(seconds=11)
    file.write_text(json.dumps({"keys": [public_jwk(rsa_key(1), kid="k1")]}))
    assert await keys.find("k1")
    file.write_text(json.dumps({"keys": [public_jwk(rsa_key(2), kid="k2")]}))
    clock.move(seconds=11)
    assert await keys.find("k2")


async def test_a_cluster_that_wants_a_token_for_its_keys_gets_it(
    issuer: IssuerServer, tmp_path: Path, clock: Clock
) -> None:
    token = tmp_path / "token"
    token.write_text("one\n")
    fetch = HttpFetch(bearer_file=str(token))
    trust = trusted(issuer, jwks_url=f"{issuer.issuer}/openid/v1/jwks")
    keys = IssuerKeys(trust, fetch, freshness=FRESHNESS, monotonic=clock.monotonic)
    await keys.find("k1")
    token.write_text("two\n")  # the kubelet renews it
    clock.move(seconds=901)
    await keys.find("k1")
    assert [auth for _, auth in issuer.asked] == ["Bearer one", "Bearer two"]
    token.unlink()
    clock.move(seconds=901)
    assert await keys.find("k1"), "as through any outage"
    await fetch.close()


async def test_closing_ends_a_fetch_under_way(issuer: IssuerServer, keys: IssuerKeys) -> None:
    issuer.gate.clear()
    waiting = asyncio.create_task(keys.find("k1"))
    await asyncio.sleep(0.01)
    await keys.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    issuer.gate.set()
