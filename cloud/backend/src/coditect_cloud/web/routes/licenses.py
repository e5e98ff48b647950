"""Licenses: their terms, states and keys."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from coditect_cloud.identity.principal import Principal
from coditect_cloud.leases.types import LicenseState
from coditect_cloud.licenses.service import LicenseService
from coditect_cloud.refusals import Code, Refusal
from coditect_cloud.web.answers import (
    ETAG,
    LINK,
    WITH_BODY,
    Caller,
    Cursor,
    IfMatch,
    Limit,
    Listed,
    answer,
    documents,
    expected_version,
    id_of,
    listed,
    unchanged,
)
from coditect_cloud.web.routes.license_schemas import (
    IssuedTold,
    LicenseChange,
    LicenseNew,
    LicenseTold,
    Reason,
    RotateKey,
    tell,
    tell_issued,
)

LicenseId = Annotated[str, id_of("license; `self` is the one of a license key", "lic")]
_CHANGES = (*WITH_BODY, Code.LICENSE_NOT_FOUND, Code.CONFLICT, Code.STORE_UNAVAILABLE)


def named(caller: Principal, license: str) -> str:
    """Give the license that a path names: `self` is the one of a license key."""
    if license != "self":
        return license
    if caller.license is None:
        raise Refusal(
            Code.LICENSE_NOT_FOUND,
            "this credential belongs to no one license",
            "Name the license by its id.",
        )
    return caller.license


def routes(service: LicenseService) -> APIRouter:
    """Make the routes of `/v1/licenses` that are not about seats."""
    router = APIRouter(prefix="/v1/licenses", tags=["licenses"])

    @router.get(
        "",
        operation_id="list_licenses",
        summary="List the organisation's licenses",
        responses=documents(s200=("A page of licenses.", Listed[LicenseTold]), headers={200: LINK}),
    )
    async def list_licenses(
        request: Request,
        caller: Caller,
        product: Annotated[str | None, Query(max_length=80, description="Only of this.")] = None,
        state: Annotated[LicenseState | None, Query(description="Only in this state.")] = None,
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Response:
        page = await service.list(caller, product=product, state=state, cursor=cursor, most=limit)
        return listed(request, page, tell)

    @router.post(
        "",
        operation_id="create_license",
        summary="Make a license; its key is shown this once",
        status_code=201,
        responses=documents(
            *WITH_BODY,
            Code.NOT_FOUND,
            Code.IMPOSSIBLE_POLICY,
            Code.STORE_UNAVAILABLE,
            s201=("It is made.", IssuedTold),
            headers={201: ETAG},
        ),
    )
    async def create_license(caller: Caller, body: LicenseNew) -> Response:
        issued = await service.create(caller, product=body.product, terms=body.terms())
        return answer(tell_issued(issued), status=201, version=issued.license.version)

    @router.get(
        "/{license}",
        operation_id="get_license",
        summary="Show one license",
        responses=documents(
            Code.LICENSE_NOT_FOUND,
            s200=("The license.", LicenseTold),
            s304="It is as If-None-Match says.",
            headers={200: ETAG},
        ),
    )
    async def get_license(request: Request, caller: Caller, license: LicenseId) -> Response:
        found = await service.get(caller, named(caller, license))
        if unchanged(request, found.version):
            return Response(status_code=304, headers={"ETag": f'"{found.version}"'})
        return answer(tell(found), version=found.version)

    @router.patch(
        "/{license}",
        operation_id="change_license",
        summary="Change terms; what is left out stays",
        description="Fewer seats throw nobody out: nothing new is granted until enough have left.",
        responses=documents(
            *_CHANGES,
            Code.IMPOSSIBLE_POLICY,
            Code.PRECONDITION_FAILED,
            Code.PRECONDITION_REQUIRED,
            s200=("It is changed.", LicenseTold),
            headers={200: ETAG},
        ),
    )
    async def change_license(
        caller: Caller, license: LicenseId, body: LicenseChange, if_match: IfMatch = None
    ) -> Response:
        version = expected_version(if_match)
        license = named(caller, license)
        found = await service.get(caller, license)
        changed = await service.update(
            caller, license, body.apply(found.terms), version=version or found.version
        )
        return answer(tell(changed), version=changed.version)

    @router.post(
        "/{license}/suspend",
        operation_id="suspend_license",
        summary="Stop a license for a while",
        description="Nothing is granted or prolonged. Suspending twice is no fault.",
        responses=documents(*_CHANGES, s200=("It is suspended.", LicenseTold)),
    )
    async def suspend_license(
        caller: Caller, license: LicenseId, body: Reason | None = None
    ) -> Response:
        reason = body.reason if body else ""
        return answer(tell(await service.suspend(caller, named(caller, license), reason=reason)))

    @router.post(
        "/{license}/reinstate",
        operation_id="reinstate_license",
        summary="Let a suspended license work again",
        responses=documents(*_CHANGES, s200=("It works.", LicenseTold)),
    )
    async def reinstate_license(caller: Caller, license: LicenseId) -> Response:
        return answer(tell(await service.reinstate(caller, named(caller, license))))

    @router.post(
        "/{license}/revoke",
        operation_id="revoke_license",
        summary="Stop a license for ever",
        responses=documents(*_CHANGES, s200=("It is revoked.", LicenseTold)),
    )
    async def revoke_license(
        caller: Caller, license: LicenseId, body: Reason | None = None
    ) -> Response:
        reason = body.reason if body else ""
        return answer(tell(await service.revoke(caller, named(caller, license), reason=reason)))

    @router.post(
        "/{license}/rotate-key",
        operation_id="rotate_license_key",
        summary="Make another key; it is shown this once",
        responses=documents(*_CHANGES, s200=("Here it is.", IssuedTold)),
    )
    async def rotate_license_key(
        caller: Caller, license: LicenseId, body: RotateKey | None = None
    ) -> Response:
        overlap = body.overlap_ms if body else 0
        issued = await service.rotate_key(caller, named(caller, license), overlap_ms=overlap)
        return answer(tell_issued(issued), version=issued.license.version)

    return router
