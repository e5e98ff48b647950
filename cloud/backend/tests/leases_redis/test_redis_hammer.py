"""Many holders over several instances: at no instant of store time more seats than there are."""

from __future__ import annotations

import asyncio

import pytest

from cloud_support.redis_lab import patient
from cloud_support.seat_hammer import hammer
from cloud_support.seat_lab import Lab
from cloud_support.valkey import Valkey
from coditect_cloud.leases.types import Change

pytestmark = pytest.mark.anyio

SEATS = 5


async def nothing(_ms: int) -> None: ...


async def test_several_instances_never_oversell() -> None:
    with Valkey() as server:
        stores = [patient(server) for _ in range(4)]
        lab = Lab(stores[0], nothing)
        await lab.know(limit=SEATS, ttl_ms=400)
        await asyncio.gather(
            *(
                hammer(store, lab.license, f"p{number}", rounds=25)
                for number, store in enumerate(stores)
            )
        )
        while await lab.in_use():
            await asyncio.sleep(0.01)
        changes: list[Change] = []
        while page := await lab.store.outbox(lab.license):
            changes += page
            await lab.store.discard(lab.license, page[-1].cursor)
        for store in stores:
            await store.close()
    assert [change.seq for change in changes] == list(range(1, len(changes) + 1))
    assert most_at_once(changes) == SEATS


def most_at_once(changes: list[Change]) -> int:
    """A seat that ends at an instant may be given away at that very instant."""
    events = []
    for change in changes:
        if change.kind == "granted" and "again" not in change.body:
            events.append((change.at_ms, 1))
        elif change.kind == "released":
            events.append((change.at_ms, -1))
        elif change.kind == "expired":
            events.append((change.body["expires_ms"], -1))
    live = most = 0
    for _, step in sorted(events):
        live += step
        most = max(most, live)
    assert live == 0
    return most
