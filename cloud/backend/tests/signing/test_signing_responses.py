"""Response signatures, held against the general library for RFC 9421."""

from __future__ import annotations

import datetime
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from http_message_signatures import (
    HTTPMessageSigner,
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    MappingKeyResolver,
)
from http_message_signatures.algorithms import ED25519
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_support.signing_world import START, World, delegated, trust
from coditect_cloud.signing import Exchange, Reason, Untrusted, verify_response
from coditect_cloud.signing.delegation import Delegation
from coditect_cloud.signing.leaf import Leaf
from coditect_cloud.signing.responses import content_digest
from coditect_cloud.signing.verify import verify_delegation

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(3, 35)))
SENT = Exchange(201, "POST", "/v1/licenses/lic_1/leases", b'{"lease":"lea_1"}', "n0nce-._~+/=:")


def leaf(**more: Any) -> Leaf:
    token = delegated(PRIVATE, **more)
    made: Delegation = verify_delegation(token, trust())
    return Leaf(made, token, PRIVATE)


LEAF = leaf()


def signed(exchange: Exchange = SENT, **more: Any) -> dict[str, str]:
    fields = LEAF.sign_response(exchange, now=START, **more)
    return {name.lower(): value for name, value in fields.items()}


def reason(headers: dict[str, str], exchange: Exchange = SENT, **more: Any) -> Reason:
    with pytest.raises(Untrusted) as caught:
        verify_response(headers, exchange, trust(), **{"now": START + 1, **more})
    return caught.value.reason


def message(exchange: Exchange, headers: dict[str, str]) -> SimpleNamespace:
    request = SimpleNamespace(
        method=exchange.method, url=f"https://licenses.example{exchange.path}", headers={}
    )
    return SimpleNamespace(status_code=exchange.status, headers=headers, request=request)


def resolver() -> HTTPSignatureKeyResolver:
    return MappingKeyResolver(
        public_keys={LEAF.kid: PRIVATE.public_key()}, private_keys={LEAF.kid: PRIVATE}
    )


@pytest.mark.parametrize(
    "exchange", [SENT, replace(SENT, nonce=None), replace(SENT, body=b"", status=204)]
)
def test_the_general_library_verifies_ours(exchange: Exchange) -> None:
    # The library has no clock to pass in.
    now = datetime.datetime.now().timestamp()
    headers = leaf(now=now).sign_response(exchange, now=now)
    verifier = HTTPMessageVerifier(signature_algorithm=ED25519, key_resolver=resolver())
    results = verifier.verify(
        message(exchange, headers),
        body=exchange.body,
        max_age=datetime.timedelta(minutes=5),
        require_components=(
            "@status",
            '"@method";req',
            '"@path";req',
            "content-digest",
        ),
    )
    assert len(results) == 1
    assert results[0].parameters.get("nonce") == exchange.nonce


def test_we_verify_the_general_librarys() -> None:
    headers: dict[str, str] = {"Content-Digest": content_digest(SENT.body)}
    signer = HTTPMessageSigner(signature_algorithm=ED25519, key_resolver=resolver())
    signer.sign(
        message(SENT, headers),
        key_id=LEAF.kid,
        created=datetime.datetime.fromtimestamp(START),
        nonce=SENT.nonce,
        label="coditect",
        covered_component_ids=("@status", '"@method";req', '"@path";req', "content-digest"),
        use_existing_digest=True,
    )
    found = {name.lower(): value for name, value in headers.items()}
    verify_response(found, SENT, trust(), now=START + 1, delegation=LEAF.token)


def test_a_genuine_response_verifies() -> None:
    verify_response(signed(), SENT, trust(), now=START + 1)
    verify_response(signed(known=LEAF.kid), SENT, trust(), now=START + 1, delegation=LEAF.token)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"status": 200}, Reason.SIGNATURE),
        ({"method": "PUT"}, Reason.SIGNATURE),
        ({"path": "/v1/licenses/lic_2/leases"}, Reason.SIGNATURE),
        ({"body": b"{}"}, Reason.DIGEST),
        ({"nonce": "another"}, Reason.NONCE),
        ({"nonce": None}, Reason.NONCE),
    ],
)
def test_an_answer_to_another_request_is_refused(change: Any, expected: Reason) -> None:
    assert reason(signed(), replace(SENT, **change)) is expected


def test_an_old_answer_and_one_of_the_future_are_refused() -> None:
    assert reason(signed(), now=START + 361) is Reason.EXPIRED
    assert reason(signed(), now=START - 61) is Reason.NOT_YET


def test_without_its_delegation_nothing_is_believed() -> None:
    headers = signed(known=LEAF.kid)
    assert reason(headers) is Reason.DELEGATION
    other = Ed25519PrivateKey.from_private_bytes(bytes(range(4, 36)))
    assert reason(headers, delegation=delegated(other)) is Reason.KEY
    assert reason(headers, delegation=delegated(PRIVATE, purposes=["lease"])) is Reason.DELEGATION
    assert reason(headers, delegation=delegated(PRIVATE, name="two")) is Reason.KEY


@pytest.mark.parametrize("name", ["signature-input", "signature", "content-digest"])
def test_every_flipped_character_of_a_field_is_refused(name: str) -> None:
    headers = signed()
    value = headers[name]
    for at, one in enumerate(value):
        other = "A" if one != "A" else "B"
        with pytest.raises(Untrusted):
            verify_response(
                {**headers, name: value[:at] + other + value[at + 1 :]},
                SENT,
                trust(),
                now=START + 1,
            )
    assert reason({one: two for one, two in headers.items() if one != name})


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["signature-input", "signature"]), st.text(max_size=80))
def test_garbage_is_refused(name: str, value: str) -> None:
    assert reason({**signed(), name: value})


def test_base64_with_spare_bits_is_refused() -> None:
    headers = signed()
    assert reason({**headers, "signature": "coditect=:AB==:"}) is Reason.MALFORMED
    assert reason({**headers, "signature": "coditect=:A:"}) is Reason.MALFORMED


@pytest.mark.parametrize("nonce", ["", "a" * 129, 'a"b', "a\nb", "ä", "a b"])
def test_a_nonce_that_could_break_the_signature_is_not_taken(nonce: str) -> None:
    with pytest.raises(ValueError, match="nonce"):
        Exchange(200, "GET", "/", b"", nonce)


@pytest.mark.parametrize("path", ["/a\nb", "/a b", "/ä", '/a\r"@status": 200'])
def test_a_path_that_could_break_the_signature_is_not_taken(path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        Exchange(200, "GET", path, b"")


def test_nothing_is_signed_outside_of_the_delegation() -> None:
    with pytest.raises(Untrusted):
        LEAF.sign_response(SENT, now=START + 13 * 3600)


async def _fields(world: World) -> dict[str, str]:
    signing = world.signing()
    await signing.maintain()
    return signing.sign_response(SENT)


@pytest.mark.anyio
async def test_the_facade_signs_responses() -> None:
    world = World()
    found = {name.lower(): value for name, value in (await _fields(world)).items()}
    verify_response(found, SENT, trust(), now=world.clock.wall)
    assert sum(len(name) + len(value) for name, value in found.items()) < 2_500
