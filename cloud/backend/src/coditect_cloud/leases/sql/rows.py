"""Rows to values and back."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from coditect_cloud.leases.rules import Held, Standing
from coditect_cloud.leases.rules.view import Secrets
from coditect_cloud.leases.types import Fence, Kind, Lease, LicenseState, Policy


def policy_of(row: Row[Any]) -> Policy:
    """Read the terms of a license."""
    return Policy(
        license=row.license,
        org=row.org,
        version=row.version,
        limit=row.seat_limit,
        overage=row.overage,
        state=LicenseState(row.state),
        starts_ms=row.starts_ms,
        expires_ms=row.expires_ms,
        ttl_ms=row.ttl_ms,
        queue_limit=row.queue_limit,
    )


def policy_values(policy: Policy) -> dict[str, Any]:
    """Write the terms of a license."""
    return {
        "org": policy.org,
        "version": policy.version,
        "seat_limit": policy.limit,
        "overage": policy.overage,
        "state": policy.state.value,
        "starts_ms": policy.starts_ms,
        "expires_ms": policy.expires_ms,
        "ttl_ms": policy.ttl_ms,
        "queue_limit": policy.queue_limit,
    }


def standing_of(row: Row[Any]) -> Standing:
    """Read how a license stands; a short row tells nothing of queue and reservations."""
    return Standing(
        now_ms=row.now_ms,
        policy=policy_of(row),
        epoch=row.epoch,
        counter=row.counter,
        seq=row.seq,
        settling_until_ms=row.settling_until_ms,
        live=row.live - row.lapsed,
        queued=getattr(row, "queued", 0),
        reserved=getattr(row, "reserved", 0),
        earliest_ms=getattr(row, "earliest_ms", None),
    )


def lease_of(row: Row[Any]) -> Lease:
    """Read a lease."""
    return Lease(
        id=row.id,
        license=row.license,
        holder=row.holder,
        device=row.device,
        kind=Kind(row.kind),
        fence=Fence(row.epoch, row.counter),
        granted_ms=row.granted_ms,
        expires_ms=row.expires_ms,
        ttl_ms=row.ttl_ms,
        overage=bool(row.overage),
        burned=bool(row.burned),
        label=row.label,
    )


def held_of(row: Row[Any]) -> Held:
    """Read a lease and what only the store needs of it."""
    handed = tuple(row.secrets_handed.split(",")) if row.secrets_handed else ()
    return Held(
        lease_of(row),
        Secrets(row.secret_base, handed),
        reservation=row.reservation,
        proof=row.proof,
    )


def held_values(held: Held) -> dict[str, Any]:
    """Write a lease."""
    lease = held.lease
    return {
        "license": lease.license,
        "id": lease.id,
        "holder": lease.holder,
        "device": lease.device,
        "kind": lease.kind.value,
        "epoch": lease.fence.epoch,
        "counter": lease.fence.counter,
        "granted_ms": lease.granted_ms,
        "expires_ms": lease.expires_ms,
        "ttl_ms": lease.ttl_ms,
        "overage": lease.overage,
        "burned": lease.burned,
        "label": lease.label,
        "secret_base": held.secrets.base,
        "secrets_handed": ",".join(held.secrets.handed),
        "reservation": held.reservation,
        "proof": held.proof,
    }


def lease_memo(lease: Lease) -> dict[str, Any]:
    """Write a lease as JSON, for what an idempotency key gave."""
    values = held_values(Held(lease))
    return {key: values[key] for key in _MEMO}


_MEMO = (
    "id",
    "license",
    "holder",
    "device",
    "kind",
    "epoch",
    "counter",
    "granted_ms",
    "expires_ms",
    "ttl_ms",
    "overage",
    "burned",
    "label",
)


def memo_lease(memo: dict[str, Any]) -> Lease:
    """Read what `lease_memo` wrote."""
    values = dict(memo)
    fence = Fence(values.pop("epoch"), values.pop("counter"))
    return Lease(fence=fence, kind=Kind(values.pop("kind")), **values)
