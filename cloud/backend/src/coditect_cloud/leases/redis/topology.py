"""Which server decides about a license: one, the one that sentinels name, or a cluster's node."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import RedisClusterException, RedisError

from coditect_cloud.leases.redis.errors import NotSent
from coditect_cloud.leases.redis.options import Address, Mode, RedisOptions


class Topology(Protocol):
    """Knows where a key lives."""

    async def place(self, key: str) -> Address:
        """Give the server that decides about a key now; NotSent if nobody can tell."""
        ...

    def forget(self) -> None:
        """What was known is no longer so: ask again before the next command."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class OneServer:
    """Always the same address; behind it may be another server after a failover."""

    def __init__(self, address: Address) -> None:
        self._address = address

    async def place(self, key: str) -> Address:  # noqa: ARG002
        """Give the only one."""
        return self._address

    def forget(self) -> None:
        """There is nothing to forget."""

    async def close(self) -> None:
        """There is nothing to let go of."""


class Sentinels:
    """Ask the sentinels who the master is."""

    def __init__(self, options: RedisOptions) -> None:
        seconds = options.timeout_ms / 1000
        self._sentinel = Sentinel(  # type: ignore[no-untyped-call]
            [(address.host, address.port) for address in options.addresses],
            sentinel_kwargs={
                "socket_timeout": seconds / 2,
                "socket_connect_timeout": seconds / 2,
                "retry": Retry(NoBackoff(), 0),
                **(
                    {"ssl": True, "ssl_ca_certs": options.tls_ca_file or None}
                    if options.tls
                    else {}
                ),
            },
        )
        self._master = options.master
        self._known: Address | None = None
        self._lock = asyncio.Lock()

    async def place(self, key: str) -> Address:  # noqa: ARG002
        """Give the master."""
        if self._known is not None:
            return self._known
        async with self._lock:
            if self._known is None:
                try:
                    host, port = await self._sentinel.discover_master(self._master)
                except (RedisError, OSError) as error:
                    raise NotSent("no sentinel names a master") from error
                self._known = Address(str(host), int(port))
            return self._known

    def forget(self) -> None:
        """Ask again."""
        self._known = None

    async def close(self) -> None:
        """Let go of the sentinels."""
        await self._sentinel.aclose()


class Cluster:
    """Ask the cluster which node has a slot."""

    def __init__(self, options: RedisOptions) -> None:
        seconds = options.timeout_ms / 1000
        self._settings: dict[str, Any] = {
            "username": options.username or None,
            "password": options.password.get_secret_value() or None,
            "socket_timeout": seconds / 2,
            "socket_connect_timeout": seconds / 2,
            "retry": Retry(NoBackoff(), 0),
            "protocol": 2,
            "ssl": options.tls,
            "ssl_ca_certs": options.tls_ca_file or None,
        }
        self._nodes = set(options.addresses)
        self._client: RedisCluster | None = None
        self._stale = True
        self._lock = asyncio.Lock()

    async def place(self, key: str) -> Address:
        """Give the primary of the key's slot."""
        if self._stale or self._client is None:
            await self._look()
        assert self._client is not None
        try:
            node = self._client.get_node_from_key(key)
        except RedisClusterException as error:
            self._stale = True
            raise NotSent("no node of the cluster has this slot") from error
        if node is None:
            raise NotSent("no node of the cluster has this slot")
        return Address(str(node.host), int(node.port))

    async def _look(self) -> None:
        async with self._lock:
            if not self._stale:
                return
            client = RedisCluster(
                startup_nodes=[ClusterNode(one.host, one.port) for one in sorted(self._nodes)],
                require_full_coverage=False,
                **self._settings,
            )
            try:
                await client.initialize()
            except (RedisError, RedisClusterException, OSError) as error:
                await client.aclose()
                raise NotSent("no node of the cluster answers") from error
            # Nodes that came later are as good to ask when the first ones have gone.
            for node in client.get_nodes():
                self._nodes.add(Address(str(node.host), int(node.port)))
            before, self._client, self._stale = self._client, client, False
            if before is not None:
                await before.aclose()

    def forget(self) -> None:
        """Ask again."""
        self._stale = True

    async def close(self) -> None:
        """Let go of the nodes."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None


def topology(options: RedisOptions) -> Topology:
    """Choose by the options."""
    if options.mode is Mode.SENTINEL:
        return Sentinels(options)
    if options.mode is Mode.CLUSTER:
        return Cluster(options)
    return OneServer(options.addresses[0])
