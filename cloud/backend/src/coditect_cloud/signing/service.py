"""`Signing`: what the rest of the service signs and verifies with.

Leases and responses are signed in memory. The root is asked in the background: for a delegation at
half its life, for a trust bundle now and then. Through an outage of the root everything goes on
until the delegation ends; an instance that never had one is not ready.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from coditect_cloud.refusals import Code, Refusal
from coditect_cloud.signing.artefacts import ARTEFACTS, MAX_LEASE_S, Typ
from coditect_cloud.signing.bundle import bundle_claims, jwks
from coditect_cloud.signing.delegation import Delegation
from coditect_cloud.signing.jws import (
    VerificationKey,
    assemble,
    demand_times,
    prefix,
    signing_input,
)
from coditect_cloud.signing.keyring import KeyringError, KeyringSource
from coditect_cloud.signing.leaf import Leaf
from coditect_cloud.signing.responses import Exchange
from coditect_cloud.signing.ring import Ring
from coditect_cloud.signing.roots import (
    RootHealth,
    RootOpener,
    RootRefused,
    RootSettings,
    RootSigner,
    RootUnavailable,
)
from coditect_cloud.signing.state import (
    SigningHealth,
    SigningTimes,
    State,
    not_ours,
    unavailable,
)
from coditect_cloud.signing.untrusted import Reason, Untrusted
from coditect_cloud.signing.verify import verify_artefact, verify_lease

_LOG = logging.getLogger(__name__)
FAILURES = (RootUnavailable, RootRefused, KeyringError, OSError, Untrusted)
"""What a round may meet, and the next one try again."""


class Signing:
    """See the module. Times passed in: `now` wall clock, `monotonic` for pauses."""

    def __init__(
        self,
        *,
        issuer: str,
        source: KeyringSource,
        opener: RootOpener,
        times: SigningTimes | None = None,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
        serial: Callable[[], str] = lambda: secrets.token_hex(12),
    ) -> None:
        self._issuer, self._source, self._opener = issuer, source, opener
        self._times = SigningTimes() if times is None else times
        self._now, self._monotonic = now, monotonic
        self._jitter, self._serial = jitter, serial
        self._state = State()
        self._round = asyncio.Lock()
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    # --- life ---

    async def start(self) -> None:
        """Try for a first delegation, then keep things fresh in the background.

        Does not fail, nor wait long, when the root is out: `health().ready` tells. Raises
        RootSettings for a root that this profile refuses.
        """
        first = asyncio.create_task(self.maintain())
        await asyncio.wait({first}, timeout=self._times.start_s)
        if first.done():
            first.result()
        self._task = asyncio.create_task(self._keep(first), name="signing")

    async def close(self) -> None:
        """End the background, forget the leaf and close the roots."""
        self._stop.set()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        ring, self._state = self._state.ring, State()
        if ring is not None:
            await ring.close()

    async def _keep(self, turn: Awaitable[None]) -> None:
        while not self._stop.is_set():
            try:
                await turn
            except Exception:  # noqa: BLE001 - said below
                # Whatever it is, the next round tries again: leases must not stop for it.
                _LOG.exception("a round of signing failed")
            pause = self._times.look_s * (0.75 + 0.5 * self._jitter())
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), pause)
                return
            turn = self.maintain()

    async def maintain(self) -> None:
        """Make one round: a newer keyring, a delegation or bundles that are due.

        Failures of root and keyring are kept for `health`, and pause the next rounds. Raises
        RootSettings.
        """
        async with self._round:
            if self._monotonic() < self._state.quiet_until:
                return
            first = await self._attempt(self._adopt)
            # A keyring that cannot be taken must not keep the old roots from signing on.
            second = await self._attempt(self._delegate, self._publish)
            if error := first or second:
                self._failed(error)
            else:
                self._state.failures, self._state.error = 0, ""

    async def _attempt(self, *steps: Callable[[], Awaitable[None]]) -> str:
        """Take steps until one fails, and say how; "" if none did. Raises RootSettings."""
        try:
            for step in steps:
                await step()
        except RootSettings:
            if self._task is None:
                raise
            return "A root in the keyring is not one for this profile."
        except FAILURES as error:
            return str(error)
        return ""

    def _failed(self, detail: str) -> None:
        state, times = self._state, self._times
        pause = min(times.max_pause_s, times.first_pause_s * 2 ** min(state.failures, 16))
        state.failures, state.error = state.failures + 1, detail
        state.quiet_until = self._monotonic() + pause * (0.5 + 0.5 * self._jitter())
        _LOG.warning("signing: %s (failure %d in a row)", detail, state.failures)

    async def _adopt(self) -> None:
        """Take a newer keyring, once its active root is open. Raises what roots raise."""
        found = await self._source.load()
        ring = self._state.ring
        if ring is not None and found.version < ring.keyring.version:
            raise KeyringError("The keyring is older than the one in use; it is not taken.")
        if ring is None:
            self._state.ring = ring = Ring(found, self._issuer, self._opener)
        elif found.version > ring.keyring.version:
            newer = Ring(found, self._issuer, self._opener, signers=ring.signers)
            try:
                await newer.open()
            except FAILURES:
                for signer in newer.signers_not_in(ring):
                    await signer.close()
                raise
            dropped, self._state.ring = ring.signers_not_in(newer), newer
            for signer in dropped:
                await signer.close()
            _LOG.info("signing: keyring version %d", found.version)
            return
        await ring.open()

    async def _delegate(self) -> None:
        """Make a new leaf if it is time. The old one signs until the new one is there."""
        state, now = self._state, self._now()
        if (ring := state.ring) is None or not ring.opened or not self._due(ring, now):
            return
        state.former = [one for one in state.former if one.delegation.ends_s + MAX_LEASE_S > now]
        private = Ed25519PrivateKey.generate()
        delegation = Delegation.make(
            issuer=self._issuer,
            leaf=VerificationKey.of(private.public_key()),
            serial=self._serial(),
            version=ring.keyring.version,
            now=now,
            life_s=self._times.delegation_s,
            max_lease_s=self._times.max_lease_s,
        )
        token = await self._sign(ring.active, Typ.DELEGATION, delegation.claims())
        if state.leaf is not None:
            state.former.append(state.leaf)
        state.leaf = Leaf(delegation, token, private)
        state.renew_s = delegation.renewal_s(self._jitter())

    def _due(self, ring: Ring, now: float) -> bool:
        leaf = self._state.leaf
        if leaf is None or now >= self._state.renew_s:
            return True
        made = leaf.delegation
        # A clock that was set back would let the leaf's time end much later than meant.
        return made.version < ring.keyring.version or now < made.starts_s

    async def _publish(self) -> None:
        """Sign the trust bundle anew if it is old or says less than the keyring."""
        state, now = self._state, self._now()
        if (ring := state.ring) is None or not ring.opened:
            return
        if state.bundle_version == ring.keyring.version and now < state.bundle_due_s:
            return
        claims = bundle_claims(ring.trust, now=now, life_s=self._times.bundle_s)
        found: dict[str, str] = {}
        for signer in await ring.bundle_signers():
            found[signer.kid] = await self._sign(signer, Typ.BUNDLE, claims)
        state.bundles, state.bundle_version = found, ring.keyring.version
        state.bundle_due_s = now + self._times.bundle_s / 2

    async def _sign(self, signer: RootSigner, typ: Typ, claims: Mapping[str, Any]) -> str:
        key = VerificationKey.of(signer.public_key)
        message = signing_input(prefix(key, typ), claims)
        signature = await signer.sign(message)
        # A token or a bridge that signs with another padding is noticed here, not in the field.
        key.demand(signature, message)
        self._state.signatures += 1
        return assemble(message, signature)

    async def rotate_delegation(self) -> None:
        """Replace the leaf now. Raises Refusal SIGNER_UNAVAILABLE if the root does not sign."""
        async with self._round:
            try:
                self._state.renew_s = 0.0
                await self._adopt()
                await self._delegate()
            except FAILURES as error:
                raise unavailable(error) from error

    # --- signing ---

    def sign_lease(self, claims: Mapping[str, Any]) -> str:
        """Sign a lease; microseconds, asks nobody. `iss` is added.

        Needs `iat` and `exp` in seconds, `exp` at most an hour later. Raises Refusal
        SIGNER_UNAVAILABLE without a delegation, ValueError for times that no lease may have.
        """
        leaf = self._leaf()
        try:
            return leaf.sign_lease({"iss": self._issuer, **claims})
        except Untrusted as error:
            raise self._not_delegated(leaf, error, claims.get("iat")) from error

    def sign_response(self, exchange: Exchange, *, known: str = "") -> dict[str, str]:
        """Give the header fields that sign a response; microseconds, asks nobody.

        Raises Refusal SIGNER_UNAVAILABLE without a delegation.
        """
        leaf, now = self._leaf(), self._now()
        try:
            return leaf.sign_response(exchange, now=now, known=known)
        except Untrusted as error:
            raise self._not_delegated(leaf, error, now) from error

    def _leaf(self) -> Leaf:
        leaf = self._state.leaf
        if leaf is None or leaf.delegation.ends_s <= self._now():
            raise unavailable()
        return leaf

    @staticmethod
    def _not_delegated(leaf: Leaf, error: Untrusted, at: object) -> Exception:
        made = leaf.delegation
        if isinstance(at, int | float) and not made.starts_s <= at < made.ends_s:
            return unavailable(error)
        return ValueError(error.detail)

    async def sign_root(self, typ: str, claims: Mapping[str, Any]) -> str:
        """Let the root sign a license file, a borrowed seat or an audit checkpoint; slow.

        `iss`, and `iat` unless given, are added; `exp` is needed, but for a checkpoint. Raises
        Refusal SIGNER_UNAVAILABLE, ValueError for times that would never verify.
        """
        kind = Typ(typ)
        if kind not in ARTEFACTS:
            raise ValueError(f"{kind} is not for others to sign")
        body = {"iss": self._issuer, "iat": int(self._now()), **claims}
        demand_times(kind, body)
        ring = self._state.ring
        if ring is None or not ring.opened:
            raise unavailable()
        try:
            return await self._sign(ring.active, kind, body)
        except (RootUnavailable, RootRefused, Untrusted) as error:
            raise unavailable(error) from error

    # --- verifying and publishing ---

    def verify_own_lease(self, token: str) -> dict[str, Any]:
        """Verify a lease that any instance of this service signed, and give its claims.

        Raises Refusal: LEASE_EXPIRED, INVALID_REQUEST for what is not ours, SIGNER_UNAVAILABLE
        while no root is known.
        """
        ring = self._state.ring
        if ring is None or not ring.trust.roots:
            raise unavailable()
        try:
            return verify_lease(token, ring.trust, audience=None, now=self._now())
        except Untrusted as error:
            if error.reason is Reason.EXPIRED:
                raise Refusal(
                    Code.LEASE_EXPIRED, "This lease has expired.", "Acquire a seat anew."
                ) from error
            raise not_ours("lease", error) from error

    def verify_own_artefact(self, typ: Typ, token: str) -> dict[str, Any]:
        """Verify what our root signed for `sign_root`; refusals as `verify_own_lease`."""
        ring = self._state.ring
        if ring is None or not ring.trust.roots:
            raise unavailable()
        try:
            return verify_artefact(token, ring.trust, typ=typ, audience=None, now=self._now())
        except Untrusted as error:
            raise not_ours(typ.removeprefix("coditect-").removesuffix("+jwt"), error) from error

    def jwks(self) -> dict[str, Any]:
        """Give the roots, and this instance's leaves whose leases may live.

        Another instance has leaves of its own: who verifies a lease follows the delegation that it
        carries, not this set.
        """
        state, found = self._state, dict[str, dict[str, str]]()
        if state.ring is not None:
            found |= {kid: root.key.jwk() for kid, root in state.ring.trust.roots.items()}
        for leaf in [*state.former, *([state.leaf] if state.leaf else [])]:
            found[leaf.kid] = leaf.delegation.leaf.jwk()
        return jwks(found)

    @property
    def cache_control(self) -> str:
        """Advice for whoever keeps the key set or the trust bundle."""
        return f"public, max-age={self._times.jwks_age_s}, must-revalidate"

    def bundle(self, root: str = "") -> str:
        """Give the trust bundle, signed by the root of that kid, or by the active one.

        A client asks for the root that it has pinned. Raises Refusal SIGNER_UNAVAILABLE while there
        is none, NOT_FOUND if that root signs no bundles.
        """
        bundles, ring = self._state.bundles, self._state.ring
        if not bundles or ring is None:
            raise unavailable()
        found = bundles.get(root or ring.active.kid)
        if found is None:
            raise Refusal(Code.NOT_FOUND, "No root of this kid signs trust bundles.")
        return found

    def health(self) -> SigningHealth:
        """Tell how it stands; asks nobody."""
        state, now = self._state, self._now()
        made = state.leaf.delegation if state.leaf else None
        ready = made is not None and made.starts_s <= now < made.ends_s
        late = max(0.0, now - state.renew_s) if made else 0.0
        detail = "Leases can be signed." if ready else "There is no delegation to sign leases with."
        if ready and late > 4 * self._times.look_s:
            detail = "Leases can be signed, but the renewal of the delegation is late."
        return SigningHealth(
            ready=ready,
            detail=detail,
            delegation_age_s=max(0.0, now - made.issued_s) if made else 0.0,
            delegation_left_s=max(0.0, made.ends_s - now) if made else 0.0,
            late_s=late,
            keyring_version=state.ring.keyring.version if state.ring else 0,
            root_kid=state.ring.active.kid if state.ring and state.ring.opened else "",
            failures=state.failures,
            error=state.error,
            root_signatures=state.signatures,
            notices=state.ring.notices if state.ring else (),
        )

    async def check_root(self) -> RootHealth:
        """Ask the active root itself; for `doctor`, not for readiness."""
        ring = self._state.ring
        if ring is None:
            return RootHealth(False, "No keyring was read yet.")
        return await ring.active.health()
