"""Logs of one line each: JSON for machines, or text for people, and no secret in either."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

from coditect_cloud.observe.redaction import redacting

Processor = structlog.typing.Processor


def configure(*, level: str = "info", as_json: bool = True, stream: TextIO | None = None) -> None:
    """Set up structlog, and send the standard library's records the same way."""
    least = logging.getLevelNamesMapping()[level.upper()]
    out = stream or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _traced,
        structlog.processors.format_exc_info,
        redacting,  # behind the traceback, which may quote anything
    ]
    last: Processor = (
        structlog.processors.JSONRenderer(sort_keys=True)
        if as_json
        else structlog.dev.ConsoleRenderer(
            colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    structlog.configure(
        processors=[*shared, last],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    logging.basicConfig(handlers=[handler], level=least, force=True)
    for noisy in ("httpx", "httpcore", "aiosqlite", "uvicorn.access", "sqlalchemy.engine"):
        # They log whole URLs and statements; what matters of a request we log ourselves.
        logging.getLogger(noisy).setLevel(max(least, logging.WARNING))
    for carried in ("uvicorn", "uvicorn.error"):
        logging.getLogger(carried).handlers.clear()
        logging.getLogger(carried).propagate = True


def _traced(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Any:
    """Name the trace that the line belongs to; costs nothing where tracing is not loaded."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is not None:
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            event["trace_id"] = f"{context.trace_id:032x}"
            event["span_id"] = f"{context.span_id:016x}"
    return event
