"""What the scripts take and give, and the values of the seam."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from coditect_cloud.leases.store import NeedsRestore
from coditect_cloud.leases.types import (
    Change,
    Fence,
    Granted,
    Kind,
    Lease,
    Policy,
    Queued,
    Refused,
    Seats,
)
from coditect_cloud.refusals import Code


def terms(policy: Policy) -> str:
    """Write the terms of a license for a script."""
    return json.dumps(
        {
            "version": policy.version,
            "org": policy.org,
            "limit": policy.limit,
            "overage": policy.overage,
            "state": policy.state.value,
            "starts_ms": policy.starts_ms,
            "expires_ms": policy.expires_ms,
            "ttl_ms": policy.ttl_ms,
            "queue_limit": policy.queue_limit,
        }
    )


def packed(leases: Sequence[Lease]) -> str:
    """Write leases as the scripts pack them: twelve texts each."""
    return json.dumps(
        [
            [
                lease.id,
                lease.holder,
                lease.device,
                lease.kind.value,
                str(lease.fence.epoch),
                str(lease.fence.counter),
                str(lease.granted_ms),
                str(lease.expires_ms),
                str(lease.ttl_ms),
                "1" if lease.overage else "0",
                "1" if lease.burned else "0",
                lease.label,
            ]
            for lease in leases
        ]
    )


def lease(license: str, raw: Sequence[Any]) -> Lease:
    """Read a packed lease."""
    texts = [item.decode() if isinstance(item, bytes) else str(item) for item in raw]
    return Lease(
        id=texts[0],
        license=license,
        holder=texts[1],
        device=texts[2],
        kind=Kind(texts[3]),
        fence=Fence(int(texts[4]), int(texts[5])),
        granted_ms=int(texts[6]),
        expires_ms=int(texts[7]),
        ttl_ms=int(texts[8]),
        overage=texts[9] == "1",
        burned=texts[10] == "1",
        label=texts[11],
    )


def seats(now_ms: int, raw: Sequence[Any] | None) -> Seats | None:
    """Read how a license stands."""
    if not raw:
        return None
    return Seats(
        now_ms=now_ms,
        limit=int(raw[0]),
        overage=int(raw[1]),
        in_use=int(raw[2]),
        reserved=int(raw[3]),
        queued=int(raw[4]),
        earliest_release_ms=int(raw[5]) if raw[5] else None,
        epoch=int(raw[6]),
        settling_until_ms=int(raw[7]),
    )


def opened(license: str, raw: Sequence[Any]) -> Sequence[Any]:
    """Give the answer as it is, or raise NeedsRestore if it says so."""
    if raw[0] == b"restore":
        raise NeedsRestore(license, fresh=bool(raw[1]))
    return raw


def granted_or_refused(license: str, raw: Sequence[Any]) -> Granted | Refused:
    """Read `granted` and `refused`."""
    now_ms = int(raw[1])
    if raw[0] == b"granted":
        return Granted(
            lease(license, raw[2]),
            now_ms,
            seats(now_ms, raw[5]),
            replayed=bool(raw[3]),
            ended=bool(raw[4]),
        )
    return Refused(
        Code(raw[2].decode()),
        now_ms,
        seats(now_ms, raw[3]),
        lease(license, raw[4]) if raw[4] else None,
    )


def queued(raw: Sequence[Any]) -> Queued:
    """Read `queued`."""
    standing = seats(int(raw[1]), raw[4])
    assert standing is not None
    return Queued(raw[2].decode(), int(raw[3]), standing)


def changes(license: str, raw: Sequence[Any]) -> list[Change]:
    """Read the outbox: ids are `<epoch>-<seq>`, and are the cursors."""
    org = raw[1].decode()
    found = []
    for entry, pairs in raw[2]:
        epoch, _, seq = entry.decode().partition("-")
        fields = dict(zip(pairs[::2], pairs[1::2], strict=True))
        found.append(
            Change(
                license=license,
                org=org,
                seq=int(seq),
                epoch=int(epoch),
                at_ms=int(fields[b"at"]),
                kind=fields[b"kind"].decode(),
                body=json.loads(fields[b"body"]),
                cursor=entry.decode(),
            )
        )
    return found


def behind(cursor: str) -> str:
    """Give the first id of the outbox behind a cursor; ValueError if it is not one."""
    epoch, _, seq = cursor.partition("-")
    return f"{int(epoch)}-{int(seq) + 1}"
