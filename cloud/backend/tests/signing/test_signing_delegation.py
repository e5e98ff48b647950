"""What a leaf may and may not sign."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloud_support.signing_world import (
    ISSUER,
    START,
    delegated,
    leaf_token,
    lease_claims,
    root_key,
    trust,
)
from coditect_cloud.signing import Reason, Untrusted, verify_delegation, verify_lease
from coditect_cloud.signing.delegation import Delegation
from coditect_cloud.signing.jws import VerificationKey

LEAF = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(2, 34)))
DAY = 86_400


def show(delegation: str, *, now: float, private: Any = LEAF, **claims: Any) -> dict[str, Any]:
    body = {"iss": ISSUER, **lease_claims(now, **claims)}
    token = leaf_token(body, private, delegation)
    return verify_lease(token, trust(), audience=None, now=now + 1)


def reason(delegation: str, **more: Any) -> Reason:
    with pytest.raises(Untrusted) as caught:
        show(delegation, **{"now": START + 10, **more})
    return caught.value.reason


def test_a_lease_may_outlive_the_delegation_by_its_own_life_only() -> None:
    last = START + 12 * 3600 - 1
    token = delegated(LEAF)
    assert show(token, now=last, exp=last + 3600)["exp"] == last + 3600
    assert reason(token, now=last, exp=last + 3601) is Reason.DELEGATION


def test_nothing_is_issued_outside_of_the_delegation() -> None:
    token = delegated(LEAF)
    assert reason(token, now=START + 12 * 3600) is Reason.DELEGATION
    assert reason(token, now=START - 61) is Reason.DELEGATION
    assert show(token, now=START - 60)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"purposes": ["response"]}, Reason.DELEGATION),
        ({"purposes": []}, Reason.DELEGATION),
        ({"purposes": ["mint-money"]}, Reason.DELEGATION),
        ({"purposes": "lease"}, Reason.CLAIMS),
        ({"max_lease_s": 30}, Reason.DELEGATION),
        ({"max_lease_s": 7200}, Reason.DELEGATION),
        ({"max_lease_s": 0}, Reason.DELEGATION),
        ({"max_lease_s": 1.5}, Reason.CLAIMS),
        ({"exp": int(START) + 2 * DAY}, Reason.DELEGATION),
        ({"exp": int(START)}, Reason.DELEGATION),
        ({"nbf": int(START) + 5}, Reason.DELEGATION),
        ({"sub": "somebody"}, Reason.DELEGATION),
        ({"jti": ""}, Reason.CLAIMS),
        ({"iss": "https://evil.example"}, Reason.ISSUER),
        ({"cnf": {}}, Reason.KEY),
        ({"cnf": "key"}, Reason.KEY),
        ({"version": -1}, Reason.CLAIMS),
    ],
)
def test_a_delegation_that_says_too_much_or_too_little_is_refused(
    change: dict[str, Any], expected: Reason
) -> None:
    assert reason(delegated(LEAF, **change)) is expected


def test_a_root_key_is_no_leaf() -> None:
    key = VerificationKey.of(root_key().public_key())
    token = delegated(LEAF, sub=key.kid, cnf={"jwk": key.jwk()})
    assert reason(token) is Reason.DELEGATION


def test_anothers_delegation_does_not_help() -> None:
    assert reason(delegated(OTHER)) is Reason.ALGORITHM or Reason.KEY
    with pytest.raises(Untrusted):
        show(delegated(OTHER), now=START)


def test_a_delegation_by_an_unknown_root_is_refused() -> None:
    assert reason(delegated(LEAF, name="two")) is Reason.KEY


def test_a_lease_is_no_delegation_and_a_leaf_delegates_nothing() -> None:
    lease = leaf_token({"iss": ISSUER, **lease_claims(START)}, LEAF, delegated(LEAF))
    assert reason(lease) is Reason.HEADER
    with pytest.raises(Untrusted):
        verify_delegation(lease, trust())


@pytest.mark.parametrize("name", ["jti", "sub", "lic", "org", "fence"])
def test_a_lease_without_what_makes_it_one_is_refused(name: str) -> None:
    assert reason(delegated(LEAF), **{name: ""}) is Reason.CLAIMS


def test_claims_go_there_and_back() -> None:
    made = verify_delegation(delegated(LEAF), trust())
    assert Delegation.from_claims(made.claims()) == made


def test_renewals_are_spread_behind_half_the_life() -> None:
    made = verify_delegation(delegated(LEAF), trust())
    life = made.ends_s - made.issued_s
    assert made.renewal_s(0.0) == made.issued_s + life * 0.5
    assert made.renewal_s(0.999) < made.issued_s + life * 0.6


def test_a_day_is_the_most_that_can_be_asked_for() -> None:
    made = Delegation.make(
        issuer=ISSUER,
        leaf=VerificationKey.of(LEAF.public_key()),
        serial="s",
        version=1,
        now=START,
        life_s=DAY,
        max_lease_s=3600,
    )
    assert made.ends_s - made.starts_s == DAY
