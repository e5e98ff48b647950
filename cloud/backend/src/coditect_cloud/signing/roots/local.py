"""Roots for development: an encrypted file, and the mock. Both announce themselves.

Whoever can read this machine's files or memory can sign with them; no production profile takes
them.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import stat
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import SecretStr

from coditect_cloud.signing.encoding import MIN_RSA_BITS, RSA_EXPONENT
from coditect_cloud.signing.jws import PSS
from coditect_cloud.signing.roots.base import OpenedKey, RootHealth, RootRefused, RootUnavailable
from coditect_cloud.signing.roots.pkcs8 import encrypt_pem

_LOG = logging.getLogger(__name__)


class _InMemory(OpenedKey):
    """Signs in a thread with a key that is in this process."""

    notice = ""

    def __init__(self) -> None:
        super().__init__()
        self._private: RSAPrivateKey | None = None
        self._opening = asyncio.Lock()

    def _load(self) -> RSAPrivateKey:
        raise NotImplementedError

    async def open(self) -> None:
        """Get the key, and announce that it is one for development."""
        async with self._opening:
            if self._private is None:
                private = await asyncio.to_thread(self._load)
                self._take(private.public_key())
                self._private = private
                _LOG.warning("%s", self.notice)

    async def sign(self, message: bytes) -> bytes:
        """Sign a message."""
        private = self._private
        if private is None:
            raise RootUnavailable("The root is not open.")
        return await asyncio.to_thread(private.sign, message, PSS, hashes.SHA512())

    async def health(self) -> RootHealth:
        """It works if it is open."""
        ok = self._private is not None
        return RootHealth(ok, self.notice if ok else "The root is not open.")

    async def close(self) -> None:
        """Forget the key."""
        self._private = None


class FileRoot(_InMemory):
    """A root in an encrypted file, made at the first start; see RootSigner."""

    def __init__(self, path: Path, passphrase: SecretStr) -> None:
        super().__init__()
        self._path = path
        self._passphrase = passphrase
        self.notice = (
            f"DEVELOPMENT ROOT: the signing root is a file ({path}). Whoever reads it and its "
            "passphrase can sign licenses. Use Cloud KMS or PKCS#11 in production."
        )

    def __repr__(self) -> str:
        return f"FileRoot({self._path})"

    def _load(self) -> RSAPrivateKey:
        try:
            if not self._path.exists():
                self._make()
            if stat.S_IMODE(self._path.stat().st_mode) & 0o077:
                raise RootRefused(f"Others can read {self._path}: chmod 600 it.")
            key = load_pem_private_key(
                self._path.read_bytes(), self._passphrase.get_secret_value().encode()
            )
        except OSError as error:
            raise RootUnavailable(f"{self._path}: {error.strerror}") from error
        except (ValueError, TypeError) as error:
            raise RootRefused(f"{self._path} is no key under this passphrase.") from error
        if not isinstance(key, RSAPrivateKey):
            raise RootRefused(f"{self._path} holds no RSA key.")
        return key

    def _make(self) -> None:
        """Make a key; when two processes start at once, the first one's stays for both."""
        key = generate_private_key(RSA_EXPONENT, MIN_RSA_BITS)
        pem = encrypt_pem(key, self._passphrase.get_secret_value().encode())
        put_secret(self._path, pem)


def put_secret(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all; never over another."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
    finally:
        draft.unlink()


def passphrase_beside(path: Path) -> SecretStr:
    """Give the passphrase kept beside a development root, made at the first start.

    It protects copies of the one file without the other, and nothing else; the notice says so.
    """
    beside = path.with_name(f"{path.name}.passphrase")
    if not beside.exists():
        put_secret(beside, secrets.token_urlsafe(32).encode())
    return SecretStr(beside.read_text(encoding="utf-8").strip())


class MockRoot(_InMemory):
    """A root that lives as long as the process: for tests and the first hour of development."""

    notice = (
        "MOCK ROOT: the signing root was made up at this start and is gone with this process. "
        "Nothing that it signs will verify afterwards."
    )

    def __init__(self, key: RSAPrivateKey | None = None) -> None:
        super().__init__()
        self._given = key

    def __repr__(self) -> str:
        return "MockRoot()"

    def _load(self) -> RSAPrivateKey:
        return self._given or generate_private_key(RSA_EXPONENT, MIN_RSA_BITS)
