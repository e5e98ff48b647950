"""Offline verification: pinned root → delegation → lease, and from there the trust bundle.

Pure, without clock or network, on `cryptography` alone. What it promises ends at the device's own
state: whoever can set its clock back or change the pinned root can deceive it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Self

from coditect_cloud.signing.artefacts import ARTEFACTS, DELEGATION_HEADER, LEEWAY_S, Typ
from coditect_cloud.signing.delegation import Delegation
from coditect_cloud.signing.encoding import PublicKey
from coditect_cloud.signing.jws import (
    HEADERS,
    Algorithm,
    Demand,
    VerificationKey,
    read,
    seconds,
    text,
    whole,
)
from coditect_cloud.signing.untrusted import Reason, Untrusted


class Status(StrEnum):
    """How a root stands."""

    NEXT = "next"
    """Known ahead of its time, so that verifiers know it before it signs."""
    ACTIVE = "active"
    """Signs."""
    RETIRING = "retiring"
    """Signs until its `until_s`, and bundles beyond it, for those who know no newer root."""
    RETIRED = "retired"
    """Signs nothing; what it signed before `until_s` stays good."""


@dataclass(frozen=True, slots=True)
class TrustedRoot:
    """A root that is believed."""

    key: VerificationKey
    status: Status = Status.ACTIVE
    until_s: int | None = None
    """Nothing that it issued later is believed, bundles of a retiring root apart."""


@dataclass(frozen=True, slots=True)
class Trust:
    """What a verifier believes in. It keeps this, and never takes back an older version."""

    issuer: str
    roots: Mapping[str, TrustedRoot]
    """By kid."""
    version: int = 0
    """Of the newest bundle that was taken; 0: only what is pinned."""
    min_delegation: int = 0
    """Delegations of an older version are over, whatever their time."""
    leeway_s: int = field(default=LEEWAY_S)

    @classmethod
    def pinned(cls, issuer: str, *keys: PublicKey) -> Self:
        """Trust roots that came with the program."""
        found = [VerificationKey.of(key) for key in keys]
        if not found or any(key.algorithm is not Algorithm.PS512 for key in found):
            raise ValueError("a root is an RSA key, and there is at least one")
        return cls(issuer, {key.kid: TrustedRoot(key) for key in found})

    def root(self, header: Mapping[str, str]) -> VerificationKey:
        """Give the root that a header names. Raises Untrusted."""
        found = self.roots.get(header["kid"])
        if found is None:
            raise Untrusted(Reason.KEY, "no root that we trust has signed it")
        return found.key


def _within(trust: Trust, token: str, demand: Demand) -> dict[str, Any]:
    """Read what a root signed, and refuse what it signed after its time."""
    used: list[str] = []

    def find(header: Mapping[str, str]) -> VerificationKey:
        used.append(header["kid"])
        return trust.root(header)

    claims = read(token, demand, find)
    root = trust.roots[used[0]]
    if demand.typ is Typ.BUNDLE:
        if root.status is Status.RETIRED:
            raise Untrusted(Reason.KEY, "this root is retired")
    elif root.until_s is not None and seconds(claims, "iat") > root.until_s:
        raise Untrusted(Reason.KEY, "the root signed it after its time")
    return claims


def verify_artefact(
    token: str, trust: Trust, *, typ: Typ, audience: str | None, now: float
) -> dict[str, Any]:
    """Verify a license file, a borrowed seat or an audit checkpoint, and give its claims.

    Raises Untrusted.
    """
    if typ not in ARTEFACTS:
        raise ValueError(f"a {typ} has a function of its own")
    return _within(trust, token, Demand(typ, trust.issuer, audience, now, trust.leeway_s))


def verify_delegation(token: str, trust: Trust) -> Delegation:
    """Verify who may sign what and when; the caller asks it about an instant. Raises Untrusted."""
    demand = Demand(Typ.DELEGATION, trust.issuer, None, None, trust.leeway_s)
    found = Delegation.from_claims(_within(trust, token, demand))
    if found.version < trust.min_delegation:
        raise Untrusted(Reason.ROLLBACK, "delegations of this version were ended")
    return found


def verify_lease(token: str, trust: Trust, *, audience: str | None, now: float) -> dict[str, Any]:
    """Verify a lease with the delegation that it carries, and give its claims. Raises Untrusted.

    The delegation has to hold at the instant the lease was issued, not now: a lease outlives it by
    at most its own life, which the delegation limits.
    """
    chain: list[Delegation] = []

    def find(header: Mapping[str, str]) -> VerificationKey:
        chain.append(verify_delegation(header[DELEGATION_HEADER], trust))
        return chain[0].leaf

    demand = Demand(
        Typ.LEASE, trust.issuer, audience, now, trust.leeway_s, HEADERS | {DELEGATION_HEADER}
    )
    claims = read(token, demand, find)
    for name in ("jti", "sub", "lic", "org", "fence"):
        text(claims, name)
    chain[0].demand_lease(claims)
    return claims


def accept_bundle(token: str, trust: Trust, *, now: float) -> Trust:
    """Take a trust bundle, and give what to believe from now on. Raises Untrusted.

    Only a root that is trusted already can bring in another. A version that is older than the
    newest seen is a rollback; the same version with other contents is as bad.
    """
    demand = Demand(Typ.BUNDLE, trust.issuer, None, now, trust.leeway_s)
    claims = _within(trust, token, demand)
    found = replace(
        trust,
        version=whole(claims, "version"),
        min_delegation=whole(claims, "min_delegation"),
        roots=_roots(claims.get("roots")),
    )
    if found.version < max(trust.version, 1):
        raise Untrusted(Reason.ROLLBACK, "a newer bundle was seen before")
    if found.version == trust.version and found != trust:
        raise Untrusted(Reason.ROLLBACK, "another bundle of this version was seen before")
    return found


def _roots(listed: object) -> dict[str, TrustedRoot]:
    if not isinstance(listed, list) or not 0 < len(listed) <= 16:
        raise Untrusted(Reason.CLAIMS, "`roots` is no list of roots")
    found: dict[str, TrustedRoot] = {}
    for one in listed:
        if not isinstance(one, dict):
            raise Untrusted(Reason.CLAIMS, "`roots` is no list of roots")
        key = VerificationKey.from_jwk(one.get("jwk"))
        if key.algorithm is not Algorithm.PS512 or one.get("status") not in set(Status):
            raise Untrusted(Reason.CLAIMS, "not a root, or of no status that we know")
        until = whole(one, "until") if one.get("until") is not None else None
        found[key.kid] = TrustedRoot(key, Status(one["status"]), until)
    if all(root.status is Status.RETIRED for root in found.values()):
        raise Untrusted(Reason.CLAIMS, "no root is left")
    return found
