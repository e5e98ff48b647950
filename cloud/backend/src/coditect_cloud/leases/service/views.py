"""What callers see: how many seats, who holds them, where a ticket stands, the license's file."""

from __future__ import annotations

from coditect_cloud.database.paging import after, cursor, size
from coditect_cloud.identity.principal import Permission, Principal, Role
from coditect_cloud.leases.service.answers import Mine, Waiting, waiting
from coditect_cloud.leases.service.claims import license_claims
from coditect_cloud.leases.service.desk import Desk, no_lease
from coditect_cloud.leases.types import Lease, Seats
from coditect_cloud.licenses.service import no_license
from coditect_cloud.licenses.validation import validate
from coditect_cloud.refusals import Code, Refusal
from coditect_cloud.signing.artefacts import Typ

_READ_AT_ONCE = 200


class Views(Desk):
    """Reads. A holder sees its own leases; how many are in use, all who use it."""

    async def seats(self, principal: Principal, license: str) -> Seats:
        """How the license stands."""
        await self.license(principal, license, Permission.LEASES_READ)
        return await self.run(license, lambda: self.store.seats(license))

    async def get_lease(self, principal: Principal, license: str, lease: str) -> tuple[Lease, int]:
        """A live lease, and the store's time. LEASE_NOT_FOUND if it is not live, or not its own."""
        await self.license(principal, license, Permission.LEASES_READ)
        found = await self.lease(license, lease)
        if found is None or not _shows(principal, found):
            raise no_lease()
        return found, await self.run(license, self.store.now_ms)

    async def holders(
        self,
        principal: Principal,
        license: str,
        *,
        cursor_: str | None = None,
        most: int = 50,
    ) -> Mine:
        """Who holds seats: live leases in order of id."""
        await self.license(principal, license, Permission.LEASES_READ)
        wanted, last = size(most), after(cursor_)
        shown: list[Lease] = []
        while len(shown) <= wanted:
            found = await self._leases(license, last)
            shown += [lease for lease in found if _shows(principal, lease)]
            if len(found) < _READ_AT_ONCE:
                break
            last = found[-1].id
        now = await self.run(license, self.store.now_ms)
        next_ = cursor(shown[wanted - 1].id) if len(shown) > wanted else None
        return Mine(tuple(shown[:wanted]), now, next_)

    async def _leases(self, license: str, behind: str) -> list[Lease]:
        return await self.run(
            license, lambda: self.store.leases(license, after=behind, most=_READ_AT_ONCE)
        )

    async def position(self, principal: Principal, license: str, ticket: str) -> Waiting:
        """Where a ticket stands; looking does not keep the place, asking for the seat does."""
        await self.license(principal, license, Permission.LEASES_USE)
        found = await self.run(license, lambda: self.store.position(license, ticket))
        if found is None:
            raise _no_ticket()
        return waiting(found)

    async def leave(self, principal: Principal, license: str, ticket: str) -> None:
        """Leave the queue."""
        await self.license(principal, license, Permission.LEASES_USE)
        if not await self.run(license, lambda: self.store.leave(license, ticket)):
            raise _no_ticket()

    async def license_file(self, principal: Principal, license: str) -> str:
        """Sign the license as a file that is verified offline; the root signs it."""
        needed = Permission.LICENSES_READ
        if principal.license == license and principal.may(Permission.LEASES_READ):
            needed = Permission.LEASES_READ  # who has its key may have its file
        await self.license(principal, license, needed)
        found = await self.licenses.newest(license)
        if found is None:
            raise no_license()
        verdict = validate(found, self.now())
        if verdict.code is not Code.LICENSE_NOT_STARTED:  # a file for later is good to have
            verdict.demand()
        claims = license_claims(found, issuer=self.issuer, wall_ms=self.wall_ms())
        return await self.signer.sign_root(Typ.LICENSE, claims)


def _shows(principal: Principal, lease: Lease) -> bool:
    """Whether this principal may see this lease: a holder only its own."""
    return principal.role is not Role.HOLDER or principal.holds_as(lease.holder)


def _no_ticket() -> Refusal:
    return Refusal(
        Code.TICKET_NOT_FOUND,
        "there is no such ticket in the queue: it got its seat, left, or was not polled in time",
        hint="Ask again with `wait` to queue anew.",
    )
