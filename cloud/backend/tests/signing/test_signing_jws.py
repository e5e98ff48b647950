"""Tokens: what verifies, and all that must not."""

from __future__ import annotations

import hashlib
import hmac
import json
from functools import cache
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_support.signing_world import (
    ISSUER,
    START,
    delegated,
    leaf_token,
    lease_claims,
    root_key,
    root_token,
    trust,
)
from coditect_cloud.signing import Reason, Trust, Typ, Untrusted, verify_artefact, verify_lease
from coditect_cloud.signing.encoding import b64u, dump, from_jwk, load, thumbprint, to_jwk, unb64u
from coditect_cloud.signing.jws import VerificationKey

LEAF = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
LICENSE: dict[str, Any] = {
    "iss": ISSUER,
    "aud": "prd_editor",
    "sub": "lic_1",
    "iat": START,
    "exp": START + 86_400,
}


def lease(**more: Any) -> str:
    claims = {"iss": ISSUER, **lease_claims(START, **more)}
    return leaf_token(claims, LEAF, delegated(LEAF))


def check(token: str, *, now: float = START + 1, audience: str | None = "prd_editor") -> Any:
    return verify_lease(token, trust(), audience=audience, now=now)


def check_license(token: str, *, now: float = START + 1, audience: str = "prd_editor") -> Any:
    return verify_artefact(token, trust(), typ=Typ.LICENSE, audience=audience, now=now)


def reason(token: str, act: Any = check, **more: Any) -> Reason:
    with pytest.raises(Untrusted) as caught:
        act(token, **more)
    return caught.value.reason


@cache
def genuine() -> str:
    return lease()


def test_a_genuine_lease_verifies_with_nothing_but_the_root() -> None:
    assert check(genuine())["jti"] == "lea_01k0000000000000000000000a"


def test_a_genuine_license_verifies() -> None:
    assert check_license(root_token(LICENSE, Typ.LICENSE))["sub"] == "lic_1"


def test_pyjwt_reads_what_we_sign() -> None:
    token = root_token(LICENSE, Typ.LICENSE)
    options: Any = {"verify_exp": False, "verify_iat": False}
    read = jwt.decode(
        token,
        root_key().public_key(),
        algorithms=["PS512"],
        audience="prd_editor",
        issuer=ISSUER,
        options=options,
    )
    assert read == LICENSE
    read = jwt.decode(
        genuine(), LEAF.public_key(), algorithms=["EdDSA"], audience="prd_editor", options=options
    )
    assert read["fence"] == "1.42"


def test_we_read_what_pyjwt_signs() -> None:
    kid = thumbprint(root_key().public_key())
    headers = {"kid": kid, "typ": Typ.LICENSE.value}
    token = jwt.encode(LICENSE, root_key(), algorithm="PS512", headers=headers)
    assert check_license(token) == LICENSE


def test_every_flipped_character_is_refused() -> None:
    token = genuine()
    for at, one in enumerate(token):
        other = "A" if one != "A" else "B"
        with pytest.raises(Untrusted):
            check(token[:at] + other + token[at + 1 :])


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_no_mutation_of_a_lease_verifies(data: st.DataObject) -> None:
    token = genuine()
    at = data.draw(st.integers(0, len(token)))
    upto = data.draw(st.integers(at, min(len(token), at + 4)))
    put = data.draw(st.text(max_size=4))
    changed = token[:at] + put + token[upto:]
    if changed != token:
        with pytest.raises(Untrusted):
            check(changed)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: b64u(raw) + "." * 2))
def test_garbage_is_refused_and_never_breaks(token: str) -> None:
    with pytest.raises(Untrusted):
        check(token)


def test_alg_none_is_refused() -> None:
    kid = thumbprint(root_key().public_key())
    body = b64u(dump(LICENSE))
    head = b64u(dump({"alg": "none", "kid": kid, "typ": Typ.LICENSE}))
    assert reason(f"{head}.{body}.", check_license) is Reason.ALGORITHM


@pytest.mark.parametrize("form", [PublicFormat.SubjectPublicKeyInfo, PublicFormat.PKCS1])
def test_hs256_with_the_public_key_is_refused(form: PublicFormat) -> None:
    public = root_key().public_key()
    head = b64u(dump({"alg": "HS256", "kid": thumbprint(public), "typ": Typ.LICENSE}))
    message = f"{head}.{b64u(dump(LICENSE))}"
    secret = public.public_bytes(Encoding.PEM, form)
    forged = b64u(hmac.new(secret, message.encode(), hashlib.sha256).digest())
    assert reason(f"{message}.{forged}", check_license) is Reason.ALGORITHM


@pytest.mark.parametrize("algorithm", ["RS512", "PS256", "PS384", "RS256"])
def test_another_rsa_algorithm_of_the_same_key_is_refused(algorithm: str) -> None:
    headers = {"kid": thumbprint(root_key().public_key()), "typ": Typ.LICENSE.value}
    token = jwt.encode(LICENSE, root_key(), algorithm=algorithm, headers=headers)
    assert reason(token, check_license) is Reason.ALGORITHM


@pytest.mark.parametrize(
    "more",
    [
        {"crit": ["exp"]},
        {"crit": []},
        {"b64": False},
        {"jwk": {"kty": "OKP"}},
        {"jku": "https://evil.example"},
        {"x5c": []},
        {"cty": "JWT"},
    ],
)
def test_headers_that_we_do_not_know_are_refused_though_genuinely_signed(more: Any) -> None:
    head = {
        "alg": "PS512",
        "kid": thumbprint(root_key().public_key()),
        "typ": Typ.LICENSE.value,
        **more,
    }
    token = root_token(LICENSE, Typ.LICENSE, header=b64u(dump(head)) + ".")
    assert reason(token, check_license) is Reason.HEADER


@pytest.mark.parametrize("typ", [typ for typ in Typ if typ is not Typ.LICENSE])
def test_a_genuine_artefact_of_another_kind_is_refused(typ: Typ) -> None:
    assert reason(root_token(LICENSE, typ), check_license) is Reason.TYPE


def test_a_header_that_is_no_text_is_refused() -> None:
    head = {"alg": "PS512", "kid": 7, "typ": Typ.LICENSE.value}
    token = root_token(LICENSE, Typ.LICENSE, header=b64u(dump(head)) + ".")
    assert reason(token, check_license) is Reason.HEADER


def test_an_unknown_root_is_refused() -> None:
    assert reason(root_token(LICENSE, Typ.LICENSE, "two"), check_license) is Reason.KEY


def test_a_root_that_signs_under_anothers_kid_is_refused() -> None:
    head = {"alg": "PS512", "kid": thumbprint(root_key().public_key()), "typ": Typ.LICENSE.value}
    token = root_token(LICENSE, Typ.LICENSE, "two", header=b64u(dump(head)) + ".")
    assert reason(token, check_license) is Reason.SIGNATURE


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"iss": "https://evil.example"}, Reason.ISSUER),
        ({"iss": None}, Reason.ISSUER),
        ({"aud": "prd_other"}, Reason.AUDIENCE),
        ({"aud": ["prd_editor", "prd_other"]}, Reason.AUDIENCE),
        ({"exp": START}, Reason.CLAIMS),
        ({"exp": None}, Reason.CLAIMS),
        ({"exp": "9999999999"}, Reason.CLAIMS),
        ({"exp": True}, Reason.CLAIMS),
        ({"exp": 1e300}, Reason.CLAIMS),
        ({"iat": -1}, Reason.CLAIMS),
        ({"iat": START + 3600, "exp": START + 7200}, Reason.NOT_YET),
        ({"nbf": START + 3600}, Reason.NOT_YET),
        ({"exp": START + 0.5}, Reason.EXPIRED),
    ],
)
def test_wrong_claims_are_refused(change: dict[str, Any], expected: Reason) -> None:
    token = root_token({**LICENSE, **change}, Typ.LICENSE)
    assert reason(token, check_license) is expected


def test_expiry_has_no_leeway_and_the_start_has_some() -> None:
    token = root_token({**LICENSE, "iat": START + 60}, Typ.LICENSE)
    assert check_license(token, now=START + 1)
    assert reason(token, check_license, now=START + 86_400) is Reason.EXPIRED


@pytest.mark.parametrize(
    "body",
    [
        b'{"iss":"a","iss":"b"}',
        b'{"iss":NaN}',
        b"[]",
        b'"text"',
        b"{",
        b"\xff",
        b"[" * 20_000,
    ],
)
def test_loose_json_is_refused(body: bytes) -> None:
    with pytest.raises(Untrusted):
        load(body)


@pytest.mark.parametrize("text", ["YQ==", "YR", "Y", "Y Q", "YQ\n", "Y+", "Y/", "é"])
def test_base64_has_one_spelling(text: str) -> None:
    with pytest.raises(Untrusted):
        unb64u(text)


@given(st.binary(max_size=64))
def test_base64_goes_there_and_back(data: bytes) -> None:
    assert unb64u(b64u(data)) == data


def test_tokens_that_are_too_large_are_not_looked_at() -> None:
    assert reason("a" * 40_000) is Reason.MALFORMED


def test_the_thumbprint_is_that_of_rfc_8037() -> None:
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    assert thumbprint(from_jwk(jwk)) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_keys_go_through_jwk() -> None:
    for public in (root_key().public_key(), LEAF.public_key()):
        jwk = VerificationKey.of(public).jwk()
        assert VerificationKey.from_jwk(json.loads(json.dumps(jwk))).jwk() == jwk


def _rsa(**more: str) -> dict[str, str]:
    return {**to_jwk(root_key().public_key()), **more}


@pytest.mark.parametrize(
    "jwk",
    [
        None,
        {},
        {"kty": "oct", "k": "AAAA"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"},
        {"kty": "OKP", "crv": "X25519", "x": b64u(bytes(32))},
        {"kty": "RSA", "n": b64u(b"\xff" * 256), "e": "AQAB"},
        {"kty": "RSA", "n": b64u(b"\xff" * 4096), "e": "AQAB"},
        {"kty": "RSA", "n": b64u(b"\xff" * 511 + b"\xfe"), "e": "AQAB", "d": "AQAB"},
    ],
)
def test_keys_that_are_none_of_ours_are_refused(jwk: object) -> None:
    with pytest.raises(Untrusted):
        VerificationKey.from_jwk(jwk)


def test_a_key_with_another_exponent_or_kid_is_refused() -> None:
    for jwk in (_rsa(e="Aw"), _rsa(kid="mine")):
        with pytest.raises(Untrusted):
            VerificationKey.from_jwk(jwk)


def test_artefacts_with_rules_of_their_own_are_not_read_as_others() -> None:
    with pytest.raises(ValueError, match="function of its own"):
        verify_artefact("", trust(), typ=Typ.LEASE, audience=None, now=START)


def test_only_rsa_keys_are_pinned() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Trust.pinned(ISSUER)
    with pytest.raises(ValueError, match="RSA"):
        Trust.pinned(ISSUER, LEAF.public_key())
