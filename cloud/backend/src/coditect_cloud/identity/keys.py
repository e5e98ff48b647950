"""The public keys of one issuer: fetched once for all who wait, rotated, kept through an outage."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from coditect_cloud.identity.fetching import Fetch, Unfetched, read_file
from coditect_cloud.identity.issuers import Issuer
from coditect_cloud.refusals import Code, Refusal

_log = structlog.get_logger(__name__)

MAX_KEYS = 64
"""Keys of a set that are looked at."""
MIN_RSA_BITS = 2_048


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old keys may be, in seconds."""

    fresh_s: float = 900
    """Then they are fetched again: the longest that a key withdrawn by its issuer still counts."""
    stale_s: float = 3_600
    """For so much longer they serve while the issuer does not answer; then tokens are refused."""
    pause_s: float = 10
    """Between two fetches at least, whatever tokens with unknown keys arrive."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One key and the one algorithm that it verifies."""

    kid: str
    algorithm: str
    """"": any that its type allows."""
    jwk: Mapping[str, Any]

    def for_algorithm(self, algorithm: str) -> PyJWK | None:
        """Give the key to verify this algorithm with; None if it is of another."""
        if self.algorithm not in ("", algorithm):
            return None
        try:
            key = PyJWK(dict(self.jwk), algorithm)
        except (PyJWTError, ValueError, TypeError, KeyError):
            return None
        small = isinstance(key.key, RSAPublicKey) and key.key.key_size < MIN_RSA_BITS
        return None if small else key


def public_keys(document: Mapping[str, Any]) -> tuple[PublicKey, ...]:
    """Read a key set: only keys for signatures, never symmetric or private ones."""
    entries = document.get("keys")
    if not isinstance(entries, list):
        raise Unfetched("no key set")
    keys = []
    for entry in entries[:MAX_KEYS]:
        if not isinstance(entry, dict) or entry.get("kty") not in ("RSA", "EC", "OKP"):
            continue
        if entry.get("use", "sig") != "sig" or "d" in entry:
            continue
        if "verify" not in (entry.get("key_ops") or ["verify"]):
            continue
        kid, algorithm = entry.get("kid", ""), entry.get("alg", "")
        if isinstance(kid, str) and isinstance(algorithm, str):
            keys.append(PublicKey(kid, algorithm, entry))
    if not keys:
        raise Unfetched("a key set without a usable key")
    return tuple(keys)


class IssuerKeys:
    """Keys by `kid`. At most one fetch at a time, and one in `pause_s`."""

    def __init__(
        self,
        issuer: Issuer,
        fetch: Fetch,
        *,
        freshness: Freshness | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer = issuer
        self._fetch = fetch
        self._freshness = freshness or Freshness()
        self._monotonic = monotonic
        self._keys: tuple[PublicKey, ...] = ()
        self._fetched = float("-inf")
        self._tried = float("-inf")
        self._failed = False
        self._flight: asyncio.Task[None] | None = None

    async def find(self, kid: str, *, newer: bool = False) -> tuple[PublicKey, ...]:
        """Give the keys of this `kid`, or all keys for "".

        Unknown, or `newer`: asks the issuer again, unless that was done just now. () if there is
        none.
        Refusal IDENTITY_UNAVAILABLE if the issuer does not answer and what is known is too old, or
        does not hold the key.
        """
        age = self._age()
        if newer or age >= self._freshness.fresh_s:
            await self._refresh()
        if self._age() >= self._freshness.fresh_s + self._freshness.stale_s:
            raise self._unavailable()
        found = self._of(kid)
        if not found:
            await self._refresh()
            found = self._of(kid)
            if not found and self._failed:
                raise self._unavailable()
        return found

    async def close(self) -> None:
        """End a fetch that is under way."""
        if self._flight is not None:
            self._flight.cancel()
            await asyncio.gather(self._flight, return_exceptions=True)

    def _of(self, kid: str) -> tuple[PublicKey, ...]:
        return tuple(k for k in self._keys if k.kid == kid) if kid else self._keys

    def _age(self) -> float:
        return self._monotonic() - self._fetched

    async def _refresh(self) -> None:
        if self._flight is None or self._flight.done():
            if self._monotonic() - self._tried < self._freshness.pause_s:
                return
            self._tried = self._monotonic()
            self._flight = asyncio.create_task(self._fly())
        # One caller that gives up does not end the fetch that others wait for.
        await asyncio.shield(self._flight)

    async def _fly(self) -> None:
        started = self._monotonic()
        try:
            keys = public_keys(await self._document())
        except Unfetched as error:
            self._failed = True
            _log.warning("issuer_keys_unavailable", issuer=self._issuer.issuer, reason=str(error))
            return
        self._keys, self._fetched, self._failed = keys, started, False

    async def _document(self) -> dict[str, Any]:
        issuer = self._issuer
        if issuer.jwks_file:
            return await read_file(issuer.jwks_file)
        url = issuer.jwks_url
        if not url:
            found = await self._fetch(issuer.discovery_url)
            if found.get("issuer") != issuer.issuer:
                raise Unfetched("the discovery document is another issuer's")
            named = found.get("jwks_uri")
            if not isinstance(named, str):
                raise Unfetched("the discovery document names no keys")
            url = named
            try:
                issuer.check_url(url)
            except ValueError as error:
                raise Unfetched("the discovery document names keys at an unsafe place") from error
        return await self._fetch(url)

    def _unavailable(self) -> Refusal:
        wait = self._freshness.pause_s - (self._monotonic() - self._tried)
        return Refusal(
            Code.IDENTITY_UNAVAILABLE,
            "the identity provider's keys cannot be had just now",
            hint="Try again.",
            retry_after_ms=max(1_000, round(wait * 1_000)),
        )
