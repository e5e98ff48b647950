"""A lab over a real server, whose store time can be moved forward."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cloud_support.seat_lab import Lab
from cloud_support.valkey import Valkey
from coditect_cloud.leases.redis import RedisOptions, RedisSeatStore

PATIENT = "timeout_ms=20000"
"""A busy machine is no reason to fail where a test is not about time-outs."""


def patient(server: Valkey) -> RedisSeatStore:
    """A store over one server that waits long."""
    return RedisSeatStore(RedisOptions.from_url(f"{server.url}?{PATIENT}"))


async def jump(server: Valkey, license: str, ms: int) -> None:
    """Move the highest time that was seen: store time is never earlier than that."""
    meta = f"{{lic:{license}}}:meta"
    with server.client() as client:
        seconds, micros = client.time()
        now = seconds * 1000 + micros // 1000
        highest = int(client.hget(meta, "clock") or 0)
        client.hset(meta, "clock", str(max(now, highest) + ms))


@asynccontextmanager
async def redis_lab(server: Valkey) -> AsyncIterator[Lab]:
    """One license, unknown as yet."""
    store = patient(server)

    async def advance(ms: int) -> None:
        await asyncio.sleep(min(ms, 10) / 1000)
        if await store.highest_fence(lab.license):
            await jump(server, lab.license, ms)

    lab = Lab(store, advance, can_jump=True)
    try:
        yield lab
    finally:
        await store.close()
