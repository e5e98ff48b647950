"""Shows a tenant its audit and its denials; another tenant's are not there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, func, select, tuple_

from coditect_cloud.audit.chain import Entry, Head
from coditect_cloud.audit.export import Exporter
from coditect_cloud.audit.log import entry_of, head
from coditect_cloud.audit.tables import DenialRow, EntryRow
from coditect_cloud.database import Database
from coditect_cloud.database.paging import Page, after, page, size
from coditect_cloud.identity.principal import Permission, Principal
from coditect_cloud.refusals import Code, Refusal


@dataclass(frozen=True, slots=True)
class Denied:
    """How often a license was refused, for one reason, in a time."""

    license: str
    kind: str
    """`denied` or `queued`."""
    code: str
    """Why; "" for those who wait."""
    times: int
    holders: int
    """Different ones: many denials of one holder are a client that does not wait."""
    first_at: datetime
    last_at: datetime


class AuditService:
    """Reads. Everything needs `audit:read` and stays within the principal's organisation."""

    def __init__(self, database: Database, exporter: Exporter) -> None:
        self._database, self._exporter = database, exporter

    async def entries(
        self,
        principal: Principal,
        *,
        cursor: str | None = None,
        most: int = 50,
        license: str = "",
        kind: str = "",
    ) -> Page[Entry]:
        """Entries in the order of the chain; `license` and `kind` narrow them."""
        principal.demand(Permission.AUDIT_READ)
        behind = _number(after(cursor))
        query = select(EntryRow).where(EntryRow.org == principal.org, EntryRow.seq > behind)
        if license:
            query = query.where(EntryRow.license == license)
        if kind:
            query = query.where(EntryRow.kind == kind)
        query = query.order_by(EntryRow.seq).limit(size(most) + 1)
        async with self._database.read() as session:
            found = [entry_of(row) for row in await session.scalars(query)]
        return page(found, most, [str(entry.seq) for entry in found])

    async def head(self, principal: Principal) -> Head:
        """The newest entry's number and hash."""
        principal.demand(Permission.AUDIT_READ)
        async with self._database.read() as session:
            return await head(session, principal.org)

    def export(self, principal: Principal, *, behind: int = 0) -> AsyncIterator[bytes]:
        """Stream the chain as lines of JSON, from behind an entry on; closed by a checkpoint."""
        principal.demand(Permission.AUDIT_READ)
        if behind < 0:
            raise Refusal(Code.INVALID_REQUEST, "entries are numbered from 1")
        return self._exporter.lines(principal.org, after=behind)

    async def denials(
        self, principal: Principal, license: str, *, since: datetime, until: datetime
    ) -> list[Denied]:
        """What a license refused in a time, most frequent first; "" sums up each license."""
        principal.demand(Permission.LICENSES_READ)
        if since >= until:
            raise Refusal(Code.INVALID_REQUEST, "`since` has to be before `until`")
        times = func.count().label("times")
        names = (DenialRow.license, DenialRow.kind, DenialRow.code)
        query = (
            select(
                *names,
                times,
                func.count(DenialRow.holder.distinct()),
                func.min(DenialRow.at_ms),
                func.max(DenialRow.at_ms),
            )
            .where(
                DenialRow.org == principal.org,
                DenialRow.at_ms >= _ms(since),
                DenialRow.at_ms < _ms(until),
                DenialRow.kind != "unqueued",
            )
            .group_by(*names)
            .order_by(times.desc(), *names)
            .limit(1000)
        )
        if license:
            query = query.where(DenialRow.license == license)
        async with self._database.read() as session:
            rows = (await session.execute(query)).all()
        return [
            Denied(name, kind, code, count, holders, _moment(first), _moment(last))
            for name, kind, code, count, holders, first, last in rows
        ]


async def forget_denials(database: Database, *, before: datetime, most: int = 10_000) -> int:
    """Remove the oldest denials; at most so many at once. How many; call again while not 0."""
    key = (DenialRow.license, DenialRow.epoch, DenialRow.seq)
    old = select(*key).where(DenialRow.at_ms < _ms(before)).order_by(DenialRow.at_ms).limit(most)
    async with database.write() as session:
        gone: Any = await session.execute(
            delete(DenialRow)
            .where(tuple_(*key).in_(old))
            .execution_options(synchronize_session=False)
        )
        return int(gone.rowcount)


def _number(text: str) -> int:
    if text and not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise Refusal(Code.INVALID_REQUEST, "this is no cursor of the audit")
    return int(text or 0)


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
