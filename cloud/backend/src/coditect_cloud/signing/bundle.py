"""The trust bundle: a root's statement of which roots to believe from now on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coditect_cloud.signing.verify import Trust

BUNDLE_LIFE_S = 7 * 24 * 3600
"""After that a verifier has to have a newer one: who withholds bundles gains a week at most."""


def bundle_claims(trust: Trust, *, now: float, life_s: int = BUNDLE_LIFE_S) -> dict[str, Any]:
    """Give what a root signs. The same version always lists the same roots."""
    return {
        "iss": trust.issuer,
        "iat": int(now),
        "exp": int(now) + life_s,
        "version": trust.version,
        "min_delegation": trust.min_delegation,
        "roots": [
            {"jwk": root.key.jwk(), "status": root.status, "until": root.until_s}
            for _, root in sorted(trust.roots.items())
        ],
    }


def jwks(keys: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Give a JWK set (RFC 7517) of keys by kid."""
    return {"keys": [dict(jwk) for jwk in keys.values()]}
