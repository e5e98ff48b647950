"""The seam to the signing feature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from coditect_cloud.signing.artefacts import Typ


class Signer(Protocol):
    """Signs what is granted, and recognises it again (`signing.Signing`)."""

    def sign_lease(self, claims: Mapping[str, Any]) -> str:
        """Sign a lease with this instance's own key, in microseconds and without the network.

        Raises Refusal SIGNER_UNAVAILABLE.
        """
        ...

    async def sign_root(self, typ: Typ, claims: Mapping[str, Any]) -> str:
        """Sign with the root. Raises Refusal SIGNER_UNAVAILABLE."""
        ...

    def verify_own_lease(self, token: str) -> Mapping[str, Any]:
        """Give the claims of a lease token that this service signed and that has not expired.

        Raises Refusal for any other: LEASE_EXPIRED, INVALID_REQUEST, SIGNER_UNAVAILABLE.
        """
        ...
