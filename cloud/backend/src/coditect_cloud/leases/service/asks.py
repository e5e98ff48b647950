"""What callers ask, and the secrets and hashes that go with it: pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field

from coditect_cloud.identity.principal import Principal
from coditect_cloud.leases.types import Fence
from coditect_cloud.refusals import Code, Refusal

MOST_BEATS = 1_000
"""Heartbeats of one batch at most."""
MOST_KEPT = 10_000
"""Seats of one reservation at most."""
_LONGEST = 256


@dataclass(frozen=True, slots=True)
class Ask:
    """Asks for a seat."""

    holder: str = ""
    """`kind:id[/slot]`; "": the caller's own, where its credential says who that is."""
    device: str = ""
    """Thumbprint of the key that the lease is bound to; "" for none."""
    ttl_ms: int = 0
    """0: as the license says; never longer than that."""
    take_over: bool = False
    """Move the holder's own seat here from another device."""
    wait: bool = False
    """Queue when there is no seat."""
    ticket: str = ""
    """The one that an earlier answer gave, to keep one's place."""
    reservation: str = ""
    """Take one of the seats that it keeps."""
    entitlements: tuple[str, ...] = ()
    """What the license has to include, or no seat is taken."""
    rotate: bool = True
    """Detect clones: each answer has a secret that the next heartbeat has to show."""
    label: str = ""
    """What the holder calls itself, for people who look at who holds seats."""


@dataclass(frozen=True, slots=True)
class Beat:
    """Says that a seat is still used."""

    lease: str
    fence: Fence
    secret: str = field(default="", repr=False)
    """The one that the last answer gave; "" where it gave none."""


def fingerprint(principal: Principal, verb: str, ask: Ask, extra: str = "") -> str:
    """Hash all that makes two requests under one key the same request.

    How long a caller is willing to wait, and with which ticket, does not.
    """
    asked = [
        verb,
        principal.org,
        ask.holder,
        ask.device,
        ask.ttl_ms,
        ask.take_over,
        ask.reservation,
        sorted(ask.entitlements),
        ask.rotate,
        ask.label,
        extra,
    ]
    return hashlib.sha256(json.dumps(asked, ensure_ascii=True).encode()).hexdigest()


def scoped_key(principal: Principal, key: str) -> str:
    """Make an idempotency key that no other principal can hit; "" stays ""."""
    if not key:
        return ""
    if len(key) > _LONGEST:
        raise Refusal(Code.INVALID_REQUEST, f"an idempotency key has {_LONGEST} characters at most")
    text = json.dumps([principal.kind.value, principal.id, key], ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def hashed(secret: str) -> str:
    """Hash a rotating secret as the store keeps it; "" stays ""."""
    return hashlib.sha256(secret.encode()).hexdigest() if secret else ""


def check_ask(ask: Ask) -> None:
    """Refuse what no store should see: endless names, control characters, negative times."""
    for name, text in (
        ("holder", ask.holder),
        ("device", ask.device),
        ("ticket", ask.ticket),
        ("reservation", ask.reservation),
        ("label", ask.label),
    ):
        if len(text) > _LONGEST or (text and not text.isprintable()):
            raise Refusal(
                Code.INVALID_REQUEST, f"`{name}` has {_LONGEST} printable characters at most"
            )
    if ask.ttl_ms < 0:
        raise Refusal(Code.INVALID_REQUEST, "`ttl_ms` is 0 or more")
    if len(ask.entitlements) > 200:
        raise Refusal(Code.INVALID_REQUEST, "200 entitlements at most")
