"""How signing stands and how long things live; and what it tells callers when it cannot sign."""

from __future__ import annotations

from dataclasses import dataclass, field

from coditect_cloud.refusals import Code, Refusal
from coditect_cloud.signing.artefacts import MAX_LEASE_S
from coditect_cloud.signing.bundle import BUNDLE_LIFE_S
from coditect_cloud.signing.leaf import Leaf
from coditect_cloud.signing.ring import Ring
from coditect_cloud.signing.roots import RootUnavailable
from coditect_cloud.signing.untrusted import Untrusted


@dataclass(frozen=True, slots=True)
class SigningTimes:
    """How long things live and how often the background looks. Seconds."""

    delegation_s: int = 12 * 3600
    """Life of a delegation; at most 24 h. Half of it is the outage of the root that one survives
    at least."""
    max_lease_s: int = MAX_LEASE_S
    """Longest life of a lease that a delegation allows."""
    bundle_s: int = BUNDLE_LIFE_S
    look_s: float = 15.0
    """Between two looks at keyring and clock."""
    start_s: float = 15.0
    """How long a start waits for the root, before it goes on without being ready."""
    first_pause_s: float = 1.0
    """Pause after the first failure of the root; doubled with each one, half of it drawn."""
    max_pause_s: float = 60.0
    jwks_age_s: int = 300
    """How long others may keep the key set."""


@dataclass(frozen=True, slots=True)
class SigningHealth:
    """How signing stands, without asking anybody; for readiness, metrics and `doctor`."""

    ready: bool
    """Whether leases can be signed now."""
    detail: str
    delegation_age_s: float
    """0 if there is none."""
    delegation_left_s: float
    late_s: float
    """How long the renewal of the delegation is overdue; 0 while it is not."""
    keyring_version: int
    """0: none was read yet."""
    root_kid: str
    """Of the active root; "" while it is not open."""
    failures: int
    """Rounds in a row in which the root or the keyring failed."""
    error: str
    """What the last of them met; "" after a good one."""
    root_signatures: int
    """Made since the start."""
    notices: tuple[str, ...] = ()
    """What roots for development announce."""


@dataclass(slots=True)
class State:
    """What changes while signing runs; only `Signing` writes it."""

    ring: Ring | None = None
    leaf: Leaf | None = None
    renew_s: float = 0.0
    former: list[Leaf] = field(default_factory=list)
    bundles: dict[str, str] = field(default_factory=dict)
    """By the kid of the root that signed."""
    bundle_version: int = 0
    bundle_due_s: float = 0.0
    failures: int = 0
    error: str = ""
    quiet_until: float = 0.0
    """Monotonic; the root is left alone until then."""
    signatures: int = 0


def unavailable(error: Exception | None = None) -> Refusal:
    """Give the refusal of whoever needs a signature while there is none to be had."""
    wait_s = error.retry_after_s if isinstance(error, RootUnavailable) else 5.0
    return Refusal(
        Code.SIGNER_UNAVAILABLE,
        "Nothing can be signed just now.",
        "Try again; if it lasts, the operator finds the reason in `coditect-cloud doctor`.",
        retry_after_ms=max(1, int(wait_s * 1000)),
    )


def not_ours(name: str, error: Untrusted) -> Refusal:
    """Give the refusal of a token that did not verify."""
    return Refusal(
        Code.INVALID_REQUEST,
        f"This is no {name} of this service: {error.detail}.",
        "Show the token exactly as it was given out.",
        data={"reason": str(error.reason)},
    )
