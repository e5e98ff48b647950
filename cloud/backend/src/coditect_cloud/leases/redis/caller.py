"""One call to whichever server decides: placed, batched, tried again only where that is safe."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from coditect_cloud.leases.redis.batcher import Batcher
from coditect_cloud.leases.redis.errors import (
    NotSent,
    WrongServer,
    asked_elsewhere,
    unavailable,
    wrong_place,
)
from coditect_cloud.leases.redis.link import Call, Link
from coditect_cloud.leases.redis.options import Address, RedisOptions
from coditect_cloud.leases.redis.scripts import Script
from coditect_cloud.leases.redis.topology import topology
from coditect_cloud.leases.store import StoreUnavailable

_TRIES = 3


class Caller:
    """Sends commands; every error is StoreUnavailable, but a fault of ours is raised as it is.

    A command is sent again only if no server did it: it was not sent at all, or the answer says
    that another server decides.
    """

    def __init__(self, options: RedisOptions) -> None:
        self._options = options
        self._topology = topology(options)
        self._batchers: dict[Address, Batcher] = {}
        self._closed = False

    async def call(
        self,
        place: str,
        script: Script | None,
        keys: tuple[bytes, ...],
        args: Sequence[str | int],
    ) -> Any:
        """Give the answer to one command within `timeout_ms`, whatever happens to the network."""
        try:
            async with asyncio.timeout(self._options.timeout_ms / 1000):
                return await self._try(place, script, keys, tuple(args))
        except TimeoutError:
            # Perhaps the server, perhaps only the way to it: look again who decides.
            self._topology.forget()
            raise StoreUnavailable("the store did not answer in time") from None

    async def _try(
        self,
        place: str,
        script: Script | None,
        keys: tuple[bytes, ...],
        args: tuple[str | int, ...],
    ) -> Any:
        address = await self._topology.place(place)
        asking = False
        for left in reversed(range(_TRIES)):
            answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            try:
                self._batcher(address).submit(Call(script, keys, args, answer, asking))
                return await answer
            except WrongServer:
                raise
            except Exception as error:
                if asked := asked_elsewhere(error):
                    address, asking = Address(str(asked.host), int(asked.port)), True
                else:
                    self._topology.forget()
                    safe = wrong_place(error) or isinstance(error, NotSent)
                    before = address
                    if safe and left:
                        address, asking = await self._topology.place(place), False
                    if not safe or address == before:
                        left = 0  # noqa: PLW2901 - nobody else to ask
                if left:
                    continue
                told = unavailable(error)
                if told is None:
                    raise
                raise told from error
        raise AssertionError("unreachable")

    def _batcher(self, address: Address) -> Batcher:
        if self._closed:
            raise StoreUnavailable("the store is closed")
        batcher = self._batchers.get(address)
        if batcher is None:
            links = [Link(address, self._options) for _ in range(self._options.slots)]
            batcher = self._batchers[address] = Batcher(links, most=self._options.batch)
        return batcher

    async def close(self) -> None:
        """Let what was sent end, then let go of all connections."""
        self._closed = True
        for batcher in self._batchers.values():
            await batcher.close()
        await self._topology.close()
