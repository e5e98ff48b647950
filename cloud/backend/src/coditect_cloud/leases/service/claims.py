"""What the signed artefacts say: pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coditect_cloud.leases.types import Fence, Kind, Lease
from coditect_cloud.licenses.types import License
from coditect_cloud.refusals import Code, Refusal

FILE_LIFE_S = 366 * 24 * 3600
"""A license file is good for a year at most, then it is fetched again."""


def lease_claims(
    license: License, lease: Lease, *, remaining_ms: int, issuer: str, wall_ms: int
) -> dict[str, Any]:
    """Say who holds which seat and how long.

    The wall clock says from when, the store says how long; both are rounded down, so a token never
    outlives its seat.
    """
    claims: dict[str, Any] = {
        "iss": issuer,
        "aud": license.product_slug,
        "sub": lease.holder,
        "jti": lease.id,
        "lic": license.id,
        "org": license.org,
        "product": license.product,
        "kind": lease.kind.value,
        "fence": str(lease.fence),
        "iat": wall_ms // 1000,
        "exp": (wall_ms + remaining_ms) // 1000,
        "ttl_ms": lease.ttl_ms,
        "entitlements": dict(license.terms.entitlements),
    }
    if lease.device:
        claims["cnf"] = {"jkt": lease.device}
    if lease.overage:
        claims["overage"] = True
    if license.terms.trial:
        claims["trial"] = True
    return claims


def license_claims(license: License, *, issuer: str, wall_ms: int) -> dict[str, Any]:
    """Say what a license allows, for a file that is read offline.

    `exp` ends the file, `expires` the license (None: never).
    """
    terms = license.terms
    claims: dict[str, Any] = {
        "iss": issuer,
        "aud": license.product_slug,
        "sub": license.id,
        "lic": license.id,
        "org": license.org,
        "product": license.product,
        "name": terms.name,
        "version": license.version,
        "seats": terms.seats,
        "overage": terms.overage.seats(terms.seats),
        "entitlements": dict(terms.entitlements),
        "trial": terms.trial,
        "iat": wall_ms // 1000,
        "exp": wall_ms // 1000 + FILE_LIFE_S,
        "expires": None,
    }
    if terms.starts_at is not None:
        claims["nbf"] = int(terms.starts_at.timestamp())
        claims["exp"] = max(claims["iat"], claims["nbf"]) + FILE_LIFE_S
    if terms.expires_at is not None:
        claims["expires"] = int(terms.expires_at.timestamp())
        claims["exp"] = min(claims["exp"], claims["expires"])
    return claims


def lease_of(claims: Mapping[str, Any], *, now_ms: int, wall_ms: int) -> Lease:
    """Read the lease that a verified token proves, in store time. INVALID_REQUEST if it is none.

    What the token has left by the wall clock, the lease has left by the store's.
    """
    try:
        remaining = int(claims["exp"]) * 1000 - wall_ms
        return Lease(
            id=str(claims["jti"]),
            license=str(claims["lic"]),
            holder=str(claims["sub"]),
            device=str(claims.get("cnf", {}).get("jkt", "")),
            kind=Kind(claims["kind"]),
            fence=Fence.parse(str(claims["fence"])),
            granted_ms=now_ms - max(0, wall_ms - int(claims["iat"]) * 1000),
            expires_ms=now_ms + remaining,
            ttl_ms=int(claims["ttl_ms"]),
            overage=bool(claims.get("overage", False)),
        )
    except (KeyError, ValueError, TypeError, AttributeError) as fault:
        raise Refusal(Code.INVALID_REQUEST, "this token proves no lease") from fault
