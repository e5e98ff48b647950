"""A real OpenID Connect provider in a process of its own, and how a person signs in with it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

_DEADLINE_S = 30
_BACK = "http://127.0.0.1:9/back"


class Provider:
    """One provider; `people` are `sub` and claims of who may sign in."""

    def __init__(self, people: Sequence[Mapping[str, Any]], port: int = 0) -> None:
        self._people = people
        self.port = port or _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def issuer(self) -> str:
        """Its `iss`."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start, and wait until it answers. Each start makes a new key, as a rotation does."""
        people = [a for p in self._people for a in ("--user-claims", json.dumps(p))]
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-W",
                "ignore",
                "-m",
                "oidc_provider_mock",
                "-p",
                str(self.port),
                *people,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
        )
        deadline = time.monotonic() + _DEADLINE_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                httpx.get(f"{self.issuer}/.well-known/openid-configuration", timeout=2)
            except httpx.HTTPError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError("the OpenID provider did not start")

    def stop(self) -> None:
        """End it."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGKILL)
            process.wait()

    def register(self) -> tuple[str, str]:
        """Register a client: its id and secret."""
        with httpx.Client(base_url=self.issuer) as client:
            asked = client.post(
                "/oauth2/clients",
                json={
                    "redirect_uris": [_BACK],
                    "token_endpoint_auth_method": "client_secret_post",
                    "scope": "openid email profile",
                },
            ).raise_for_status()
        return asked.json()["client_id"], asked.json()["client_secret"]

    def sign_in(self, sub: str, client: tuple[str, str]) -> str:
        """Go through the authorization code flow as a person; gives the ID token."""
        id, secret = client
        asked = {
            "client_id": id,
            "redirect_uri": _BACK,
            "response_type": "code",
            "scope": "openid email profile",
            "state": "s",
        }
        with httpx.Client(base_url=self.issuer) as browser:
            sent = browser.post("/oauth2/authorize", params=asked, data={"sub": sub})
            code = parse_qs(urlsplit(sent.headers["Location"]).query)["code"][0]
            answer = browser.post(
                "/oauth2/token",
                data={
                    "grant_type": "authorization_code",
                    "code": code,
                    "redirect_uri": _BACK,
                    "client_id": id,
                    "client_secret": secret,
                },
            ).raise_for_status()
        token = answer.json()["id_token"]
        assert isinstance(token, str)
        return token


@contextmanager
def oidc_provider(people: Sequence[Mapping[str, Any]]) -> Iterator[Provider]:
    """Run one."""
    provider = Provider(people)
    try:
        provider.start()
        yield provider
    finally:
        provider.stop()


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
