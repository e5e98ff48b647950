"""A Cloud KMS of our own behind real gRPC: the real client library talks to it.

Error codes are those that Google documents and its fake holds: a malformed name, a digest of the
wrong kind or length and a bad checksum are INVALID_ARGUMENT, an unknown version NOT_FOUND, a
disabled one or one of another purpose FAILED_PRECONDITION.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import google_crc32c
import grpc  # type: ignore[import-untyped]
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils
from google.cloud.kms_v1.types import resources, service

ALGORITHMS = resources.CryptoKeyVersion.CryptoKeyVersionAlgorithm
STATES = resources.CryptoKeyVersion.CryptoKeyVersionState
NAME = "projects/p/locations/europe/keyRings/r/cryptoKeys/root/cryptoKeyVersions/1"
_FORM = re.compile(r"projects/.+/locations/.+/keyRings/.+/cryptoKeys/.+/cryptoKeyVersions/[0-9]+")


def checksum(data: bytes) -> int:
    return int(google_crc32c.value(data))


@dataclass
class Version:
    """One key version."""

    key: rsa.RSAPrivateKey
    algorithm: Any = ALGORITHMS.RSA_SIGN_PSS_4096_SHA512
    state: Any = STATES.ENABLED


@dataclass
class KmsServer:
    """What the server holds, what it was asked, and how it misbehaves."""

    address: str = ""
    versions: dict[str, Version] = field(default_factory=dict)
    fail: list[grpc.StatusCode] = field(default_factory=list)
    """Codes of the next answers, one each."""
    down: grpc.StatusCode | None = None
    """Code of every answer, until it is None again."""
    spoil: list[Callable[[Any], None]] = field(default_factory=list)
    """Each changes one of the next answers."""
    calls: list[str] = field(default_factory=list)
    silent: bool = False
    """Answers nothing until `wake` is set."""
    wake: threading.Event = field(default_factory=threading.Event)

    def add(self, key: rsa.RSAPrivateKey, name: str = NAME, **more: Any) -> None:
        self.versions[name] = Version(key, **more)

    def _version(self, call: str, name: str, context: Any) -> Version:
        self.calls.append(call)
        if self.silent:
            self.wake.wait(20)
        if self.down is not None:
            context.abort(self.down, "down")
        if self.fail:
            context.abort(self.fail.pop(0), "injected")
        if not _FORM.fullmatch(name):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "Malformed resource name.")
        version = self.versions.get(name)
        if version is None:
            context.abort(grpc.StatusCode.NOT_FOUND, f"CryptoKeyVersion {name} not found.")
        assert version is not None
        if version.state != STATES.ENABLED:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"{name} is not enabled.")
        return version

    def _spoiled(self, answer: Any) -> Any:
        if self.spoil:
            self.spoil.pop(0)(answer)
        return answer

    def sign(self, request: Any, context: Any) -> Any:
        version = self._version("sign", request.name, context)
        digest = request.digest.sha512
        if len(digest) != 64 or request.data:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "Digest type or length invalid.")
        if "digest_crc32c" in request and int(request.digest_crc32c) != checksum(digest):
            context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                "The checksum in field digest_crc32c did not match the data in field digest.",
            )
        pss = padding.PSS(padding.MGF1(hashes.SHA512()), 64)
        signature = version.key.sign(digest, pss, utils.Prehashed(hashes.SHA512()))
        return self._spoiled(
            service.AsymmetricSignResponse(
                name=request.name,
                signature=signature,
                signature_crc32c=checksum(signature),
                verified_digest_crc32c="digest_crc32c" in request,
                protection_level=resources.ProtectionLevel.HSM,
            )
        )

    def public(self, request: Any, context: Any) -> Any:
        version = self._version("public", request.name, context)
        pem = version.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return self._spoiled(
            resources.PublicKey(
                pem=pem.decode(),
                algorithm=version.algorithm,
                pem_crc32c=checksum(pem),
                name=request.name,
                protection_level=resources.ProtectionLevel.HSM,
            )
        )


@contextmanager
def kms_server() -> Iterator[KmsServer]:
    """Serve on a free port of 127.0.0.1, without TLS."""
    found = KmsServer()
    methods: dict[str, tuple[Any, Any, Any]] = {
        "AsymmetricSign": (
            found.sign,
            service.AsymmetricSignRequest,
            service.AsymmetricSignResponse,
        ),
        "GetPublicKey": (found.public, service.GetPublicKeyRequest, resources.PublicKey),
    }
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(
            act, request_deserializer=ask.deserialize, response_serializer=answer.serialize
        )
        for name, (act, ask, answer) in methods.items()
    }
    server = grpc.server(futures.ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler(
                "google.cloud.kms.v1.KeyManagementService", handlers
            ),
        )
    )
    port = server.add_insecure_port("127.0.0.1:0")
    found.address = f"127.0.0.1:{port}"
    server.start()
    try:
        yield found
    finally:
        found.wake.set()
        server.stop(None).wait()
