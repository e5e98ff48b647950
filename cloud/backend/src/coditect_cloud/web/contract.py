"""What the application does, as OpenAPI 3.1: compared by a test with `api/openapi.yaml`."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from coditect_cloud.web.answers import Problem

SECURITY = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A token of a configured OIDC issuer, or of a workload.",
    },
    "license_key": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`License CCL-…`: uses that one license.",
    },
    "api_key": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`ApiKey cck_…`: acts in its organisation with its role and scopes.",
    },
}
_EVERYWHERE = {
    "X-Request-Id": "Names this request; sent back if the caller sent one.",
}
_BUDGETS = {
    "RateLimit": "What is left of each budget.",
    "RateLimit-Policy": "The budgets.",
}
_RETRY = {"Retry-After": "Seconds to wait before asking again."}


def describe(app: FastAPI) -> dict[str, Any]:
    """Give the contract that the routes add up to."""
    document = get_openapi(
        title="Coditect Cloud",
        version="1",
        openapi_version="3.1.0",
        routes=app.routes,
    )
    components = document.setdefault("components", {})
    components["securitySchemes"] = SECURITY
    schemas = components.setdefault("schemas", {})
    schemas["Problem"] = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(schemas["Problem"].pop("$defs"))
    for ours in ("HTTPValidationError", "ValidationError"):
        schemas.pop(ours, None)  # the framework's own; ours are problems
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _complete(operation, behind_the_gate=path.startswith("/v1/"))
    return document


def _complete(operation: dict[str, Any], *, behind_the_gate: bool) -> None:
    """Add what the layers around the routes do to every operation."""
    if behind_the_gate:
        operation["security"] = [{name: []} for name in SECURITY]
    for status, response in operation["responses"].items():
        fields = dict(_EVERYWHERE)
        if behind_the_gate and status not in {"401", "413"}:
            fields |= _BUDGETS
        if status in {"409", "429", "503"}:
            fields |= _RETRY
        headers = response.setdefault("headers", {})
        for name, text in fields.items():
            headers[name] = {"description": text, "schema": {"type": "string"}}
