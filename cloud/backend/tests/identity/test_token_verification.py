"""Bearer tokens: what is forged, foreign, too old or too early opens nothing."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from cloud_support.identity_clock import Clock
from cloud_support.issuer_server import IssuerServer, public_jwk, rsa_key
from coditect_cloud.identity.fetching import HttpFetch
from coditect_cloud.identity.issuers import (
    Issuer,
    Serves,
    firebase_emulator,
    github_actions,
    identity_platform,
    kubernetes,
)
from coditect_cloud.identity.keys import IssuerKeys
from coditect_cloud.identity.tokens import Tokens
from coditect_cloud.refusals import Code, Refusal

pytestmark = pytest.mark.anyio


def trusted(server: IssuerServer, **fields: Any) -> Issuer:
    return Issuer(issuer=server.issuer, audiences=("coditect",), insecure_http=True, **fields)


@pytest.fixture
async def tokens(issuer: IssuerServer, clock: Clock) -> AsyncIterator[Tokens]:
    opened = Tokens([trusted(issuer)], clock=clock)
    yield opened
    await opened.close()


async def refusal(tokens: Tokens, token: str) -> Refusal:
    with pytest.raises(Refusal) as refused:
        await tokens.verify(token)
    return refused.value


async def test_a_good_token_says_who_it_is(
    issuer: IssuerServer, clock: Clock, tokens: Tokens
) -> None:
    now = clock.monotonic()
    who = await tokens.verify(issuer.token(now=now, email="Ada@Example.ORG"))
    assert (who.subject, who.email, who.name) == ("someone", "ada@example.org", "Ada")
    assert who.expires_at == clock.now + timedelta(seconds=630)
    assert "Ada@" not in repr(who)


async def test_an_elliptic_and_an_edwards_key_verify_where_they_are_allowed(
    issuer: IssuerServer, clock: Clock
) -> None:
    issuer.keys = {
        "e": ec.generate_private_key(ec.SECP256R1()),
        "d": ed25519.Ed25519PrivateKey.generate(),
    }
    tokens = Tokens([trusted(issuer, algorithms=("ES256", "EdDSA"))], clock=clock)
    now = clock.monotonic()
    await tokens.verify(issuer.token(kid="e", algorithm="ES256", now=now))
    await tokens.verify(issuer.token(kid="d", algorithm="EdDSA", now=now))
    await tokens.close()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"iss": "https://evil.example"}, Code.UNAUTHENTICATED),
        ({"iss": 7}, Code.UNAUTHENTICATED),
        ({"aud": "another"}, Code.UNAUTHENTICATED),
        ({"aud": ["another"]}, Code.UNAUTHENTICATED),
        ({"aud": {"coditect": 1}}, Code.UNAUTHENTICATED),
        ({"azp": "another"}, Code.UNAUTHENTICATED),
        ({"azp": ["coditect"]}, Code.UNAUTHENTICATED),
        ({"sub": ""}, Code.UNAUTHENTICATED),
        ({"sub": "x" * 513}, Code.UNAUTHENTICATED),
        ({"email_verified": False}, Code.EMAIL_NOT_VERIFIED),
        ({"email_verified": "true"}, Code.EMAIL_NOT_VERIFIED),
        ({"email_verified": "false"}, Code.EMAIL_NOT_VERIFIED),
        ({"email_verified": 1}, Code.EMAIL_NOT_VERIFIED),
        ({"email": "no address"}, Code.EMAIL_NOT_VERIFIED),
        ({"email": ["ada@example.org"]}, Code.EMAIL_NOT_VERIFIED),
    ],
)
async def test_a_claim_that_is_wrong_is_refused(
    issuer: IssuerServer, clock: Clock, tokens: Tokens, change: dict[str, Any], code: Code
) -> None:
    token = issuer.token(now=clock.monotonic(), **change)
    assert (await refusal(tokens, token)).code is code


@pytest.mark.parametrize("name", ["iss", "aud", "sub", "iat", "exp"])
async def test_a_claim_that_is_missing_is_refused(
    issuer: IssuerServer, clock: Clock, tokens: Tokens, name: str
) -> None:
    token = issuer.token(now=clock.monotonic(), without=(name,))
    assert (await refusal(tokens, token)).code is Code.UNAUTHENTICATED


@pytest.mark.parametrize("name", ["email", "email_verified"])
async def test_a_user_without_a_verified_address_is_refused(
    issuer: IssuerServer, clock: Clock, tokens: Tokens, name: str
) -> None:
    token = issuer.token(now=clock.monotonic(), without=(name,))
    assert (await refusal(tokens, token)).code is Code.EMAIL_NOT_VERIFIED


@pytest.mark.parametrize(
    ("times", "code"),
    [
        ({"iat": -600, "exp": -31}, Code.TOKEN_EXPIRED),
        ({"iat": -600, "exp": -30}, Code.TOKEN_EXPIRED),
        ({"iat": -600, "exp": -29}, None),
        ({"nbf": 31}, Code.UNAUTHENTICATED),
        ({"nbf": 29}, None),
        ({"iat": 31}, Code.UNAUTHENTICATED),
        ({"iat": 29}, None),
        ({"iat": 0, "exp": 0}, Code.UNAUTHENTICATED),
        ({"iat": -10, "exp": 24 * 3600}, Code.UNAUTHENTICATED),
        ({"iat": 20, "exp": 10}, Code.UNAUTHENTICATED),
    ],
)
async def test_times_are_held_with_thirty_seconds_of_leeway(
    issuer: IssuerServer, clock: Clock, tokens: Tokens, times: dict[str, int], code: Code | None
) -> None:
    now = clock.monotonic()
    said: dict[str, Any] = {name: int(now) + by for name, by in times.items()}
    token = issuer.token(now=now, **said)
    if code is None:
        await tokens.verify(token)
    else:
        assert (await refusal(tokens, token)).code is code


@pytest.mark.parametrize("value", ["soon", True, None, -1, 1e300, [1]])
async def test_times_that_are_none_are_refused(
    issuer: IssuerServer, clock: Clock, tokens: Tokens, value: Any
) -> None:
    for name in ("exp", "iat", "nbf"):
        # PyJWT signs no such token itself.
        token = _forged({"alg": "RS256", "kid": "k1"}, {name: value}, issuer, clock)
        assert (await refusal(tokens, token)).code is Code.UNAUTHENTICATED


def _piece(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _claims(issuer: IssuerServer, clock: Clock) -> dict[str, Any]:
    token = issuer.token(now=clock.monotonic())
    return dict(jwt.decode(token, options={"verify_signature": False}))


def _forged(
    header: dict[str, Any], change: dict[str, Any], issuer: IssuerServer, clock: Clock
) -> str:
    """Any header and claims, rightly signed with RS256."""
    body = f"{_piece(header)}.{_piece({**_claims(issuer, clock), **change})}"
    algorithm: Any = jwt.get_algorithm_by_name("RS256")
    signature = algorithm.sign(body.encode(), issuer.keys["k1"])
    return f"{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


async def test_an_unsigned_token_is_refused(
    issuer: IssuerServer, clock: Clock, tokens: Tokens
) -> None:
    for alg in ("none", "None", "NONE", "nOnE", "", None, 7, ["RS256"]):
        for kid in ({"kid": "k1"}, {}):
            header = _piece({"alg": alg, "typ": "JWT", **kid})
            token = f"{header}.{_piece(_claims(issuer, clock))}."
            assert (await refusal(tokens, token)).code is Code.UNAUTHENTICATED


async def test_a_public_key_is_no_hmac_secret(
    issuer: IssuerServer, clock: Clock, tokens: Tokens
) -> None:
    public = issuer.keys["k1"].public_key()
    shapes = [
        public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
        public.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
        json.dumps(public_jwk(issuer.keys["k1"], kid="k1")).encode(),
    ]
    for secret in shapes:
        body = f"{_piece({'alg': 'HS256', 'kid': 'k1'})}.{_piece(_claims(issuer, clock))}"
        mac = hmac.new(secret, body.encode(), hashlib.sha256).digest()
        token = f"{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
        assert (await refusal(tokens, token)).code is Code.UNAUTHENTICATED


async def test_a_symmetric_or_private_key_in_the_set_is_not_used(
    issuer: IssuerServer, clock: Clock, tokens: Tokens
) -> None:
    secret = base64.urlsafe_b64encode(b"s" * 32).rstrip(b"=").decode()
    good = public_jwk(issuer.keys["k1"], kid="k1")
    issuer.jwks = {"keys": [{"kty": "oct", "k": secret, "kid": "s", "alg": "HS256"}, good, 5]}
    token = jwt.encode(_claims(issuer, clock), b"s" * 32, "HS256", headers={"kid": "s"})
    assert (await refusal(tokens, token)).code is Code.UNAUTHENTICATED
    await tokens.verify(issuer.token(now=clock.monotonic()))


async def test_another_key_under_a_known_kid_does_not_verify(
    issuer: IssuerServer, clock: Clock, tokens: Tokens
) -> None:
    token = issuer.token(now=clock.monotonic(), key=rsa_key(9))
    assert (await refusal(tokens, token)).code is Code.UNAUTHENTICATED


async def test_a_key_that_a_token_brings_itself_is_not_believed(
    issuer: IssuerServer, clock: Clock, tokens: Tokens
) -> None:
    evil = rsa_key(9)
    headers = {
        "jwk": public_jwk(evil, kid="evil"),
        "jku": f"{issuer.issuer}/evil",
        "x5u": f"{issuer.issuer}/evil",
    }
    for kid in ("evil", "k1"):
        token = issuer.token(now=clock.monotonic(), kid=kid, key=evil, headers=headers)
        assert (await refusal(tokens, token)).code is Code.UNAUTHENTICATED
    assert not [path for path, _ in issuer.asked if "evil" in path]


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "RS256"},
        {"alg": "RS256", "kid": ""},
        {"alg": "RS256", "kid": 5},
        {"alg": "RS256", "kid": "k" * 300},
        {"alg": "RS256", "kid": "../k1"},
        {"alg": "RS384", "kid": "k1"},
        {"alg": "RS256", "kid": "k1", "typ": "coditect-lease+jwt"},
        {"alg": "RS256", "kid": "k1", "typ": "logout+jwt"},
        {"alg": "RS256", "kid": "k1", "crit": ["exp"]},
        {"alg": "RS256", "kid": "k1", "crit": ["b64"], "b64": False},
    ],
)
async def test_a_header_out_of_order_is_refused(
    issuer: IssuerServer, clock: Clock, tokens: Tokens, header: dict[str, Any]
) -> None:
    assert (await refusal(tokens, _forged(header, {}, issuer, clock))).code is Code.UNAUTHENTICATED


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256"])
async def test_an_algorithm_that_the_issuer_is_not_allowed_opens_nothing(
    issuer: IssuerServer, clock: Clock, tokens: Tokens, algorithm: str
) -> None:
    token = issuer.token(now=clock.monotonic(), algorithm=algorithm)
    assert (await refusal(tokens, token)).code is Code.UNAUTHENTICATED


async def test_a_weak_key_verifies_nothing(
    issuer: IssuerServer, clock: Clock, tokens: Tokens
) -> None:
    weak = rsa_key(1, 1024)
    body = f"{_piece({'alg': 'RS256', 'kid': 'w'})}.{_piece(_claims(issuer, clock))}"
    algorithm: Any = jwt.get_algorithm_by_name("RS256")
    signature = base64.urlsafe_b64encode(algorithm.sign(body.encode(), weak)).rstrip(b"=").decode()
    issuer.jwks = {"keys": [public_jwk(weak, kid="w")]}
    assert (await refusal(tokens, f"{body}.{signature}")).code is Code.UNAUTHENTICATED


async def test_a_key_for_another_use_or_algorithm_verifies_nothing(
    issuer: IssuerServer, clock: Clock
) -> None:
    for wrong in ({"alg": "PS256"}, {"alg": "RS512"}):
        tokens = Tokens([trusted(issuer)], clock=clock)
        issuer.jwks = {"keys": [public_jwk(issuer.keys["k1"], kid="k1") | wrong]}
        token = issuer.token(now=clock.monotonic())
        assert (await refusal(tokens, token)).code is Code.UNAUTHENTICATED
        await tokens.close()
    for unusable in ({"use": "enc"}, {"key_ops": ["encrypt"]}, {"d": "x"}, {"kid": 7}, {"n": 5}):
        tokens = Tokens([trusted(issuer)], clock=clock)
        issuer.jwks = {"keys": [public_jwk(issuer.keys["k1"], kid="k1") | unusable]}
        code = (await refusal(tokens, issuer.token(now=clock.monotonic()))).code
        assert code in (Code.UNAUTHENTICATED, Code.IDENTITY_UNAVAILABLE)
        await tokens.close()


async def test_a_token_may_lack_its_kid_where_its_issuer_is_allowed_that(
    issuer: IssuerServer, clock: Clock
) -> None:
    issuer.keys = {"k0": rsa_key(2), "k1": rsa_key(1)}
    tokens = Tokens([trusted(issuer, demand_kid=False)], clock=clock)
    await tokens.verify(issuer.token(now=clock.monotonic(), kid=None))
    forged = issuer.token(now=clock.monotonic(), kid=None, key=rsa_key(9))
    assert (await refusal(tokens, forged)).code is Code.UNAUTHENTICATED
    await tokens.close()


async def test_a_new_key_is_found_for_a_token_that_names_none(
    issuer: IssuerServer, clock: Clock
) -> None:
    fetch = HttpFetch()
    tokens = Tokens(
        [trusted(issuer, demand_kid=False)],
        keys=lambda i: IssuerKeys(i, fetch, monotonic=clock.monotonic),
        clock=clock,
    )
    await tokens.verify(issuer.token(now=clock.monotonic(), kid=None))
    issuer.keys = {"k1": rsa_key(2)}
    clock.move(seconds=11)
    await tokens.verify(issuer.token(now=clock.monotonic(), kid=None))
    asked = len(issuer.asked)
    for _ in range(5):
        forged = issuer.token(now=clock.monotonic(), kid=None, key=rsa_key(9))
        assert (await refusal(tokens, forged)).code is Code.UNAUTHENTICATED
    assert len(issuer.asked) == asked, "forgeries make no traffic"
    await tokens.close()
    await fetch.close()


async def test_azp_and_several_audiences(issuer: IssuerServer, clock: Clock) -> None:
    tokens = Tokens([trusted(issuer, authorized_parties=("cli",))], clock=clock)
    now = clock.monotonic()
    await tokens.verify(issuer.token(now=now, azp="cli", aud=["coditect", "other"]))
    for wrong in ({"azp": "coditect"}, {"aud": ["coditect", "other"]}):
        assert (await refusal(tokens, issuer.token(now=now, **wrong))).code is Code.UNAUTHENTICATED
    await tokens.close()


async def test_an_issuer_is_believed_about_its_domains_only(
    issuer: IssuerServer, clock: Clock
) -> None:
    tokens = Tokens([trusted(issuer, email_domains=("example.org",))], clock=clock)
    now = clock.monotonic()
    await tokens.verify(issuer.token(now=now))
    for address in ("ada@example.com", "ada@sub.example.org", "ada@example.org.evil"):
        token = issuer.token(now=now, email=address)
        assert (await refusal(tokens, token)).code is Code.FORBIDDEN
    await tokens.close()


def _at_our_server(issuer: IssuerServer, preset: Issuer) -> Issuer:
    return replace(
        preset, issuer=issuer.issuer, insecure_http=True, jwks_url=f"{issuer.issuer}/jwks"
    )


async def test_identity_platform_lets_google_and_github_in(
    issuer: IssuerServer, clock: Clock
) -> None:
    preset = _at_our_server(issuer, identity_platform("acme"))
    assert identity_platform("acme").issuer == "https://securetoken.google.com/acme"
    tokens = Tokens([preset], clock=clock)
    now = clock.monotonic()

    def token(provider: Any, **more: Any) -> str:
        firebase = {"sign_in_provider": provider, "identities": {}, **more}
        return issuer.token(now=now, aud="acme", exp=int(now) + 3600, firebase=firebase)

    await tokens.verify(token("google.com"))
    await tokens.verify(token("github.com"))
    for provider in ("password", "anonymous", "custom", "google.com.evil", None, ["google.org"]):
        refused = await refusal(tokens, token(provider))
        assert refused.code is Code.FORBIDDEN
        assert "google.com" in refused.hint
    assert (await refusal(tokens, token("google.com", tenant="t-1"))).code is Code.FORBIDDEN
    await tokens.close()
    tokens = Tokens([_at_our_server(issuer, identity_platform("acme", tenant="t-1"))], clock=clock)
    await tokens.verify(token("google.com", tenant="t-1"))
    for other in ({"tenant": "t-2"}, {}):
        assert (await refusal(tokens, token("google.com", **other))).code is Code.FORBIDDEN
    await tokens.close()


async def test_custom_claims_cannot_stand_in_for_the_providers_own(
    issuer: IssuerServer, clock: Clock
) -> None:
    tokens = Tokens([_at_our_server(issuer, identity_platform("acme"))], clock=clock)
    now = clock.monotonic()
    claims: dict[str, Any] = {
        "firebase": {"sign_in_provider": "password"},
        "firebase/sign_in_provider": "google.com",
    }
    token = issuer.token(now=now, aud="acme", **claims)
    assert (await refusal(tokens, token)).code is Code.FORBIDDEN
    await tokens.close()


async def test_an_emulators_tokens_are_taken_from_its_issuer_only(clock: Clock) -> None:
    now = int(clock.monotonic())
    claims = {
        "iss": "https://securetoken.google.com/demo-x", "aud": "demo-x", "sub": "u1",
        "iat": now, "exp": now + 3600, "email": "ada@example.org", "email_verified": True,
        "firebase": {"sign_in_provider": "google.com", "identities": {}},
    }  # fmt: skip
    token = f"{_piece({'alg': 'none', 'typ': 'JWT'})}.{_piece(claims)}."
    emulator = Tokens([firebase_emulator("demo-x")], clock=clock)
    assert (await emulator.verify(token)).subject == "u1"
    for other in (
        token + "AAAA",
        token.replace(_piece({"alg": "none", "typ": "JWT"}), _piece({"alg": "RS256"})),
    ):
        assert (await refusal(emulator, other)).code is Code.UNAUTHENTICATED
    real = Tokens([identity_platform("demo-x")], clock=clock)
    assert (await refusal(real, token)).code is Code.UNAUTHENTICATED
    for opened in (emulator, real):
        await opened.close()
    with pytest.raises(ValueError, match="demo-"):
        firebase_emulator("acme")


@given(st.text(max_size=300))
async def test_any_text_is_refused_and_breaks_nothing(text: str) -> None:
    async def nothing(url: str) -> dict[str, Any]:
        raise AssertionError(url)

    tokens = Tokens([identity_platform("acme")], keys=lambda i: IssuerKeys(i, nothing))
    for token in (text, f"{_piece(text)}.{_piece(text)}.{text}", f"{text}.{text}."):
        assert (await refusal(tokens, token)).code is Code.UNAUTHENTICATED


async def test_deep_and_long_tokens_are_refused(tokens: Tokens) -> None:
    deep = base64.urlsafe_b64encode(b"[" * 9_000).decode().rstrip("=")
    for token in (f"{deep}.e30.", "a" * 20_000, "..", "e30.e30.", "W10.W10.W10"):
        assert (await refusal(tokens, token)).code is Code.UNAUTHENTICATED


@pytest.mark.parametrize(
    "fields",
    [
        {"issuer": ""},
        {"audiences": ()},
        {"audiences": ("",)},
        {"algorithms": ("none",)},
        {"algorithms": ("RS256", "HS256")},
        {"algorithms": ()},
        {"issuer": "http://issuer.example"},
        {"issuer": "file:///etc"},
        {"issuer": "https://user:secret@issuer.example"},
        {"jwks_url": "http://issuer.example/keys"},
        {"jwks_url": "https://issuer.example/keys", "jwks_file": "/keys"},
        {"leeway": timedelta(hours=1)},
        {"max_lifetime": timedelta(0)},
        {"claims": {"firebase": ()}},
        {"claims": {"firebase": ("*" * 9,)}},
        {"claims": {"firebase": ("x" * 2_000,)}},
        {"unsigned": True, "serves": Serves.WORKLOADS},
    ],
)
def test_an_issuer_that_could_not_be_safe_is_no_configuration(fields: dict[str, Any]) -> None:
    good = {"issuer": "https://issuer.example", "audiences": ("coditect",)}
    Issuer(**good)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"\w"):
        Issuer(**{**good, **fields})


def test_an_issuer_is_configured_once() -> None:
    with pytest.raises(ValueError, match="twice"):
        Tokens([identity_platform("demo-x"), firebase_emulator("demo-x")])


def test_presets_of_workloads_name_an_audience() -> None:
    assert github_actions("coditect").serves is Serves.WORKLOADS
    with pytest.raises(ValueError, match="audience"):
        kubernetes("https://cluster.example", "")
