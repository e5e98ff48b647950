"""What verifiers need: the key set, and the trust bundle that a root has signed."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from coditect_cloud.refusals import Code
from coditect_cloud.signing import Signing
from coditect_cloud.web.answers import Told, answer, documents

BUNDLE_TYPE = "application/jwt"


class KeySet(Told):
    """A JSON Web Key Set (RFC 7517)."""

    keys: list[dict[str, Any]] = Field(description="Public keys with their `kid`.")


def routes(signing: Signing) -> APIRouter:
    """Make the routes below `/.well-known`."""
    router = APIRouter(prefix="/.well-known", tags=["trust"])
    cached = {200: {"Cache-Control": "How long it may be kept."}}

    @router.get(
        "/jwks.json",
        operation_id="get_jwks",
        summary="Give the public keys",
        responses=documents(
            Code.INTERNAL_ERROR, public=True, s200=("The keys.", KeySet), headers=cached
        ),
    )
    async def get_jwks() -> Response:
        headers = {"Cache-Control": signing.cache_control}
        return answer(KeySet.model_validate(signing.jwks()), headers=headers)

    @router.get(
        "/coditect-trust-bundle",
        operation_id="get_trust_bundle",
        summary="Give the signed list of roots to trust",
        response_class=Response,
        responses={
            **documents(
                Code.NOT_FOUND,
                Code.INVALID_REQUEST,
                Code.SIGNER_UNAVAILABLE,
                Code.INTERNAL_ERROR,
                public=True,
            ),
            200: {
                "description": "A compact JWS of type `coditect-bundle+jwt`.",
                "content": {BUNDLE_TYPE: {"schema": {"type": "string"}}},
                "headers": {
                    "Cache-Control": {
                        "description": "How long it may be kept.",
                        "schema": {"type": "string"},
                    }
                },
            },
        },
    )
    async def get_trust_bundle(
        root: Annotated[
            str, Query(max_length=80, description="`kid` of the pinned root that has to sign it.")
        ] = "",
    ) -> Response:
        headers = {"Cache-Control": signing.cache_control}
        return Response(signing.bundle(root), headers=headers, media_type=BUNDLE_TYPE)

    return router
