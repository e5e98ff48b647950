"""What may be told to whom, and when to try again: no I/O."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from enum import StrEnum
from urllib.parse import urlsplit

from coditect_cloud.refusals import Code, Refusal

ATTEMPTS = 12
"""Tries of one delivery; spread over about a day."""
_FIRST_MS, _LONGEST_MS = 5_000, 8 * 3_600_000
NAT64 = ipaddress.ip_network("64:ff9b::/96")


class Event(StrEnum):
    """Types of events; stable for ever."""

    DENIED = "denied"
    """Somebody got no seat; at most one a minute and license, with how often it was."""
    LIMIT_NEAR = "limit_near"
    """Nine of ten seats are in use; at most one an hour and license."""
    CLONE_SUSPECTED = "clone_suspected"
    """Two copies of a client use one lease."""
    LICENSE_EXPIRING = "license_expiring"
    """The license ends in 30, 7, or 1 days."""


def check_url(url: str, *, production: bool) -> str:
    """Refuse what we would never call. Addresses are checked again whenever it is called."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _refused("this is no URL") from None
    if len(url) > 2048 or not url.isascii() or any(c <= " " or c == "\\" for c in url):
        raise _refused("a URL has at most 2048 printable ASCII characters")
    if parts.scheme != "https" and (production or parts.scheme != "http"):
        raise _refused("webhooks go to https:// only")
    if not parts.hostname or parts.username is not None or parts.password is not None:
        raise _refused("the URL needs a host, and no user or password")
    if parts.fragment or port == 0:
        raise _refused("the URL has a fragment or no usable port")
    if production:
        _check_host(parts.hostname)
    return url


def _check_host(host: str) -> None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        if host.endswith((".localhost", ".local", ".internal", ".")) or "." not in host:
            raise _refused("the host is not on the public internet") from None
        return
    if not is_public(str(address)):
        raise _refused("the host is not on the public internet")


def is_public(address: str) -> bool:
    """Whether an address is on the public internet, however it is wrapped."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is None and ip.teredo is not None:
            inner = ip.teredo[1]
        if inner is None and ip in NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            ip = inner
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def check_events(events: Sequence[str]) -> list[str]:
    """Give the types, ordered and once each; refuses none and unknown ones."""
    known = {event.value for event in Event}
    strange = sorted(set(events) - known)
    if strange or not events:
        raise Refusal(
            Code.INVALID_REQUEST,
            f"unknown events: {', '.join(strange)[:200]}" if strange else "no events are named",
            hint=f"Choose among {', '.join(sorted(known))}.",
        )
    return sorted(set(events))


def pause_ms(attempts: int, chance: float) -> int:
    """How long to wait after so many failed attempts (from 1); `chance` in [0, 1) spreads it.

    Grows threefold from 5 s to 8 h, and half of it is left to chance, so that a receiver that comes
    back is not hit by all at once.
    """
    whole = min(_LONGEST_MS, _FIRST_MS * 3 ** min(attempts - 1, 20))
    return int(whole / 2 + chance * whole / 2)


def _refused(detail: str) -> Refusal:
    return Refusal(
        Code.INVALID_REQUEST, detail, hint="Give a https:// URL of a host on the public internet."
    )
