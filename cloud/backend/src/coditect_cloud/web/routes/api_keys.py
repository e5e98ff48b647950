"""API keys: issued, rotated with an overlap, revoked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import AwareDatetime, Field
from starlette.responses import Response

from coditect_cloud.database.paging import after, page
from coditect_cloud.identity.api_keys import OVERLAP_AT_MOST, ApiKey, ApiKeys, Issued
from coditect_cloud.identity.principal import Role
from coditect_cloud.refusals import Code
from coditect_cloud.web.answers import (
    LINK,
    WITH_BODY,
    At,
    Caller,
    Cursor,
    Given,
    Limit,
    Listed,
    Told,
    answer,
    documents,
    id_of,
    listed,
)

Id = Annotated[str, id_of("API key", "key")]


class ApiKeyNew(Given):
    """Asks for an API key that may no more than who asks."""

    name: str = Field(min_length=1, max_length=200, examples=["nightly builds"])
    role: Role
    scopes: list[Annotated[str, Field(max_length=64)]] = Field(
        default_factory=list,
        max_length=50,
        description="Permissions it is narrowed to; none: all that the role allows.",
        examples=[["leases:use"]],
    )
    expires_at: AwareDatetime | None = None


class ApiKeyRotate(Given):
    """Asks for a new secret."""

    overlap_seconds: int = Field(
        default=86_400,
        ge=0,
        le=int(OVERLAP_AT_MOST.total_seconds()),
        description="How long the old one works on.",
    )


class ApiKeyTold(Told):
    """An API key without its secret."""

    id: str
    name: str
    role: Role
    scopes: list[str]
    created_at: At
    created_by: str
    expires_at: At | None
    rotated_at: At | None
    previous_until: At | None = Field(description="Until when the secret before works.")
    revoked_at: At | None
    last_used_at: At | None = Field(description="Exact to the minute.")


class ApiKeyIssued(Told):
    """An API key and its secret, which nobody can show again."""

    api_key: ApiKeyTold
    key: str = Field(examples=["cck_…"])


def tell(key: ApiKey) -> ApiKeyTold:
    """Tell of a key."""
    return ApiKeyTold(
        id=key.id,
        name=key.name,
        role=key.role,
        scopes=sorted(key.scopes),
        created_at=key.created_at,
        created_by=key.created_by,
        expires_at=key.expires_at,
        rotated_at=key.rotated_at,
        previous_until=key.previous_until,
        revoked_at=key.revoked_at,
        last_used_at=key.last_used_at,
    )


def tell_issued(issued: Issued) -> ApiKeyIssued:
    """Tell of a key with its secret."""
    return ApiKeyIssued(api_key=tell(issued.key), key=issued.secret.text)


def routes(service: ApiKeys, forget: Callable[[], None]) -> APIRouter:
    """Make the routes of `/v1/api-keys`; `forget` drops what is remembered of credentials."""
    router = APIRouter(prefix="/v1/api-keys", tags=["api keys"])

    @router.get(
        "",
        operation_id="list_api_keys",
        summary="List the organisation's API keys, revoked ones too",
        responses=documents(s200=("A page of keys.", Listed[ApiKeyTold]), headers={200: LINK}),
    )
    async def list_api_keys(
        request: Request, caller: Caller, cursor: Cursor = None, limit: Limit = 50
    ) -> Response:
        found = await service.page(caller, after=after(cursor), most=limit + 1)
        return listed(request, page(found, limit, [key.id for key in found]), tell)

    @router.post(
        "",
        operation_id="create_api_key",
        summary="Make an API key; it is shown this once",
        status_code=201,
        responses=documents(*WITH_BODY, s201=("It is made.", ApiKeyIssued)),
    )
    async def create_api_key(caller: Caller, body: ApiKeyNew) -> Response:
        issued = await service.issue(
            caller, name=body.name, role=body.role, scopes=body.scopes, expires_at=body.expires_at
        )
        return answer(tell_issued(issued), status=201)

    @router.get(
        "/{api_key}",
        operation_id="get_api_key",
        summary="Show one API key",
        responses=documents(Code.NOT_FOUND, s200=("The key.", ApiKeyTold)),
    )
    async def get_api_key(caller: Caller, api_key: Id) -> Response:
        return answer(tell(await service.get(caller, api_key)))

    @router.post(
        "/{api_key}/rotate",
        operation_id="rotate_api_key",
        summary="Give a key a new secret; it is shown this once",
        responses=documents(
            *WITH_BODY, Code.NOT_FOUND, Code.CONFLICT, s200=("Here it is.", ApiKeyIssued)
        ),
    )
    async def rotate_api_key(
        caller: Caller, api_key: Id, body: ApiKeyRotate | None = None
    ) -> Response:
        overlap = timedelta(seconds=(body or ApiKeyRotate()).overlap_seconds)
        issued = await service.rotate(caller, api_key, overlap=overlap)
        forget()
        return answer(tell_issued(issued))

    @router.delete(
        "/{api_key}",
        operation_id="revoke_api_key",
        summary="Revoke a key; again is no fault",
        responses=documents(
            *WITH_BODY, Code.NOT_FOUND, Code.CONFLICT, s200=("It is revoked.", ApiKeyTold)
        ),
    )
    async def revoke_api_key(caller: Caller, api_key: Id) -> Response:
        revoked = await service.revoke(caller, api_key)
        forget()
        return answer(tell(revoked))

    return router
