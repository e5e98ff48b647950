"""Leases: acquire, heartbeat, release, register, and who holds seats."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from coditect_cloud.database.paging import Page
from coditect_cloud.leases.service import LeaseService, Seat
from coditect_cloud.leases.types import Fence
from coditect_cloud.refusals import Code, Refusal
from coditect_cloud.web import problems
from coditect_cloud.web.answers import (
    LINK,
    WITH_BODY,
    Caller,
    Cursor,
    Limit,
    Listed,
    answer,
    documents,
    id_of,
    listed,
)
from coditect_cloud.web.routes.lease_schemas import (
    AcquireGiven,
    BatchGiven,
    BatchTold,
    BeatGiven,
    BeatTold,
    EndedTold,
    LeaseTold,
    RegisterGiven,
    ReleaseGiven,
    SeatTold,
    WaitingTold,
    refused,
    tell_lease,
    tell_seat,
    tell_waiting,
)
from coditect_cloud.web.routes.licenses import LicenseId, named

LeaseId = Annotated[str, id_of("lease", "lea")]
IdempotencyKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        max_length=256,
        description="The same key gives the same lease, with what it has left, for 24 h.",
    ),
]
_Nonce = Annotated[
    str | None,
    Header(
        alias="Coditect-Nonce",
        max_length=128,
        description="Covered by the signature of the answer (RFC 9421).",
    ),
]
STATE = (
    Code.LICENSE_NOT_FOUND,
    Code.LICENSE_NOT_STARTED,
    Code.LICENSE_EXPIRED,
    Code.LICENSE_SUSPENDED,
    Code.LICENSE_REVOKED,
    Code.STORE_UNAVAILABLE,
)
"""What anything with seats of a license may be refused with."""
ENDED = (Code.LEASE_NOT_FOUND, Code.LEASE_EXPIRED, Code.LEASE_RELEASED)
SIGNED = {
    "Signature-Input": "What is signed (RFC 9421).",
    "Signature": "The signature, by a key that the delegation vouches for.",
}


def routes(service: LeaseService, touched: Callable[[str], None]) -> APIRouter:
    """Make the routes below `/v1/licenses/{license}/leases`, and the batch of heartbeats."""
    router = APIRouter(prefix="/v1/licenses/{license}", tags=["leases"])

    @router.post(
        "/leases",
        operation_id="acquire",
        summary="Take a seat",
        description="201: a new lease. 200: the same lease again (the same Idempotency-Key, or the "
        "holder's own seat). 202: no seat, but a place in the queue, if `wait` was asked.",
        status_code=201,
        responses=documents(
            *WITH_BODY,
            *STATE,
            Code.SEATS_EXHAUSTED,
            Code.QUEUE_FULL,
            Code.HOLDER_HAS_SEAT,
            Code.SETTLING,
            Code.ENTITLEMENT_MISSING,
            Code.RESERVATION_NOT_FOUND,
            Code.TICKET_NOT_FOUND,
            Code.SEAT_BURNED,
            Code.IDEMPOTENCY_KEY_REUSED,
            Code.SIGNER_UNAVAILABLE,
            s200=("The same lease again.", SeatTold),
            s201=("A seat.", SeatTold),
            s202=("A place in the queue.", WaitingTold),
            headers={200: SIGNED, 201: SIGNED, 202: SIGNED},
        ),
    )
    async def acquire(
        caller: Caller,
        license: LicenseId,
        body: AcquireGiven,
        idempotency_key: IdempotencyKey = "",
        nonce: _Nonce = None,  # noqa: ARG001 - read by the layer that signs
    ) -> Response:
        license = named(caller, license)
        seat = await service.acquire(caller, license, body.ask(), key=idempotency_key)
        touched(license)
        if not isinstance(seat, Seat):
            return answer(tell_waiting(seat), status=202)
        return answer(tell_seat(seat), status=200 if seat.replayed else 201)

    @router.get(
        "/leases",
        operation_id="list_leases",
        summary="List who holds seats",
        description="A holder sees its own leases.",
        responses=documents(
            *STATE, s200=("A page of live leases.", Listed[LeaseTold]), headers={200: LINK}
        ),
    )
    async def list_leases(
        request: Request,
        caller: Caller,
        license: LicenseId,
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Response:
        license = named(caller, license)
        mine = await service.holders(caller, license, cursor_=cursor, most=limit)
        page = Page(mine.leases, mine.next)
        return listed(request, page, lambda lease: tell_lease(lease, mine.now_ms))

    @router.post(
        "/leases/register",
        operation_id="register_lease",
        summary="Bring back a lease that the store forgot, by its signed token",
        responses=documents(
            *WITH_BODY,
            *STATE,
            *ENDED,
            Code.SEATS_EXHAUSTED,
            Code.HOLDER_HAS_SEAT,
            Code.STALE_FENCE,
            Code.SIGNER_UNAVAILABLE,
            s200=("It counts again.", SeatTold),
            headers={200: SIGNED},
        ),
    )
    async def register_lease(caller: Caller, license: LicenseId, body: RegisterGiven) -> Response:
        license = named(caller, license)
        seat = await service.register(caller, license, body.token)
        touched(license)
        return answer(tell_seat(seat))

    @router.get(
        "/leases/{lease}",
        operation_id="get_lease",
        summary="Show a live lease",
        responses=documents(*STATE, Code.LEASE_NOT_FOUND, s200=("The lease.", LeaseTold)),
    )
    async def get_lease(caller: Caller, license: LicenseId, lease: LeaseId) -> Response:
        found, now_ms = await service.get_lease(caller, named(caller, license), lease)
        return answer(tell_lease(found, now_ms))

    @router.delete(
        "/leases/{lease}",
        operation_id="release",
        summary="Give a seat back",
        description="Releasing twice is no fault. The fence may stand in the query or the body.",
        responses=documents(
            *WITH_BODY,
            *STATE,
            *ENDED,
            Code.STALE_FENCE,
            Code.SEAT_BURNED,
            Code.CONFLICT,
            s200=("The seat is free.", EndedTold),
            headers={200: SIGNED},
        ),
    )
    async def release(
        caller: Caller,
        license: LicenseId,
        lease: LeaseId,
        body: ReleaseGiven | None = None,
        fence: Annotated[
            str | None,
            Query(pattern=r"^[0-9]{1,15}\.[0-9]{1,15}$", description="As the last answer gave it."),
        ] = None,
        force: Annotated[
            bool, Query(description="Free somebody else's seat; needs `leases:force`.")
        ] = False,
    ) -> Response:
        shown = fence or (body.fence if body else None)
        license = named(caller, license)
        ended = await service.release(
            caller,
            license,
            lease,
            fence=Fence.parse(shown) if shown else None,
            force=force,
        )
        touched(license)
        return answer(EndedTold(lease=ended.lease, already=ended.already))

    @router.post(
        "/leases/{lease}/heartbeat",
        operation_id="heartbeat",
        summary="Say that a seat is still used",
        description="A refusal that is not retryable means: stop using the seat.",
        responses=documents(
            *WITH_BODY,
            *STATE,
            *ENDED,
            Code.STALE_FENCE,
            Code.CLONE_SUSPECTED,
            Code.SEAT_BURNED,
            Code.SETTLING,
            Code.SIGNER_UNAVAILABLE,
            s200=("It lives on.", SeatTold),
            headers={200: SIGNED},
        ),
    )
    async def heartbeat(
        caller: Caller, license: LicenseId, lease: LeaseId, body: BeatGiven
    ) -> Response:
        seat = await service.heartbeat(caller, named(caller, license), body.beat(lease))
        return answer(tell_seat(seat))

    @router.post(
        "/heartbeats",
        operation_id="heartbeat_batch",
        summary="Say that many seats of a license are still used",
        description="Each beat has its own answer, in the order asked; the body may have 1 MiB.",
        responses=documents(
            *WITH_BODY,
            *STATE,
            Code.SETTLING,
            s200=("The answers.", BatchTold),
            headers={200: SIGNED},
        ),
    )
    async def heartbeat_batch(
        request: Request, caller: Caller, license: LicenseId, body: BatchGiven
    ) -> Response:
        beats = [beat.beat(beat.lease) for beat in body.beats]
        answers = await service.heartbeat_many(caller, named(caller, license), beats)
        request_id = problems.request_id_of(request)
        told = [
            BeatTold(lease=beat.lease, seat=None, refused=refused(problems.body(one, request_id)))
            if isinstance(one, Refusal)
            else BeatTold(lease=beat.lease, seat=tell_seat(one), refused=None)
            for beat, one in zip(beats, answers, strict=True)
        ]
        return answer(BatchTold(beats=told))

    return router
