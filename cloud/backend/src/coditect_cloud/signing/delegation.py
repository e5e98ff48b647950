"""Delegation: a root lets a key in memory sign leases and responses for at most a day.

So the root, which is slow, dear and elsewhere, is asked a few times a day and never for a seat.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from coditect_cloud.signing.artefacts import (
    LEEWAY_S,
    MAX_DELEGATION_S,
    MAX_LEASE_S,
    Purpose,
)
from coditect_cloud.signing.jws import Algorithm, VerificationKey, seconds, text, whole
from coditect_cloud.signing.untrusted import Reason, Untrusted

HALF = 0.5
SPREAD = 0.1
"""Renewals are spread over a tenth of the life, so that instances do not ask all at once."""


@dataclass(frozen=True, slots=True)
class Delegation:
    """What a root said of a leaf. Times are whole seconds since 1970."""

    issuer: str
    leaf: VerificationKey
    serial: str
    version: int
    """Of the keyring it was made under; a bundle may end all that are older."""
    purposes: frozenset[Purpose]
    issued_s: int
    starts_s: int
    ends_s: int
    """The leaf signs nothing that is issued at this instant or later."""
    max_lease_s: int
    """Nothing that it signs lives longer."""

    def __post_init__(self) -> None:
        if not self.starts_s <= self.issued_s < self.ends_s:
            raise Untrusted(Reason.DELEGATION, "it ends before it starts")
        if self.ends_s - self.starts_s > MAX_DELEGATION_S:
            raise Untrusted(Reason.DELEGATION, "no leaf signs longer than a day")
        if not 0 < self.max_lease_s <= MAX_LEASE_S:
            raise Untrusted(Reason.DELEGATION, "no lease lives longer than an hour")
        if self.leaf.algorithm is not Algorithm.EDDSA:
            raise Untrusted(Reason.DELEGATION, "a leaf is an Ed25519 key")

    @classmethod
    def make(
        cls,
        *,
        issuer: str,
        leaf: VerificationKey,
        serial: str,
        version: int,
        now: float,
        life_s: int,
        max_lease_s: int,
    ) -> Self:
        """Decide a delegation that starts now; backdated by the leeway, for clocks that lag."""
        issued = int(now)
        starts = issued - LEEWAY_S
        return cls(
            issuer=issuer,
            leaf=leaf,
            serial=serial,
            version=version,
            purposes=frozenset(Purpose),
            issued_s=issued,
            starts_s=starts,
            ends_s=min(issued + life_s, starts + MAX_DELEGATION_S),
            max_lease_s=max_lease_s,
        )

    def claims(self) -> dict[str, Any]:
        """Give what the root signs."""
        return {
            "iss": self.issuer,
            "sub": self.leaf.kid,
            "jti": self.serial,
            "iat": self.issued_s,
            "nbf": self.starts_s,
            "exp": self.ends_s,
            "version": self.version,
            "purposes": sorted(self.purposes),
            "max_lease_s": self.max_lease_s,
            "cnf": {"jwk": self.leaf.jwk()},
        }

    @classmethod
    def from_claims(cls, claims: Mapping[str, Any]) -> Self:
        """Read verified claims. Raises Untrusted."""
        proof = claims.get("cnf")
        leaf = VerificationKey.from_jwk(proof.get("jwk") if isinstance(proof, dict) else None)
        if text(claims, "sub") != leaf.kid:
            raise Untrusted(Reason.DELEGATION, "its subject is not its key")
        named = claims.get("purposes")
        if not isinstance(named, list) or not all(isinstance(one, str) for one in named):
            raise Untrusted(Reason.CLAIMS, "`purposes` is no list of names")
        known = {purpose.value for purpose in Purpose}
        return cls(
            issuer=text(claims, "iss"),
            leaf=leaf,
            serial=text(claims, "jti"),
            version=whole(claims, "version"),
            purposes=frozenset(Purpose(one) for one in named if one in known),
            issued_s=whole(claims, "iat"),
            starts_s=whole(claims, "nbf"),
            ends_s=whole(claims, "exp"),
            max_lease_s=whole(claims, "max_lease_s"),
        )

    def demand(self, purpose: Purpose, at: float) -> None:
        """Raise Untrusted unless the leaf may sign such a thing at that instant."""
        if purpose not in self.purposes:
            raise Untrusted(Reason.DELEGATION, f"the leaf may not sign a {purpose}")
        if not self.starts_s <= at < self.ends_s:
            raise Untrusted(Reason.DELEGATION, "signed outside of its delegation")

    def demand_lease(self, claims: Mapping[str, Any]) -> None:
        """Raise Untrusted unless the leaf may sign a lease with these times."""
        issued, ends = seconds(claims, "iat"), seconds(claims, "exp")
        self.demand(Purpose.LEASE, issued)
        if not issued < ends <= issued + self.max_lease_s:
            raise Untrusted(Reason.DELEGATION, "it lives longer than the leaf may let it")

    def renewal_s(self, jitter: float) -> float:
        """When to replace it: at half its life, and up to a tenth later (0 ≤ jitter < 1)."""
        return self.issued_s + (self.ends_s - self.issued_s) * (HALF + SPREAD * jitter)
