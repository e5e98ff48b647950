"""One client process that hammers a license: python seat_hammer.py URL LICENSE NAME ROUNDS.

It prints what it was told, one JSON object a line: verb, lease, fence, time and expiry.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys

from coditect_cloud.database import Database, new_id
from coditect_cloud.leases.sql import SqlSeats
from coditect_cloud.leases.store import SeatStore
from coditect_cloud.leases.types import Acquire, Ended, Granted, Heartbeat, Lease, Release


async def hammer(store: SeatStore, license: str, name: str, rounds: int) -> None:
    """Several holders at once: some beat, some give back, some forget."""
    chance = random.Random(name)
    await asyncio.gather(
        *(_holder(store, license, f"user:{name}-{n}", rounds, chance) for n in range(4))
    )


async def _holder(
    store: SeatStore, license: str, holder: str, rounds: int, chance: random.Random
) -> None:
    ticket = ""
    for _ in range(rounds):
        wait = bool(ticket) or chance.random() < 0.5
        ticket = (ticket or new_id("tkt")) if wait else ""
        ask = Acquire(
            license=license,
            lease=new_id("lea"),
            holder=holder,
            ttl_ms=chance.choice([20, 100, 400]),
            ticket=ticket,
            wait=wait,
        )
        answer = await store.acquire(ask)
        if not isinstance(answer, Granted):
            continue
        ticket = ""
        tell("granted", answer.lease, answer.now_ms)
        for _ in range(chance.randrange(3)):
            beat = Heartbeat(license, answer.lease.id, answer.lease.fence)
            beaten = await store.heartbeat(beat)
            if isinstance(beaten, Granted):
                tell("beat", beaten.lease, beaten.now_ms)
        if chance.random() < 0.5:
            ended = await store.release(Release(license, answer.lease.id, answer.lease.fence))
            if isinstance(ended, Ended) and not ended.already:
                tell("released", answer.lease, ended.now_ms)


def tell(verb: str, lease: Lease, now_ms: int) -> None:
    """Print one line at once: the process may be killed."""
    line = {"verb": verb, "lease": lease.id, "now_ms": now_ms, "expires_ms": lease.expires_ms}
    print(json.dumps(line), flush=True)


async def main(url: str, license: str, name: str, rounds: int) -> None:
    database = Database.open(url)
    store = SqlSeats(database)
    await hammer(store, license, name, rounds)
    await store.close()
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
