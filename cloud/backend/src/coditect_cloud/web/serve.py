"""The application as a server runs it: opened by its lifespan, closed when it ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from coditect_cloud import __version__
from coditect_cloud.leases.store import StoreUnavailable
from coditect_cloud.observe import logs, tracing
from coditect_cloud.refusals import Refusal
from coditect_cloud.settings import Settings, load
from coditect_cloud.web.app import Deps, create_app
from coditect_cloud.web.background import running
from coditect_cloud.web.budgets import Budgets, in_redis
from coditect_cloud.web.envelope import Traffic
from coditect_cloud.web.routes import all_routes
from coditect_cloud.web.services import Services, services


def budgets(settings: Settings) -> Budgets:
    """Make the budgets that the settings ask for."""
    where = settings.rate_store.get_secret_value()
    return Budgets(
        principal=settings.rate_principal,
        license=settings.rate_license,
        storage=in_redis(where) if where else None,
    )


def application(opened: Services, traffic: Traffic | None = None) -> FastAPI:
    """Make the application over open services."""
    settings = opened.settings
    return create_app(
        Deps(
            authenticator=opened.identity.authenticator,
            budgets=budgets(settings),
            routers=all_routes(opened, version=__version__, readiness=lambda: readiness(opened)),
            signs=opened.signing.sign_response if settings.sign_responses else None,
            observe=opened.metrics.http,
            traffic=traffic or Traffic(),
        )
    )


class Server:
    """An ASGI application that opens its services when the server starts, and closes them after.

    Services are opened in the server's own event loop and process, so each worker has its own.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._traffic = Traffic()
        self._app: FastAPI | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the lifespan or a request."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        assert self._app is not None
        await self._app(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        async with AsyncExitStack() as stack:
            try:
                opened = await stack.enter_async_context(opened_and_running(self._settings))
                self._app = application(opened, self._traffic)
                if self._settings.telemetry:
                    provider = tracing.start()
                    stack.callback(provider.shutdown)
                    tracing.instrument(provider, app=self._app, engine=opened.database.engine)
            except Refusal as refusal:
                await send({"type": "lifespan.startup.failed", "message": str(refusal)})
                return
            await send({"type": "lifespan.startup.complete"})
            await receive()
            self._traffic.draining = True
        await send({"type": "lifespan.shutdown.complete"})


@asynccontextmanager
async def opened_and_running(settings: Settings) -> AsyncIterator[Services]:
    """Open the services, with what lives beside requests."""
    async with services(settings, signs=True) as opened, running(opened):
        yield opened


def app() -> Server:
    """Make the application from the environment; `uvicorn --factory` calls it in each worker."""
    settings = load()
    logs.configure(level=settings.log_level, as_json=settings.log_json)
    return Server(settings)


async def readiness(opened: Services) -> dict[str, Any]:
    """Tell how each part stands; what does not answer within a second is not ready."""
    store, database = await asyncio.gather(_store(opened), _database(opened))
    signing = opened.signing.health()
    return {
        "store": store,
        "database": database,
        "audit": _audit(opened),
        "signing": {
            "ok": signing.ready,
            "detail": signing.detail,
            "delegation_age_seconds": round(signing.delegation_age_s, 1),
            "delegation_left_seconds": round(signing.delegation_left_s, 1),
            "late_seconds": round(signing.late_s, 1),
        },
    }


AUDIT_LATE_SECONDS = 30.0
"""An outbox that waits longer is trouble; seats are granted on, so it is told, not refused."""


def _audit(opened: Services) -> dict[str, Any]:
    waiting = opened.drainer.waiting_seconds
    late = max(0.0, waiting - AUDIT_LATE_SECONDS)
    return {"ok": True, "detail": f"The oldest change waits {waiting:.1f} s.", "late_seconds": late}


async def _store(opened: Services) -> dict[str, Any]:
    begun = time.monotonic()
    try:
        async with asyncio.timeout(1.0):
            await opened.store.now_ms()
    except (StoreUnavailable, TimeoutError):
        return {"ok": False, "detail": "The store of seats does not answer."}
    return {"ok": True, "milliseconds": round((time.monotonic() - begun) * 1000, 2)}


async def _database(opened: Services) -> dict[str, Any]:
    begun = time.monotonic()
    try:
        async with asyncio.timeout(1.0), opened.database.read():
            pass
    except Exception:  # noqa: BLE001 - whatever a driver raises means the same here
        return {"ok": False, "detail": "The database does not answer."}
    return {"ok": True, "milliseconds": round((time.monotonic() - begun) * 1000, 2)}
