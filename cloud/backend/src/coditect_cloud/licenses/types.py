"""A license as the rest of the service sees it: its terms, and how it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from coditect_cloud.leases.types import LicenseState, Policy


class OverageStrategy(StrEnum):
    """How many seats may be granted beyond the limit; each of them is flagged."""

    NONE = "none"
    SEATS = "seats"
    """So many."""
    PERCENT = "percent"
    """So much of the limit, in whole seats (rounded down)."""


@dataclass(frozen=True, slots=True)
class Overage:
    """A strategy and its number."""

    strategy: OverageStrategy = OverageStrategy.NONE
    value: int = 0
    """Seats or percent; 0 for none."""

    def seats(self, limit: int) -> int:
        """The whole seats that this is beyond a limit."""
        match self.strategy:
            case OverageStrategy.NONE:
                return 0
            case OverageStrategy.SEATS:
                return self.value
            case OverageStrategy.PERCENT:
                return limit * self.value // 100


@dataclass(frozen=True, slots=True)
class Terms:
    """What a license allows; `rules.check_terms` refuses those that contradict each other."""

    name: str
    """For people: whom or what it is for."""
    seats: int
    """Seats in use at once, 0 or more."""
    overage: Overage = field(default_factory=Overage)
    entitlements: Mapping[str, int | None] = field(default_factory=dict)
    """Features by name, each with a limit of its own or None."""
    starts_at: datetime | None = None
    """None: at once."""
    expires_at: datetime | None = None
    """None: never."""
    trial: bool = False
    """For trying out: has to end, and lets nobody exceed it."""
    ttl_ms: int = 60_000
    """Life of a lease from its last heartbeat."""
    queue_limit: int = 1_000
    """How many may wait for a seat."""
    borrow_max_ms: int = 0
    """Longest time a seat may be taken offline; 0: not at all."""


@dataclass(frozen=True, slots=True)
class License:
    """A license of an organisation, at one version."""

    id: str
    org: str
    product: str
    """Id of its product."""
    product_slug: str
    terms: Terms
    state: LicenseState
    state_reason: str
    """Why it was suspended or revoked, for its owner's people; "" otherwise."""
    version: int
    """Goes up with each change of terms or state; the ETag."""
    key_hint: str
    """The last group of its current key, by which people recognise it."""
    created_at: datetime
    updated_at: datetime

    def policy(self) -> Policy:
        """The terms as far as seats go, for the store."""
        terms = self.terms
        return Policy(
            license=self.id,
            org=self.org,
            version=self.version,
            limit=terms.seats,
            overage=terms.overage.seats(terms.seats),
            state=self.state,
            starts_ms=_ms(terms.starts_at),
            expires_ms=_ms(terms.expires_at),
            ttl_ms=terms.ttl_ms,
            queue_limit=terms.queue_limit,
        )


@dataclass(frozen=True, slots=True)
class Issued:
    """A license whose key was just made: the only time that anybody sees the key."""

    license: License
    key: str = field(repr=False)
    old_key_ends_at: datetime | None = None
    """When the key before stops working, if it was rotated."""


@dataclass(frozen=True, slots=True)
class LicenseKeyRow:
    """What a key stands for."""

    license: str
    org: str
    name: str
    """The license's name, for people and the audit."""


def _ms(moment: datetime | None) -> int:
    return 0 if moment is None else int(moment.timestamp() * 1000)
