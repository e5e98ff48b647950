"""The roots of a service, as operators arrange them: which one signs, which ones are believed.

Each change makes a new version; a service takes a newer keyring while it runs, and never an older.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from coditect_cloud.signing.jws import VerificationKey
from coditect_cloud.signing.untrusted import Untrusted
from coditect_cloud.signing.verify import Status, TrustedRoot

OVERLAP_S = 24 * 3600
"""How long a retiring root may still sign: longer than any instance needs to notice."""


class KeyringError(ValueError):
    """The keyring cannot be so, or cannot be read; the message says why."""


@dataclass(frozen=True, slots=True)
class RootEntry:
    """One root in the keyring."""

    address: str
    """Where its signer is (see `roots.opening`); "" once it is retired and gone."""
    status: Status = Status.ACTIVE
    jwk: Mapping[str, str] | None = None
    """Its public key; once written down, a signer with another key is refused."""
    until_s: int | None = None
    """Seconds since 1970; see `verify.TrustedRoot`."""

    @property
    def key(self) -> VerificationKey | None:
        """The public key, if it is written down."""
        return VerificationKey.from_jwk(dict(self.jwk)) if self.jwk else None

    def trusted(self, key: VerificationKey) -> TrustedRoot:
        """Give what a verifier is told of it."""
        return TrustedRoot(key, self.status, self.until_s)


@dataclass(frozen=True, slots=True)
class Keyring:
    """All roots; exactly one is active."""

    roots: tuple[RootEntry, ...]
    version: int = 1
    min_delegation: int = field(default=0)
    """Delegations of an older version are over."""

    def __post_init__(self) -> None:
        if sum(root.status is Status.ACTIVE for root in self.roots) != 1:
            raise KeyringError("Exactly one root is active.")
        if self.version < 1 or self.min_delegation > self.version:
            raise KeyringError("Versions start at 1 and only go up.")

    @classmethod
    def single(cls, address: str) -> Keyring:
        """Give the keyring of a service that never rotated its root."""
        return cls((RootEntry(address),))

    @property
    def active(self) -> RootEntry:
        """The root that signs."""
        return next(root for root in self.roots if root.status is Status.ACTIVE)

    def publish(self, address: str, key: VerificationKey) -> Keyring:
        """Make the next root known, before it signs anything."""
        if any(root.key == key for root in self.roots):
            raise KeyringError("This root is in the keyring already.")
        return self._next((*self.roots, RootEntry(address, Status.NEXT, key.jwk())))

    def promote(
        self, kid: str, active_key: VerificationKey, *, now: float, overlap_s: int
    ) -> Keyring:
        """Let the next root sign, and the active one retire; its public key is written down."""
        if self._entry(kid).status is not Status.NEXT:
            raise KeyringError("Only the next root can become active.")
        turned = {Status.NEXT: Status.ACTIVE, Status.ACTIVE: Status.RETIRING}

        def turn(root: RootEntry) -> RootEntry:
            if root.status is Status.ACTIVE:
                until = int(now) + overlap_s
                return replace(
                    root, status=turned[root.status], jwk=active_key.jwk(), until_s=until
                )
            return replace(root, status=turned[root.status]) if _is(root, kid) else root

        return self._next(tuple(turn(root) for root in self.roots))

    def retire(self, kid: str, *, now: float) -> Keyring:
        """End a retiring root: it signs nothing more; license files that it signed stay good."""
        found = self._entry(kid)
        if found.status is not Status.RETIRING:
            raise KeyringError("Only a retiring root can be retired.")
        if found.until_s is not None and now < found.until_s:
            raise KeyringError("This root still signs; wait for the end of its overlap.")
        return self._next(
            tuple(
                replace(root, status=Status.RETIRED, address="") if _is(root, kid) else root
                for root in self.roots
            )
        )

    def distrust(self, kid: str) -> Keyring:
        """Believe nothing of a root any more (it was stolen); all delegations end with it."""
        if self._entry(kid).status is Status.ACTIVE:
            raise KeyringError("Rotate first: the active root cannot be taken away.")
        return self._next(
            tuple(root for root in self.roots if not _is(root, kid)), self.version + 1
        )

    def end_delegations(self) -> Keyring:
        """End every delegation made so far (a leaf was stolen); instances make new ones."""
        return self._next(self.roots, self.version + 1)

    def _entry(self, kid: str) -> RootEntry:
        for root in self.roots:
            if _is(root, kid):
                return root
        raise KeyringError("No root in the keyring has this kid.")

    def _next(self, roots: tuple[RootEntry, ...], min_delegation: int | None = None) -> Keyring:
        least = self.min_delegation if min_delegation is None else min_delegation
        return Keyring(roots, self.version + 1, least)

    def to_json(self) -> str:
        """Write it; holds no secret."""
        listed = [
            {
                "address": root.address,
                "status": root.status,
                "jwk": None if root.jwk is None else dict(root.jwk),
                "until_s": root.until_s,
            }
            for root in self.roots
        ]
        body = {"version": self.version, "min_delegation": self.min_delegation, "roots": listed}
        return json.dumps(body, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Keyring:
        """Read what `to_json` writes. Raises KeyringError."""
        try:
            body: dict[str, Any] = json.loads(text)
            roots = tuple(
                RootEntry(
                    address=str(one["address"]),
                    status=Status(one["status"]),
                    jwk=one["jwk"],
                    until_s=None if one["until_s"] is None else int(one["until_s"]),
                )
                for one in body["roots"]
            )
            for root in roots:
                _ = root.key
            return cls(roots, int(body["version"]), int(body["min_delegation"]))
        except KeyringError:
            raise
        except (ValueError, KeyError, TypeError, Untrusted) as error:
            raise KeyringError(f"The keyring cannot be read ({type(error).__name__}).") from error


def _is(root: RootEntry, kid: str) -> bool:
    key = root.key
    return key is not None and key.kid == kid


class KeyringSource(Protocol):
    """Where a service looks for its keyring, every few seconds."""

    async def load(self) -> Keyring:
        """Give the newest keyring. Raises KeyringError, OSError."""
        ...


class KeyringStore(KeyringSource, Protocol):
    """A source that `keys rotate` can change."""

    async def change(self, step: Callable[[Keyring], Keyring]) -> Keyring:
        """Replace the keyring by what `step` makes of it, atomically. Raises KeyringError."""
        ...


@dataclass(frozen=True, slots=True)
class FixedKeyring:
    """A keyring from the settings, which never changes."""

    keyring: Keyring

    async def load(self) -> Keyring:
        """Give it."""
        return self.keyring


@dataclass(frozen=True, slots=True)
class FileKeyring:
    """A keyring in a file that all instances can read; until there is one, a single root."""

    path: Path
    first: Keyring

    async def load(self) -> Keyring:
        """Read the file."""
        return await asyncio.to_thread(self._read)

    async def change(self, step: Callable[[Keyring], Keyring]) -> Keyring:
        """Replace the file; one who changes at a time."""
        return await asyncio.to_thread(self._change, step)

    def _read(self) -> Keyring:
        try:
            return Keyring.from_json(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return self.first

    def _change(self, step: Callable[[Keyring], Keyring]) -> Keyring:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self.path.with_name(f"{self.path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            changed = step(self._read())
            draft = self.path.with_name(f".{self.path.name}.{secrets.token_hex(6)}")
            try:
                with draft.open("x", encoding="utf-8") as file:
                    file.write(changed.to_json())
                    file.flush()
                    os.fsync(file.fileno())
                draft.replace(self.path)
            finally:
                draft.unlink(missing_ok=True)
            return changed
