"""The outermost layer, in plain ASGI: ids, limits, security fields, and no exception gets out."""

from __future__ import annotations

import json
import re
import time
import traceback
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coditect_cloud.refusals import Code, Refusal
from coditect_cloud.web import problems

_log = structlog.get_logger("coditect_cloud.web")
_GIVEN_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")
_BATCH = re.compile(r"/v1/licenses/[^/]+/heartbeats")
_FIELDS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})

BODY_LIMIT = 64 * 1024
"""Bytes that a body may have."""
BATCH_LIMIT = 1024 * 1024
"""Bytes that the body of a batch of heartbeats may have."""


class Observer(Protocol):
    """Is told of every answer, for metrics."""

    def __call__(self, *, route: str, method: str, status: int, seconds: float) -> None:
        """Take note of one answer; `route` is the template, so ids never become labels."""
        ...


@dataclass
class Traffic:
    """What is under way, and whether new requests are taken: shared with the shutdown."""

    draining: bool = False
    active: int = 0
    started: Callable[[], float] = field(default=time.monotonic)


class Envelope:
    """Wraps the application: request id, body limit, media type, security fields, last resort."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        new_request_id: Callable[[], str],
        traffic: Traffic,
        observe: Observer | None = None,
    ) -> None:
        self._app = app
        self._new_request_id = new_request_id
        self._traffic = traffic
        self._observe = observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; other kinds of connection pass untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        request_id = given.decode("ascii") if _GIVEN_ID.fullmatch(given) else self._new_request_id()
        scope["request_id"] = request_id
        begun = self._traffic.started()
        status = 0

        async def sends(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                message = {**message, "headers": _finish(message, request_id)}
            await send(message)

        self._traffic.active += 1
        try:
            await self._serve(scope, receive, sends, headers)
        except Exception as error:  # noqa: BLE001 - the last resort: nobody is to see a trace
            _log.error("request_failed", request_id=request_id, **_where(error))
            if status == 0:
                fault = Refusal(
                    Code.INTERNAL_ERROR,
                    "Something broke on our side; it has been written down.",
                    "Try again; if it stays, report the request_id.",
                    retry_after_ms=1_000,
                )
                await problems.response(fault, request_id)(scope, receive, sends)
        finally:
            self._traffic.active -= 1
            if self._observe is not None:
                self._observe(
                    route=_route(scope),
                    method=scope["method"],
                    status=status or 499,
                    seconds=self._traffic.started() - begun,
                )

    async def _serve(
        self, scope: Scope, receive: Receive, send: Send, headers: MutableMapping[bytes, bytes]
    ) -> None:
        request_id = scope["request_id"]
        if self._traffic.draining and not scope["path"].startswith("/health/"):
            refusal = Refusal(
                Code.SHUTTING_DOWN,
                "This instance takes no new requests.",
                "Ask again: another instance answers.",
                retry_after_ms=1_000,
            )
            closing = problems.response(refusal, request_id, {"Connection": "close"})
            await closing(scope, receive, send)
            return
        if scope["method"] not in _WITH_BODY:
            await self._app(scope, receive, send)
            return
        limit = BATCH_LIMIT if _BATCH.fullmatch(scope["path"]) else BODY_LIMIT
        try:
            whole = await _read(receive, limit, headers.get(b"content-length"))
        except Refusal as refusal:
            answer = problems.response(refusal, request_id, {"Connection": "close"})
            await answer(scope, receive, send)
            return
        if whole is None:
            return  # the caller has gone
        if whole and not _is_json(headers.get(b"content-type", b"")):
            unread = Refusal(
                Code.UNSUPPORTED_MEDIA_TYPE,
                "Bodies are JSON.",
                "Send Content-Type: application/json.",
            )
            await problems.response(unread, request_id)(scope, receive, send)
            return
        await self._app(scope, _replay(whole, receive), send)


async def _read(receive: Receive, limit: int, declared: bytes | None) -> bytes | None:
    """Read the whole body, but never more than may be; None if the caller left."""
    refusal = Refusal(
        Code.BODY_TOO_LARGE,
        f"The body may have {limit} bytes.",
        "Send less, or several requests.",
        data={"limit_bytes": limit},
    )
    if declared is not None and (not declared.isdigit() or int(declared[:20]) > limit):
        raise refusal
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise refusal
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _replay(whole: bytes, receive: Receive) -> Receive:
    """Give the body that was read once more, then what really comes."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": whole, "more_body": False}

    return again


def _is_json(content_type: bytes) -> bool:
    kind = content_type.split(b";", 1)[0].strip().lower()
    return kind == b"application/json" or kind.endswith(b"+json")


def _finish(message: Message, request_id: str) -> list[tuple[bytes, bytes]]:
    present = list(message.get("headers", ()))
    present.append((b"x-request-id", request_id.encode("ascii")))
    present.extend(_FIELDS)
    if not any(name == b"cache-control" for name, _ in present):
        present.append((b"cache-control", b"no-store"))
    return present


def _where(error: BaseException) -> dict[str, Any]:
    """Tell what broke and where, but no message and no variable: they may hold secrets."""
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    return {
        "kind": type(error).__name__,
        "trace": [f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in frames],
    }


def _route(scope: Scope) -> str:
    route: Any = scope.get("route")
    return str(getattr(route, "path", "unmatched"))


def dumps(value: Any) -> bytes:
    """Write JSON as answers carry it: compact, UTF-8, and never NaN."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
