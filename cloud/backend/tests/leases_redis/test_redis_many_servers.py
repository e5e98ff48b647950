"""Sentinels and clusters: whoever decides is found again after a failover."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from cloud_support.redis_lab import PATIENT
from cloud_support.seat_lab import Lab
from cloud_support.valkey import SentinelProcess, Valkey, cluster
from coditect_cloud.leases.redis import RedisOptions, RedisSeatStore
from coditect_cloud.leases.store import NeedsRestore, StoreUnavailable
from coditect_cloud.leases.types import Granted
from coditect_cloud.refusals import Code

pytestmark = pytest.mark.anyio


async def nothing(_ms: int) -> None: ...


async def needs_restore(lab: Lab) -> NeedsRestore:
    """Ask through the failover until somebody answers, who is another server."""
    for _ in range(3_000):
        try:
            await lab.store.seats(lab.license)
        except NeedsRestore as needs:
            return needs
        except StoreUnavailable:
            await asyncio.sleep(0.02)
    raise AssertionError("no other server took over")


async def over(lab: Lab) -> None:
    """What follows a failover: settling, and then the seats that are still held."""
    await lab.store.restore(lab.policy, epoch=2, settle=True)
    assert (await lab.refuse("b")).code is Code.SETTLING


async def test_sentinels_name_another_master() -> None:
    with Valkey() as primary, Valkey() as replica:
        replica.replicate(primary)
        with SentinelProcess(primary) as sentinel:
            sentinel.knows_a_replica()
            url = f"redis+sentinel://127.0.0.1:{sentinel.port}/seats?timeout_ms=3000"
            store = RedisSeatStore(RedisOptions.from_url(url))
            await store.start()
            lab = Lab(store, nothing)
            await lab.know(limit=1)
            lease = await lab.grant("a")
            replica.caught_up(primary)
            primary.kill()
            assert not (await needs_restore(lab)).fresh
            await over(lab)
            assert isinstance(await lab.beat(lease), Granted)
            await store.close()


async def test_no_sentinel_is_there() -> None:
    store = RedisSeatStore(RedisOptions.from_url("redis+sentinel://127.0.0.1:1/seats"))
    with pytest.raises(StoreUnavailable):
        await store.now_ms()
    await store.close()


async def test_no_node_is_there() -> None:
    store = RedisSeatStore(RedisOptions.from_url("redis+cluster://127.0.0.1:1"))
    with pytest.raises(StoreUnavailable):
        await store.now_ms()
    await store.close()


@pytest.fixture(scope="module")
def nodes() -> Iterator[list[Valkey]]:
    with cluster(3) as nodes:
        yield nodes


async def test_licenses_are_spread_over_a_cluster(nodes: list[Valkey]) -> None:
    store = RedisSeatStore(
        RedisOptions.from_url(f"redis+cluster://127.0.0.1:{nodes[0].port}?{PATIENT}")
    )
    # So many that by chance no node goes empty (one run in ten million).
    labs = [Lab(store, nothing) for _ in range(42)]
    try:
        await asyncio.gather(*(lab.know(limit=2) for lab in labs))
        answers = await asyncio.gather(
            *(lab.acquire(f"h{number}", key=f"k{number}") for lab in labs for number in range(4))
        )
        assert sum(isinstance(answer, Granted) for answer in answers) == 84
        assert [await lab.in_use() for lab in labs] == [2] * 42
        assert all(int(node.ask("DBSIZE")) > 0 for node in nodes)
    finally:
        await store.close()


async def test_a_slot_that_moved_is_found_again(nodes: list[Valkey]) -> None:
    store = RedisSeatStore(
        RedisOptions.from_url(f"redis+cluster://127.0.0.1:{nodes[0].port}?{PATIENT}")
    )
    lab = Lab(store, nothing)
    await lab.know(limit=2)
    lease = await lab.grant("a")
    key = f"{{lic:{lab.license}}}:meta"
    slot = int(nodes[0].ask("CLUSTER", "KEYSLOT", key))
    source = next(node for node in nodes if int(node.ask("CLUSTER", "COUNTKEYSINSLOT", slot)))
    target = next(node for node in nodes if node is not source)
    names = {node: node.ask("CLUSTER", "MYID") for node in nodes}
    target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", names[source])
    source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", names[target])
    keys = source.ask("CLUSTER", "GETKEYSINSLOT", slot, 1_000)
    half = [one for one in keys if one.endswith((b":leases", b":holder"))]
    assert len(half) == 2
    for one in half:
        source.ask("MIGRATE", "127.0.0.1", target.port, one, 0, 5_000)
    # Half of the license is elsewhere: nobody decides on what he does not see.
    with pytest.raises(StoreUnavailable):
        await lab.acquire("b")
    with pytest.raises(StoreUnavailable):
        await lab.beat(lease)
    for one in keys:
        if one not in half:
            source.ask("MIGRATE", "127.0.0.1", target.port, one, 0, 5_000)
    # All of it is there, and the cluster does not say so yet: whoever asks is sent on.
    with pytest.raises((NeedsRestore, StoreUnavailable)):
        await lab.acquire("b")
    for node in (target, source, *nodes):
        node.ask("CLUSTER", "SETSLOT", slot, "NODE", names[target])
    # Another server's process: it has what was moved, but nobody vouches that it is all.
    assert not (await needs_restore(lab)).fresh
    await over(lab)
    assert isinstance(await lab.beat(lease), Granted)
    await store.close()


async def test_a_cluster_node_dies_and_its_replica_takes_over() -> None:
    with cluster(3, replicas=True) as nodes:
        store = RedisSeatStore(
            RedisOptions.from_url(
                f"redis+cluster://127.0.0.1:{nodes[1].port},127.0.0.1:{nodes[2].port}"
                "?timeout_ms=3000"
            )
        )
        labs = [Lab(store, nothing) for _ in range(12)]
        for lab in labs:
            await lab.know(limit=1)
        first = nodes[0]
        slot_owners = {
            lab.license: int(first.ask("CLUSTER", "KEYSLOT", f"{{lic:{lab.license}}}:meta"))
            for lab in labs
        }
        lab = next(one for one in labs if slot_owners[one.license] <= 5_461)
        other = next(one for one in labs if slot_owners[one.license] > 5_461)
        lease = await lab.grant("a")
        held = await other.grant("a")
        nodes[3].caught_up(first)
        first.kill()
        assert not (await needs_restore(lab)).fresh
        await over(lab)
        assert isinstance(await lab.beat(lease), Granted)
        # Licenses of other nodes have nothing to do with it.
        assert isinstance(await other.beat(held), Granted)
        await store.close()
