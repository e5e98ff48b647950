"""API keys as texts: made, taken apart, compared. Pure but for the randomness that comes in."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass

PREFIX = "cck_"
_SHAPE = re.compile(r"cck_([0-9a-f]{32})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True, repr=False)
class KeyText:
    """`cck_<id>_<secret>`: shown once, when it is made; its repr shows no secret."""

    id: str
    """`key_…`"""
    text: str

    def __repr__(self) -> str:
        return f"KeyText(id={self.id!r})"

    __str__ = __repr__

    @property
    def digest(self) -> bytes:
        """What is kept of it."""
        return hashlib.sha256(self.text.encode()).digest()

    @classmethod
    def make(cls, id: str, random: Callable[[int], bytes] = secrets.token_bytes) -> KeyText:
        """Make the text of a key: 256 random bits behind its id."""
        secret = base64.urlsafe_b64encode(random(32)).rstrip(b"=").decode()
        return cls(id, f"{PREFIX}{id.removeprefix('key_')}_{secret}")

    @classmethod
    def parse(cls, text: str) -> KeyText | None:
        """Take a key apart; None if it is none."""
        found = _SHAPE.fullmatch(text)
        return cls(f"key_{found[1]}", text) if found else None


def opens(key: KeyText, current: bytes, previous: bytes | None) -> tuple[bool, bool]:
    """Compare in constant time: whether it is the current secret, and whether the one before."""
    digest = key.digest
    is_current = hmac.compare_digest(digest, current)
    is_previous = hmac.compare_digest(digest, previous or bytes(32))
    return is_current, is_previous and previous is not None
