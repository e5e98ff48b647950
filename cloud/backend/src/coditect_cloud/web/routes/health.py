"""Whether the process lives, whether it may be sent traffic, and what it measures."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from coditect_cloud.refusals import Code, Refusal
from coditect_cloud.web.answers import Told, answer, documents

Readiness = Callable[[], Awaitable[dict[str, Any]]]
"""Gives the state of each part: `{"store": {"ok": true, …}}`."""
Metrics = Callable[[], tuple[bytes, str]]
"""Gives the exposition and its media type."""


class AliveTold(Told):
    """The process answers."""

    status: str = Field(examples=["alive"])
    version: str


class ReadyTold(Told):
    """Whether to send traffic here, and each part's state."""

    ready: bool
    parts: dict[str, dict[str, Any]] = Field(
        description="`ok` of each part, and what is late by how much.",
        examples=[{"store": {"ok": True, "milliseconds": 1}}],
    )


def routes(
    *, version: str, readiness: Readiness, metrics: Metrics | None, metrics_token: str
) -> APIRouter:
    """Make the routes of health and metrics; they stand outside `/v1` and need no principal."""
    router = APIRouter(tags=["operation"])

    @router.get(
        "/health/live",
        operation_id="get_alive",
        summary="Say that the process lives",
        responses=documents(Code.INTERNAL_ERROR, public=True, s200=("It lives.", AliveTold)),
    )
    async def get_alive() -> Response:
        return answer(AliveTold(status="alive", version=version))

    @router.get(
        "/health/ready",
        operation_id="get_ready",
        summary="Say whether to send traffic here, and what is late by how much",
        responses={
            **documents(Code.INTERNAL_ERROR, public=True, s200=("It is ready.", ReadyTold)),
            503: {"description": "It is not ready.", "model": ReadyTold},
        },
    )
    async def get_ready() -> Response:
        parts = await readiness()
        ready = all(part.get("ok") for part in parts.values())
        return answer(ReadyTold(ready=ready, parts=parts), status=200 if ready else 503)

    if metrics is None:
        return router
    expose = metrics

    @router.get(
        "/metrics",
        operation_id="get_metrics",
        summary="Give the metrics in Prometheus' format",
        response_class=Response,
        responses={
            **documents(Code.UNAUTHENTICATED, Code.INTERNAL_ERROR, public=True),
            200: {
                "description": "The metrics.",
                "content": {"text/plain": {"schema": {"type": "string"}}},
            },
        },
    )
    async def get_metrics(request: Request) -> Response:
        shown = request.headers.get("authorization", "")
        wanted = f"Bearer {metrics_token}"
        if metrics_token and not hmac.compare_digest(shown.encode(), wanted.encode()):
            raise Refusal(
                Code.UNAUTHENTICATED,
                "The metrics need the token of METRICS_TOKEN.",
                "Send it as Authorization: Bearer …",
            )
        exposition, media_type = expose()
        return Response(exposition, media_type=media_type)

    return router
