"""From an `Authorization` header to a principal; what was resolved is remembered for seconds."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from coditect_cloud.database import utc_now
from coditect_cloud.identity.license_keys import LicenseKeys, digest_as_shown
from coditect_cloud.identity.principal import Principal, PrincipalKind, Role
from coditect_cloud.refusals import Code, Refusal

MAX_HEADER = 16_384
"""Characters of an `Authorization` header that are looked at; longer ones are refused."""
REMEMBER = timedelta(seconds=10)
"""How long a resolved credential is believed without asking again; also the longest time for which
a revoked key, or a member that was removed, is still served by another instance."""
MOST = 4_096
"""Credentials that are remembered at once; the least recently used goes first."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """A principal, and until when its credential holds."""

    principal: Principal
    until: datetime | None
    """The credential's own end; None: it has none."""


class Credentials(Protocol):
    """Resolves one kind of credential."""

    async def resolve(self, credential: str, *, org: str | None) -> Resolved:
        """Say whose it is; `org` chooses among organisations. Refusal UNAUTHENTICATED and others.

        Never raises for malformed text but by a refusal.
        """
        ...


class LicenseCredentials:
    """License keys: a holder that may use that one license."""

    def __init__(self, keys: LicenseKeys, digest: Callable[[str], bytes] = digest_as_shown) -> None:
        self._keys = keys
        self._digest = digest

    async def resolve(self, credential: str, *, org: str | None) -> Resolved:
        """Find the license by the digest of its key."""
        try:
            row = await self._keys.find(self._digest(credential))
        except ValueError:  # no text of a key at all
            row = None
        if row is None:
            raise Refusal(
                Code.UNAUTHENTICATED,
                "this is no license key that we know",
                hint="Look at the key again: `CCL-` and 25 letters and digits.",
            )
        principal = Principal(
            kind=PrincipalKind.LICENSE,
            id=row.license,
            org=row.org,
            role=Role.HOLDER,
            license=row.license,
            name=row.name,
        )
        return Resolved(in_org(principal, org), None)


class Authenticator:
    """Resolves `Authorization: Bearer …`, `License CCL-…` and `ApiKey cck_…`.

    Credentials are kept as digests only. Only successes are remembered, and never beyond the end
    of the credential.
    """

    def __init__(
        self,
        *,
        bearer: Credentials,
        licenses: Credentials,
        api_keys: Credentials,
        clock: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
        remember: timedelta = REMEMBER,
        most: int = MOST,
    ) -> None:
        if remember > REMEMBER:
            raise ValueError("credentials are remembered for at most 10 seconds")
        self._schemes = {"bearer": bearer, "license": licenses, "apikey": api_keys}
        self._clock = clock
        self._monotonic = monotonic
        self._remember = remember.total_seconds()
        self._most = most
        self._known: OrderedDict[bytes, tuple[Resolved, float]] = OrderedDict()
        self._generation = 0

    async def authenticate(self, authorization: str | None, *, org: str | None = None) -> Principal:
        """Say who asks.

        `org` is the organisation that the request names (header `Coditect-Organisation`); without
        it a user acts in the one joined first. Raises Refusal: UNAUTHENTICATED, TOKEN_EXPIRED,
        EMAIL_NOT_VERIFIED, FORBIDDEN, and IDENTITY_UNAVAILABLE where nobody can tell just now.
        """
        scheme, credential = _split(authorization)
        key = hashlib.sha256(f"{scheme}\0{org or ''}\0{credential}".encode()).digest()
        known = self._recall(key)
        if known is not None:
            return known
        generation = self._generation
        try:
            resolved = await self._schemes[scheme].resolve(credential, org=org)
        except (DBAPIError, PoolTimeout) as error:
            # Without its text: a statement's parameters may hold digests and addresses.
            raise Refusal(
                Code.IDENTITY_UNAVAILABLE,
                "accounts and keys cannot be looked up just now",
                hint="Try again.",
                retry_after_ms=1_000,
            ) from error
        if generation == self._generation:  # else something changed while we looked
            self._keep(key, resolved)
        return resolved.principal

    def forget(self) -> None:
        """Believe nothing resolved so far: keys, members or rules have changed."""
        self._generation += 1
        self._known.clear()

    def _recall(self, key: bytes) -> Principal | None:
        found = self._known.get(key)
        if found is None:
            return None
        resolved, until = found
        over = resolved.until is not None and resolved.until <= self._clock()
        if over or self._monotonic() >= until:
            del self._known[key]
            return None
        self._known.move_to_end(key)
        return resolved.principal

    def _keep(self, key: bytes, resolved: Resolved) -> None:
        self._known[key] = (resolved, self._monotonic() + self._remember)
        self._known.move_to_end(key)
        while len(self._known) > self._most:
            self._known.popitem(last=False)


def in_org(principal: Principal, org: str | None) -> Principal:
    """Give the principal if the request names its organisation or none; else FORBIDDEN.

    The answer is the same for an organisation that does not exist.
    """
    if org is None or org == principal.org:
        return principal
    raise not_a_member()


def not_a_member() -> Refusal:
    """Say that somebody is known, but not in the organisation that the request is about."""
    return Refusal(
        Code.FORBIDDEN,
        "you are no member of this organisation, or there is none by this name",
        hint="Ask one of its owners or admins for an invitation to your verified e-mail address.",
    )


def _split(authorization: str | None) -> tuple[str, str]:
    if not authorization:
        raise Refusal(
            Code.UNAUTHENTICATED,
            "the request has no credential",
            hint="Send `Authorization: Bearer <token>`, `License CCL-…` or `ApiKey cck_…`.",
        )
    scheme, _, credential = authorization.partition(" ")
    scheme, credential = scheme.lower(), credential.strip(" ")
    fits = (
        len(authorization) <= MAX_HEADER
        and scheme in {"bearer", "license", "apikey"}
        and credential.isascii()
        and credential.isprintable()
        and credential
        and " " not in credential
    )
    if not fits:
        raise Refusal(
            Code.UNAUTHENTICATED,
            "the credential is not in a form that we know",
            hint="Send `Authorization: Bearer <token>`, `License CCL-…` or `ApiKey cck_…`.",
        )
    return scheme, credential
