"""What runs beside requests: the audit's drain, terms that wait for the store, the clean-up."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

from coditect_cloud.web.services import Services

_log = structlog.get_logger("coditect_cloud.web")


@asynccontextmanager
async def running(opened: Services) -> AsyncIterator[None]:
    """Run every loop until the end; each ends its current round first, within seconds."""
    stop = asyncio.Event()
    loops = [
        asyncio.create_task(every(seconds, work, stop=stop, name=name), name=name)
        for name, seconds, work in (
            ("push_terms", 5.0, opened.leases.push_pending),
            ("sweep_borrowed", 3600.0, opened.leases.sweep),
            ("tell_of_expiry", 3600.0, opened.events.expiring),
        )
    ]
    drain = asyncio.create_task(opened.drainer.run(), name="drain_outboxes")
    courier = asyncio.create_task(opened.courier.run(), name="deliver_webhooks")
    try:
        yield
    finally:
        stop.set()
        _, late = await asyncio.wait(loops, timeout=5.0)
        for task in late:
            task.cancel()
        drain.cancel()
        courier.cancel()
        await asyncio.gather(drain, courier, *late, return_exceptions=True)
        await opened.drainer.flush()  # what is known to wait enters the audit before we go


async def every(
    seconds: float, work: Callable[[], Awaitable[object]], *, stop: asyncio.Event, name: str
) -> None:
    """Do some work again and again, never at the same instant as other instances."""
    while not stop.is_set():
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - the next round tries again
            _log.warning("round_failed", loop=name, kind=type(error).__name__)
        pause = seconds * (0.75 + 0.5 * random.random())  # noqa: S311 - no secret
        try:
            await asyncio.wait_for(stop.wait(), pause)
        except TimeoutError:
            continue
