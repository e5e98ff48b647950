"""A world for signing: a clock that is set by hand, roots that can go out, keys made once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from coditect_cloud.signing import (
    FixedKeyring,
    Keyring,
    KeyringSource,
    RootSettings,
    RootUnavailable,
    Signing,
    SigningTimes,
    Trust,
    Typ,
)
from coditect_cloud.signing.delegation import Delegation
from coditect_cloud.signing.jws import PSS, VerificationKey, assemble, prefix, signing_input
from coditect_cloud.signing.roots.local import MockRoot

ISSUER = "https://licenses.example"
START = 1_800_000_000.0


@cache
def _made(_name: str) -> RSAPrivateKey:
    return generate_private_key(65537, 4096)


def root_key(name: str = "one") -> RSAPrivateKey:
    """Give the RSA-4096 key of a name; made once a session."""
    return _made(name)


@dataclass
class Clock:
    """Wall clock and monotonic clock, moved by hand."""

    wall: float = START
    mono: float = 0.0

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.mono

    def go(self, seconds: float) -> None:
        self.wall += seconds
        self.mono += seconds


class Root(MockRoot):
    """A root whose outage a test decides."""

    notice = ""

    def __init__(self, name: str) -> None:
        super().__init__(root_key(name))
        self.down: Exception | None = None
        self.signed = 0
        self.free = asyncio.Event()
        self.free.set()
        self.closed = False

    def outage(self) -> None:
        self.down = RootUnavailable("The root is out.", retry_after_s=7)

    async def open(self) -> None:
        await self.free.wait()
        if self.down:
            raise self.down
        self.closed = False
        await super().open()

    async def sign(self, message: bytes) -> bytes:
        if self.down:
            raise self.down
        self.signed += 1
        return await super().sign(message)

    async def close(self) -> None:
        # The key stays: `rotate` opens and closes a signer of its own, here it is the same one.
        self.closed = True


@dataclass
class World:
    """Roots by address, a clock, and instances of the service."""

    clock: Clock = field(default_factory=Clock)
    roots: dict[str, Root] = field(default_factory=lambda: {"one": Root("one"), "two": Root("two")})
    times: SigningTimes = field(default_factory=SigningTimes)

    def opener(self, address: str) -> Root:
        if address not in self.roots:
            raise RootSettings(f"There is no root {address}.")
        return self.roots[address]

    def signing(self, source: KeyringSource | None = None, jitter: float = 0.0) -> Signing:
        return Signing(
            issuer=ISSUER,
            source=source or FixedKeyring(Keyring.single("one")),
            opener=self.opener,
            times=self.times,
            now=self.clock.now,
            monotonic=self.clock.monotonic,
            jitter=lambda: jitter,
        )

    def lease(self, **more: Any) -> dict[str, Any]:
        return lease_claims(self.clock.wall, **more)


def lease_claims(now: float, **more: Any) -> dict[str, Any]:
    """Give claims of a lease as the service makes them."""
    return {
        "aud": "prd_editor",
        "sub": "user:acc_01",
        "jti": "lea_01k0000000000000000000000a",
        "lic": "lic_01k0000000000000000000000b",
        "org": "org_01k0000000000000000000000c",
        "fence": "1.42",
        "iat": now,
        "exp": now + 60,
        "cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"},
        "product": "editor",
        "entitlements": {"export": True, "nodes": 4},
        "kind": "floating",
        **more,
    }


def trust(*names: str) -> Trust:
    """Trust roots by name, as an SDK that has them pinned."""
    return Trust.pinned(ISSUER, *(root_key(name).public_key() for name in names or ("one",)))


def root_token(
    claims: Mapping[str, Any], typ: Typ, name: str = "one", header: str | None = None
) -> str:
    """Sign anything at all with a root: what a hostile or faulty root might say."""
    key = root_key(name)
    text = header or prefix(VerificationKey.of(key.public_key()), typ)
    message = signing_input(text, claims)
    return assemble(message, key.sign(message, PSS, hashes.SHA512()))


def leaf_token(
    claims: Mapping[str, Any], private: Ed25519PrivateKey, delegation: str, typ: Typ = Typ.LEASE
) -> str:
    """Sign anything at all with a leaf."""
    key = VerificationKey.of(private.public_key())
    message = signing_input(prefix(key, typ, {"dlg": delegation}), claims)
    return assemble(message, private.sign(message))


def delegated(
    private: Ed25519PrivateKey, *, now: float = START, name: str = "one", **more: Any
) -> str:
    """Let a root delegate to a leaf; `more` overrides claims."""
    made = Delegation.make(
        issuer=ISSUER,
        leaf=VerificationKey.of(private.public_key()),
        serial="s1",
        version=1,
        now=now,
        life_s=12 * 3600,
        max_lease_s=3600,
    )
    return root_token({**made.claims(), **more}, Typ.DELEGATION, name)
