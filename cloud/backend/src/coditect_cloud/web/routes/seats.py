"""Seats beside leases: how many, the queue, reservations, and what works offline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter
from starlette.responses import Response

from coditect_cloud.leases.service import Ask, LeaseService
from coditect_cloud.refusals import Code
from coditect_cloud.web.answers import WITH_BODY, Caller, answer, documents, id_of, nothing
from coditect_cloud.web.routes.lease_schemas import (
    BorrowGiven,
    LeaseTold,
    ReservedTold,
    ReserveGiven,
    SeatsTold,
    SeatTold,
    WaitingTold,
    tell_lease,
    tell_reserved,
    tell_seat,
    tell_seats,
    tell_waiting,
)
from coditect_cloud.web.routes.leases import ENDED, SIGNED, STATE, IdempotencyKey, LeaseId
from coditect_cloud.web.routes.licenses import LicenseId, named

TicketId = Annotated[str, id_of("ticket", "tkt")]
ReservationId = Annotated[str, id_of("reservation", "rsv")]
FILE_TYPE = "application/jwt"


def routes(service: LeaseService, touched: Callable[[str], None]) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/v1/licenses/{license}", tags=["seats"])

    @router.get(
        "/seats",
        operation_id="get_seats",
        summary="Show how a license stands",
        responses=documents(*STATE, s200=("The seats.", SeatsTold), headers={200: SIGNED}),
    )
    async def get_seats(caller: Caller, license: LicenseId) -> Response:
        return answer(tell_seats(await service.seats(caller, named(caller, license))))

    @router.get(
        "/queue/{ticket}",
        operation_id="get_ticket",
        summary="Show where a ticket stands",
        description="Looking does not keep the place; acquiring with the ticket does.",
        responses=documents(
            *STATE,
            Code.TICKET_NOT_FOUND,
            s200=("The place.", WaitingTold),
            headers={200: SIGNED},
        ),
    )
    async def get_ticket(caller: Caller, license: LicenseId, ticket: TicketId) -> Response:
        return answer(tell_waiting(await service.position(caller, named(caller, license), ticket)))

    @router.delete(
        "/queue/{ticket}",
        operation_id="leave_queue",
        summary="Leave the queue",
        status_code=204,
        responses=documents(*WITH_BODY, *STATE, Code.TICKET_NOT_FOUND, s204="The place is free."),
    )
    async def leave_queue(caller: Caller, license: LicenseId, ticket: TicketId) -> Response:
        await service.leave(caller, named(caller, license), ticket)
        return nothing()

    @router.post(
        "/reservations",
        operation_id="reserve",
        summary="Keep seats for a job that has not started",
        description="All of them, or none; they are taken one by one by acquiring with "
        "`reservation`.",
        status_code=201,
        responses=documents(
            *WITH_BODY,
            *STATE,
            Code.SEATS_EXHAUSTED,
            Code.SETTLING,
            Code.CONFLICT,
            s201=("They are kept.", ReservedTold),
        ),
    )
    async def reserve(
        caller: Caller,
        license: LicenseId,
        body: ReserveGiven,
        idempotency_key: IdempotencyKey = "",
    ) -> Response:
        license = named(caller, license)
        reserved = await service.reserve(
            caller,
            license,
            seats=body.seats,
            ttl_ms=body.ttl_ms,
            key=idempotency_key,
        )
        touched(license)
        return answer(tell_reserved(reserved), status=201)

    @router.delete(
        "/reservations/{reservation}",
        operation_id="unreserve",
        summary="Give back the seats that nobody has taken",
        status_code=204,
        responses=documents(*WITH_BODY, *STATE, Code.RESERVATION_NOT_FOUND, s204="They are free."),
    )
    async def unreserve(caller: Caller, license: LicenseId, reservation: ReservationId) -> Response:
        license = named(caller, license)
        await service.unreserve(caller, license, reservation)
        touched(license)
        return nothing()

    @router.post(
        "/borrows",
        operation_id="borrow",
        summary="Take a seat offline",
        description="Its token is signed by the root. It comes back by its time, or by release.",
        status_code=201,
        responses=documents(
            *WITH_BODY,
            *STATE,
            Code.SEATS_EXHAUSTED,
            Code.HOLDER_HAS_SEAT,
            Code.SETTLING,
            Code.CONFLICT,
            Code.SEAT_BURNED,
            Code.BORROW_NOT_ALLOWED,
            Code.ENTITLEMENT_MISSING,
            Code.IDEMPOTENCY_KEY_REUSED,
            Code.SIGNER_UNAVAILABLE,
            s200=("The same seat again.", SeatTold),
            s201=("A seat.", SeatTold),
            headers={200: SIGNED, 201: SIGNED},
        ),
    )
    async def borrow(
        caller: Caller,
        license: LicenseId,
        body: BorrowGiven,
        idempotency_key: IdempotencyKey = "",
    ) -> Response:
        ask = Ask(
            holder=body.holder,
            device=body.device,
            entitlements=tuple(body.entitlements),
            label=body.label,
            rotate=False,
        )
        license = named(caller, license)
        seat = await service.borrow(
            caller, license, ask, for_ms=body.duration_ms, key=idempotency_key
        )
        touched(license)
        return answer(tell_seat(seat), status=200 if seat.replayed else 201)

    @router.post(
        "/leases/{lease}/burn",
        operation_id="burn",
        summary="Declare a borrowed seat lost",
        description="It counts until its time ends; its holder may have another.",
        responses=documents(
            *STATE,
            *WITH_BODY,
            *ENDED,
            Code.CONFLICT,
            s200=("It is declared lost.", LeaseTold),
            headers={200: SIGNED},
        ),
    )
    async def burn(caller: Caller, license: LicenseId, lease: LeaseId) -> Response:
        license = named(caller, license)
        burned = await service.burn(caller, license, lease)
        touched(license)
        return answer(tell_lease(burned, await service.store.now_ms()))

    @router.get(
        "/file",
        operation_id="get_license_file",
        summary="Give the license as a signed file, to be verified offline",
        response_class=Response,
        responses={
            **documents(*STATE, Code.SIGNER_UNAVAILABLE),
            200: {
                "description": "A compact JWS of type `coditect-license+jwt`.",
                "content": {FILE_TYPE: {"schema": {"type": "string"}}},
            },
        },
    )
    async def get_license_file(caller: Caller, license: LicenseId) -> Response:
        file = await service.license_file(caller, named(caller, license))
        return Response(file, media_type=FILE_TYPE)

    return router
