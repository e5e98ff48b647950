"""A keyring with its signers: which are open, and what is to be believed."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from coditect_cloud.signing.jws import VerificationKey
from coditect_cloud.signing.keyring import Keyring, RootEntry
from coditect_cloud.signing.roots import (
    RootOpener,
    RootRefused,
    RootSettings,
    RootSigner,
    RootUnavailable,
)
from coditect_cloud.signing.verify import Status, Trust, TrustedRoot

_LOG = logging.getLogger(__name__)


class Ring:
    """The roots of one version of the keyring. Signers go on from one version to the next."""

    def __init__(
        self,
        keyring: Keyring,
        issuer: str,
        opener: RootOpener,
        *,
        signers: Mapping[str, RootSigner] | None = None,
    ) -> None:
        """Raises RootSettings if the active root is not one for this profile."""
        self.keyring = keyring
        self._issuer = issuer
        self._opener = opener
        self._open: set[str] = set()
        kept = {root.address for root in keyring.roots if root.status is not Status.RETIRED}
        self.signers = {at: one for at, one in (signers or {}).items() if at in kept}
        """By address."""
        self.active = self._signer(keyring.active)
        self.trust = self._trust()

    def _signer(self, entry: RootEntry) -> RootSigner:
        address = entry.address
        if address not in self.signers:
            self.signers[address] = self._opener(address)
        return self.signers[address]

    @property
    def opened(self) -> bool:
        """Whether the active root is open."""
        return self.keyring.active.address in self._open

    @property
    def notices(self) -> tuple[str, ...]:
        """What roots for development announce."""
        return tuple(signer.notice for signer in self.signers.values() if signer.notice)

    async def open(self) -> None:
        """Open the active root. Raises RootUnavailable, RootRefused."""
        await self._opened(self.keyring.active)
        self.trust = self._trust()

    async def _opened(self, entry: RootEntry) -> RootSigner:
        signer = self._signer(entry)
        await signer.open()
        if entry.key is not None and entry.key.kid != signer.kid:
            raise RootRefused("The root has another key than the keyring says.")
        self._open.add(entry.address)
        return signer

    async def bundle_signers(self) -> list[RootSigner]:
        """Give the signers of trust bundles: the active root, and those that are retiring.

        A retiring root that is out or gone is left out: the others' statements matter more.
        """
        found = [self.active]
        for entry in self.keyring.roots:
            if entry.status is Status.RETIRING:
                try:
                    found.append(await self._opened(entry))
                except (RootUnavailable, RootRefused, RootSettings) as error:
                    _LOG.warning("a retiring root signs no bundle: %s", error)
        return found

    def signers_not_in(self, newer: Ring) -> list[RootSigner]:
        """Give those that the newer ring has no use for."""
        kept = {id(signer) for signer in newer.signers.values()}
        return [signer for signer in self.signers.values() if id(signer) not in kept]

    def _trust(self) -> Trust:
        roots: dict[str, TrustedRoot] = {}
        for entry in self.keyring.roots:
            key = entry.key
            if key is None and entry.address in self._open:
                key = VerificationKey.of(self.signers[entry.address].public_key)
            if key is not None:
                roots[key.kid] = entry.trusted(key)
        return Trust(
            self._issuer,
            roots,
            version=self.keyring.version,
            min_delegation=self.keyring.min_delegation,
        )

    async def close(self) -> None:
        """Close all signers."""
        for signer in self.signers.values():
            await signer.close()
