"""Seats as a plain list: slow, in memory, obviously right. Time is what the store answers."""

from __future__ import annotations

from dataclasses import dataclass, field

from coditect_cloud.leases.types import TICKET_TTL_MS, Fence, Kind, LicenseState, Policy
from coditect_cloud.refusals import Code


@dataclass
class Seat:
    lease: str
    holder: str
    device: str
    kind: Kind
    fence: Fence
    expires_ms: int
    ttl_ms: int
    burned: bool = False
    reservation: str = ""


@dataclass
class Place:
    ticket: str
    holder: str
    polled_ms: int


@dataclass
class Model:
    """What must be true of a license at the time `now_ms`, which only goes on."""

    policy: Policy
    epoch: int = 1
    settling_until_ms: int = 0
    now_ms: int = 0
    seats: list[Seat] = field(default_factory=list)
    queue: list[Place] = field(default_factory=list)
    keys: dict[str, tuple[str, str, Fence]] = field(default_factory=dict)
    """Key → fingerprint, lease, fence; of this epoch."""
    newest: Fence = field(default_factory=lambda: Fence(0, 0))

    def at(self, now_ms: int) -> None:
        """Let what ends by its time end."""
        assert now_ms >= self.now_ms, "store time went back"
        self.now_ms = now_ms
        self.seats = [seat for seat in self.seats if seat.expires_ms > now_ms]
        self.queue = [one for one in self.queue if one.polled_ms + TICKET_TTL_MS > now_ms]

    def seat(self, lease: str) -> Seat | None:
        return next((seat for seat in self.seats if seat.lease == lease), None)

    def own(self, holder: str) -> Seat | None:
        mine = [seat for seat in self.seats if seat.holder == holder and not seat.burned]
        assert len(mine) <= 1, "a holder has two seats"
        return mine[0] if mine else None

    def kept(self, reservation: str) -> list[Seat]:
        return [seat for seat in self.seats if seat.reservation == reservation]

    def position(self, ticket: str) -> int | None:
        for number, place in enumerate(self.queue, 1):
            if place.ticket == ticket:
                return number
        return None

    @property
    def free(self) -> int:
        return self.policy.limit + self.policy.overage - len(self.seats)

    @property
    def settling(self) -> bool:
        return self.now_ms < self.settling_until_ms

    def not_usable(self) -> Code | None:
        return {
            LicenseState.ACTIVE: None,
            LicenseState.SUSPENDED: Code.LICENSE_SUSPENDED,
            LicenseState.REVOKED: Code.LICENSE_REVOKED,
        }[self.policy.state]

    def rise(self, fence: Fence) -> None:
        """Fences strictly rise."""
        assert fence > self.newest, (fence, self.newest)
        assert fence.epoch == self.epoch
        self.newest = fence
