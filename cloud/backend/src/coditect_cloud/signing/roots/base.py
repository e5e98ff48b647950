"""The seam of root signers: Google Cloud KMS, PKCS#11, an encrypted file, and a mock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from coditect_cloud.signing.encoding import MIN_RSA_BITS, thumbprint


class RootUnavailable(Exception):
    """The root did not sign now, and may later: an outage, a quota, a corrupted answer."""

    def __init__(self, detail: str, *, retry_after_s: float = 5.0) -> None:
        super().__init__(detail)
        self.detail = detail
        """Without secrets."""
        self.retry_after_s = retry_after_s


class RootRefused(Exception):
    """The root will not sign until somebody mends something: no such key, no permission,
    disabled, the wrong algorithm."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class RootSettings(ValueError):
    """The root is not one that this profile or this machine can have; the message says the step."""


@dataclass(frozen=True, slots=True)
class RootHealth:
    """Whether a root would sign now."""

    ok: bool
    detail: str
    """For operators: what is wrong, or what it is."""


class RootSigner(Protocol):
    """Signs with an RSA-4096 key as PS512 wants it: PSS, SHA-512, a salt of 64 bytes.

    `open` comes first, once or again after it failed; `kid` and `public_key` raise RuntimeError
    before. `sign` is slow (milliseconds to seconds), has a deadline of its own, and may be called
    concurrently.
    """

    notice: str
    """What operators have to be told at every start; "" for a root that is fit for production."""

    @property
    def kid(self) -> str:
        """Thumbprint of the public key (RFC 7638)."""
        ...

    @property
    def public_key(self) -> RSAPublicKey:
        """The public key, kept since `open`."""
        ...

    async def open(self) -> None:
        """Get the public key. Raises RootUnavailable, RootRefused."""
        ...

    async def sign(self, message: bytes) -> bytes:
        """Sign a message (not a digest). Raises RootUnavailable, RootRefused."""
        ...

    async def health(self) -> RootHealth:
        """Look whether it would sign now; one cheap try, raises nothing."""
        ...

    async def close(self) -> None:
        """Let go of what it holds."""
        ...


class OpenedKey:
    """Keeps the public key of a root, checked once; what the roots share."""

    def __init__(self) -> None:
        self._key: RSAPublicKey | None = None
        self._kid = ""

    @property
    def kid(self) -> str:
        """Thumbprint of the public key."""
        if not self._kid:
            raise RuntimeError("the root is not open")
        return self._kid

    @property
    def public_key(self) -> RSAPublicKey:
        """The public key."""
        if self._key is None:
            raise RuntimeError("the root is not open")
        return self._key

    @property
    def opened(self) -> bool:
        """Whether the public key is known."""
        return self._key is not None

    def _take(self, key: object) -> None:
        if not isinstance(key, RSAPublicKey) or key.key_size < MIN_RSA_BITS:
            raise RootRefused("A root is an RSA key of at least 4096 bits; this one is not.")
        self._key, self._kid = key, thumbprint(key)
