"""Acquire, heartbeat, release, register: the verbs of a floating seat."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import replace

import structlog

from coditect_cloud.identity.principal import Permission, Principal, PrincipalKind
from coditect_cloud.leases.service.answers import Seat, Waiting, refusal, waiting
from coditect_cloud.leases.service.asks import (
    MOST_BEATS,
    Ask,
    Beat,
    check_ask,
    fingerprint,
    hashed,
    scoped_key,
)
from coditect_cloud.leases.service.borrows import Borrows
from coditect_cloud.leases.service.claims import lease_of
from coditect_cloud.leases.service.desk import holder_of, no_lease
from coditect_cloud.leases.service.reservations import Reservations
from coditect_cloud.leases.service.views import Views
from coditect_cloud.leases.types import (
    Acquire,
    Ended,
    Fence,
    Granted,
    Heartbeat,
    Kind,
    Queued,
    Refused,
    Release,
)
from coditect_cloud.licenses.types import License
from coditect_cloud.refusals import Code, Refusal

_log = structlog.get_logger(__name__)

_SIGN_AT_ONCE = 50
"""Tokens that are signed before others get their turn on the event loop."""


class LeaseService(Views, Borrows, Reservations):
    """All that a caller does with seats: `LeaseService(database, store, signer, issuer=…)`.

    Every method takes who asks, and refuses (`Refusal`) what it may not, what is another tenant's,
    and what is not its own holder's. Whatever the store does not count is not granted: nothing here
    adds to what the store says.
    """

    async def acquire(
        self, principal: Principal, license: str, ask: Ask, *, key: str = ""
    ) -> Seat | Waiting:
        """Take a seat, or a place in the queue if `ask.wait`.

        S4: the same `key` gives the same lease, with what it has left. If the seat cannot be
        signed, it is free again, and the refusal says to try again.
        """
        found = await self.license(principal, license, Permission.LEASES_USE)
        check_ask(ask)
        self.demand_entitlements(found, ask.entitlements)
        ask = replace(
            ask,
            holder=holder_of(principal, ask.holder),
            ttl_ms=min(ask.ttl_ms, found.terms.ttl_ms),
            # A pod that starts again has a new device; its name is its identity.
            take_over=ask.take_over or principal.kind is PrincipalKind.WORKLOAD,
        )
        secret = new_secret() if ask.rotate else ""
        order = Acquire(
            license=license,
            lease=self.new_id("lea"),
            holder=ask.holder,
            device=ask.device,
            key=scoped_key(principal, key),
            fingerprint=fingerprint(principal, "acquire", ask),
            ttl_ms=ask.ttl_ms,
            take_over=ask.take_over,
            ticket=ask.ticket or (self.new_id("tkt") if ask.wait else ""),
            wait=ask.wait,
            reservation=ask.reservation,
            secret=hashed(secret),
            label=ask.label,
        )
        answer = await self.run(license, lambda: self.store.acquire(order))
        match answer:
            case Granted():
                return await self._granted(found, answer, secret)
            case Queued():
                return waiting(answer)
            case Refused():
                raise refusal(answer)

    async def heartbeat(self, principal: Principal, license: str, beat: Beat) -> Seat:
        """Prolong a live lease. Conclusive refusals mean: stop using the seat."""
        answer = (await self.heartbeat_many(principal, license, [beat]))[0]
        if isinstance(answer, Refusal):
            raise answer
        return answer

    async def heartbeat_many(
        self, principal: Principal, license: str, beats: Sequence[Beat]
    ) -> list[Seat | Refusal]:
        """Prolong many leases of one license; each has its own answer, in the order asked."""
        found = await self.license(principal, license, Permission.LEASES_USE)
        if not 1 <= len(beats) <= MOST_BEATS:
            raise Refusal(Code.INVALID_REQUEST, f"a batch has 1 to {MOST_BEATS} heartbeats")
        answers: list[Seat | Refusal | None] = [None] * len(beats)
        asked: list[tuple[int, Heartbeat, str]] = []
        for place, beat in enumerate(beats):
            try:
                await self.demand_own(principal, license, beat.lease)
            except Refusal as no:
                answers[place] = no
                continue
            secret = new_secret() if beat.secret else ""
            order = Heartbeat(license, beat.lease, beat.fence, hashed(beat.secret), hashed(secret))
            asked.append((place, order, secret))
        told = await self._beat(license, [order for _, order, _ in asked])
        for count, ((place, _, secret), answer) in enumerate(zip(asked, told, strict=True), 1):
            if isinstance(answer, Refused):
                answers[place] = refusal(answer)
            else:
                try:
                    answers[place] = self.seat(found, answer, secret)
                except Refusal as no:  # prolonged, but not signed: the next heartbeat may be
                    answers[place] = no
            if count % _SIGN_AT_ONCE == 0:
                await asyncio.sleep(0)
        return [answer for answer in answers if answer is not None]

    async def release(
        self,
        principal: Principal,
        license: str,
        lease: str,
        *,
        fence: Fence | None = None,
        force: bool = False,
    ) -> Ended:
        """Give a seat back; by force (LEASES_FORCE) somebody else's. Releasing twice is no fault.

        A borrowed seat is returned so too, early, by its holder; nobody can force that.
        """
        if force:
            await self.license(principal, license, Permission.LEASES_FORCE)
            fence = None
        else:
            await self.license(principal, license, Permission.LEASES_USE)
            await self.demand_own(principal, license, lease)
            if fence is None:
                raise Refusal(
                    Code.INVALID_REQUEST,
                    "a release needs the fence of the lease",
                    hint="Send the fence of the last answer; to free somebody else's, use force.",
                )
        held = await self.lease(license, lease)
        order = Release(license, lease, fence, by=principal.id)
        answer = await self.run(license, lambda: self.store.release(order))
        if isinstance(answer, Refused):
            raise refusal(answer)
        if held is None or held.kind is Kind.BORROWED:
            # First the store, then the ledger: if we die between, the seat is counted too long
            # after a loss, never too short.
            await self.ledger.returned(lease)
        return answer

    async def register(self, principal: Principal, license: str, token: str) -> Seat:
        """Bring back a live lease that the store forgot, by the token that we signed for it."""
        found = await self.license(principal, license, Permission.LEASES_USE)
        claims = self.signer.verify_own_lease(token)
        wall, now = self.wall_ms(), await self.run(license, self.store.now_ms)
        lease = lease_of(claims, now_ms=now, wall_ms=wall)
        if (
            lease.license != license
            or claims.get("org") != found.org
            or lease.kind is not Kind.FLOATING
            or not principal.holds_as(lease.holder)
        ):
            raise no_lease()
        answer = await self.run(license, lambda: self.store.register(lease))
        if isinstance(answer, Refused):
            raise refusal(answer)
        return self.seat(found, answer)

    async def push(self, license: License) -> None:
        """Push a license's newest terms to the store; later, if the store is away now.

        `LicenseService(on_change=service.push)` calls it behind every change.
        """
        self.licenses.put(license)
        try:
            await self._push(license)
        except Refusal as no:
            _log.warning("terms_not_pushed_yet", license=license.id, code=no.code.value)
        except Exception as error:  # noqa: BLE001 - the change is committed, its key shown once
            _log.warning("terms_not_pushed_yet", license=license.id, kind=type(error).__name__)

    async def push_pending(self, *, most: int = 100) -> int:
        """Push terms that the store could not take when they were changed; how many it took.

        For a loop of the process that runs this service, every few seconds.
        """
        pushed = 0
        for license in await self.ledger.unpushed(most=most):
            found = await self.licenses.newest(license)
            if found is not None:
                await self._push(found)
                pushed += 1
        return pushed

    async def _push(self, license: License) -> None:
        await self.run(license.id, lambda: self.store.put_policy(license.policy()))
        await self.ledger.pushed(license.id, license.version)

    async def _beat(self, license: str, beats: list[Heartbeat]) -> list[Granted | Refused]:
        match beats:
            case []:
                return []
            case [beat]:
                return [await self.run(license, lambda: self.store.heartbeat(beat))]
            case _:
                return await self.run(license, lambda: self.store.heartbeat_many(beats))

    async def _granted(self, license: License, granted: Granted, secret: str) -> Seat:
        try:
            return self.seat(license, granted, secret)
        except BaseException:
            if not granted.replayed:  # a seat that was the holder's before stays the holder's
                await self.undo(self.give_up(granted.lease))
            raise


def new_secret() -> str:
    """Make a rotating secret: 128 random bits."""
    return secrets.token_urlsafe(16)
