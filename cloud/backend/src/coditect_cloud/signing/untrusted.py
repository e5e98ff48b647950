"""Why something signed was not believed; free of the service, so that an SDK can use it alone."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Stable names of what was wrong."""

    MALFORMED = "malformed"
    """Not canonical base64url, not strict JSON, a part missing, too large."""
    HEADER = "header"
    """A header that we do not allow, `crit` among them."""
    ALGORITHM = "algorithm"
    """Not the one algorithm of the key (`none` and HS256 with a public key end here)."""
    TYPE = "type"
    """A genuine artefact of another kind."""
    KEY = "key"
    """No key that we trust has this kid."""
    SIGNATURE = "signature"
    ISSUER = "issuer"
    AUDIENCE = "audience"
    EXPIRED = "expired"
    NOT_YET = "not-yet"
    CLAIMS = "claims"
    """A claim is missing or has a value that its artefact cannot have."""
    DELEGATION = "delegation"
    """The leaf was not allowed to sign this: its time, its purpose or its limits."""
    ROLLBACK = "rollback"
    """Older than what was seen before, or another statement under the same version."""
    DIGEST = "digest"
    """The body is not the one that was signed."""
    NONCE = "nonce"
    """Not the answer to this request."""


class Untrusted(ValueError):
    """What was shown cannot be believed; nothing that it says may be used."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        """In a sentence, for people; quotes nothing that was not verified."""
