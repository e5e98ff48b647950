"""License keys: `CCL-` and 25 Crockford base32 characters: 120 random bits and a check character.

The check character is a sum over GF(32), each place weighted by another power of a primitive
element, so any one wrong character and any two swapped ones are noticed before the database is
asked.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from typing import Protocol

from coditect_cloud.licenses.types import LicenseKeyRow

PREFIX = "CCL"
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_READ = {c: i for i, c in enumerate(_ALPHABET)} | {"O": 0, "I": 1, "L": 1}
"""People read O as 0, and I and L as 1."""
_RANDOM = 24
"""Characters of five random bits each."""
_LONGEST = 64
"""No text that people would type for a key is longer."""


class LicenseKeys(Protocol):
    """Finds what a key stands for: the seam that authentication uses."""

    async def find(self, digest: bytes) -> LicenseKeyRow | None:
        """The license of a key by its digest; None if there is none, or its time is over.

        A suspended, revoked or expired license is found: what it may not do is told where it is
        used, with the reason.
        """
        ...


def new_key(random: Callable[[int], bytes] = secrets.token_bytes) -> str:
    """Make a key. It is shown once; only `digest` of it is kept."""
    number = int.from_bytes(random(15), "big")
    values = [(number >> (5 * place)) & 31 for place in reversed(range(_RANDOM))]
    text = "".join(_ALPHABET[value] for value in (*values, _check(values)))
    return "-".join((PREFIX, *(text[at : at + 5] for at in range(0, 25, 5))))


def canonical(text: str) -> str:
    """Give a key as it was made, however it was typed; ValueError if it cannot be one."""
    if len(text) > _LONGEST:
        raise ValueError("too long for a license key")
    plain = text.strip().upper().replace("-", "").replace(" ", "")
    if not plain.startswith(PREFIX) or len(plain) != len(PREFIX) + _RANDOM + 1:
        raise ValueError("not a license key")
    try:
        values = [_READ[c] for c in plain.removeprefix(PREFIX)]
    except KeyError:
        raise ValueError("not a license key") from None
    if _check(values[:-1]) != values[-1]:
        raise ValueError("mistyped: the check character does not fit")
    body = "".join(_ALPHABET[value] for value in values)
    return "-".join((PREFIX, *(body[at : at + 5] for at in range(0, 25, 5))))


def digest(text: str) -> bytes:
    """Hash a key as it is stored; ValueError if it cannot be one.

    A plain hash: 120 random bits cannot be guessed, so a slow one would only slow us.
    """
    return hashlib.sha256(canonical(text).encode("ascii")).digest()


def hint(key: str) -> str:
    """The last group, by which people recognise a key that nobody can show again."""
    return key[-5:]


def _check(values: list[int]) -> int:
    """Sum of value times alpha to the power of its place, over GF(32) with x^5 + x^2 + 1."""
    total = 0
    for value in values:  # Horner's scheme: one multiplication by alpha a place
        total = _times_alpha(total ^ value)
    return total


def _times_alpha(value: int) -> int:
    doubled = value << 1
    return doubled ^ 0b100101 if doubled & 32 else doubled
