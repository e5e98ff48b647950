"""Root in a PKCS#11 token (an HSM, a YubiKey, SoftHSM): CKM_SHA512_RSA_PKCS_PSS.

A session belongs to one thread, so each root has a thread of its own. A session that broke is
opened anew at the next call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from pydantic import SecretStr

from coditect_cloud.signing.roots.base import (
    OpenedKey,
    RootHealth,
    RootRefused,
    RootSettings,
    RootUnavailable,
)

T = TypeVar("T")
SALT = 64


@dataclass(frozen=True, slots=True)
class TokenKey:
    """Where the key is."""

    module: str
    """Path of the vendor's library, such as /usr/lib/softhsm/libsofthsm2.so."""
    token: str
    """Label of the token."""
    label: str
    """Label of both halves of the key pair."""


class Pkcs11Root(OpenedKey):
    """Signs inside a token; see RootSigner."""

    notice = ""

    def __init__(self, key: TokenKey, pin: SecretStr, *, deadline_s: float = 20.0) -> None:
        """Raises RootSettings where python-pkcs11 is not installed."""
        super().__init__()
        try:
            import pkcs11  # noqa: PLC0415
        except ImportError as error:
            raise RootSettings(
                "A PKCS#11 root needs python-pkcs11: install coditect-cloud[pkcs11]."
            ) from error
        self._library: Any = pkcs11
        self._where, self._pin, self._deadline_s = key, pin, deadline_s
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pkcs11-root")
        self._session: Any = None
        self._private: Any = None

    def __repr__(self) -> str:
        return f"Pkcs11Root({self._where})"

    async def open(self) -> None:
        """Log in and read the public half."""
        if not self.opened:
            self._take(await self._run(self._connect))

    async def sign(self, message: bytes) -> bytes:
        """Let the token hash and sign."""
        return await self._run(lambda: self._sign(message))

    async def health(self) -> RootHealth:
        """Look for the key in the token."""
        try:
            await self._run(self._connect)
        except (RootUnavailable, RootRefused) as error:
            return RootHealth(False, error.detail)
        return RootHealth(True, f"The token {self._where.token} answers.")

    async def close(self) -> None:
        """Log out."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._drop)
        self._thread.shutdown(wait=False)

    async def _run(self, act: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        try:
            return await asyncio.wait_for(
                loop.run_in_executor(self._thread, self._guarded, act), self._deadline_s
            )
        except TimeoutError as error:
            raise RootUnavailable("The token did not answer in time.") from error

    def _guarded(self, act: Callable[[], T]) -> T:
        errors = self._library.exceptions
        conclusive = (
            errors.NoSuchKey,
            errors.NoSuchToken,
            errors.MultipleObjectsReturned,
            errors.PinIncorrect,
            errors.PinLocked,
            errors.MechanismInvalid,
        )
        try:
            return act()
        except conclusive as error:
            self._drop()
            raise RootRefused(f"The token refuses ({type(error).__name__}).") from error
        except (errors.PKCS11Error, RuntimeError, OSError) as error:
            self._drop()
            raise RootUnavailable(f"The token does not sign ({type(error).__name__}).") from error

    def _connect(self) -> Any:
        kinds = self._library
        if self._session is None:
            token = kinds.lib(self._where.module).get_token(token_label=self._where.token)
            self._session = token.open(user_pin=self._pin.get_secret_value())
        self._private = self._session.get_key(
            object_class=kinds.ObjectClass.PRIVATE_KEY, label=self._where.label
        )
        public = self._session.get_key(
            object_class=kinds.ObjectClass.PUBLIC_KEY, label=self._where.label
        )
        modulus = int.from_bytes(public[kinds.Attribute.MODULUS], "big")
        exponent = int.from_bytes(public[kinds.Attribute.PUBLIC_EXPONENT], "big")
        return RSAPublicNumbers(exponent, modulus).public_key()

    def _sign(self, message: bytes) -> bytes:
        if self._private is None:
            self._connect()
        kinds = self._library
        return bytes(
            self._private.sign(
                message,
                mechanism=kinds.Mechanism.SHA512_RSA_PKCS_PSS,
                mechanism_param=(kinds.Mechanism.SHA512, kinds.MGF.SHA512, SALT),
            )
        )

    def _drop(self) -> None:
        session, self._session, self._private = self._session, None, None
        if session is not None:
            try:
                session.close()
            except self._library.exceptions.PKCS11Error:
                return
