"""What requests and answers about licenses carry."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from pydantic import AwareDatetime, Field

from coditect_cloud.leases.types import MAX_TTL_MS, LicenseState
from coditect_cloud.licenses.rules import (
    MAX_BORROW_MS,
    MAX_OVERLAP_MS,
    MAX_QUEUE,
    MIN_TTL_MS,
    MOST_ENTITLEMENTS,
    MOST_SEATS,
)
from coditect_cloud.licenses.types import Issued, License, Overage, OverageStrategy, Terms
from coditect_cloud.web.answers import At, Given, Told

_Name = Annotated[str, Field(min_length=1, max_length=200, examples=["Studio Aurora"])]
_Seats = Annotated[
    int, Field(ge=0, le=MOST_SEATS, description="Seats in use at once.", examples=[5])
]
_Entitlements = Annotated[
    dict[str, Annotated[int, Field(ge=0, lt=2**53)] | None],
    Field(
        max_length=MOST_ENTITLEMENTS,
        description="Features by name, each with a limit of its own or null.",
        examples=[{"render": None, "export": 100}],
    ),
]
_Ttl = Annotated[
    int,
    Field(ge=MIN_TTL_MS, le=MAX_TTL_MS, description="Life of a lease from its last heartbeat."),
]
_Queue = Annotated[int, Field(ge=0, le=MAX_QUEUE, description="How many may wait for a seat.")]
_Borrow = Annotated[
    int,
    Field(ge=0, le=MAX_BORROW_MS, description="Longest time offline; 0: nobody may borrow."),
]
_Starts = Annotated[AwareDatetime | None, Field(description="null: at once.")]
_Expires = Annotated[AwareDatetime | None, Field(description="null: never.")]


class OverageGiven(Given):
    """How many seats may be granted beyond the limit; each of them is flagged."""

    strategy: OverageStrategy
    value: int = Field(default=0, ge=0, le=MOST_SEATS, description="Seats, or percent.")

    def value_of(self) -> Overage:
        """Give it as the service takes it."""
        return Overage(self.strategy, self.value)


class LicenseNew(Given):
    """Asks for a license."""

    product: str = Field(
        min_length=1, max_length=80, description="Id or slug.", examples=["render-farm"]
    )
    name: _Name
    seats: _Seats
    overage: OverageGiven | None = None
    entitlements: _Entitlements = Field(default_factory=dict)
    starts_at: _Starts = None
    expires_at: _Expires = None
    trial: bool = Field(default=False, description="Has to end, and has no overage.")
    ttl_ms: _Ttl = 60_000
    queue_limit: _Queue = 1_000
    borrow_max_ms: _Borrow = 0

    def terms(self) -> Terms:
        """Give what is asked for as terms."""
        given = {name: getattr(self, name) for name in _PLAIN}
        return Terms(**given, overage=self.overage.value_of() if self.overage else Overage())


class LicenseChange(Given):
    """Changes some terms of a license; what is left out stays."""

    name: _Name | None = None
    seats: _Seats | None = None
    overage: OverageGiven | None = Field(default=None, description="null: none.")
    entitlements: _Entitlements | None = None
    starts_at: _Starts = None
    expires_at: _Expires = None
    trial: bool | None = None
    ttl_ms: _Ttl | None = None
    queue_limit: _Queue | None = None
    borrow_max_ms: _Borrow | None = None

    def apply(self, terms: Terms) -> Terms:
        """Give the terms after the change; null clears only what may be empty."""
        changes: dict[str, Any] = {
            name: getattr(self, name)
            for name in _PLAIN & self.model_fields_set
            if getattr(self, name) is not None or name in {"starts_at", "expires_at"}
        }
        if "overage" in self.model_fields_set:
            changes["overage"] = self.overage.value_of() if self.overage else Overage()
        return replace(terms, **changes)


_PLAIN = frozenset(LicenseChange.model_fields) - {"overage"}


class Reason(Given):
    """Why something is done to a license."""

    reason: str = Field(default="", max_length=500, examples=["invoice 2214 is unpaid"])


class RotateKey(Given):
    """Asks for another key."""

    overlap_ms: int = Field(
        default=0, ge=0, le=MAX_OVERLAP_MS, description="How long the old key works on."
    )


class OverageTold(Told):
    """How many seats may be granted beyond the limit."""

    strategy: OverageStrategy
    value: int


class LicenseTold(Told):
    """A license at one version."""

    id: str = Field(examples=["lic_0198c0de"])
    org: str
    product: str
    product_slug: str
    name: str
    seats: int
    overage: OverageTold
    entitlements: dict[str, int | None]
    starts_at: At | None
    expires_at: At | None
    trial: bool
    ttl_ms: int
    queue_limit: int
    borrow_max_ms: int
    state: LicenseState
    state_reason: str
    version: int = Field(description="Goes up with each change; the ETag.")
    key_hint: str = Field(description="The last group of its key.")
    created_at: At
    updated_at: At


class IssuedTold(Told):
    """A license and its key, which nobody can show again."""

    license: LicenseTold
    key: str = Field(examples=["CCL-XXXXX-XXXXX-XXXXX-XXXXX-XXXXX"])
    old_key_ends_at: At | None = Field(description="When the key before stops working.")


def tell(license: License) -> LicenseTold:
    """Tell of a license."""
    terms = license.terms
    return LicenseTold(
        id=license.id,
        org=license.org,
        product=license.product,
        product_slug=license.product_slug,
        name=terms.name,
        seats=terms.seats,
        overage=OverageTold(strategy=terms.overage.strategy, value=terms.overage.value),
        entitlements=dict(terms.entitlements),
        starts_at=terms.starts_at,
        expires_at=terms.expires_at,
        trial=terms.trial,
        ttl_ms=terms.ttl_ms,
        queue_limit=terms.queue_limit,
        borrow_max_ms=terms.borrow_max_ms,
        state=license.state,
        state_reason=license.state_reason,
        version=license.version,
        key_hint=license.key_hint,
        created_at=license.created_at,
        updated_at=license.updated_at,
    )


def tell_issued(issued: Issued) -> IssuedTold:
    """Tell of a license with its key."""
    return IssuedTold(
        license=tell(issued.license), key=issued.key, old_key_ends_at=issued.old_key_ends_at
    )
