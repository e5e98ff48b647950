"""Makes events out of changes, in the transaction that audits them: each once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from coditect_cloud.audit.canonical import canonical, plain
from coditect_cloud.audit.drainer import Batch
from coditect_cloud.audit.log import insert_missing
from coditect_cloud.database import Database, new_id, utc_now
from coditect_cloud.leases.types import LicenseState
from coditect_cloud.licenses.tables import LicenseTable
from coditect_cloud.webhooks.rules import Event
from coditect_cloud.webhooks.tables import DeliveryRow, EndpointRow, MarkRow

NEAR_PERCENT = 90
QUIET_MS = {Event.DENIED: 60_000, Event.LIMIT_NEAR: 3_600_000}
"""After one event of a license the next of its type waits so long; what happens is counted."""
DAYS = (1, 7, 30)
"""How many days before its end a license is said to expire."""


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that may be told."""

    event: Event
    facts: dict[str, Any]
    times: int = 1


def happenings(batch: Batch) -> list[Happening]:
    """What a batch of changes means to its organisation."""
    found = [
        Happening(Event.CLONE_SUSPECTED, _facts(change.body, "lease", "holder", "device"))
        for change in batch.changes
        if change.kind == "clone_suspected"
    ]
    denied = [change.body for change in batch.changes if change.kind == "denied"]
    if denied:
        facts = _facts(denied[-1], "code", "holder", "limit", "in_use")
        found.append(Happening(Event.DENIED, facts, len(denied)))
    seats = batch.seats
    if seats is not None and seats.limit and seats.in_use * 100 >= seats.limit * NEAR_PERCENT:
        counts = {"limit": seats.limit, "overage": seats.overage, "in_use": seats.in_use}
        found.append(Happening(Event.LIMIT_NEAR, counts))
    return found


def stage(now: datetime, ends: datetime) -> int | None:
    """The nearest of `DAYS` that a license's end lies within; None: it is further off, or past."""
    left = ends - now
    if left <= timedelta(0):
        return None
    return next((days for days in DAYS if left <= timedelta(days=days)), None)


class Events:
    """Follows the drainer, and watches for licenses that end."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._database, self._clock = database, clock

    async def follow(self, session: AsyncSession, batch: Batch) -> None:
        """Queue deliveries for what the batch means. The drainer's chain lock orders batches."""
        found = happenings(batch)
        if not found:
            return
        endpoints = await _endpoints(session, batch.org)
        for one in found:
            if wanted := [e for e in endpoints if one.event in e.events]:
                await self._quietly(session, batch, one, wanted)

    async def expiring(self, *, most: int = 500) -> int:
        """Queue `license_expiring` for licenses that end soon, once for each of `DAYS`; how many.

        Any number of instances may do so at once.
        """
        now = self._clock()
        told, after = 0, ""
        while True:
            query = (
                select(LicenseTable.id, LicenseTable.org, LicenseTable.expires_at)
                .where(
                    LicenseTable.id > after,
                    LicenseTable.state == LicenseState.ACTIVE.value,
                    LicenseTable.expires_at > now,
                    LicenseTable.expires_at <= now + timedelta(days=DAYS[-1]),
                )
                .order_by(LicenseTable.id)
                .limit(most)
            )
            async with self._database.read() as session:
                rows = (await session.execute(query)).all()
            for license, org, ends in rows:
                if ends is not None and await self._expires(license, org, ends):
                    told += 1
            if len(rows) < most:
                return told
            after = rows[-1].id

    async def _expires(self, license: str, org: str, ends: datetime) -> bool:
        now = self._clock()
        days = stage(now, ends)
        detail = f"{ends.astimezone(UTC).isoformat()}/{days}"
        async with self._database.write() as session:
            mark = await _mark(session, license, Event.LICENSE_EXPIRING)
            if mark.detail == detail:
                return False
            mark.detail, mark.at_ms = detail, _ms(now)
            facts = {"expires_at": ends.astimezone(UTC).isoformat(), "days": days}
            wanted = [
                each
                for each in await _endpoints(session, org)
                if Event.LICENSE_EXPIRING in each.events
            ]
            self._queue(session, license, Event.LICENSE_EXPIRING, facts, wanted)
            return bool(wanted)

    async def _quietly(
        self,
        session: AsyncSession,
        batch: Batch,
        one: Happening,
        wanted: Sequence[EndpointRow],
    ) -> None:
        facts = one.facts
        if one.event in QUIET_MS:
            mark = await _mark(session, batch.license, one.event)
            now = _ms(self._clock())
            mark.held += one.times
            if now - mark.at_ms < QUIET_MS[one.event]:
                return  # counted: the next one tells how often it was
            facts = {**facts, "times": mark.held}
            mark.at_ms, mark.held = now, 0
        self._queue(session, batch.license, one.event, facts, wanted)

    def _queue(
        self,
        session: AsyncSession,
        license: str,
        event: Event,
        facts: dict[str, Any],
        wanted: Sequence[EndpointRow],
    ) -> None:
        now, id = self._clock(), new_id("evt")
        told = {
            "id": id,
            "type": event.value,
            "timestamp": now.isoformat(),
            "data": {"license": license, **facts},
        }
        payload = canonical(plain(told)).decode()
        for endpoint in wanted:
            session.add(
                DeliveryRow(
                    id=new_id("dlv"),
                    org=endpoint.org,
                    endpoint=endpoint.id,
                    event=id,
                    type=event.value,
                    payload=payload,
                    state="pending",
                    attempts=0,
                    due_ms=_ms(now),
                    created_at=now,
                )
            )


async def _endpoints(session: AsyncSession, org: str) -> Sequence[EndpointRow]:
    query = select(EndpointRow).where(EndpointRow.org == org, EndpointRow.enabled.is_(True))
    # Held until the delivery is written, so that none is deleted in between.
    return (await session.scalars(query.with_for_update(read=True, key_share=True))).all()


async def _mark(session: AsyncSession, license: str, event: Event) -> MarkRow:
    """The mark, locked; made if it is missing."""
    await session.execute(
        insert_missing(
            session, MarkRow, license=license, type=event.value, at_ms=0, held=0, detail=""
        )
    )
    query = select(MarkRow).where(MarkRow.license == license, MarkRow.type == event.value)
    return (await session.scalars(query.with_for_update())).one()


def _facts(body: Any, *names: str) -> dict[str, Any]:
    return {name: body[name] for name in names if name in body}


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
