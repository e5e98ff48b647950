"""Small JSON documents from places that may be slow, large, or not what they seem."""

from __future__ import annotations

import asyncio
import json
import ssl
from pathlib import Path
from typing import Any, Protocol

import httpx

MAX_BYTES = 262_144
"""Of a document; key sets of large issuers have some ten thousand."""
DEADLINE_S = 5.0
"""For the whole of one document, however slowly it comes."""


class Unfetched(Exception):
    """A document could not be had; says why, without what was in it."""


class Fetch(Protocol):
    """Gets a JSON object."""

    async def __call__(self, url: str) -> dict[str, Any]:
        """Get it; raises Unfetched and nothing else."""
        ...


class HttpFetch:
    """Over HTTP: no redirects, no cookies kept, bounded in size and time."""

    def __init__(
        self,
        *,
        ca_file: str = "",
        bearer_file: str = "",
        deadline_s: float = DEADLINE_S,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        trusted = ssl.create_default_context(cafile=ca_file) if ca_file else True
        self._client = httpx.AsyncClient(
            timeout=deadline_s,
            follow_redirects=False,
            verify=trusted,
            transport=transport,
            limits=httpx.Limits(max_connections=4, max_keepalive_connections=1),
        )
        self._bearer = Path(bearer_file) if bearer_file else None
        self._deadline_s = deadline_s

    async def __call__(self, url: str) -> dict[str, Any]:
        """Get it; raises Unfetched and nothing else."""
        try:
            async with asyncio.timeout(self._deadline_s):
                return _object(await self._body(url))
        except TimeoutError as error:
            raise Unfetched(f"no answer within {self._deadline_s:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise Unfetched(f"{type(error).__name__}") from error

    async def _body(self, url: str) -> bytes:
        headers = {"Accept": "application/json"}
        if self._bearer is not None:
            token = await asyncio.to_thread(self._bearer.read_text)
            headers["Authorization"] = f"Bearer {token.strip()}"
        async with self._client.stream("GET", url, headers=headers) as answer:
            if answer.status_code != 200:
                raise Unfetched(f"HTTP status {answer.status_code}")
            body = bytearray()
            async for piece in answer.aiter_bytes():
                body += piece
                if len(body) > MAX_BYTES:
                    raise Unfetched(f"more than {MAX_BYTES} bytes")
            return bytes(body)

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.aclose()


async def read_file(path: str) -> dict[str, Any]:
    """Get a JSON object from a file; raises Unfetched and nothing else."""

    def read() -> bytes:
        with Path(path).open("rb") as file:
            return file.read(MAX_BYTES + 1)

    try:
        body = await asyncio.to_thread(read)
    except OSError as error:
        raise Unfetched(f"{type(error).__name__}") from error
    if len(body) > MAX_BYTES:
        raise Unfetched(f"more than {MAX_BYTES} bytes")
    return _object(body)


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unfetched("not JSON") from error
    if not isinstance(value, dict):
        raise Unfetched("no JSON object")
    return value
