"""Seats that work offline for days: borrow, burn. They come back by release, or by their time."""

from __future__ import annotations

from dataclasses import replace

from coditect_cloud.identity.principal import Permission, Principal
from coditect_cloud.leases.service.answers import Seat, refusal
from coditect_cloud.leases.service.asks import Ask, check_ask, fingerprint, scoped_key
from coditect_cloud.leases.service.claims import lease_claims
from coditect_cloud.leases.service.desk import Desk, holder_of, no_lease, told
from coditect_cloud.leases.types import Acquire, Granted, Kind, Lease, Queued, Refused
from coditect_cloud.licenses.types import License
from coditect_cloud.refusals import Code, Refusal
from coditect_cloud.signing.artefacts import Typ

MIN_BORROW_MS = 60_000
ABANDONED_MS = 600_000
"""Lending takes seconds: after ten minutes without a token it will not come."""


class Borrows(Desk):
    """What the ledger keeps beside the store, since no heartbeat would bring it back."""

    async def borrow(
        self, principal: Principal, license: str, ask: Ask, *, for_ms: int, key: str = ""
    ) -> Seat:
        """Take a seat offline for `for_ms`, with a token that the root signs.

        The holder's floating seat on the same device becomes the borrowed one; asked again on that
        device, the same seat is answered with another token. BORROW_NOT_ALLOWED beyond what the
        license says.
        """
        found = await self.license(principal, license, Permission.LEASES_USE)
        check_ask(ask)
        _check_length(found, for_ms)
        self.demand_entitlements(found, ask.entitlements)
        ask = replace(
            ask,
            holder=holder_of(principal, ask.holder),
            device=ask.device,
        )
        order = Acquire(
            license=license,
            lease=self.new_id("lea"),
            holder=ask.holder,
            device=ask.device,
            key=scoped_key(principal, key),
            fingerprint=fingerprint(principal, "borrow", ask, str(for_ms)),
            ttl_ms=for_ms,
            kind=Kind.BORROWED,
            take_over=ask.take_over,
            reservation=ask.reservation,
            label=ask.label,
        )
        answer = await self.run(license, lambda: self.store.acquire(order))
        match answer:
            case Granted(ended=True):
                return told(found, answer, "")
            case Granted():
                return await self._lend(found, answer)
            case Refused():
                raise refusal(answer)
            case Queued():
                raise AssertionError("nobody asked to wait")

    async def burn(self, principal: Principal, license: str, lease: str) -> Lease:
        """Declare a borrowed seat lost: its holder may have another, it counts until its end.

        The holder may, and who has LEASES_FORCE.
        """
        force = principal.may(Permission.LEASES_FORCE)
        needed = Permission.LEASES_FORCE if force else Permission.LEASES_USE
        await self.license(principal, license, needed)
        held = await self.lease(license, lease)
        if held is None or not (force or principal.holds_as(held.holder)):
            raise no_lease()
        answer = await self.run(license, lambda: self.store.burn(license, lease, by=principal.id))
        if isinstance(answer, Refused):
            raise refusal(answer)
        await self.ledger.burned(lease)
        return answer

    async def sweep(self) -> int:
        """Clear the ledger of borrowed seats that ended, or never went out; how many.

        For an hourly loop of the process that runs this service.
        """
        now = await self.store.now_ms()
        freed = 0
        for lease in await self.ledger.abandoned(before_ms=now - ABANDONED_MS):
            freed += await self._take_back(lease)
        return freed + await self.ledger.forget_ended(now)

    async def _take_back(self, lease: Lease) -> bool:
        """Free a seat whose token never goes out; whether it was still held."""
        if not await self.ledger.take_back(lease.id):
            return False
        held = await self.lease(lease.license, lease.id)  # a restore may have moved its fence
        if held is None:
            return False
        await self.give_up(held)
        return True

    async def _lend(self, license: License, granted: Granted) -> Seat:
        """First the ledger, then the token: nobody has a seat that a restore would not count."""
        lease = granted.lease
        try:
            if not await self.ledger.borrowed(lease, license.org):
                await self.undo(self.give_up(lease))
                raise _lost()
            claims = lease_claims(
                license,
                lease,
                remaining_ms=granted.remaining_ms,
                issuer=self.issuer,
                wall_ms=self.wall_ms(),
            )
            token = await self.signer.sign_root(Typ.BORROW, claims)
            if not await self.ledger.hand_over(lease.id):
                raise _lost()
        except BaseException:
            await self.undo(self._take_back(lease))
            raise
        self.remember(lease)
        return told(license, granted, token)


def _lost() -> Refusal:
    return Refusal(
        Code.STORE_UNAVAILABLE,
        "this seat was lost while it was lent",
        hint="Ask again.",
        retry_after_ms=1_000,
    )


def _check_length(license: License, for_ms: int) -> None:
    most = license.terms.borrow_max_ms
    if for_ms > most:
        detail = f"{most} ms at most" if most else "seats of this license work online only"
        raise Refusal(Code.BORROW_NOT_ALLOWED, detail, data={"borrow_max_ms": most})
    if for_ms < MIN_BORROW_MS:
        raise Refusal(Code.INVALID_REQUEST, f"a seat is borrowed for {MIN_BORROW_MS} ms or longer")
