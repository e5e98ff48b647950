"""The vocabulary of refusals: stable codes, each conclusive or worth another try.

The same code stands in the API (`application/problem+json`), the command line, logs and the docs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Code(StrEnum):
    """What is refused; kebab-case, stable for ever, documented in docs/reference/problems.md."""

    # --- seats ---
    SEATS_EXHAUSTED = "seats-exhausted"
    """All seats, and the overage allowed, are in use."""
    QUEUE_FULL = "queue-full"
    HOLDER_HAS_SEAT = "holder-has-seat"
    """The holder has its seat on another device; `take_over` would move it here."""
    LEASE_NOT_FOUND = "lease-not-found"
    LEASE_EXPIRED = "lease-expired"
    """It ended by the store's clock; its seat may belong to another now. Acquire again."""
    LEASE_RELEASED = "lease-released"
    STALE_FENCE = "stale-fence"
    """A newer incarnation of this lease lives elsewhere: the caller is an old one, or a clone."""
    CLONE_SUSPECTED = "clone-suspected"
    """The rotating secret of this lease was already used by another copy of the client."""
    SEAT_BURNED = "seat-burned"
    """A borrowed seat that was declared lost: counted until its token ends, never renewed."""
    TICKET_NOT_FOUND = "ticket-not-found"
    RESERVATION_NOT_FOUND = "reservation-not-found"
    SETTLING = "settling"
    """The store lost memory; nothing new is granted until the last unknown lease has ended."""
    STORE_UNAVAILABLE = "store-unavailable"

    # --- licenses ---
    LICENSE_NOT_FOUND = "license-not-found"
    LICENSE_NOT_STARTED = "license-not-started"
    LICENSE_EXPIRED = "license-expired"
    LICENSE_SUSPENDED = "license-suspended"
    LICENSE_REVOKED = "license-revoked"
    BORROW_NOT_ALLOWED = "borrow-not-allowed"
    ENTITLEMENT_MISSING = "entitlement-missing"
    IMPOSSIBLE_POLICY = "impossible-policy"

    # --- who asks ---
    UNAUTHENTICATED = "unauthenticated"
    TOKEN_EXPIRED = "token-expired"  # noqa: S105 - a code, no secret
    FORBIDDEN = "forbidden"
    EMAIL_NOT_VERIFIED = "email-not-verified"
    IDENTITY_UNAVAILABLE = "identity-unavailable"

    # --- how it is asked ---
    NOT_FOUND = "not-found"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    INVALID_REQUEST = "invalid-request"
    UNSUPPORTED_MEDIA_TYPE = "unsupported-media-type"
    BODY_TOO_LARGE = "body-too-large"
    IDEMPOTENCY_KEY_REUSED = "idempotency-key-reused"
    IDEMPOTENCY_KEY_MISSING = "idempotency-key-missing"
    PRECONDITION_REQUIRED = "precondition-required"
    PRECONDITION_FAILED = "precondition-failed"
    CONFLICT = "conflict"
    RATE_LIMITED = "rate-limited"

    # --- ourselves ---
    SIGNER_UNAVAILABLE = "signer-unavailable"
    SHUTTING_DOWN = "shutting-down"
    INTERNAL_ERROR = "internal-error"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a code means to who gets it."""

    status: int
    """HTTP status."""
    title: str
    """One line, the same for every occurrence."""
    retry: bool
    """Whether the same request may succeed later; else the answer is conclusive."""


_MEANINGS = {
    Code.SEATS_EXHAUSTED: Meaning(409, "All seats are in use", retry=True),
    Code.QUEUE_FULL: Meaning(409, "The queue for seats is full", retry=True),
    Code.HOLDER_HAS_SEAT: Meaning(409, "This holder has its seat on another device", retry=False),
    Code.LEASE_NOT_FOUND: Meaning(404, "There is no such lease", retry=False),
    Code.LEASE_EXPIRED: Meaning(410, "The lease has expired", retry=False),
    Code.LEASE_RELEASED: Meaning(410, "The lease was released", retry=False),
    Code.STALE_FENCE: Meaning(409, "A newer incarnation of this lease lives", retry=False),
    Code.CLONE_SUSPECTED: Meaning(409, "Another copy of this client uses the lease", retry=False),
    Code.SEAT_BURNED: Meaning(409, "The borrowed seat was declared lost", retry=False),
    Code.TICKET_NOT_FOUND: Meaning(404, "There is no such ticket in the queue", retry=False),
    Code.RESERVATION_NOT_FOUND: Meaning(404, "There is no such reservation", retry=False),
    Code.SETTLING: Meaning(503, "Seats are being counted again after a loss", retry=True),
    Code.STORE_UNAVAILABLE: Meaning(503, "The store of seats does not answer", retry=True),
    Code.LICENSE_NOT_FOUND: Meaning(404, "There is no such license", retry=False),
    Code.LICENSE_NOT_STARTED: Meaning(403, "The license has not started", retry=False),
    Code.LICENSE_EXPIRED: Meaning(403, "The license has expired", retry=False),
    Code.LICENSE_SUSPENDED: Meaning(403, "The license is suspended", retry=False),
    Code.LICENSE_REVOKED: Meaning(403, "The license is revoked", retry=False),
    Code.BORROW_NOT_ALLOWED: Meaning(403, "The license lets nobody borrow so long", retry=False),
    Code.ENTITLEMENT_MISSING: Meaning(403, "The license does not include this", retry=False),
    Code.IMPOSSIBLE_POLICY: Meaning(422, "These terms contradict each other", retry=False),
    Code.UNAUTHENTICATED: Meaning(401, "Nobody that we know asks", retry=False),
    Code.TOKEN_EXPIRED: Meaning(401, "The token has expired", retry=False),
    Code.FORBIDDEN: Meaning(403, "Not with this role or scope", retry=False),
    Code.EMAIL_NOT_VERIFIED: Meaning(403, "The e-mail address is not verified", retry=False),
    Code.IDENTITY_UNAVAILABLE: Meaning(503, "The identity provider does not answer", retry=True),
    Code.NOT_FOUND: Meaning(404, "There is nothing here", retry=False),
    Code.METHOD_NOT_ALLOWED: Meaning(405, "Not with this method", retry=False),
    Code.INVALID_REQUEST: Meaning(422, "The request is not as the contract says", retry=False),
    Code.UNSUPPORTED_MEDIA_TYPE: Meaning(415, "Not in this format", retry=False),
    Code.BODY_TOO_LARGE: Meaning(413, "The body is too large", retry=False),
    Code.IDEMPOTENCY_KEY_REUSED: Meaning(
        422, "This Idempotency-Key was used for another request", retry=False
    ),
    Code.IDEMPOTENCY_KEY_MISSING: Meaning(400, "An Idempotency-Key is needed here", retry=False),
    Code.PRECONDITION_REQUIRED: Meaning(428, "An If-Match is needed here", retry=False),
    Code.PRECONDITION_FAILED: Meaning(412, "It has changed since you read it", retry=False),
    Code.CONFLICT: Meaning(409, "It is not in a state that allows this", retry=False),
    Code.RATE_LIMITED: Meaning(429, "Too many requests", retry=True),
    Code.SIGNER_UNAVAILABLE: Meaning(503, "Nothing can be signed just now", retry=True),
    Code.SHUTTING_DOWN: Meaning(503, "This instance is shutting down", retry=True),
    Code.INTERNAL_ERROR: Meaning(500, "A fault of ours", retry=True),
}


def meaning(code: Code) -> Meaning:
    """Give what a code means; every code has a meaning (a test holds it)."""
    return _MEANINGS[code]


@dataclass(eq=False)
class Refusal(Exception):
    """An answer that is a no: raised by services, told by the API and the command line.

    Not frozen: a context manager writes the traceback of an exception that passes through it.
    """

    code: Code
    detail: str
    """What happened here, in a sentence, without secrets and without another tenant's facts."""
    hint: str = ""
    """The next step to take."""
    retry_after_ms: int | None = None
    """When to ask again, if `meaning(code).retry`."""
    data: dict[str, Any] = field(default_factory=dict)
    """Facts for machines (`limit`, `in_use`, `earliest_release_ms`); keys are stable for a code."""

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"
