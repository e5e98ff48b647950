"""Signs answers about seats, refusals among them, so that nobody on the way can forge a no."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Protocol

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coditect_cloud.signing.responses import Exchange


class Signs(Protocol):
    """Signs answers."""

    def __call__(self, exchange: Exchange, *, known: str = "") -> Mapping[str, str]:
        """Give the header fields of a signature; raises whatever when nothing can be signed now.

        The delegation is left out for who knows that of this kid.
        """
        ...


NONCE = b"coditect-nonce"
"""Field of the request whose value the signature covers, so that no old answer fits."""
KNOWN = b"coditect-delegation"
"""Field of the request: kid of the delegation that the caller has already."""
_ABOUT_SEATS = re.compile(r"/v1/licenses/[^/]+/(?:leases|heartbeats|borrows|seats|queue)(?:/.*)?")
_log = structlog.get_logger("coditect_cloud.web")


class Signed:
    """Adds RFC 9421 signatures. Answers are small and come whole, so keeping them costs nothing."""

    def __init__(self, app: ASGIApp, *, signs: Signs) -> None:
        self._app = app
        self._signs = signs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not _ABOUT_SEATS.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
            return
        start: Message | None = None
        parts: list[bytes] = []

        async def sends(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            parts.append(message.get("body", b""))
            if message.get("more_body", False) or start is None:
                return
            body = b"".join(parts)
            more = self._sign(scope, int(start["status"]), body)
            await send({**start, "headers": [*start.get("headers", ()), *more]})
            await send({"type": "http.response.body", "body": body})

        await self._app(scope, receive, sends)

    def _sign(self, scope: Scope, status: int, body: bytes) -> list[tuple[bytes, bytes]]:
        raw: bytes = scope.get("raw_path") or scope["path"].encode()
        asked = {name: value for name, value in scope["headers"] if name in (NONCE, KNOWN)}
        nonce, known = asked.get(NONCE), asked.get(KNOWN, b"").decode("latin-1")
        try:
            exchange = Exchange(
                status=status,
                method=scope["method"],
                path=raw.split(b"?", 1)[0].decode("ascii"),
                body=body,
                nonce=nonce.decode("latin-1") if nonce else None,
            )
            fields = self._signs(exchange, known=known)
        except Exception as error:  # noqa: BLE001 - who wants a signature sees that there is none
            _log.warning("response_not_signed", kind=type(error).__name__)
            return []
        return [(name.lower().encode(), value.encode()) for name, value in fields.items()]
