"""An issuer of tokens on 127.0.0.1: discovery, keys that rotate, and every kind of trouble."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@cache
def rsa_key(number: int, bits: int = 2048) -> rsa.RSAPrivateKey:
    """Make the n-th RSA key of this process; the same again for the same number."""
    del number
    return rsa.generate_private_key(65537, bits)


def public_jwk(key: Key, **members: Any) -> dict[str, Any]:
    """The public half, as a key set holds it."""
    algorithm: Any
    if isinstance(key, rsa.RSAPrivateKey):
        algorithm = RSAAlgorithm
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        algorithm = ECAlgorithm
    else:
        algorithm = OKPAlgorithm
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "use": "sig", **members}


class IssuerServer:
    """What it serves may be changed while it runs."""

    def __init__(self) -> None:
        self.keys: dict[str, Key] = {"k1": rsa_key(1)}
        self.jwks: dict[str, Any] | None = None
        """Served in place of the keys."""
        self.discovery: dict[str, Any] | None = None
        self.trouble = ""
        """`500`, `redirect`, `large`, `slow`, `text`, `array`, or none."""
        self.asked: list[tuple[str, str]] = []
        """Path and Authorization of each request."""
        self.gate = threading.Event()
        """Answers wait for it."""
        self.gate.set()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.answer(self)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    @property
    def issuer(self) -> str:
        """Its `iss`."""
        return f"http://127.0.0.1:{self._http.server_port}"

    def start(self) -> None:
        """Serve."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self.gate.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        self.asked.append((request.path, request.headers.get("Authorization", "")))
        self.gate.wait(10)
        status, body, headers = 200, b"", {"Connection": "close"}
        if request.path == "/.well-known/openid-configuration":
            known = {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/jwks"}
            body = json.dumps(known if self.discovery is None else self.discovery).encode()
        else:
            keys = [public_jwk(key, kid=kid) for kid, key in self.keys.items()]
            body = json.dumps({"keys": keys} if self.jwks is None else self.jwks).encode()
        match self.trouble:
            case "500":
                status = 500
            case "redirect" if request.path == "/jwks":
                status, headers["Location"] = 302, f"{self.issuer}/elsewhere"
            case "large":
                body = b'{"keys": "' + b"x" * 1_000_000 + b'"}'
            case "text":
                body = b"<html>"
            case "array":
                body = b"[]"
        request.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            request.send_header(name, value)
        request.end_headers()
        try:
            if self.trouble == "slow":
                for at in range(len(body)):
                    request.wfile.write(body[at : at + 1])
                    time.sleep(0.05)
            request.wfile.write(body)
        except OSError:
            return  # the client had enough

    def token(
        self,
        *,
        kid: str | None = "k1",
        key: Any = None,
        algorithm: str = "RS256",
        headers: dict[str, Any] | None = None,
        without: tuple[str, ...] = (),
        now: float | None = None,
        **claims: Any,
    ) -> str:
        """Sign a token that is good but for what is asked otherwise."""
        at = int(time.time() if now is None else now)
        said: dict[str, Any] = {
            "iss": self.issuer,
            "aud": "coditect",
            "sub": "someone",
            "iat": at,
            "exp": at + 600,
            "email": "ada@example.org",
            "email_verified": True,
            "name": "Ada",
            **claims,
        }
        for name in without:
            del said[name]
        named = ({} if kid is None else {"kid": kid}) | (headers or {})
        signer = key if key is not None else self.keys[kid or "k1"]
        return jwt.PyJWS().encode(json.dumps(said).encode(), signer, algorithm, headers=named)


@contextmanager
def issuer_server() -> Iterator[IssuerServer]:
    """Run one."""
    server = IssuerServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()
