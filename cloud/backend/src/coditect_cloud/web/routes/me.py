"""Who the caller is, as we see it."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from coditect_cloud.identity.principal import PrincipalKind, Role
from coditect_cloud.web.answers import Caller, Told, answer, documents


class MeTold(Told):
    """The principal that the credential stands for."""

    kind: PrincipalKind
    id: str
    org: str
    role: Role
    permissions: list[str]
    license: str | None
    holder: str | None
    name: str


def routes() -> APIRouter:
    """Make the routes of `/v1/me`."""
    router = APIRouter(tags=["identity"])

    @router.get(
        "/v1/me",
        operation_id="get_me",
        summary="Show who asks, and what they may",
        responses=documents(s200=("The caller.", MeTold)),
    )
    async def get_me(caller: Caller) -> Response:
        return answer(
            MeTold(
                kind=caller.kind,
                id=caller.id,
                org=caller.org,
                role=caller.role,
                permissions=sorted(p.value for p in caller.permissions),
                license=caller.license,
                holder=caller.holder,
                name=caller.name,
            )
        )

    return router
