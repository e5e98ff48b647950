"""Where the servers are: URLs as people write them."""

from __future__ import annotations

import pytest
from redis.asyncio.connection import SSLConnection

from coditect_cloud.leases.redis import RedisOptions
from coditect_cloud.leases.redis.link import connect
from coditect_cloud.leases.redis.options import Address, Mode
from coditect_cloud.leases.redis.topology import Sentinels, topology


def test_one_server() -> None:
    options = RedisOptions.from_url("rediss://app:p%40ss@store.example:7000/2?ca_file=/ca.pem")
    assert (options.mode, options.addresses) == (Mode.SINGLE, (Address("store.example", 7000),))
    assert (options.username, options.password.get_secret_value()) == ("app", "p@ss")
    assert (options.database, options.tls, options.tls_ca_file) == (2, True, "/ca.pem")
    assert "p@ss" not in repr(options)


def test_sentinels() -> None:
    options = RedisOptions.from_url("redis+sentinel://:x@one,two:26380/seats?database=1&lag_ms=5")
    assert options.mode is Mode.SENTINEL
    assert options.addresses == (Address("one", 26379), Address("two", 26380))
    assert (options.master, options.database, options.lag_ms) == ("seats", 1, 5)


def test_cluster() -> None:
    options = RedisOptions.from_url("redis+cluster://one,[::1]:7001?timeout_ms=250")
    assert options.mode is Mode.CLUSTER
    assert options.addresses == (Address("one", 6379), Address("::1", 7001))
    assert options.timeout_ms == 250


def test_tls_and_no_retries_of_the_client_s_own() -> None:
    plain = connect(Address("one", 1), RedisOptions())
    assert not isinstance(plain, SSLConnection)
    assert plain.retry.get_retries() == 0
    assert plain.socket_timeout == 1
    secure = connect(Address("one", 1), RedisOptions.from_url("rediss://one"))
    assert isinstance(secure, SSLConnection)
    assert secure.ssl_context.check_hostname
    assert isinstance(topology(RedisOptions.from_url("rediss+sentinel://one/seats")), Sentinels)


def test_the_least_is_enough() -> None:
    assert RedisOptions.from_url("redis://").addresses == (Address("127.0.0.1", 6379),)


@pytest.mark.parametrize(
    "url",
    [
        "http://one",
        "redis+magic://one",
        "redis+sentinel://one",
        "redis://user:secret@one:port",
        "redis://one/two",
    ],
)
def test_what_is_none_of_these(url: str) -> None:
    with pytest.raises(ValueError, match="not a URL of a Redis store") as raised:
        RedisOptions.from_url(url)
    assert "secret" not in str(raised.value)
