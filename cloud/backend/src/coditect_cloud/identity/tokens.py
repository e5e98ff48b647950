"""Bearer tokens: whose they are, verified; nothing in them is believed before."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NoReturn

import jwt
from jwt.exceptions import PyJWTError

from coditect_cloud.database import utc_now
from coditect_cloud.identity.claims import claim, matches, texts
from coditect_cloud.identity.email import domain, normalised
from coditect_cloud.identity.fetching import HttpFetch
from coditect_cloud.identity.issuers import ABSENT, Issuer, Serves
from coditect_cloud.identity.keys import Freshness, IssuerKeys, PublicKey
from coditect_cloud.refusals import Code, Refusal

MAX_TOKEN = 16_000
"""Characters of a token."""
MAX_SUBJECT = 512
MAX_TRIED = 8
"""Keys tried for a token that names none, where its issuer is allowed that."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who an issuer says this is; verified."""

    issuer: Issuer
    subject: str
    email: str | None
    """Normalised, and verified by the issuer; None if it is not, or there is none."""
    name: str
    expires_at: datetime
    claims: Mapping[str, Any] = field(repr=False)


class Tokens:
    """Verifies tokens of the configured issuers."""

    def __init__(
        self,
        issuers: Iterable[Issuer],
        *,
        keys: Callable[[Issuer], IssuerKeys] | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        configured = tuple(issuers)
        self._issuers = {i.issuer: i for i in configured}
        if len(self._issuers) < len(configured):
            raise ValueError("an issuer is configured twice")
        self._fetches: list[HttpFetch] = []
        make = keys or self._over_http
        self._keys = {name: make(i) for name, i in self._issuers.items() if not i.unsigned}
        self._clock = clock

    async def verify(self, token: str) -> Identity:
        """Say whose token this is.

        Refusal: UNAUTHENTICATED (forged, foreign, not for us), TOKEN_EXPIRED, EMAIL_NOT_VERIFIED,
        FORBIDDEN (genuine, but its issuer's policy refuses it), IDENTITY_UNAVAILABLE.
        """
        header, claimed = _unverified(token)
        named = claimed.get("iss")
        issuer = self._issuers.get(named) if isinstance(named, str) else None
        if issuer is None:
            _no("the token is of an issuer that is not trusted here")
        if issuer.unsigned:
            claims = _unsigned(token, header, claimed)
        else:
            claims = await self._signed(issuer, token, header)
        return _identity(issuer, claims, self._clock().timestamp())

    async def close(self) -> None:
        """Let go of connections."""
        for keys in self._keys.values():
            await keys.close()
        for fetch in self._fetches:
            await fetch.close()

    def _over_http(self, issuer: Issuer) -> IssuerKeys:
        fetch = HttpFetch(ca_file=issuer.ca_file, bearer_file=issuer.bearer_file)
        self._fetches.append(fetch)
        return IssuerKeys(issuer, fetch, freshness=Freshness())

    async def _signed(
        self, issuer: Issuer, token: str, header: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        algorithm, kid, typ = header.get("alg"), header.get("kid", ""), header.get("typ")
        # The issuer's configuration decides, so a public key is never taken for an HMAC secret.
        if not isinstance(algorithm, str) or algorithm not in issuer.algorithms:
            _no("the token is signed in a way that its issuer is not allowed")
        if "crit" in header:
            _no("the token demands an extension that is not known here")
        if typ is not None and str(typ).lower() not in {t.lower() for t in issuer.types}:
            _no("the token is of a type that opens nothing here")
        if not isinstance(kid, str) or len(kid) > 256 or (issuer.demand_kid and not kid):
            _no("the token does not say which key signed it")
        # Who names no key may have been signed by one that is too new to be known here.
        for newer in (False,) if kid else (False, True):
            keys = await self._keys[issuer.issuer].find(kid, newer=newer)
            tried = (_claims_of(token, key, algorithm) for key in keys[:MAX_TRIED])
            claims = next((c for c in tried if c is not None), None)
            if claims is not None:
                return claims
        return _no("the token's signature does not hold")


def _claims_of(token: str, key: PublicKey, algorithm: str) -> Mapping[str, Any] | None:
    usable = key.for_algorithm(algorithm)
    if usable is None:
        return None
    try:
        # Times and audience are judged below, by our clock and with our answers.
        return jwt.decode(
            token,
            usable.key,
            algorithms=[algorithm],
            options={
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
                "verify_aud": False,
                "verify_sub": False,
                "verify_jti": False,
            },
        )
    except (PyJWTError, ValueError, TypeError, RecursionError):
        return None


def _unsigned(
    token: str, header: Mapping[str, Any], claims: Mapping[str, Any]
) -> Mapping[str, Any]:
    # Exactly an emulator's form; a token with a signature is not one of its.
    if header.get("alg") != "none" or not token.endswith("."):
        _no("only an emulator's tokens are taken from this issuer")
    return claims


def _identity(issuer: Issuer, claims: Mapping[str, Any], now: float) -> Identity:
    if claims.get("iss") != issuer.issuer:
        _no("the token is of another issuer")
    expires = _check_times(issuer, claims, now)
    _check_audience(issuer, claims)
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT:
        _no("the token names no subject")
    for path, patterns in issuer.claims.items():
        value = claim(claims, path)
        fits = any(matches(p, t) for p in patterns if p != ABSENT for t in texts(value))
        if not (fits or (ABSENT in patterns and _lacks(claims, path))):
            raise Refusal(
                Code.FORBIDDEN,
                f"the identity provider's policy here refuses this sign-in ({path})",
                hint=issuer.claims_hint,
            )
    name = claims.get("name")
    email = _verified_email(issuer, claims)
    if email is None and issuer.serves is Serves.USERS and issuer.demand_verified_email:
        raise email_not_verified()
    return Identity(
        issuer=issuer,
        subject=subject,
        email=email,
        name=_printable(name) if isinstance(name, str) else "",
        expires_at=datetime.fromtimestamp(expires, UTC),
        claims=claims,
    )


def _lacks(claims: Mapping[str, Any], path: str) -> bool:
    """Whether no claim can be meant by the path, in any reading of it."""
    if path in claims:
        return False
    for at, letter in enumerate(path):
        inner = claims.get(path[:at]) if letter == "/" else None
        if isinstance(inner, Mapping) and not _lacks(inner, path[at + 1 :]):
            return False
    return True


def _check_times(issuer: Issuer, claims: Mapping[str, Any], now: float) -> float:
    """Give the moment at which the token ends, leeway included."""
    leeway = issuer.leeway.total_seconds()
    expires, issued = _moment(claims, "exp"), _moment(claims, "iat")
    if expires is None or issued is None:
        _no("the token does not say when it was made and when it ends")
    if not issued < expires <= issued + issuer.max_lifetime.total_seconds():
        _no("the token lives longer than its issuer's tokens may")
    starts = _moment(claims, "nbf") if "nbf" in claims else issued
    if starts is None or max(starts, issued) > now + leeway:
        _no("the token is not valid yet")
    if now >= expires + leeway:
        raise Refusal(
            Code.TOKEN_EXPIRED,
            "the token has expired",
            hint="Get a new one from the identity provider.",
        )
    return expires + leeway


def _moment(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and 0 <= value < 1e11 else None


def _check_audience(issuer: Issuer, claims: Mapping[str, Any]) -> None:
    audience = claims.get("aud")
    named = [audience] if isinstance(audience, str) else audience
    if not isinstance(named, list) or not set(texts(named)) & set(issuer.audiences):
        _no("the token is meant for another service")
    party = claims.get("azp")
    if party is None:
        if len(named) > 1 and issuer.authorized_parties:
            _no("the token has several audiences and does not say for which client it was made")
        return
    if not isinstance(party, str) or party not in issuer.parties:
        _no("the token was made for another client")


def _verified_email(issuer: Issuer, claims: Mapping[str, Any]) -> str | None:
    # Exactly true: some issuers send texts here, and "false" is a text that is not empty.
    said = claims.get("email")
    address = normalised(said) if isinstance(said, str) else None
    if claims.get("email_verified") is not True:
        address = None
    if address is not None and issuer.email_domains and domain(address) not in issuer.email_domains:
        raise Refusal(
            Code.FORBIDDEN,
            "the identity provider is not believed about addresses of this domain",
            hint="Sign in with an address of: " + ", ".join(issuer.email_domains),
        )
    return address


def _unverified(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read a token without believing it: only to find out who would have signed it."""
    parts = token.split(".")
    if len(token) > MAX_TOKEN or len(parts) != 3:
        _no("the token is no signed JWT", hint="API keys go as `Authorization: ApiKey cck_…`.")
    try:
        header, claims = (json.loads(jwt.utils.base64url_decode(p)) for p in parts[:2])
    except (ValueError, RecursionError):
        header = claims = None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        _no("the token is no signed JWT")
    return header, claims


def email_not_verified() -> Refusal:
    """Say that somebody signed in whose e-mail address the issuer does not vouch for."""
    return Refusal(
        Code.EMAIL_NOT_VERIFIED,
        "the identity provider has not verified the e-mail address of this sign-in",
        hint="Verify the address with the identity provider, then sign in again.",
    )


def _printable(text: str) -> str:
    return "".join(c for c in text if c.isprintable())[:200]


def _no(
    detail: str, *, hint: str = "Get a new token from a trusted identity provider."
) -> NoReturn:
    raise Refusal(Code.UNAUTHENTICATED, detail, hint=hint)
