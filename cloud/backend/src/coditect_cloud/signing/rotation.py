"""What `keys rotate` does: prove that a new root signs, then change the keyring.

Running services take the newer keyring within seconds; nobody restarts.
"""

from __future__ import annotations

import secrets

from coditect_cloud.signing.jws import VerificationKey
from coditect_cloud.signing.keyring import OVERLAP_S, Keyring, KeyringStore
from coditect_cloud.signing.roots import RootOpener, RootSigner


async def _proven(address: str, opener: RootOpener) -> VerificationKey:
    """Open a root, let it sign, and verify. Raises RootSettings, RootUnavailable, RootRefused."""
    signer = opener(address)
    try:
        return await prove(signer)
    finally:
        await signer.close()


async def prove(signer: RootSigner) -> VerificationKey:
    """Let a root sign something of no meaning, and verify it; gives its public key.

    Raises RootUnavailable, RootRefused, and Untrusted if it signs with another key or padding.
    """
    await signer.open()
    key = VerificationKey.of(signer.public_key)
    message = b"coditect root self-test " + secrets.token_bytes(16)
    key.demand(await signer.sign(message), message)
    return key


async def publish(store: KeyringStore, address: str, opener: RootOpener) -> Keyring:
    """Make a new root known without letting it sign: the first step for verifiers far away.

    Errors as `rotate`.
    """
    key = await _proven(address, opener)
    return await store.change(lambda ring: ring.publish(address, key))


async def rotate(
    store: KeyringStore,
    address: str,
    opener: RootOpener,
    *,
    now: float,
    overlap_s: int = OVERLAP_S,
) -> Keyring:
    """Let a new (or a published) root sign from now on; the old one retires after the overlap.

    Raises KeyringError, RootSettings, RootUnavailable, RootRefused; then nothing has changed.
    """
    key = await _proven(address, opener)
    before = await store.load()
    current = before.active.key or await _proven(before.active.address, opener)

    def step(ring: Keyring) -> Keyring:
        known = any(root.key == key for root in ring.roots)
        ready = ring if known else ring.publish(address, key)
        found = ready.promote(key.kid, current, now=now, overlap_s=overlap_s)
        # Both steps are one change to those who look.
        return Keyring(found.roots, ring.version + 1, found.min_delegation)

    return await store.change(step)
