"""The key in memory that signs leases and responses under its delegation, in microseconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from coditect_cloud.signing.artefacts import DELEGATION_HEADER, Purpose, Typ
from coditect_cloud.signing.delegation import Delegation
from coditect_cloud.signing.jws import assemble, prefix, signing_input
from coditect_cloud.signing.responses import (
    DELEGATION_FIELD,
    Exchange,
    content_digest,
    fields,
    parameters,
    signature_base,
)


@dataclass(frozen=True, slots=True)
class Leaf:
    """A delegated key. It is never written anywhere, and ends with the process."""

    delegation: Delegation
    token: str
    """The delegation, as the root signed it."""
    _private: Ed25519PrivateKey = field(repr=False)
    _header: str = field(init=False, repr=False, default="")

    def __post_init__(self) -> None:
        # The header is the same for every lease: encoded once, for it carries the delegation.
        header = prefix(self.delegation.leaf, Typ.LEASE, {DELEGATION_HEADER: self.token})
        object.__setattr__(self, "_header", header)

    @property
    def kid(self) -> str:
        """Thumbprint of its public half."""
        return self.delegation.leaf.kid

    def sign_lease(self, claims: Mapping[str, Any]) -> str:
        """Sign a lease. Raises Untrusted if its times are not within the delegation."""
        self.delegation.demand_lease(claims)
        message = signing_input(self._header, claims)
        return assemble(message, self._private.sign(message))

    def sign_response(self, exchange: Exchange, *, now: float, known: str = "") -> dict[str, str]:
        """Give the header fields that sign a response. Raises Untrusted.

        `known` is the kid of the leaf whose delegation the client holds already; it is left out.
        """
        created = int(now)
        self.delegation.demand(Purpose.RESPONSE, created)
        digest = content_digest(exchange.body)
        params = parameters(exchange, kid=self.kid, created_s=created)
        signature = self._private.sign(signature_base(exchange, digest, params))
        found = fields(params, digest, signature)
        if known != self.kid:
            found[DELEGATION_FIELD] = self.token
        return found
