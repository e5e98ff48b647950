"""What we sign: one `typ` an artefact, and the limits that both signer and verifier hold."""

from __future__ import annotations

from enum import StrEnum


class Typ(StrEnum):
    """The `typ` header: keeps a genuine artefact of one kind from being taken for another."""

    LICENSE = "coditect-license+jwt"
    """A license file; signed by a root."""
    DELEGATION = "coditect-delegation+jwt"
    """Lets a leaf sign leases and responses for a while; signed by a root."""
    BORROW = "coditect-borrow+jwt"
    """A borrowed seat, good offline for days; signed by a root."""
    BUNDLE = "coditect-bundle+jwt"
    """Which roots to trust; signed by a root."""
    AUDIT = "coditect-audit+jwt"
    """The head of an audit chain at one instant; signed by a root, and the only one without end."""
    LEASE = "coditect-lease+jwt"
    """A seat, for minutes; signed by a leaf."""


class Purpose(StrEnum):
    """What a leaf may sign."""

    LEASE = "lease"
    RESPONSE = "response"


ARTEFACTS = frozenset({Typ.LICENSE, Typ.BORROW, Typ.AUDIT})
"""What the service lets a root sign; delegations and bundles have rules of their own."""
MAX_DELEGATION_S = 24 * 3600
"""No leaf signs longer than a day."""
MAX_LEASE_S = 3600
"""No lease lives longer than an hour, whatever a delegation says."""
LEEWAY_S = 60
"""How far clocks of issuer and verifier may differ."""
MAX_TOKEN = 32_768
"""Characters of a token that anybody looks at."""
DELEGATION_HEADER = "dlg"
"""Header of a lease that carries its delegation, so that whoever has the root can verify it."""
