"""What requests and answers about seats carry."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from coditect_cloud.leases.service import Ask, Beat, Seat, Waiting
from coditect_cloud.leases.service.answers import earliest_ms
from coditect_cloud.leases.service.asks import MOST_BEATS, MOST_KEPT
from coditect_cloud.leases.types import MAX_TTL_MS, Fence, Kind, Lease, Reserved, Seats
from coditect_cloud.licenses.rules import MAX_BORROW_MS
from coditect_cloud.web.answers import At, Given, Told
from coditect_cloud.web.answers import Problem as Refused

MAX_RESERVE_MS = 24 * 3_600_000


def _printable(text: str) -> str:
    if text and not text.isprintable():
        raise ValueError("control characters are not allowed")
    return text


_FENCE = Field(
    pattern=r"^[0-9]{1,15}\.[0-9]{1,15}$",
    description="As the last answer gave it.",
    examples=["1.17"],
)
_Text = Annotated[str, Field(max_length=256), AfterValidator(_printable)]
_Id = Annotated[str, Field(min_length=1, max_length=80)]
_Secret = Annotated[
    str, Field(max_length=256, description="The `secret` of the last answer, if it had one.")
]
_Holder = Annotated[
    _Text,
    Field(
        description="`kind:id` and perhaps `/slot`; left out: the caller's own.",
        examples=["machine:ci-17"],
    ),
]
_Device = Annotated[
    _Text, Field(description="Thumbprint (RFC 7638) of the key that the lease is bound to.")
]
_Label = Annotated[_Text, Field(description="For people who look at who holds seats.")]
_Features = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=64)]],
    Field(max_length=200, description="What the license has to include, or no seat is taken."),
]


class AcquireGiven(Given):
    """Asks for a seat."""

    holder: _Holder = ""
    device: _Device = ""
    ttl_ms: int = Field(
        default=0,
        ge=0,
        le=MAX_TTL_MS,
        description="0: as the license says; never longer than that.",
    )
    take_over: bool = Field(
        default=False, description="Move the holder's own seat here from another device."
    )
    wait: bool = Field(default=False, description="Queue when there is no seat.")
    ticket: _Text = Field(default="", description="The one of the answer before, when waiting.")
    reservation: _Text = Field(default="", description="Take one of the seats that it keeps.")
    entitlements: _Features = Field(default_factory=list)
    rotate: bool = Field(
        default=False,
        description="Detect clones: each answer has a secret that the next heartbeat shows.",
    )
    label: _Label = ""

    def ask(self) -> Ask:
        """Give it as the service takes it."""
        fields = self.model_dump()
        return Ask(**{**fields, "entitlements": tuple(self.entitlements)})


class BeatGiven(Given):
    """Says that a seat is still used."""

    fence: str = _FENCE
    secret: _Secret = ""

    def beat(self, lease: str) -> Beat:
        """Give it as the service takes it."""
        return Beat(lease, Fence.parse(self.fence), self.secret)


class BeatOfBatch(BeatGiven):
    """One heartbeat of a batch."""

    lease: _Id


class BatchGiven(Given):
    """Heartbeats of many seats of one license."""

    beats: list[BeatOfBatch] = Field(min_length=1, max_length=MOST_BEATS)


class ReleaseGiven(Given):
    """Gives a seat back."""

    fence: str = _FENCE


class RegisterGiven(Given):
    """Proves a lease to a store that lost its memory."""

    token: str = Field(min_length=1, max_length=16_384, description="The signed lease.")


class ReserveGiven(Given):
    """Asks for seats to be kept for a job that has not started."""

    seats: int = Field(ge=1, le=MOST_KEPT)
    ttl_ms: int = Field(ge=1_000, le=MAX_RESERVE_MS, examples=[3_600_000])


class BorrowGiven(Given):
    """Asks for a seat to take offline."""

    holder: _Holder = ""
    device: _Device = ""
    duration_ms: int = Field(ge=60_000, le=MAX_BORROW_MS, examples=[86_400_000])
    entitlements: _Features = Field(default_factory=list)
    label: _Label = ""


class LeaseTold(Told):
    """One seat of a holder."""

    id: str = Field(examples=["lea_0198c0de"])
    license: str
    holder: str
    device: str
    label: str
    kind: Kind
    fence: str = Field(examples=["1.17"])
    granted_at: At
    expires_at: At = Field(description="By the store's clock; count from `remaining_ms` instead.")
    remaining_ms: int = Field(description="Life left at the instant of the answer.")
    ttl_ms: int
    overage: bool = Field(description="Granted beyond the limit.")
    burned: bool


class SeatsTold(Told):
    """How a license stands."""

    limit: int
    overage: int
    in_use: int
    reserved: int
    queued: int
    earliest_release_ms: int | None = Field(
        description="Until the first seat is free if nobody beats again; null: none is in use."
    )
    settling_ms: int = Field(description="How long nothing new is granted; 0: not settling.")


class SeatTold(Told):
    """A seat that is the caller's."""

    lease: LeaseTold
    remaining_ms: int = Field(description="Count it from the instant the request was sent.")
    token: str = Field(description="The signed lease (JWS), to be verified offline.")
    secret: str = Field(description="To show with the next heartbeat; empty without `rotate`.")
    entitlements: dict[str, int | None]
    replayed: bool = Field(description="Nothing was granted anew.")
    ended: bool = Field(description="Only with `replayed`: the lease has ended since.")
    seats: SeatsTold | None


class WaitingTold(Told):
    """A place in the queue."""

    ticket: str
    position: int = Field(description="1 is the head.")
    poll_within_ms: int = Field(description="Ask again with the ticket before that, or lose it.")
    seats: SeatsTold


class BeatTold(Told):
    """The answer to one heartbeat of a batch: a seat, or a refusal."""

    lease: str
    seat: SeatTold | None
    refused: Refused | None


class BatchTold(Told):
    """Answers in the order asked."""

    beats: list[BeatTold]


class ReservedTold(Told):
    """Seats are kept."""

    reservation: str
    seats: int
    expires_at: At
    remaining_ms: int


class EndedTold(Told):
    """A seat is free."""

    lease: str
    already: bool = Field(description="It had ended before.")


def at(milliseconds: int) -> datetime:
    """Give store time as a moment."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def tell_lease(lease: Lease, now_ms: int) -> LeaseTold:
    """Tell of a lease."""
    return LeaseTold(
        id=lease.id,
        license=lease.license,
        holder=lease.holder,
        device=lease.device,
        label=lease.label,
        kind=lease.kind,
        fence=str(lease.fence),
        granted_at=at(lease.granted_ms),
        expires_at=at(lease.expires_ms),
        remaining_ms=max(0, lease.expires_ms - now_ms),
        ttl_ms=lease.ttl_ms,
        overage=lease.overage,
        burned=lease.burned,
    )


def tell_seats(seats: Seats) -> SeatsTold:
    """Tell how a license stands."""
    return SeatsTold(
        limit=seats.limit,
        overage=seats.overage,
        in_use=seats.in_use,
        reserved=seats.reserved,
        queued=seats.queued,
        earliest_release_ms=earliest_ms(seats),
        settling_ms=max(0, seats.settling_until_ms - seats.now_ms),
    )


def tell_seat(seat: Seat) -> SeatTold:
    """Tell of a seat."""
    return SeatTold(
        lease=tell_lease(seat.lease, seat.now_ms),
        remaining_ms=seat.remaining_ms,
        token=seat.token,
        secret=seat.secret,
        entitlements=dict(seat.entitlements),
        replayed=seat.replayed,
        ended=seat.ended,
        seats=tell_seats(seat.seats) if seat.seats is not None else None,
    )


def tell_waiting(waiting: Waiting) -> WaitingTold:
    """Tell of a place in the queue."""
    return WaitingTold(
        ticket=waiting.ticket,
        position=waiting.position,
        poll_within_ms=waiting.poll_within_ms,
        seats=tell_seats(waiting.seats),
    )


def tell_reserved(reserved: Reserved) -> ReservedTold:
    """Tell of kept seats."""
    return ReservedTold(
        reservation=reserved.reservation,
        seats=reserved.seats,
        expires_at=at(reserved.expires_ms),
        remaining_ms=max(0, reserved.expires_ms - reserved.now_ms),
    )


def refused(body: dict[str, Any]) -> Refused:
    """Make a refusal within a batch."""
    return Refused.model_validate(body)
