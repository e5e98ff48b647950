"""Compact JWS with strict allow-lists: one algorithm a key, one typ an artefact (S5).

`read` is the only way from a token to its claims, and gives none before everything is verified.
PyJWT is not used here: it would read headers before it verifies, ignores what it does not know,
and an SDK that verifies offline should need nothing but `cryptography`. Tests use it as the peer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from coditect_cloud.signing.artefacts import LEEWAY_S, MAX_TOKEN, Typ
from coditect_cloud.signing.encoding import (
    PublicKey,
    b64u,
    dump,
    from_jwk,
    load,
    thumbprint,
    to_jwk,
    unb64u,
)
from coditect_cloud.signing.untrusted import Reason, Untrusted

HEADERS = frozenset({"alg", "kid", "typ"})


class Algorithm(StrEnum):
    """The two that exist for us, each bound to one kind of key."""

    PS512 = "PS512"
    """Roots: RSA-PSS, SHA-512, salt of 64 bytes (`RSA_SIGN_PSS_4096_SHA512`)."""
    EDDSA = "EdDSA"
    """Leaves: Ed25519."""


PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA512()), salt_length=64)
"""As JWS wants it for PS512: the salt is as long as the digest."""


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key; its kind decides the algorithm, its thumbprint is its kid."""

    public_key: PublicKey
    kid: str

    @classmethod
    def of(cls, public_key: PublicKey) -> Self:
        """Take a key under its own thumbprint."""
        return cls(public_key, thumbprint(public_key))

    @classmethod
    def from_jwk(cls, jwk: object) -> Self:
        """Take a key from its JWK; a `kid` that is not its thumbprint is refused (Untrusted)."""
        found = cls.of(from_jwk(jwk))
        if isinstance(jwk, dict) and jwk.get("kid", found.kid) != found.kid:
            raise Untrusted(Reason.KEY, "the kid of a key is its thumbprint")
        return found

    @property
    def algorithm(self) -> Algorithm:
        """The only algorithm that this key is ever used with."""
        return Algorithm.PS512 if isinstance(self.public_key, RSAPublicKey) else Algorithm.EDDSA

    def jwk(self) -> dict[str, str]:
        """Give the public JWK, with use, alg and kid."""
        return {**to_jwk(self.public_key), "use": "sig", "alg": self.algorithm, "kid": self.kid}

    def demand(self, signature: bytes, message: bytes) -> None:
        """Raise Untrusted unless this key signed the message."""
        try:
            if isinstance(self.public_key, RSAPublicKey):
                self.public_key.verify(signature, message, PSS, hashes.SHA512())
            else:
                self.public_key.verify(signature, message)
        except InvalidSignature as error:
            raise Untrusted(Reason.SIGNATURE, "the signature is not of this key") from error


def prefix(key: VerificationKey, typ: Typ, extra: Mapping[str, str] | None = None) -> str:
    """Give the encoded protected header and its dot; the same for all that a key signs of a kind.

    `typ` is given by who calls, the algorithm by the key.
    """
    header = {"alg": key.algorithm, "kid": key.kid, "typ": typ, **(extra or {})}
    return b64u(dump(header)) + "."


def signing_input(header: str, claims: Mapping[str, Any]) -> bytes:
    """Give the bytes that are signed, for a header of `prefix`."""
    return (header + b64u(dump(claims))).encode("ascii")


def assemble(message: bytes, signature: bytes) -> str:
    """Put the token together."""
    return f"{message.decode('ascii')}.{b64u(signature)}"


def seconds(claims: Mapping[str, Any], name: str) -> float:
    """Give a time claim in seconds; Untrusted unless it is a finite number, not negative."""
    value = claims.get(name)
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not (0 <= value < 1e12)
        or not math.isfinite(value)
    ):
        raise Untrusted(Reason.CLAIMS, f"`{name}` is no time")
    return value


def text(claims: Mapping[str, Any], name: str) -> str:
    """Give a claim that is text and not empty. Raises Untrusted."""
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise Untrusted(Reason.CLAIMS, f"`{name}` is missing")
    return value


def whole(claims: Mapping[str, Any], name: str) -> int:
    """Give a claim that is a whole number, not negative. Raises Untrusted."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 53:
        raise Untrusted(Reason.CLAIMS, f"`{name}` is no whole number")
    return value


@dataclass(frozen=True, slots=True)
class Demand:
    """What a token has to say to be believed."""

    typ: Typ
    issuer: str
    audience: str | None
    """None where the artefact has no audience, or whoever reads it is not one."""
    now: float | None
    """Seconds since 1970; None only where the caller judges times himself, by another instant."""
    leeway_s: float = LEEWAY_S
    headers: frozenset[str] = HEADERS
    """All headers that it may and must have."""


def _header(part: str, demand: Demand) -> dict[str, str]:
    header = load(unb64u(part))
    if set(header) != demand.headers:
        raise Untrusted(Reason.HEADER, "headers that this artefact does not have")
    for value in header.values():
        if not isinstance(value, str):
            raise Untrusted(Reason.HEADER, "a header that is no text")
    if header["typ"] != demand.typ:
        raise Untrusted(Reason.TYPE, f"not a {demand.typ}")
    return header


def demand_times(typ: Typ, claims: Mapping[str, Any]) -> None:
    """Raise ValueError unless a verifier could ever take these times; for who signs."""
    try:
        _times(typ, claims, seconds(claims, "iat"), math.inf)
    except Untrusted as error:
        raise ValueError(error.detail) from error


def _times(typ: Typ, claims: Mapping[str, Any], now: float, leeway_s: float) -> None:
    endless = typ is Typ.AUDIT and "exp" not in claims
    issued, ends = seconds(claims, "iat"), math.inf if endless else seconds(claims, "exp")
    starts = seconds(claims, "nbf") if "nbf" in claims else issued
    if ends <= max(issued, starts):
        raise Untrusted(Reason.CLAIMS, "it ends before it starts")
    if max(issued, starts) > now + leeway_s:
        raise Untrusted(Reason.NOT_YET, "it is not valid yet")
    if ends <= now:
        raise Untrusted(Reason.EXPIRED, "it has expired")


def read(
    token: str, demand: Demand, find: Callable[[Mapping[str, str]], VerificationKey]
) -> dict[str, Any]:
    """Verify a token and give its claims, or raise Untrusted; there is no third way.

    `find` gives the key that a header names, from keys that are trusted already, or raises
    Untrusted. Expiry has no leeway: a seat that may be given away is never believed in.
    """
    if len(token) > MAX_TOKEN or not token.isascii():
        raise Untrusted(Reason.MALFORMED, "not a token, or too large")
    parts = token.split(".")
    if len(parts) != 3:
        raise Untrusted(Reason.MALFORMED, "a token has three parts")
    header = _header(parts[0], demand)
    key = find(header)
    if header["alg"] != key.algorithm:
        raise Untrusted(Reason.ALGORITHM, "not the algorithm of this key")
    if header["kid"] != key.kid:
        raise Untrusted(Reason.KEY, "not the key that it names")
    key.demand(unb64u(parts[2]), f"{parts[0]}.{parts[1]}".encode("ascii"))
    claims = load(unb64u(parts[1]))
    if claims.get("iss") != demand.issuer:
        raise Untrusted(Reason.ISSUER, "somebody else issued it")
    if demand.audience is not None and claims.get("aud") != demand.audience:
        raise Untrusted(Reason.AUDIENCE, "it is meant for somebody else")
    if demand.now is not None:
        _times(demand.typ, claims, demand.now, demand.leeway_s)
    return claims
