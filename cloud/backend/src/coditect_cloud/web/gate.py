"""Who asks, and how often: before anything of the request is looked at. Plain ASGI."""

from __future__ import annotations

from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coditect_cloud.identity.principal import Principal
from coditect_cloud.refusals import Code, Refusal
from coditect_cloud.web import problems
from coditect_cloud.web.budgets import Budgets, Spent, fields


class Authenticates(Protocol):
    """What resolves credentials."""

    async def authenticate(self, authorization: str | None, *, org: str | None = None) -> Principal:
        """Tell whose credential this is, acting in `org` if it has several; raises Refusal."""
        ...


class Gate:
    """Lets nobody to `/v1` whom we do not know, or who asks too often.

    The principal stands in the scope afterwards, so handlers never see a credential.
    """

    def __init__(self, app: ASGIApp, *, authenticator: Authenticates, budgets: Budgets) -> None:
        self._app = app
        self._authenticator = authenticator
        self._budgets = budgets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)
            return
        try:
            authorization = _one(scope, b"authorization")
            org = _one(scope, b"coditect-organisation")
            principal = await self._authenticator.authenticate(authorization, org=org)
            spent = await self._budgets.charge(
                f"{principal.org}/{principal.id}", _license(scope["path"], principal)
            )
        except Refusal as refusal:
            await problems.response(refusal, scope["request_id"])(scope, receive, send)
            return
        scope["principal"] = principal
        more = fields(spent)

        async def sends(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *more]}
            await send(message)

        over = [s for s in spent if not s.within]
        if over:
            await _too_often(over, scope["request_id"])(scope, receive, sends)
            return
        await self._app(scope, receive, sends)


async def principal_of(request: Request) -> Principal:
    """Give who asks; only for paths behind the gate."""
    principal: Principal = request.scope["principal"]
    return principal


def _one(scope: Scope, field: bytes) -> str | None:
    shown = [value for name, value in scope["headers"] if name == field]
    if len(shown) > 1:
        name = field.decode().title()
        raise Refusal(Code.UNAUTHENTICATED, f"{name} was sent more than once.", "Send it once.")
    return shown[0].decode("latin-1") if shown else None


def _license(path: str, principal: Principal) -> str | None:
    """Give the budget that a path's license has.

    It is the caller's organisation's: a stranger who names the id spends nothing of the owner's.
    """
    parts = path.split("/", 4)
    if len(parts) < 4 or parts[2] != "licenses" or not parts[3]:
        return None
    license = principal.license if parts[3] == "self" and principal.license else parts[3]
    return f"{principal.org}/{license[:80]}"


def _too_often(over: list[Spent], request_id: str) -> Response:
    worst = max(over, key=lambda s: s.reset_seconds)
    refusal = Refusal(
        Code.RATE_LIMITED,
        f"The {worst.name}'s budget of {worst.quota} requests a minute is spent.",
        "Wait; hosts with many seats beat in batches.",
        retry_after_ms=worst.reset_seconds * 1000,
        data={"budget": worst.name, "quota": worst.quota},
    )
    return problems.response(refusal, request_id)
