"""One module a feature: each translates between HTTP and a service, and decides nothing."""

from __future__ import annotations

from fastapi import APIRouter

from coditect_cloud.web.routes import (
    api_keys,
    audit,
    health,
    leases,
    licenses,
    me,
    members,
    organisations,
    products,
    seats,
    trust,
    webhooks,
)
from coditect_cloud.web.services import Services


def all_routes(
    opened: Services, *, version: str, readiness: health.Readiness
) -> tuple[APIRouter, ...]:
    """Make the routes of every feature."""
    identity = opened.identity
    forget = identity.authenticator.forget
    return (
        leases.routes(opened.leases, opened.drainer.dirty),
        seats.routes(opened.leases, opened.drainer.dirty),
        licenses.routes(opened.licenses),
        products.routes(opened.products),
        organisations.routes(opened.organisations),
        members.routes(identity.members, forget),
        api_keys.routes(identity.api_keys, forget),
        webhooks.routes(opened.webhooks, opened.deliveries),
        audit.routes(opened.audit),
        me.routes(),
        trust.routes(opened.signing),
        health.routes(
            version=version,
            readiness=readiness,
            metrics=opened.metrics.expose,
            metrics_token=opened.settings.metrics_token.get_secret_value(),
        ),
    )
