"""Appends to the chains, inside the transaction that makes the change."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Insert, Table, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from coditect_cloud.audit.canonical import canonical, plain, text
from coditect_cloud.audit.chain import Draft, Entry, Head, genesis, link
from coditect_cloud.audit.tables import ChainRow, EntryRow
from coditect_cloud.database import utc_now

_KIND, _NAME = 64, 600
"""Characters that the columns hold."""


class AuditLog:
    """Writes entries. An entry is kept if and only if the transaction it stands in is (S6).

    Whoever appends holds the row lock of the organisation's head until that transaction ends, so
    entries have no gaps, and a chain has one end. Lock the head after your own rows, never before.
    """

    def __init__(self, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._clock = clock

    async def record(
        self,
        session: AsyncSession,
        *,
        org: str,
        actor: str,
        kind: str,
        subject: str,
        body: Mapping[str, Any],
    ) -> None:
        """Add an administrative change to the caller's transaction; its body has no secrets.

        This is the `Record` that the other features take.
        """
        told = plain(body)
        license = subject if subject.startswith("lic_") else str(told.get("license", ""))
        at_ms = int(self._clock().timestamp() * 1000)
        await self.append(session, org, [Draft(at_ms, kind, actor, subject, told, license)])

    async def append(self, session: AsyncSession, org: str, drafts: Sequence[Draft]) -> Head:
        """Chain drafts behind the head, in order, and give the new head."""
        head = await self.lock(session, org)
        entries = list(link(head, [_fitting(draft) for draft in drafts]))
        if not entries:
            return head
        rows = [_row(entry, draft.license) for entry, draft in zip(entries, drafts, strict=True)]
        await session.execute(insert(EntryRow), rows)
        new = Head(org, entries[-1].seq, entries[-1].hash)
        # The lock makes this certain; the comparison would tell if a database did not lock.
        moved = await session.execute(
            update(ChainRow)
            .where(ChainRow.org == org, ChainRow.seq == head.seq, ChainRow.hash == head.hash)
            .values(seq=new.seq, hash=new.hash)
            .execution_options(synchronize_session=False)
        )
        if moved.rowcount != 1:  # type: ignore[attr-defined]
            raise RuntimeError(f"the audit chain of {org} moved under its lock")
        return new

    async def lock(self, session: AsyncSession, org: str) -> Head:
        """Take the head of a chain until the transaction ends; makes it if it is missing."""
        wanted = select(ChainRow.seq, ChainRow.hash).where(ChainRow.org == org).with_for_update()
        found = (await session.execute(wanted)).one_or_none()
        if found is None:
            first = genesis(org)
            await session.execute(
                insert_missing(session, ChainRow, org=org, seq=0, hash=first.hash)
            )
            found = (await session.execute(wanted)).one()
        return Head(org, found.seq, found.hash)


def insert_missing(session: AsyncSession, table: type[Any], **values: Any) -> Insert:
    """An INSERT that leaves what another transaction has put there already."""
    of: Table = table.__table__
    if session.get_bind().dialect.name == "postgresql":
        return postgresql.insert(of).values(**values).on_conflict_do_nothing()
    return sqlite.insert(of).values(**values).on_conflict_do_nothing()


async def head(session: AsyncSession, org: str) -> Head:
    """The newest entry as this transaction sees it."""
    query = select(ChainRow.seq, ChainRow.hash).where(ChainRow.org == org)
    found = (await session.execute(query)).one_or_none()
    return genesis(org) if found is None else Head(org, found.seq, found.hash)


def entry_of(row: EntryRow) -> Entry:
    """Read a row back as the entry that was hashed."""
    return Entry(
        row.org,
        row.seq,
        row.at_ms,
        row.kind,
        row.actor,
        row.subject,
        json.loads(row.body),
        row.prev,
        row.hash,
    )


def storable(value: str, most: int = _NAME) -> str:
    """Text as every database keeps it: without NUL, not longer than its column."""
    return text(value).replace("\x00", "\ufffd")[:most]


def _fitting(draft: Draft) -> Draft:
    return Draft(
        draft.at_ms,
        storable(draft.kind, _KIND),
        storable(draft.actor),
        storable(draft.subject),
        draft.body,
        storable(draft.license, 64),
    )


def _row(entry: Entry, license: str) -> dict[str, Any]:
    return {
        "org": entry.org,
        "seq": entry.seq,
        "at_ms": entry.at_ms,
        "kind": entry.kind,
        "actor": entry.actor,
        "subject": entry.subject,
        "license": storable(license, 64),
        "body": canonical(entry.body).decode(),
        "prev": entry.prev,
        "hash": entry.hash,
    }
