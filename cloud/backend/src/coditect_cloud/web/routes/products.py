"""Products: what licenses are for."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from coditect_cloud.organisations.service import ProductService
from coditect_cloud.organisations.types import Product
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

Id = Annotated[str, id_of("product (or its slug)", "prd")]


class ProductNew(Given):
    """Asks for a product."""

    slug: str = Field(
        pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        description="Stands in tokens, and in the code that checks them.",
        examples=["render-farm"],
    )
    name: str = Field(min_length=1, max_length=200, examples=["Render farm"])


class ProductChange(Given):
    """Changes a product."""

    name: str = Field(min_length=1, max_length=200, examples=["Render farm 2"])


class ProductTold(Told):
    """What licenses are for; its slug never changes."""

    id: str = Field(examples=["prd_0198c0de"])
    org: str
    slug: str
    name: str
    version: int = Field(description="Goes up with each change; the ETag.")
    created_at: At
    updated_at: At


def tell(product: Product) -> ProductTold:
    """Tell of one product."""
    return ProductTold.model_validate(product)


def routes(service: ProductService) -> APIRouter:
    """Make the routes of `/v1/products`."""
    router = APIRouter(prefix="/v1/products", tags=["products"])

    @router.get(
        "",
        operation_id="list_products",
        summary="List the organisation's products",
        responses=documents(s200=("A page of products.", Listed[ProductTold]), headers={200: LINK}),
    )
    async def list_products(
        request: Request, caller: Caller, cursor: Cursor = None, limit: Limit = 50
    ) -> Response:
        return listed(request, await service.list(caller, cursor=cursor, most=limit), tell)

    @router.post(
        "",
        operation_id="create_product",
        summary="Make a product",
        status_code=201,
        responses=documents(
            *WITH_BODY,
            Code.CONFLICT,
            s201=("It is made.", ProductTold),
            headers={201: ETAG},
        ),
    )
    async def create_product(caller: Caller, body: ProductNew) -> Response:
        made = await service.create(caller, slug=body.slug, name=body.name)
        return answer(tell(made), status=201, version=made.version)

    @router.get(
        "/{product}",
        operation_id="get_product",
        summary="Show one product",
        responses=documents(
            Code.NOT_FOUND,
            s200=("The product.", ProductTold),
            s304="It is as If-None-Match says.",
            headers={200: ETAG},
        ),
    )
    async def get_product(request: Request, caller: Caller, product: Id) -> Response:
        found = await service.get(caller, product)
        if unchanged(request, found.version):
            return Response(status_code=304, headers={"ETag": f'"{found.version}"'})
        return answer(tell(found), version=found.version)

    @router.patch(
        "/{product}",
        operation_id="change_product",
        summary="Rename a product",
        responses=documents(
            *WITH_BODY,
            Code.NOT_FOUND,
            Code.PRECONDITION_FAILED,
            Code.PRECONDITION_REQUIRED,
            s200=("It is renamed.", ProductTold),
            headers={200: ETAG},
        ),
    )
    async def change_product(
        caller: Caller, product: Id, body: ProductChange, if_match: IfMatch = None
    ) -> Response:
        version = expected_version(if_match)
        changed = await service.rename(caller, product, body.name, version=version)
        return answer(tell(changed), version=changed.version)

    return router
