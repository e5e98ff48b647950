"""Memory that is lost is noticed, and no seat is given away while somebody may still hold it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from cloud_support.redis_lab import jump, patient
from cloud_support.seat_lab import LONG_MS, Lab
from cloud_support.valkey import Valkey
from coditect_cloud.leases.redis import RedisSeatStore
from coditect_cloud.leases.store import NeedsRestore, StoreUnavailable
from coditect_cloud.leases.types import Granted, Lease, Refused
from coditect_cloud.refusals import Code

pytestmark = pytest.mark.anyio


async def nothing(_ms: int) -> None: ...


def lab_of(store: RedisSeatStore, like: Lab | None = None) -> Lab:
    if like is None:
        return Lab(store, nothing)
    lab = Lab(store, nothing, license=like.license)
    lab.policy = like.policy
    return lab


async def loss(lab: Lab) -> NeedsRestore:
    """Ask until the store answers, which has to be that it needs to be restored."""
    while True:
        try:
            await lab.store.seats(lab.license)
        except NeedsRestore as needs:
            return needs
        except StoreUnavailable:
            await asyncio.sleep(0.01)
        else:
            raise AssertionError("the loss was not noticed")


async def holders(lab: Lab) -> set[str]:
    return {lease.holder for lease in await lab.store.leases(lab.license)}


async def test_killed_without_a_log_everything_is_forgotten_and_survivors_come_back() -> None:
    with Valkey() as server:
        lab = lab_of(patient(server))
        await lab.know(limit=2)
        kept, other = await lab.grant("a"), await lab.grant("b")
        server.kill()
        server.start()
        needs = await loss(lab)
        assert needs.fresh
        await lab.store.restore(lab.policy, epoch=2, settle=True)
        assert (await lab.refuse("c")).code is Code.SETTLING
        for lease in (kept, other):
            back = await lab.store.register(lease)
            assert isinstance(back, Granted)
            assert isinstance(await lab.beat(back.lease), Granted)
        assert await holders(lab) == {"user:a", "user:b"}
        await jump(server, lab.license, LONG_MS + 30_000)
        await lab.grant("c")
        await lab.store.close()


async def test_killed_with_a_log_that_is_flushed_nothing_is_lost_but_the_trust() -> None:
    with Valkey(aof=True) as server:
        lab = lab_of(patient(server))
        await lab.know(limit=1)
        lease = await lab.grant("a", key="k", fingerprint="f")
        server.kill()
        server.start()
        # The server's process is another one: nobody can tell what its log lacks.
        needs = await loss(lab)
        assert not needs.fresh
        with pytest.raises(NeedsRestore):
            await lab.beat(lease)
        await lab.store.restore(lab.policy, epoch=2, settle=True)
        assert isinstance(await lab.beat(lease), Granted)
        assert (await lab.refuse("b")).code is Code.SETTLING
        changes = await lab.store.outbox(lab.license)
        opened = changes[-1]
        assert (opened.kind, opened.epoch, opened.seq) == ("settling_opened", 2, 1)
        assert (opened.body["last_epoch"], opened.body["last_seq"]) == (1, 2)
        await lab.store.close()


async def test_a_replica_that_lacks_the_newest_grants_is_promoted() -> None:
    with Valkey() as primary, Valkey() as replica:
        replica.replicate(primary)
        lab = lab_of(patient(primary))
        await lab.know(limit=3)
        known = await lab.grant("known")
        older = await lab.grant("moved", device="d1")
        replica.caught_up(primary)
        replica.cut()  # from here on it misses everything
        newest = await lab.grant("newest")
        moved = await lab.grant("moved", device="d2", take_over=True)
        beaten = await lab.beat(known)
        assert isinstance(beaten, Granted)
        primary.kill()
        replica.ask("REPLICAOF", "NO", "ONE")

        after = lab_of(patient(replica), lab)
        needs = await loss(after)
        assert not needs.fresh  # it kept nearly all: only the newest is missing
        await after.store.restore(lab.policy, epoch=2, settle=True)
        assert await holders(after) == {"user:known", "user:moved"}
        assert (await after.refuse("intruder")).code is Code.SETTLING
        assert isinstance(await after.beat(known), Granted)
        for lost in (newest, moved):
            back = await after.store.register(lost)
            assert isinstance(back, Granted)
            assert back.lease.fence.epoch == 2
            again = await after.store.register(lost)
            assert isinstance(again, Granted)
            assert again.lease == back.lease
        # The device that lost its seat before the loss does not get it back by an older token.
        stale = await after.store.register(older)
        assert isinstance(stale, Refused)
        assert stale.code in {Code.STALE_FENCE, Code.LEASE_RELEASED}
        assert await holders(after) == {"user:known", "user:moved", "user:newest"}
        assert (await after.store.seats(lab.license)).in_use == 3
        await jump(replica, lab.license, LONG_MS + 30_000)
        assert (await after.store.seats(lab.license)).in_use == 0
        await after.grant("late")
        await lab.store.close()
        await after.store.close()


async def test_a_replica_that_lacks_a_heartbeat_does_not_end_the_lease() -> None:
    with Valkey() as primary, Valkey() as replica:
        replica.replicate(primary)
        lab = lab_of(patient(primary))
        await lab.know(limit=1)
        lease = await lab.grant("a", ttl_ms=2_000)
        replica.caught_up(primary)
        replica.cut()
        await jump(primary, lab.license, 1_500)
        beaten = await lab.beat(lease)
        assert isinstance(beaten, Granted)
        primary.kill()
        replica.ask("REPLICAOF", "NO", "ONE")
        after = lab_of(patient(replica), lab)
        await loss(after)
        await after.store.restore(lab.policy, epoch=2, settle=True)
        # By what the replica knows the lease has ended; its holder's token says otherwise.
        await jump(replica, lab.license, lease.expires_ms - lease.granted_ms)
        now = (await after.store.seats(lab.license)).now_ms
        token = replace(beaten.lease, expires_ms=now + 1_000)
        ended = await after.beat(lease)
        assert isinstance(ended, Refused)
        assert ended.code is Code.LEASE_EXPIRED
        back = await after.store.register(token)
        assert isinstance(back, Granted)
        assert (await after.refuse("b")).code is Code.SETTLING
        await lab.store.close()
        await after.store.close()


async def test_everything_is_flushed_under_a_running_server() -> None:
    with Valkey() as server:
        lab = lab_of(patient(server))
        await lab.know(limit=1)
        lease = await lab.grant("a")
        server.ask("FLUSHALL")
        for _ in range(2):
            with pytest.raises(NeedsRestore) as raised:
                await lab.beat(lease)
            assert raised.value.fresh
        assert await lab.store.highest_fence(lab.license) is None
        assert await lab.store.outbox(lab.license) == []
        await lab.store.close()


async def test_a_fence_that_went_back_is_noticed_under_the_same_run_id() -> None:
    with Valkey() as server:
        lab = lab_of(patient(server))
        await lab.know(limit=5)
        await lab.grant("a")
        meta = f"{{lic:{lab.license}}}:meta"
        lease = await lab.grant("b")
        server.ask("HSET", meta, "counter", lease.fence.counter - 1)
        needs = await loss(lab)
        assert not needs.fresh
        # Who has not seen the newer fence cannot know.
        other = lab_of(patient(server), lab)
        await other.grant("c")
        await lab.store.close()
        await other.store.close()


async def test_a_second_loss_while_settling_prolongs_it() -> None:
    with Valkey() as server:
        lab = lab_of(patient(server))
        await lab.know(limit=1)
        await lab.store.restore(lab.policy, epoch=2, settle=True)
        first = (await lab.store.seats(lab.license)).settling_until_ms
        await lab.store.restore(lab.policy, epoch=3, settle=True)
        second = (await lab.store.seats(lab.license)).settling_until_ms
        assert second >= first
        await lab.store.restore(lab.policy, epoch=4, settle=False)
        assert (await lab.store.seats(lab.license)).settling_until_ms == second
        await lab.store.close()


async def test_settling_outlasts_the_longest_life_that_was_ever_in_force() -> None:
    with Valkey() as server:
        lab = lab_of(patient(server))
        await lab.know(limit=1, ttl_ms=600_000)
        lease: Lease = await lab.grant("a")
        await lab.terms(ttl_ms=1_000)
        await lab.store.restore(lab.policy, epoch=2, settle=True)
        seats = await lab.store.seats(lab.license)
        assert seats.settling_until_ms > lease.expires_ms
        await lab.store.close()
