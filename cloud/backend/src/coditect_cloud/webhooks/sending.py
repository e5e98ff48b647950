"""Sends deliveries: to addresses it has looked at, within a time, following nobody."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from ipaddress import ip_address

import httpx
import structlog
from sqlalchemy.exc import SQLAlchemyError

from coditect_cloud.database import utc_now
from coditect_cloud.refusals import Refusal
from coditect_cloud.webhooks.deliveries import Claimed, Outcome, Queue
from coditect_cloud.webhooks.rules import check_url, is_public
from coditect_cloud.webhooks.secrets import Sealer, sign

_log = structlog.get_logger("coditect_cloud.webhooks")

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Gives the addresses of a host; OSError if there are none."""


async def resolve(host: str, port: int) -> list[str]:
    """Ask the system's resolver."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class _NotPublic(Exception):
    pass


class Sender:
    """One attempt of a delivery.

    In production the host is resolved first, every address has to be public, and the connection
    goes to the very address that was looked at: a name that resolves to another one a moment later
    gains nothing. Redirects are not followed and answers not read.
    """

    def __init__(
        self,
        *,
        production: bool,
        resolve: Resolve = resolve,
        timeout_seconds: float = 15.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._production, self._resolve, self._timeout = production, resolve, timeout_seconds
        # No proxies or credentials of the environment: they would go round the check.
        self._client = httpx.AsyncClient(
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(timeout_seconds, connect=5.0),
            transport=transport,
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    async def send(self, url: str, payload: bytes, headers: Mapping[str, str]) -> Outcome:
        """Try once; never raises for what the receiver does."""
        try:
            async with asyncio.timeout(self._timeout):
                target, extra, extensions = await self._target(url)
                fields = {
                    "content-type": "application/json",
                    "user-agent": "coditect-cloud",
                    **headers,
                    **extra,
                }
                async with self._client.stream(
                    "POST", target, content=payload, headers=fields, extensions=extensions
                ) as answer:
                    status = answer.status_code
        except TimeoutError:
            return Outcome(None, "timeout")
        except Refusal as refusal:
            return Outcome(None, f"refused: {refusal.detail}")
        except httpx.TimeoutException:
            return Outcome(None, "timeout")
        except _NotPublic:
            return Outcome(None, "the host is not on the public internet")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as fault:
            return Outcome(None, type(fault).__name__)
        return Outcome(status, "" if 200 <= status < 300 else f"status {status}")

    async def _target(self, url: str) -> tuple[httpx.URL, dict[str, str], dict[str, str]]:
        check_url(url, production=self._production)
        told = httpx.URL(url)
        if not self._production:
            return told, {}, {}
        port = told.port or 443
        addresses = await self._resolve(told.host, port)
        if not addresses or not all(is_public(address) for address in addresses):
            raise _NotPublic
        pinned = told.copy_with(host=str(ip_address(addresses[0].partition("%")[0])))
        # The name stays in Host, in SNI and in the check of the certificate.
        return pinned, {"host": told.netloc.decode("ascii")}, {"sni_hostname": told.host}

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.aclose()


class Courier:
    """Takes what is due, and tries it, until cancelled. Any number of instances may."""

    def __init__(
        self,
        queue: Queue,
        sender: Sender,
        sealer: Sealer,
        *,
        clock: Callable[[], datetime] = utc_now,
        parallel: int = 8,
        idle_seconds: float = 1.0,
        sent: Callable[[str], None] = lambda _state: None,
    ) -> None:
        """`sent` is told how each attempt left its delivery, for metrics."""
        self._queue, self._sender, self._sealer = queue, sender, sealer
        self._clock, self._parallel, self._idle = clock, parallel, idle_seconds
        self._sent = sent

    async def run(self) -> None:
        """Deliver until cancelled; what was under way then comes again when its lease ends."""
        while True:
            try:
                busy = await self.round()
            except (SQLAlchemyError, OSError, TimeoutError) as fault:
                _log.warning("webhooks_wait", fault=type(fault).__name__)
                busy = 0
            if not busy:
                await asyncio.sleep(self._idle)

    async def round(self) -> int:
        """Try what is due, as many as go side by side; how many that were."""
        claimed = await self._queue.claim(self._parallel)
        await asyncio.gather(*(self._deliver(one) for one in claimed))
        return len(claimed)

    async def _deliver(self, one: Claimed) -> None:
        try:
            keys = [self._sealer.open(sealed) for sealed in one.sealed]
        except ValueError:
            outcome = Outcome(None, "its secret cannot be opened")
        else:
            stamp = int(self._clock().timestamp())
            headers = sign(keys, id=one.event, timestamp=stamp, payload=one.payload)
            outcome = await self._sender.send(one.url, one.payload, headers)
        state = await self._queue.finish(one, outcome)
        self._sent(state or "late")
        if not outcome.delivered:
            _log.info("webhook_failed", delivery=one.id, why=outcome.error, state=state or "late")
