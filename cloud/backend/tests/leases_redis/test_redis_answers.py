"""A server that is there but must not, or cannot, take a write; and one that is not there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from redis.exceptions import ResponseError

from cloud_support.redis_lab import PATIENT, patient
from cloud_support.seat_lab import Lab
from cloud_support.valkey import Valkey, free_port
from cloud_support.vanishing import vanishing
from coditect_cloud.leases.redis import RedisOptions, RedisSeatStore
from coditect_cloud.leases.redis.errors import unavailable
from coditect_cloud.leases.store import NeedsRestore, StoreUnavailable
from coditect_cloud.leases.types import Granted, Heartbeat, Reserve
from coditect_cloud.refusals import Code, Refusal

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with Valkey() as server:
        yield server


async def nothing(_ms: int) -> None: ...


async def test_a_server_that_evicts_must_not_hold_seats() -> None:
    with Valkey(maxmemory_policy="allkeys-lru") as server:
        store = patient(server)
        with pytest.raises(Refusal) as raised:
            await store.start()
        assert raised.value.code is Code.STORE_UNAVAILABLE
        assert "allkeys-lru" in raised.value.detail
        assert "noeviction" in raised.value.hint
        lab = Lab(store, nothing)
        with pytest.raises(StoreUnavailable):
            await lab.know()
        server.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
        await store.start()
        await store.close()


async def test_nobody_is_there() -> None:
    store = RedisSeatStore(RedisOptions.from_url(f"redis://127.0.0.1:{free_port()}"))
    with pytest.raises(StoreUnavailable):
        await store.now_ms()
    await store.close()
    with pytest.raises(StoreUnavailable):
        await store.now_ms()


async def test_a_password_is_shown_and_a_wrong_one_is_not_repeated() -> None:
    with Valkey() as server:
        server.ask("CONFIG", "SET", "requirepass", "open sesame")
        url = f"redis://:open%20sesame@127.0.0.1:{server.port}?{PATIENT}"
        store = RedisSeatStore(RedisOptions.from_url(url))
        await store.start()
        await store.close()
        wrong = RedisSeatStore(RedisOptions.from_url(url.replace("sesame", "barley")))
        with pytest.raises(StoreUnavailable) as raised:
            await wrong.now_ms()
        assert "barley" not in str(raised.value)
        await wrong.close()


async def test_a_server_that_forgot_the_scripts_is_told_again(server: Valkey) -> None:
    store = patient(server)
    lab = Lab(store, nothing)
    await lab.know(limit=50)
    server.ask("SCRIPT", "FLUSH", "SYNC")
    answers = await asyncio.gather(*(lab.acquire(f"h{number}") for number in range(50)))
    assert all(isinstance(answer, Granted) for answer in answers)
    assert await lab.in_use() == 50
    await store.close()


@pytest.mark.parametrize(
    ("setting", "value", "back"),
    [("maxmemory", "1", "0"), ("min-replicas-to-write", "1", "0")],
)
async def test_a_server_that_takes_no_writes(
    server: Valkey, setting: str, value: str, back: str
) -> None:
    store = patient(server)
    lab = Lab(store, nothing)
    await lab.know()
    server.ask("CONFIG", "SET", setting, value)
    try:
        with pytest.raises(StoreUnavailable):
            await lab.acquire("a")
    finally:
        server.ask("CONFIG", "SET", setting, back)
    await lab.grant("a")
    await store.close()


async def test_a_demoted_server_takes_no_writes_and_is_not_read() -> None:
    with Valkey() as primary, Valkey() as other:
        store = patient(primary)
        lab = Lab(store, nothing)
        await lab.know()
        primary.ask("REPLICAOF", "127.0.0.1", other.port)
        with pytest.raises(StoreUnavailable):
            await lab.acquire("a")
        with pytest.raises(StoreUnavailable):
            await RedisSeatStore(RedisOptions.from_url(primary.url)).now_ms()
        await store.close()


async def test_packets_that_vanish_are_answered_in_time(server: Valkey) -> None:
    loop = asyncio.get_running_loop()
    async with vanishing(server.port) as proxy:
        url = f"redis://127.0.0.1:{proxy.port}?timeout_ms=1500"
        store = RedisSeatStore(RedisOptions.from_url(url))
        lab = Lab(store, nothing)
        await lab.know(limit=30)
        lease = await lab.grant("a")
        proxy.swallow()
        began = loop.time()
        answers = await asyncio.gather(
            *(lab.acquire(f"h{number}") for number in range(20)),
            store.heartbeat(Heartbeat(lab.license, lease.id, lease.fence)),
            return_exceptions=True,
        )
        # Far from the minutes that retries would take, however busy the machine is.
        assert loop.time() - began < 15
        assert all(isinstance(answer, StoreUnavailable) for answer in answers)
        proxy.restore()

        async def back() -> bool:
            try:
                return isinstance(await lab.beat(lease), Granted)
            except StoreUnavailable:
                return False

        deadline = loop.time() + 20
        while not await back():
            assert loop.time() < deadline
        await store.close()


async def test_a_caller_that_gives_up_harms_nobody_else(server: Valkey) -> None:
    store = patient(server)
    lab = Lab(store, nothing)
    await lab.know(limit=100)
    tasks = [asyncio.create_task(lab.acquire(f"h{number}")) for number in range(60)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(answer, Granted) for answer in answers[1::2])
    assert {answer.lease.holder for answer in answers[1::2] if isinstance(answer, Granted)} == {
        f"user:h{number}" for number in range(1, 60, 2)
    }
    await store.close()


async def test_a_batch_of_heartbeats_is_of_one_license(server: Valkey) -> None:
    store = patient(server)
    lab = Lab(store, nothing)
    await lab.know(limit=450)
    leases = [
        answer.lease
        for answer in await asyncio.gather(*(lab.acquire(f"h{number}") for number in range(450)))
        if isinstance(answer, Granted)
    ]
    beats = [Heartbeat(lab.license, lease.id, lease.fence) for lease in leases]
    answers = await store.heartbeat_many(beats)  # more than one script carries
    assert [answer.lease.id for answer in answers if isinstance(answer, Granted)] == [
        beat.lease for beat in beats
    ]
    with pytest.raises(ValueError, match="one license"):
        await store.heartbeat_many([beats[0], Heartbeat("lic_other", "x", leases[0].fence)])
    await store.close()


async def test_a_demoted_server_that_is_promoted_again_has_to_be_restored() -> None:
    with Valkey() as primary, Valkey() as other:
        store = patient(primary)
        lab = Lab(store, nothing)
        await lab.know()
        await lab.grant("a")
        primary.replicate(other)  # and so it loses what it had
        with pytest.raises(StoreUnavailable):
            await lab.acquire("b")
        primary.ask("REPLICAOF", "NO", "ONE")
        with pytest.raises(NeedsRestore):
            await lab.acquire("b")
        await store.close()


async def test_a_user_without_rights_gets_no_seats(server: Valkey) -> None:
    server.ask("ACL", "SETUSER", "weak", "on", ">pw", "~*", "+info", "+evalsha", "+script", "+time")
    store = RedisSeatStore(RedisOptions.from_url(f"redis://weak:pw@127.0.0.1:{server.port}"))
    lab = Lab(store, nothing)
    with pytest.raises(StoreUnavailable):
        await lab.know()
    await store.close()


async def test_nothing_is_asked_for(server: Valkey) -> None:
    store = patient(server)
    lab = Lab(store, nothing)
    await lab.know()
    assert await store.leases(lab.license, most=0) == []
    assert await store.outbox(lab.license, most=0) == []
    with pytest.raises(ValueError, match="one seat"):
        await store.reserve(Reserve(lab.license, "rsv_none", 0, 1_000))
    await store.close()


def test_a_fault_of_ours_is_not_the_store_s() -> None:
    assert unavailable(ResponseError("ERR user_script:1: attempt to index nil")) is None
