"""Seats kept for a job that has not started."""

from __future__ import annotations

import hashlib

from coditect_cloud.identity.principal import Permission, Principal
from coditect_cloud.leases.service.answers import refusal
from coditect_cloud.leases.service.asks import MOST_KEPT, scoped_key
from coditect_cloud.leases.service.desk import Desk
from coditect_cloud.leases.types import Refused, Reserve, Reserved
from coditect_cloud.refusals import Code, Refusal

MAX_KEEP_MS = 24 * 3_600_000


class Reservations(Desk):
    """A reservation is taken seat by seat, with `Ask.reservation`."""

    async def reserve(
        self, principal: Principal, license: str, *, seats: int, ttl_ms: int, key: str = ""
    ) -> Reserved:
        """Keep all the seats asked for, or none. The same key gives what is left of the same."""
        await self._license(principal, license)
        if not 1 <= seats <= MOST_KEPT:
            raise Refusal(Code.INVALID_REQUEST, f"a reservation keeps 1 to {MOST_KEPT} seats")
        if not 1_000 <= ttl_ms <= MAX_KEEP_MS:
            raise Refusal(
                Code.INVALID_REQUEST, f"seats are kept for 1000 to {MAX_KEEP_MS} ms (a day)"
            )
        order = Reserve(license, self._name(principal, license, key), seats, ttl_ms, principal.id)
        answer = await self.run(license, lambda: self.store.reserve(order))
        if isinstance(answer, Refused):
            raise refusal(answer)
        return answer

    async def unreserve(self, principal: Principal, license: str, reservation: str) -> int:
        """Give back the seats that nobody has taken; how many they were."""
        await self._license(principal, license)
        freed = await self.run(
            license, lambda: self.store.unreserve(license, reservation, by=principal.id)
        )
        if freed == 0:
            raise Refusal(
                Code.RESERVATION_NOT_FOUND, "there is no such reservation, or nothing left of it"
            )
        return freed

    async def _license(self, principal: Principal, license: str) -> None:
        await self.license(principal, license, Permission.LEASES_USE)
        if principal.holder is not None and not principal.may(Permission.LEASES_FORCE):
            raise Refusal(
                Code.FORBIDDEN,
                "this credential holds seats for itself only, so it cannot keep some for others",
                hint="Use an API key, or the license's key.",
                data={"holder": principal.holder},
            )

    def _name(self, principal: Principal, license: str, key: str) -> str:
        if not key:
            return self.new_id("rsv")
        text = f"{license}\n{scoped_key(principal, key)}"
        return "rsv_" + hashlib.sha256(text.encode()).hexdigest()[:32]
