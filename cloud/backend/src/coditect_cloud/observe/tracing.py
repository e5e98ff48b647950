"""OpenTelemetry, if it is asked for and installed: nothing of it is imported before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coditect_cloud.refusals import Code, Refusal

if TYPE_CHECKING:
    from fastapi import FastAPI
    from opentelemetry.sdk.trace import TracerProvider
    from sqlalchemy.ext.asyncio import AsyncEngine


def start(*, service: str = "coditect-cloud", exporter: Any = None) -> TracerProvider:
    """Make a provider that exports over OTLP; the usual `OTEL_…` variables say where to.

    Refusal INVALID_REQUEST if the extra `telemetry` is not installed. Call `shutdown` of what it
    gives when the service ends.
    """
    try:
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - only if wanted
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

        if exporter is None:
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (  # noqa: PLC0415
                OTLPSpanExporter,
            )

            exporter = OTLPSpanExporter()
    except ImportError:
        raise Refusal(
            Code.INVALID_REQUEST,
            "telemetry is not installed",
            hint="Install `coditect-cloud[telemetry]`, or leave TELEMETRY off.",
        ) from None
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def instrument(
    provider: TracerProvider, *, app: FastAPI | None = None, engine: AsyncEngine | None = None
) -> None:
    """Trace the application's requests and the engine's statements (without their values)."""
    if app is not None:
        from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor  # noqa: PLC0415

        FastAPIInstrumentor.instrument_app(
            app, tracer_provider=provider, excluded_urls="health/live,health/ready,metrics"
        )
    if engine is not None:
        from opentelemetry.instrumentation.sqlalchemy import (  # noqa: PLC0415
            SQLAlchemyInstrumentor,
        )

        SQLAlchemyInstrumentor().instrument(engine=engine.sync_engine, tracer_provider=provider)
