from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from typing import Any

import httpx
import pytest
import structlog
from fastapi import FastAPI

from coditect_cloud.database import Database
from coditect_cloud.leases.types import Seats
from coditect_cloud.observe import tracing
from coditect_cloud.observe.logs import configure
from coditect_cloud.observe.metrics import Metrics
from coditect_cloud.refusals import Refusal


def seats(in_use: int = 2, *, settling: int = 0) -> Seats:
    return Seats(
        now_ms=0,
        limit=3,
        overage=0,
        in_use=in_use,
        reserved=0,
        queued=1,
        earliest_release_ms=None,
        epoch=4,
        settling_until_ms=settling,
    )


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_a_license_shows_how_it_stands() -> None:
    metrics = Metrics()
    metrics.seats("lic_1", seats(settling=9))
    assert value(metrics, "coditect_seats_in_use", license="lic_1") == 2
    assert value(metrics, "coditect_seats_limit", license="lic_1") == 3
    assert value(metrics, "coditect_license_epoch", license="lic_1") == 4
    assert value(metrics, "coditect_license_settling", license="lic_1") == 1
    metrics.seats("lic_1", seats(1))
    assert value(metrics, "coditect_license_settling", license="lic_1") == 0


def test_series_of_licenses_are_bounded_and_the_latest_stay() -> None:
    metrics = Metrics(most_licenses=2)
    for license in ("lic_1", "lic_2", "lic_1", "lic_3"):
        metrics.seats(license, seats())
    assert value(metrics, "coditect_seats_in_use", license="lic_2") is None
    assert value(metrics, "coditect_seats_in_use", license="lic_1") == 2
    assert value(metrics, "coditect_seats_in_use", license="lic_3") == 2


def test_labels_from_outside_cannot_make_series() -> None:
    metrics = Metrics()
    for n in range(50):
        metrics.denied(f"made-up-{n}")
        metrics.granted(f"made-up-{n}")
        metrics.http(route="/v1/me", method=f"M{n}", status=200, seconds=0.1)
        metrics.webhook(f"made-up-{n}")
    assert value(metrics, "coditect_denials_total", code="other") == 50
    assert value(metrics, "coditect_grants_total", kind="other") == 50
    assert value(metrics, "coditect_webhook_attempts_total", state="other") == 50
    labels = {"route": "/v1/me", "method": "other", "status": "200"}
    assert value(metrics, "coditect_http_seconds_count", **labels) == 50


def test_counts_and_times() -> None:
    metrics = Metrics()
    metrics.denied("seats-exhausted")
    metrics.granted("floating", waited_seconds=2)
    metrics.drained("lic_1", changes=3, entries=2, lag_ms=500)
    metrics.webhook("dead")
    with metrics.store("acquire"):
        pass
    with pytest.raises(KeyError), metrics.store("acquire"):
        raise KeyError
    metrics.watch_outbox(lambda: 1.5)
    metrics.watch_delegation(lambda: 60)
    for name, labels, wanted in (
        ("coditect_denials_total", {"code": "seats-exhausted"}, 1),
        ("coditect_grants_total", {"kind": "floating"}, 1),
        ("coditect_wait_seconds_sum", {}, 2),
        ("coditect_audit_entries_total", {}, 2),
        ("coditect_audit_delay_seconds_sum", {}, 0.5),
        ("coditect_store_seconds_count", {"operation": "acquire", "outcome": "ok"}, 1),
        ("coditect_store_seconds_count", {"operation": "acquire", "outcome": "KeyError"}, 1),
        ("coditect_audit_lag_seconds", {}, 1.5),
        ("coditect_delegation_age_seconds", {}, 60),
    ):
        assert value(metrics, name, **labels) == wanted, name
    text, kind = metrics.expose()
    assert b"coditect_seats_in_use" in text
    assert kind.startswith("text/plain")


def test_nothing_of_telemetry_is_imported_before_it_is_wanted() -> None:
    script = (
        "import sys, coditect_cloud.observe.tracing, coditect_cloud.observe.logs;"
        "assert not any(name.startswith('opentelemetry') for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.anyio
async def test_requests_and_statements_become_spans_and_lines_name_their_trace() -> None:
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: PLC0415
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import (  # noqa: PLC0415
        InMemorySpanExporter,
    )

    spans = InMemorySpanExporter()
    provider = tracing.start(exporter=InMemorySpanExporter())
    provider.add_span_processor(SimpleSpanProcessor(spans))
    app, out = FastAPI(), io.StringIO()
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level

    @app.get("/v1/things/{thing}")
    async def get_thing(thing: str) -> dict[str, Any]:
        structlog.get_logger().info("seen")
        return {}

    database = Database.open("sqlite+aiosqlite:///:memory:")
    try:
        configure(stream=out)
        tracing.instrument(provider, app=app, engine=database.engine)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            await client.get("/v1/things/1")
        named = [span for span in spans.get_finished_spans() if "things" in span.name]
        assert any("/v1/things/{thing}" in span.name for span in named)
        lines = [json.loads(line) for line in out.getvalue().splitlines()]
        seen = next(line for line in lines if line["event"] == "seen")
        assert seen["trace_id"] == f"{named[0].context.trace_id:032x}"
    finally:
        root.handlers[:], root.level = handlers, level
        structlog.reset_defaults()
        provider.shutdown()


def test_telemetry_that_is_not_installed_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(Refusal, match="not installed"):
        tracing.start()
