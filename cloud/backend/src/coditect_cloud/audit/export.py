"""An organisation's chain as lines of JSON, closed by a checkpoint that the root may sign."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import select

from coditect_cloud.audit.canonical import canonical
from coditect_cloud.audit.chain import VERSION, Head
from coditect_cloud.audit.log import entry_of, head
from coditect_cloud.audit.tables import EntryRow
from coditect_cloud.database import Database, utc_now

CHECKPOINT = "coditect-audit+jwt"
"""`typ` of a signed checkpoint."""
_PAGE = 500


class CheckpointSigner(Protocol):
    """Signs the head of a chain with the root, as `signing.Signing` does its other artefacts."""

    async def sign_root(self, typ: str, claims: Mapping[str, Any]) -> str:
        """Give a compact JWS; raises a Refusal SIGNER_UNAVAILABLE."""
        ...


class Exporter:
    """Writes exports; `verify` reads them without the service."""

    def __init__(
        self,
        database: Database,
        *,
        signer: CheckpointSigner | None = None,
        issuer: str = "",
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._database, self._signer, self._issuer, self._clock = database, signer, issuer, clock

    async def checkpoint(self, org: str) -> bytes:
        """Give the newest head as one line; keep it elsewhere, and no older entry can change."""
        async with self._database.read() as session:
            newest = await head(session, org)
        return await self._closing(newest)

    async def lines(self, org: str, *, after: int = 0) -> AsyncIterator[bytes]:
        """Stream entries behind number `after`, then the checkpoint; each line with its end.

        It ends at the head of the moment it began, whatever is appended meanwhile. What the signer
        refuses is raised before the first line.
        """
        async with self._database.read() as session:
            newest = await head(session, org)
        closing = await self._closing(newest)
        seq = after
        while seq < newest.seq:
            async with self._database.read() as session:
                query = (
                    select(EntryRow)
                    .where(EntryRow.org == org, EntryRow.seq > seq, EntryRow.seq <= newest.seq)
                    .order_by(EntryRow.seq)
                    .limit(_PAGE)
                )
                rows = (await session.scalars(query)).all()
            for row in rows:
                yield entry_of(row).line() + b"\n"
            if not rows:  # somebody took entries away: the checkpoint will tell
                break
            seq = rows[-1].seq
        yield closing

    async def _closing(self, newest: Head) -> bytes:
        now = self._clock()
        point = {
            "v": VERSION,
            "org": newest.org,
            "seq": newest.seq,
            "hash": newest.hash,
            "at_ms": int(now.timestamp() * 1000),
        }
        signature = None
        if self._signer is not None:
            claims = {
                "iss": self._issuer,
                "iat": int(now.timestamp()),
                "org": newest.org,
                "seq": newest.seq,
                "hash": newest.hash,
            }
            signature = await self._signer.sign_root(CHECKPOINT, claims)
        return canonical({"checkpoint": point, "signature": signature}) + b"\n"
