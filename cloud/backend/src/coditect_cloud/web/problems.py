"""Refusals as `application/problem+json` (RFC 9457); nothing else ever leaves as an error."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from coditect_cloud.refusals import Code, Refusal, meaning

MEDIA_TYPE = "application/problem+json"
TYPE_BASE = "https://coditect.dev/problems/"

_BY_STATUS = {
    401: Code.UNAUTHENTICATED,
    403: Code.FORBIDDEN,
    404: Code.NOT_FOUND,
    405: Code.METHOD_NOT_ALLOWED,
    413: Code.BODY_TOO_LARGE,
    415: Code.UNSUPPORTED_MEDIA_TYPE,
    429: Code.RATE_LIMITED,
}
_SHOWN_FAULTS = 20
"""Faults of one request that are told; a batch of a thousand would make a page of them."""


def body(refusal: Refusal, request_id: str) -> dict[str, Any]:
    """Compose a problem's members; facts of the refusal stand beside the standard ones."""
    means = meaning(refusal.code)
    problem: dict[str, Any] = {
        "type": TYPE_BASE + refusal.code,
        "title": means.title,
        "status": means.status,
        "code": str(refusal.code),
        "retryable": means.retry,
        "detail": refusal.detail,
        "request_id": request_id,
    }
    if refusal.hint:
        problem["hint"] = refusal.hint
    if refusal.retry_after_ms is not None:
        problem["retry_after_ms"] = max(0, refusal.retry_after_ms)
    return {**refusal.data, **problem}


def headers(refusal: Refusal) -> dict[str, str]:
    """Give the header fields that go with a problem."""
    fields = {"Cache-Control": "no-store"}
    if refusal.retry_after_ms is not None:
        # Whole seconds, rounded up: to come back early is to be refused again.
        fields["Retry-After"] = str(max(1, -(-refusal.retry_after_ms // 1000)))
    if meaning(refusal.code).status == 401:
        fields["WWW-Authenticate"] = 'Bearer realm="coditect-cloud"'
    return fields


def response(refusal: Refusal, request_id: str, more: Mapping[str, str] | None = None) -> Response:
    """Make the whole answer of a refusal."""
    return Response(
        json.dumps(body(refusal, request_id), separators=(",", ":"), default=str),
        status_code=meaning(refusal.code).status,
        headers={**headers(refusal), **(more or {})},
        media_type=MEDIA_TYPE,
    )


async def of_refusal(request: Request, error: Exception) -> Response:
    """Handle a service's refusal."""
    assert isinstance(error, Refusal)
    return response(error, request_id_of(request))


async def of_http(request: Request, error: Exception) -> Response:
    """Handle what the framework refuses: no such path, not with this method."""
    assert isinstance(error, HTTPException)
    code = _BY_STATUS.get(error.status_code, Code.INVALID_REQUEST)
    if error.status_code >= 500:
        code = Code.INTERNAL_ERROR
    details = {
        Code.NOT_FOUND: f"No resource has the path {request.url.path[:200]!r}.",
        Code.METHOD_NOT_ALLOWED: f"This resource does not know the method {request.method}.",
    }
    detail = details.get(code, "The request could not be read.")
    hint = "The contract lists every path and method: api/openapi.yaml."
    return response(Refusal(code, detail, hint), request_id_of(request), error.headers)


async def of_validation(request: Request, error: Exception) -> Response:
    """Handle a request whose parameters or body break the contract; never echoes their values."""
    assert isinstance(error, RequestValidationError)
    faults = [
        {"at": ".".join(str(part) for part in fault["loc"]), "message": str(fault["msg"])}
        for fault in error.errors()[:_SHOWN_FAULTS]
    ]
    first = f"{faults[0]['at']}: {faults[0]['message']}" if faults else "It cannot be read."
    refusal = Refusal(
        Code.INVALID_REQUEST,
        first,
        "Compare the request with api/openapi.yaml.",
        data={"errors": faults},
    )
    return response(refusal, request_id_of(request))


def request_id_of(request: Request) -> str:
    """Give the id that the envelope gave this request."""
    return str(request.scope.get("request_id", ""))
