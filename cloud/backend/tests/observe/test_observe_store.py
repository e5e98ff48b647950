from __future__ import annotations

from pathlib import Path

import pytest

from cloud_support.audit_lab import ask, opened, policy
from coditect_cloud.leases.sql import SqlSeats
from coditect_cloud.leases.store import NeedsRestore, SeatStore
from coditect_cloud.leases.types import Ended, Fence, Granted, Heartbeat, Refused, Release, Reserve
from coditect_cloud.observe.metrics import Metrics
from coditect_cloud.observe.store import WatchedStore

pytestmark = pytest.mark.anyio


async def test_a_watched_store_behaves_alike_and_tells_what_changed(tmp_path: Path) -> None:
    changed: list[str] = []
    metrics = Metrics()
    async with opened(f"sqlite+aiosqlite:///{tmp_path}/seats.db") as database:
        store: SeatStore = WatchedStore(SqlSeats(database), metrics, changed=changed.append)
        assert not store.lossy
        with pytest.raises(NeedsRestore):
            await store.acquire(ask("a"))
        assert changed == ["lic_1"]  # what failed may have happened
        await store.restore(policy(limit=1), epoch=1, settle=False)
        await store.put_policy(policy(limit=1))
        got = await store.acquire(ask("a"))
        assert isinstance(got, Granted)
        assert isinstance(await store.acquire(ask("b")), Refused)
        beat = Heartbeat("lic_1", got.lease.id, got.lease.fence)
        changed.clear()
        assert isinstance(await store.heartbeat(beat), Granted)
        assert len(await store.heartbeat_many([beat, beat])) == 2
        assert (await store.seats("lic_1")).in_use == 1
        assert await store.lease("lic_1", got.lease.id) is not None
        assert len(await store.leases("lic_1")) == 1
        assert await store.position("lic_1", "tkt_1") is None
        assert await store.highest_fence("lic_1") == got.lease.fence
        assert await store.now_ms() > 0
        changes = await store.outbox("lic_1")
        await store.discard("lic_1", changes[-1].cursor)
        assert changed == []  # nothing of these writes to the outbox
        stale = Heartbeat("lic_1", got.lease.id, Fence(9, 9))
        assert isinstance(await store.heartbeat(stale), Refused)
        await store.heartbeat_many([stale])
        assert isinstance(
            await store.release(Release("lic_1", got.lease.id, got.lease.fence)), Ended
        )
        await store.register(got.lease)
        await store.reserve(Reserve("lic_1", "rsv_1", 1, 60_000))
        await store.unreserve("lic_1", "rsv_1", by="acc_1")
        await store.burn("lic_1", "lea_9", by="acc_1")
        await store.leave("lic_1", "tkt_1")
        assert changed == ["lic_1"] * 8
        await store.close()
    read = metrics.registry.get_sample_value
    assert read("coditect_grants_total", {"kind": "floating"}) == 1
    assert read("coditect_denials_total", {"code": "seats-exhausted"}) == 1
    assert read("coditect_seats_in_use", {"license": "lic_1"}) == 1
    acquire = {"operation": "acquire", "outcome": "NeedsRestore"}
    assert read("coditect_store_seconds_count", acquire) == 1
