"""Webhooks: where events go, what was delivered, and what could not be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

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
    nothing,
)
from coditect_cloud.webhooks.deliveries import Delivery, DeliveryService
from coditect_cloud.webhooks.endpoints import MOST_OVERLAP, Endpoint, EndpointService, Issued
from coditect_cloud.webhooks.rules import Event

Id = Annotated[str, id_of("webhook", "whk")]
Url = Annotated[str, Field(min_length=1, max_length=2000, examples=["https://hooks.example.org/"])]
Events = Annotated[list[Event], Field(min_length=1, max_length=len(Event))]
Description = Annotated[str, Field(max_length=200)]


class WebhookNew(Given):
    """Asks for events to be sent somewhere."""

    url: Url
    events: Events
    description: Description = ""


class WebhookChange(Given):
    """Changes what is given."""

    url: Url | None = None
    events: Events | None = None
    description: Description | None = None
    enabled: bool | None = None


class WebhookRotate(Given):
    """Asks for a new secret."""

    overlap_seconds: int = Field(
        default=86_400,
        ge=0,
        le=int(MOST_OVERLAP.total_seconds()),
        description="How long deliveries are signed with the old one, too.",
    )


class WebhookTold(Told):
    """Where events go."""

    id: str
    url: str
    description: str
    events: list[Event]
    enabled: bool = Field(description="False after days of failure; a change turns it on again.")
    version: int
    created_at: At
    updated_at: At


class WebhookIssued(Told):
    """A webhook and the secret that its deliveries are signed with, shown this once."""

    webhook: WebhookTold
    secret: str = Field(examples=["whsec_…"])
    old_secret_until: At | None


class DeliveryTold(Told):
    """One event on its way to one webhook."""

    id: str
    webhook: str
    event: str = Field(description="The same at every try: receivers drop repetitions by it.")
    type: str
    state: str = Field(description="`pending`, `delivered` or `dead`.")
    attempts: int
    created_at: At
    due_at: At | None = Field(description="When it is tried next.")
    finished_at: At | None
    last_status: int | None
    last_error: str


def tell(endpoint: Endpoint) -> WebhookTold:
    """Tell of a webhook."""
    return WebhookTold.model_validate(endpoint)


def tell_issued(issued: Issued) -> WebhookIssued:
    """Tell of a webhook with its secret."""
    return WebhookIssued(
        webhook=tell(issued.endpoint),
        secret=issued.secret,
        old_secret_until=issued.old_secret_until,
    )


def tell_delivery(delivery: Delivery) -> DeliveryTold:
    """Tell of a delivery."""
    return DeliveryTold(
        id=delivery.id,
        webhook=delivery.endpoint,
        event=delivery.event,
        type=delivery.type,
        state=delivery.state,
        attempts=delivery.attempts,
        created_at=delivery.created_at,
        due_at=(
            datetime.fromtimestamp(delivery.due_ms / 1000, UTC)
            if delivery.state == "pending"
            else None
        ),
        finished_at=delivery.finished_at,
        last_status=delivery.last_status,
        last_error=delivery.last_error,
    )


def routes(endpoints: EndpointService, deliveries: DeliveryService) -> APIRouter:
    """Make the routes of `/v1/webhooks` and `/v1/deliveries`."""
    router = APIRouter(prefix="/v1", tags=["webhooks"])

    @router.get(
        "/webhooks",
        operation_id="list_webhooks",
        summary="List the organisation's webhooks",
        responses=documents(s200=("A page.", Listed[WebhookTold]), headers={200: LINK}),
    )
    async def list_webhooks(
        request: Request, caller: Caller, cursor: Cursor = None, limit: Limit = 50
    ) -> Response:
        return listed(request, await endpoints.list(caller, cursor=cursor, most=limit), tell)

    @router.post(
        "/webhooks",
        operation_id="create_webhook",
        summary="Send events somewhere; the secret is shown this once",
        status_code=201,
        responses=documents(
            *WITH_BODY, Code.CONFLICT, s201=("It is made.", WebhookIssued), headers={201: ETAG}
        ),
    )
    async def create_webhook(caller: Caller, body: WebhookNew) -> Response:
        issued = await endpoints.create(
            caller, url=body.url, events=body.events, description=body.description
        )
        return answer(tell_issued(issued), status=201, version=issued.endpoint.version)

    @router.get(
        "/webhooks/{webhook}",
        operation_id="get_webhook",
        summary="Show one webhook",
        responses=documents(
            Code.NOT_FOUND, s200=("The webhook.", WebhookTold), headers={200: ETAG}
        ),
    )
    async def get_webhook(caller: Caller, webhook: Id) -> Response:
        found = await endpoints.get(caller, webhook)
        return answer(tell(found), version=found.version)

    @router.patch(
        "/webhooks/{webhook}",
        operation_id="change_webhook",
        summary="Change a webhook, or turn it on again",
        responses=documents(
            *WITH_BODY,
            Code.NOT_FOUND,
            Code.PRECONDITION_REQUIRED,
            Code.PRECONDITION_FAILED,
            s200=("It is changed.", WebhookTold),
            headers={200: ETAG},
        ),
    )
    async def change_webhook(
        caller: Caller, webhook: Id, body: WebhookChange, if_match: IfMatch = None
    ) -> Response:
        version = expected_version(if_match)
        if version is None:
            version = (await endpoints.get(caller, webhook)).version
        changed = await endpoints.change(
            caller,
            webhook,
            version=version,
            url=body.url,
            events=body.events,
            description=body.description,
            enabled=body.enabled,
        )
        return answer(tell(changed), version=changed.version)

    @router.post(
        "/webhooks/{webhook}/rotate",
        operation_id="rotate_webhook",
        summary="Give a webhook a new secret; it is shown this once",
        responses=documents(*WITH_BODY, Code.NOT_FOUND, s200=("Here it is.", WebhookIssued)),
    )
    async def rotate_webhook(
        caller: Caller, webhook: Id, body: WebhookRotate | None = None
    ) -> Response:
        overlap = timedelta(seconds=(body or WebhookRotate()).overlap_seconds)
        return answer(tell_issued(await endpoints.rotate(caller, webhook, overlap=overlap)))

    @router.delete(
        "/webhooks/{webhook}",
        operation_id="delete_webhook",
        summary="Send nothing there any more; its deliveries go with it",
        status_code=204,
        responses=documents(*WITH_BODY, Code.NOT_FOUND, s204="It is gone."),
    )
    async def delete_webhook(caller: Caller, webhook: Id) -> Response:
        await endpoints.delete(caller, webhook)
        return nothing()

    @router.get(
        "/deliveries",
        operation_id="list_deliveries",
        summary="List deliveries; `state=dead` are those that were given up",
        responses=documents(s200=("A page.", Listed[DeliveryTold]), headers={200: LINK}),
    )
    async def list_deliveries(
        request: Request,
        caller: Caller,
        webhook: Annotated[str, Query(max_length=80, description="Only to this one.")] = "",
        state: Annotated[
            Literal["pending", "delivered", "dead"] | None, Query(description="Only these.")
        ] = None,
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Response:
        found = await deliveries.list(
            caller, endpoint=webhook, state=state or "", cursor=cursor, most=limit
        )
        return listed(request, found, tell_delivery)

    @router.post(
        "/deliveries/{delivery}/retry",
        operation_id="retry_delivery",
        summary="Try a delivery again that was given up",
        responses=documents(
            *WITH_BODY, Code.NOT_FOUND, Code.CONFLICT, s200=("It is tried.", DeliveryTold)
        ),
    )
    async def retry_delivery(
        caller: Caller, delivery: Annotated[str, id_of("delivery", "dlv")]
    ) -> Response:
        return answer(tell_delivery(await deliveries.retry(caller, delivery)))

    return router
