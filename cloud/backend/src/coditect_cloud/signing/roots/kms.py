"""Root in Google Cloud KMS: `RSA_SIGN_PSS_4096_SHA512`, one key version.

The client library waits 60 s by default and never repeats RESOURCE_EXHAUSTED, which is what a
quota answers; so deadline, repetitions and circuit breaker are our own. Checksums go both ways, as
Google's integrity guidelines ask: a bit that flips under way is never signed, nor handed out.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

from cryptography.hazmat.primitives.serialization import load_pem_public_key

from coditect_cloud.signing.roots.base import (
    OpenedKey,
    RootHealth,
    RootRefused,
    RootSettings,
    RootUnavailable,
)
from coditect_cloud.signing.roots.breaker import Breaker

if TYPE_CHECKING:
    from google.cloud.kms_v1 import KeyManagementServiceAsyncClient

_NAME = re.compile(
    r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+/cryptoKeyVersions/[0-9]+"
)
ALGORITHM = "RSA_SIGN_PSS_4096_SHA512"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class KmsLimits:
    """How long and how often KMS is asked."""

    attempt_s: float = 5.0
    """Deadline of one call."""
    total_s: float = 20.0
    """Deadline of a signature, repetitions and pauses among it."""
    attempts: int = 5
    pause_s: float = 0.1
    """Longest first pause; doubled each time, and drawn evenly below."""
    max_pause_s: float = 3.0
    corrupted: int = 3
    """Answers with a wrong checksum or name that are tolerated for one signature."""
    concurrent: int = 8
    breaker: Breaker = field(default_factory=Breaker)


class _Corrupted(Exception):
    """A checksum or the name of an answer was wrong."""


class KmsRoot(OpenedKey):
    """Signs with one key version; see RootSigner."""

    notice = ""

    def __init__(
        self,
        name: str,
        *,
        client: Callable[[], KeyManagementServiceAsyncClient] | None = None,
        limits: KmsLimits | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """Take a key version by its resource name; `client` is made at the first call.

        Raises RootSettings for another name, or if the client library is not installed.
        """
        super().__init__()
        if not _NAME.fullmatch(name):
            raise RootSettings(
                "A Cloud KMS root is named projects/…/locations/…/keyRings/…/cryptoKeys/…/"
                "cryptoKeyVersions/<number>."
            )
        if not _installed():
            raise RootSettings("A Cloud KMS root needs its client: install coditect-cloud[kms].")
        self._name = name
        self._make = client or _default_client
        self._client: Any = None
        self._limits = KmsLimits() if limits is None else limits
        self._breaker = self._limits.breaker
        self._monotonic, self._sleep, self._uniform = monotonic, sleep, uniform
        self._slots = asyncio.Semaphore(self._limits.concurrent)

    def __repr__(self) -> str:
        return f"KmsRoot({self._name})"

    async def open(self) -> None:
        """Get the public key, and hold it."""
        if not self.opened:
            self._take(await self._persist(self._public_key))

    async def sign(self, message: bytes) -> bytes:
        """Let KMS sign the SHA-512 digest of a message."""
        digest = hashlib.sha512(message).digest()

        async def call(timeout_s: float) -> bytes:
            return await self._asymmetric_sign(digest, timeout_s)

        async with self._slots:
            return await self._persist(call)

    async def health(self) -> RootHealth:
        """Ask for the public key once; while the circuit is open nobody is asked."""
        try:
            await self._once(self._public_key, self._limits.attempt_s)
        except (RootUnavailable, RootRefused) as error:
            return RootHealth(False, error.detail)
        except _Corrupted:
            return RootHealth(False, "An answer of Cloud KMS was corrupted under way.")
        return RootHealth(True, "Cloud KMS answers.")

    async def close(self) -> None:
        """Close the channel."""
        client, self._client = self._client, None
        if client is not None:
            await client.transport.close()

    async def _persist(self, call: Callable[[float], Awaitable[T]]) -> T:
        limits = self._limits
        ends = self._monotonic() + limits.total_s
        corrupted = 0
        for attempt in range(limits.attempts):
            left = ends - self._monotonic()
            if left <= 0:
                break
            try:
                return await self._once(call, min(limits.attempt_s, left))
            except _Corrupted:
                corrupted += 1
                if corrupted >= limits.corrupted:
                    raise RootUnavailable("Answers of Cloud KMS are corrupted under way.") from None
            except RootUnavailable:
                if attempt + 1 == limits.attempts or self._breaker.wait_s(self._monotonic()) > 0:
                    raise
            pause = self._uniform(0, min(limits.max_pause_s, limits.pause_s * 2**attempt))
            await self._sleep(max(0.0, min(pause, ends - self._monotonic())))
        raise RootUnavailable("Cloud KMS did not sign in time.")

    async def _once(self, call: Callable[[float], Awaitable[T]], timeout_s: float) -> T:
        """Make one call, and tell the breaker."""
        wait_s = self._breaker.wait_s(self._monotonic())
        if wait_s > 0:
            raise RootUnavailable("Cloud KMS failed often; it rests.", retry_after_s=wait_s)
        errors = _errors()
        self._breaker = self._breaker.called()
        verdict = False
        try:
            found = await asyncio.wait_for(call(timeout_s), timeout_s + 1)
            self._breaker = self._breaker.succeeded()
            verdict = True
            return found
        except errors.passing as error:
            self._breaker, verdict = self._breaker.failed(self._monotonic()), True
            name = type(error).__name__
            raise RootUnavailable(f"Cloud KMS does not sign now ({name}).") from error
        except errors.any as error:
            # KMS itself works: it answered, so a refusal closes the circuit.
            self._breaker, verdict = self._breaker.succeeded(), True
            if isinstance(error, errors.invalid) and "checksum" in str(error).lower():
                raise _Corrupted from error
            raise RootRefused(f"Cloud KMS refuses ({type(error).__name__}).") from error
        finally:
            if not verdict:
                self._breaker = self._breaker.abandoned()

    def _connected(self) -> Any:
        if self._client is None:
            self._client = self._make()
        return self._client

    async def _public_key(self, timeout_s: float) -> object:
        answer = await self._connected().get_public_key(
            request={"name": self._name}, retry=None, timeout=timeout_s
        )
        pem = answer.pem.encode()
        if answer.name != self._name or not _sum_is(answer, "pem_crc32c", pem):
            raise _Corrupted
        if answer.algorithm.name != ALGORITHM:
            raise RootRefused(f"The key version has the algorithm {answer.algorithm.name}.")
        return load_pem_public_key(pem)

    async def _asymmetric_sign(self, digest: bytes, timeout_s: float) -> bytes:
        answer = await self._connected().asymmetric_sign(
            request={
                "name": self._name,
                "digest": {"sha512": digest},
                "digest_crc32c": _checksum(digest),
            },
            retry=None,
            timeout=timeout_s,
        )
        signature: bytes = answer.signature
        if (
            answer.name != self._name
            or not answer.verified_digest_crc32c
            or not _sum_is(answer, "signature_crc32c", signature)
        ):
            raise _Corrupted
        return signature


@dataclass(frozen=True, slots=True)
class _Errors:
    any: tuple[type[Exception], ...]
    passing: tuple[type[Exception], ...]
    invalid: type[Exception]


def _errors() -> _Errors:
    """Name the client's exceptions; imported here, since only this root needs the library."""
    from google.api_core import exceptions as api  # noqa: PLC0415
    from google.auth import exceptions as auth  # noqa: PLC0415

    passing = (
        TimeoutError,
        api.ServiceUnavailable,
        api.DeadlineExceeded,
        api.ResourceExhausted,
        api.InternalServerError,
        api.Aborted,
        api.Cancelled,
        api.Unknown,
        auth.TransportError,
    )
    return _Errors((api.GoogleAPIError, auth.GoogleAuthError), passing, api.InvalidArgument)


def _installed() -> bool:
    """Say whether the client library is there, without importing it: that takes a second."""
    try:
        return all(find_spec(name) for name in ("google.cloud.kms_v1", "google_crc32c"))
    except ModuleNotFoundError:
        return False


def _checksum(data: bytes) -> int:
    import google_crc32c  # noqa: PLC0415

    return int(google_crc32c.value(data))


def _sum_is(answer: Any, name: str, data: bytes) -> bool:
    """Say whether a checksum is there and right; an absent one reads as 0 and is no checksum."""
    return name in answer and int(getattr(answer, name)) == _checksum(data)


def _default_client() -> KeyManagementServiceAsyncClient:
    """Connect to Google with the application's default credentials."""
    from google.cloud.kms_v1 import KeyManagementServiceAsyncClient  # noqa: PLC0415

    return KeyManagementServiceAsyncClient()


def plaintext_client(address: str) -> Callable[[], KeyManagementServiceAsyncClient]:
    """Connect to a stand-in without TLS and credentials, for development and tests."""

    def make() -> KeyManagementServiceAsyncClient:
        import grpc  # type: ignore[import-untyped]  # noqa: PLC0415
        from google.cloud.kms_v1 import KeyManagementServiceAsyncClient  # noqa: PLC0415
        from google.cloud.kms_v1.services.key_management_service.transports import (  # noqa: PLC0415
            KeyManagementServiceGrpcAsyncIOTransport,
        )

        channel = grpc.aio.insecure_channel(address)
        return KeyManagementServiceAsyncClient(
            transport=KeyManagementServiceGrpcAsyncIOTransport(channel=channel)
        )

    return make
