"""The application: routes of every feature, and the layers around them."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from coditect_cloud import __version__
from coditect_cloud.refusals import Refusal
from coditect_cloud.web import contract, problems
from coditect_cloud.web.budgets import Budgets
from coditect_cloud.web.envelope import Envelope, Observer, Traffic
from coditect_cloud.web.gate import Authenticates, Gate
from coditect_cloud.web.signed import Signed, Signs


def new_request_id() -> str:
    """Make an id that names a request in answers and logs."""
    return secrets.token_hex(12)


@dataclass(frozen=True, slots=True)
class Deps:
    """What the application is made of; `compose` puts it together from settings."""

    authenticator: Authenticates
    budgets: Budgets
    routers: tuple[APIRouter, ...]
    """The routes of each feature, over its service."""
    signs: Signs | None = None
    """Signs answers about seats; None: they go unsigned."""
    observe: Observer | None = None
    traffic: Traffic = field(default_factory=Traffic)
    lifespan: Callable[[Any], AbstractAsyncContextManager[None]] | None = None
    """Runs what lives beside requests."""
    new_request_id: Callable[[], str] = new_request_id


def create_app(deps: Deps) -> FastAPI:
    """Make the application.

    The order of its layers: envelope (ids, limits, last resort), signature, gate (who, how often),
    routes. So refusals of the gate are signed too.
    """
    app = FastAPI(
        title="Coditect Cloud",
        version=__version__,
        openapi_url=None,  # the contract is api/openapi.yaml
        docs_url=None,
        redoc_url=None,
        lifespan=deps.lifespan,
        redirect_slashes=False,
        exception_handlers={
            Refusal: problems.of_refusal,
            HTTPException: problems.of_http,
            RequestValidationError: problems.of_validation,
        },
    )
    for router in deps.routers:
        app.include_router(router)
    app.add_middleware(Gate, authenticator=deps.authenticator, budgets=deps.budgets)
    if deps.signs is not None:
        app.add_middleware(Signed, signs=deps.signs)
    app.add_middleware(
        Envelope,
        new_request_id=deps.new_request_id,
        traffic=deps.traffic,
        observe=deps.observe,
    )
    app.openapi = lambda: contract.describe(app)  # type: ignore[method-assign]
    return app
