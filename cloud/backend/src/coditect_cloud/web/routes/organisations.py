"""Organisations: the tenants."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from coditect_cloud.organisations.service import OrganisationService
from coditect_cloud.organisations.types import Organisation
from coditect_cloud.refusals import Code
from coditect_cloud.web.answers import (
    ETAG,
    LINK,
    WITH_BODY,
    At,
    Caller,
    Cursor,
    Given,
    IfMatch,
    Limit,
    Listed,
    Told,
    answer,
    documents,
    expected_version,
    id_of,
    listed,
    unchanged,
)

Id = Annotated[str, id_of("organisation", "org")]


class OrganisationNew(Given):
    """Asks for an organisation."""

    name: str = Field(min_length=1, max_length=200, examples=["Ateliers Nord"])


class OrganisationChange(Given):
    """Changes an organisation."""

    name: str = Field(min_length=1, max_length=200, examples=["Ateliers Nord SA"])


class OrganisationTold(Told):
    """A tenant: owns products, licenses, members, keys, webhooks and an audit chain."""

    id: str = Field(examples=["org_0198c0de"])
    name: str
    version: int = Field(description="Goes up with each change; the ETag.")
    created_at: At
    updated_at: At


def tell(organisation: Organisation) -> OrganisationTold:
    """Tell of one organisation."""
    return OrganisationTold.model_validate(organisation)


def routes(service: OrganisationService) -> APIRouter:
    """Make the routes of `/v1/organisations`."""
    router = APIRouter(prefix="/v1/organisations", tags=["organisations"])

    @router.get(
        "",
        operation_id="list_organisations",
        summary="List the organisations that the caller sees",
        responses=documents(
            s200=("A page of organisations.", Listed[OrganisationTold]), headers={200: LINK}
        ),
    )
    async def list_organisations(
        request: Request, caller: Caller, cursor: Cursor = None, limit: Limit = 50
    ) -> Response:
        return listed(request, await service.list(caller, cursor=cursor, most=limit), tell)

    @router.post(
        "",
        operation_id="create_organisation",
        summary="Make an organisation",
        description="Only owners of the platform's own organisation may.",
        status_code=201,
        responses=documents(
            *WITH_BODY, s201=("It is made.", OrganisationTold), headers={201: ETAG}
        ),
    )
    async def create_organisation(caller: Caller, body: OrganisationNew) -> Response:
        made = await service.create(caller, body.name)
        return answer(tell(made), status=201, version=made.version)

    @router.get(
        "/{organisation}",
        operation_id="get_organisation",
        summary="Show one organisation",
        responses=documents(
            Code.NOT_FOUND,
            s200=("The organisation.", OrganisationTold),
            s304="It is as If-None-Match says.",
            headers={200: ETAG},
        ),
    )
    async def get_organisation(request: Request, caller: Caller, organisation: Id) -> Response:
        found = await service.get(caller, organisation)
        if unchanged(request, found.version):
            return Response(status_code=304, headers={"ETag": f'"{found.version}"'})
        return answer(tell(found), version=found.version)

    @router.patch(
        "/{organisation}",
        operation_id="change_organisation",
        summary="Rename an organisation",
        responses=documents(
            *WITH_BODY,
            Code.NOT_FOUND,
            Code.PRECONDITION_FAILED,
            Code.PRECONDITION_REQUIRED,
            s200=("It is renamed.", OrganisationTold),
            headers={200: ETAG},
        ),
    )
    async def change_organisation(
        caller: Caller, organisation: Id, body: OrganisationChange, if_match: IfMatch = None
    ) -> Response:
        version = expected_version(if_match)
        changed = await service.rename(caller, organisation, body.name, version=version)
        return answer(tell(changed), version=changed.version)

    return router
