"""Secrets of endpoints: made once, kept sealed, and how they sign (Standard Webhooks)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

PREFIX = "whsec_"
_BYTES = 32


def new_secret() -> str:
    """Make a secret as the receiver's library takes it."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_BYTES)).decode()


class Sealer:
    """Seals secrets for the database; the keys are kept elsewhere.

    The first key seals, each opens: put a new one in front to change it without an interruption.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        """Take Fernet keys (32 bytes as base64url); ValueError for others, never telling them."""
        try:
            self._box = MultiFernet([Fernet(key) for key in keys])
        except (ValueError, TypeError):
            raise ValueError("a sealing key is 32 bytes as base64url, and one is needed") from None

    @classmethod
    def local(cls, path: Path) -> Sealer:
        """Use the key in a file that only we read; it is made if it is missing."""
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        try:
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(Fernet.generate_key())
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):  # another process was first
                os.link(draft, path)  # whole or not at all
        finally:
            draft.unlink(missing_ok=True)
        return cls([path.read_text(encoding="ascii").strip()])

    def __repr__(self) -> str:
        return "Sealer(…)"

    def seal(self, secret: str) -> str:
        """Give what the database may keep."""
        return self._box.encrypt(secret.encode()).decode()

    def open(self, sealed: str) -> str:
        """Give the secret back; ValueError if no key opens it."""
        try:
            return self._box.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise ValueError("no sealing key opens this webhook secret") from None


def sign(keys: Sequence[str], *, id: str, timestamp: int, payload: bytes) -> dict[str, str]:
    """The three header fields of Standard Webhooks, with one signature for each secret."""
    told = f"{id}.{timestamp}.".encode() + payload
    signatures = []
    for key in keys:
        raw = base64.b64decode(key.removeprefix(PREFIX))
        mac = hmac.new(raw, told, hashlib.sha256).digest()
        signatures.append(f"v1,{base64.b64encode(mac).decode()}")
    return {
        "webhook-id": id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }
