"""The store of seats in Redis: a thin shell around scripts that decide and act in one step."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from coditect_cloud.leases.redis import wire
from coditect_cloud.leases.redis.caller import Caller
from coditect_cloud.leases.redis.errors import WrongServer
from coditect_cloud.leases.redis.options import RedisOptions
from coditect_cloud.leases.redis.scripts import script
from coditect_cloud.leases.types import (
    Acquire,
    Change,
    Ended,
    Fence,
    Granted,
    Heartbeat,
    Lease,
    Policy,
    Queued,
    Refused,
    Release,
    Reserve,
    Reserved,
    Seats,
)
from coditect_cloud.refusals import Code, Refusal

_KEYS = (
    "meta",
    "leases",
    "holder",
    "queue",
    "polled",
    "tickets",
    "reserved",
    "outbox",
    "ids",
)
_BEATS = 200
"""Heartbeats in one script: more would hold up everybody else."""
_WATCHED = 100_000
"""Licenses whose highest fence an instance remembers."""


class RedisSeatStore:
    """A `SeatStore`. Safe under any number of concurrent callers of one event loop.

    Each operation answers within about `timeout_ms`, or raises StoreUnavailable. Every answer
    comes from a server whose run_id and fences are what was seen before; else NeedsRestore.
    """

    lossy = True

    def __init__(self, options: RedisOptions) -> None:
        self._options = options
        self._caller = Caller(options)
        self._fences: OrderedDict[str, Fence] = OrderedDict()

    async def start(self) -> None:
        """Look whether the server may be entrusted with seats; Refusal if it must not."""
        try:
            await self.now_ms()
        except WrongServer as error:
            raise Refusal(
                Code.STORE_UNAVAILABLE,
                f"The store must not hold seats: {error}.",
                "Set maxmemory-policy to noeviction on the server, and give it memory enough.",
            ) from None

    async def put_policy(self, policy: Policy) -> None:
        """Take the newest terms."""
        await self._run("policy", policy.license, wire.terms(policy))

    async def restore(
        self, policy: Policy, *, epoch: int, borrowed: Sequence[Lease] = (), settle: bool
    ) -> None:
        """Make a license known. Settles for the longest life of its terms, old or new, plus lag."""
        lag = max(1, self._options.lag_ms) if settle else 0
        await self._run(
            "restore", policy.license, wire.terms(policy), epoch, lag, wire.packed(borrowed)
        )

    async def acquire(self, ask: Acquire) -> Granted | Queued | Refused:
        """Grant a seat, or say why not."""
        raw = await self._run(
            "acquire",
            ask.license,
            ask.lease,
            ask.holder,
            ask.device,
            ask.fingerprint,
            ask.ttl_ms,
            ask.kind.value,
            int(ask.take_over),
            ask.ticket,
            int(ask.wait),
            ask.reservation,
            ask.secret,
            ask.label,
            key=ask.key,
        )
        if raw[0] == b"queued":
            return wire.queued(raw)
        return self._seen(wire.granted_or_refused(ask.license, raw))

    async def heartbeat(self, beat: Heartbeat) -> Granted | Refused:
        """Prolong a live lease of this fence."""
        raw = await self._run("heartbeat", beat.license, *_beat(beat))
        return wire.granted_or_refused(beat.license, raw[1][0])

    async def heartbeat_many(self, beats: Sequence[Heartbeat]) -> list[Granted | Refused]:
        """Prolong many leases of one license, in as few scripts as do not hold up others."""
        if not beats:
            return []
        license = beats[0].license
        if any(beat.license != license for beat in beats):
            raise ValueError("a batch of heartbeats is of one license")
        parts = [beats[at : at + _BEATS] for at in range(0, len(beats), _BEATS)]
        raws = await asyncio.gather(
            *(
                self._run("heartbeat", license, *(item for beat in part for item in _beat(beat)))
                for part in parts
            )
        )
        return [wire.granted_or_refused(license, one) for raw in raws for one in raw[1]]

    async def release(self, release: Release) -> Ended | Refused:
        """End a lease."""
        fence = release.fence
        raw = await self._run(
            "release",
            release.license,
            release.lease,
            "" if fence is None else fence.epoch,
            "" if fence is None else fence.counter,
            release.by,
        )
        if raw[0] == b"ended":
            return Ended(release.lease, int(raw[1]), already=bool(raw[2]))
        return self._refused(release.license, raw)

    async def register(self, lease: Lease) -> Granted | Refused:
        """Enter, while settling, a lease that its holder proves."""
        raw = await self._run(
            "register",
            lease.license,
            lease.id,
            lease.holder,
            lease.device,
            lease.kind.value,
            lease.fence.epoch,
            lease.fence.counter,
            lease.granted_ms,
            lease.expires_ms,
            lease.ttl_ms,
            int(lease.burned),
            lease.label,
        )
        return self._seen(wire.granted_or_refused(lease.license, raw))

    async def burn(self, license: str, lease: str, *, by: str) -> Lease | Refused:
        """Declare a borrowed seat lost."""
        raw = await self._run("burn", license, lease, by)
        if raw[0] == b"lease":
            return wire.lease(license, raw[2])
        return self._refused(license, raw)

    async def reserve(self, ask: Reserve) -> Reserved | Refused:
        """Keep seats, all or none; ValueError for fewer than one."""
        if ask.seats < 1:
            raise ValueError("a reservation keeps one seat or more")
        raw = await self._run(
            "reserve", ask.license, ask.reservation, ask.seats, ask.ttl_ms, ask.by
        )
        if raw[0] == b"reserved":
            return Reserved(ask.reservation, int(raw[2]), int(raw[3]), int(raw[1]))
        return self._refused(ask.license, raw)

    async def unreserve(self, license: str, reservation: str, *, by: str) -> int:
        """Give back what is left of a reservation."""
        return int((await self._run("unreserve", license, reservation, by))[1])

    async def leave(self, license: str, ticket: str) -> bool:
        """Leave the queue."""
        return bool((await self._run("leave", license, ticket))[1])

    async def position(self, license: str, ticket: str) -> Queued | None:
        """Where a ticket stands."""
        raw = await self._run("position", license, ticket)
        return wire.queued(raw) if raw[0] == b"queued" else None

    async def seats(self, license: str) -> Seats:
        """How a license stands."""
        raw = await self._run("seats", license)
        standing = wire.seats(int(raw[1]), raw[2])
        assert standing is not None
        return standing

    async def lease(self, license: str, lease: str) -> Lease | None:
        """A live lease by its id."""
        raw = await self._run("lease", license, lease)
        return wire.lease(license, raw[2]) if raw[0] == b"lease" else None

    async def leases(self, license: str, *, after: str = "", most: int = 100) -> list[Lease]:
        """Live leases ordered by id."""
        if most < 1:
            return []
        raw = await self._run("leases", license, after, most)
        return [wire.lease(license, one) for one in raw[1]]

    async def outbox(self, license: str, *, most: int = 500) -> list[Change]:
        """The oldest changes. Purges too, so that the audit hears of what expired."""
        if most < 1:
            return []
        return wire.changes(license, await self._run("outbox", license, most))

    async def discard(self, license: str, cursor: str) -> None:
        """Forget the changes up to a cursor."""
        await self._run("discard", license, wire.behind(cursor))

    async def highest_fence(self, license: str) -> Fence | None:
        """The newest fence granted."""
        raw = await self._run("fence", license)
        return Fence(int(raw[1]), int(raw[2])) if raw[0] == b"fence" else None

    async def now_ms(self) -> int:
        """The server's clock. A license's own time is never earlier than it has been."""
        seconds, micros = await self._caller.call("", None, (), ("TIME",))
        return int(seconds) * 1000 + int(micros) // 1000

    async def close(self) -> None:
        """Let go of connections; pending operations end first."""
        await self._caller.close()

    async def _run(self, name: str, license: str, *args: str | int, key: str = "") -> Any:
        keys = _keys(license)
        if key:
            digest = hashlib.sha256(key.encode()).hexdigest()[:40]
            keys = (*keys, f"{{lic:{license}}}:idem:{digest}".encode())
        seen = self._fences.get(license, _NEVER)
        args = (seen.epoch, seen.counter, *args)
        raw = await self._caller.call(keys[0].decode(), script(name), keys, args)
        return wire.opened(license, raw)

    def _seen(self, answer: Granted | Refused) -> Granted | Refused:
        """Remember the highest fence: a server that later knows less has lost something."""
        if isinstance(answer, Granted):
            license, fence = answer.lease.license, answer.lease.fence
            self._fences[license] = max(fence, self._fences.get(license, fence))
            self._fences.move_to_end(license)
            if len(self._fences) > _WATCHED:
                self._fences.popitem(last=False)
        return answer

    def _refused(self, license: str, raw: Sequence[Any]) -> Refused:
        answer = wire.granted_or_refused(license, raw)
        assert isinstance(answer, Refused)
        return answer


_NEVER = Fence(0, 0)


@lru_cache(maxsize=10_000)
def _keys(license: str) -> tuple[bytes, ...]:
    """Name what every script gets; the braces keep it together in a cluster."""
    return tuple(f"{{lic:{license}}}:{one}".encode() for one in _KEYS)


def _beat(beat: Heartbeat) -> tuple[str | int, ...]:
    return (beat.lease, beat.fence.epoch, beat.fence.counter, beat.shown, beat.secret)
