"""Bytes, JSON and keys as JOSE writes them, read strictly: one value has one spelling.

Laxness here is where forgeries hide: base64 with spare bits or padding would let a byte of a token
change and still verify, and two equal names in an object are read differently by two readers.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from coditect_cloud.signing.untrusted import Reason, Untrusted

PublicKey = RSAPublicKey | Ed25519PublicKey
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")
MIN_RSA_BITS = 4096
RSA_EXPONENT = 65537


def b64u(data: bytes) -> str:
    """Encode as base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def unb64u(text: str) -> bytes:
    """Decode what `b64u` writes, and no other spelling of it. Raises Untrusted."""
    if not _BASE64URL.fullmatch(text):
        raise Untrusted(Reason.MALFORMED, "not base64url")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise Untrusted(Reason.MALFORMED, "not base64url") from error
    if b64u(data) != text:
        raise Untrusted(Reason.MALFORMED, "base64url with spare bits")
    return data


def dump(value: Mapping[str, Any]) -> bytes:
    """Write an object as compact JSON. ValueError for what JSON cannot say (NaN)."""
    return json.dumps(
        value, separators=(",", ":"), allow_nan=False, ensure_ascii=False, check_circular=False
    ).encode()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Untrusted(Reason.MALFORMED, "a name stands twice in an object")
    return found


def _no_constant(_: str) -> NoReturn:
    raise Untrusted(Reason.MALFORMED, "NaN and Infinity are no JSON")


def load(data: bytes) -> dict[str, Any]:
    """Read one JSON object, strictly. Raises Untrusted."""
    try:
        value = json.loads(
            data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant
        )
    except Untrusted:
        raise
    except (ValueError, RecursionError) as error:
        raise Untrusted(Reason.MALFORMED, "not JSON") from error
    if not isinstance(value, dict):
        raise Untrusted(Reason.MALFORMED, "not a JSON object")
    return value


def _integer(number: int) -> str:
    return b64u(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def to_jwk(key: PublicKey) -> dict[str, str]:
    """Give the members of a JWK that make the key (RFC 7517, 7518, 8037); no kid, no use."""
    if isinstance(key, Ed25519PublicKey):
        raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return {"crv": "Ed25519", "kty": "OKP", "x": b64u(raw)}
    numbers = key.public_numbers()
    return {"e": _integer(numbers.e), "kty": "RSA", "n": _integer(numbers.n)}


def from_jwk(jwk: object) -> PublicKey:
    """Read a public key: Ed25519, or RSA of at least 4096 bits. Raises Untrusted.

    Members that do not make the key are ignored, but a private one is refused: who shows it has
    given his key away.
    """
    if not isinstance(jwk, dict) or "d" in jwk:
        raise Untrusted(Reason.KEY, "not a public JWK")
    match jwk:
        case {"kty": "OKP", "crv": "Ed25519", "x": str(x)}:
            raw = unb64u(x)
            if len(raw) != 32:
                raise Untrusted(Reason.KEY, "an Ed25519 key has 32 bytes")
            return Ed25519PublicKey.from_public_bytes(raw)
        case {"kty": "RSA", "n": str(n), "e": str(e)}:
            modulus = int.from_bytes(unb64u(n), "big")
            exponent = int.from_bytes(unb64u(e), "big")
            if not MIN_RSA_BITS <= modulus.bit_length() <= 2 * MIN_RSA_BITS:
                raise Untrusted(Reason.KEY, "a root is RSA of 4096 to 8192 bits")
            if exponent != RSA_EXPONENT:
                raise Untrusted(Reason.KEY, "a root has the exponent 65537")
            try:
                return RSAPublicNumbers(exponent, modulus).public_key()
            except ValueError as error:
                raise Untrusted(Reason.KEY, "not an RSA key") from error
        case _:
            raise Untrusted(Reason.KEY, "neither Ed25519 nor RSA")


def thumbprint(key: PublicKey) -> str:
    """Give the RFC 7638 thumbprint (SHA-256): our `kid`, so that a kid cannot name another key."""
    return b64u(hashlib.sha256(dump(dict(sorted(to_jwk(key).items())))).digest())
