"""Deliveries as a queue: claimed for a while, tried, and put back or laid aside."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from coditect_cloud.database import Database, utc_now
from coditect_cloud.database.paging import Page, after, page, size
from coditect_cloud.identity.principal import Permission, Principal
from coditect_cloud.refusals import Code, Refusal
from coditect_cloud.webhooks.rules import ATTEMPTS, pause_ms
from coditect_cloud.webhooks.tables import DeliveryRow, EndpointRow

LEASE_MS = 60_000
"""How long who claimed a delivery may try; longer than any attempt takes."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that nobody else tries for a while."""

    id: str
    claim: str
    event: str
    url: str
    payload: bytes
    attempts: int
    """Failed ones so far."""
    sealed: tuple[str, ...] = field(repr=False)
    """The endpoint's secrets that sign now, sealed; newest first."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt went."""

    status: int | None
    """HTTP status; None: there was no answer."""
    error: str = ""
    """In a few words, without addresses or secrets."""

    @property
    def delivered(self) -> bool:
        """Whether the receiver took it."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        """Whether it says that it will never take it (410)."""
        return self.status == 410


@dataclass(frozen=True, slots=True)
class Delivery:
    """What its organisation sees of a delivery."""

    id: str
    endpoint: str
    event: str
    type: str
    state: str
    attempts: int
    created_at: datetime
    finished_at: datetime | None
    due_ms: int
    last_status: int | None
    last_error: str


class Queue:
    """Hands deliveries to whoever tries them. At least once: receivers tell doubles by the id."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Callable[[], datetime] = utc_now,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._database, self._clock, self._chance = database, clock, chance

    async def claim(self, most: int) -> list[Claimed]:
        """Take what is due, oldest first; it is due again when the lease ends unfinished."""
        now, claim = self._clock(), secrets.token_hex(16)
        now_ms = _ms(now)
        query = (
            select(DeliveryRow, EndpointRow)
            .join(EndpointRow, EndpointRow.id == DeliveryRow.endpoint)
            .where(DeliveryRow.state == "pending", DeliveryRow.due_ms <= now_ms)
            .where(EndpointRow.enabled.is_(True))
            .order_by(DeliveryRow.due_ms)
            .limit(most)
            .with_for_update(of=DeliveryRow, skip_locked=True)
        )
        async with self._database.write() as session:
            found = (await session.execute(query)).all()
            for row, _ in found:
                row.claim, row.due_ms = claim, now_ms + LEASE_MS
            return [_claimed(row, endpoint, now) for row, endpoint in found]

    async def finish(self, one: Claimed, outcome: Outcome) -> str:
        """Say how it went; gives the state. "" if the lease ended: somebody else has it now."""
        now = self._clock()
        attempts = one.attempts + 1
        values: dict[str, Any] = {
            "attempts": attempts,
            "last_status": outcome.status,
            "last_error": outcome.error[:200],
            "claim": "",
        }
        if outcome.delivered:
            values |= {"state": "delivered", "finished_at": now}
        elif outcome.gone or attempts >= ATTEMPTS:
            values |= {"state": "dead", "finished_at": now}
        else:
            pause = pause_ms(attempts, self._chance())
            values |= {"state": "pending", "due_ms": _ms(now) + pause}
        async with self._database.write() as session:
            done: Any = await session.execute(
                update(DeliveryRow)
                .where(DeliveryRow.id == one.id, DeliveryRow.claim == one.claim)
                .values(**values)
                .execution_options(synchronize_session=False)
            )
        return str(values["state"]) if done.rowcount == 1 else ""


class DeliveryService:
    """Shows an organisation its deliveries and dead letters, and tries them again."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._database, self._clock = database, clock

    async def list(
        self,
        principal: Principal,
        *,
        endpoint: str = "",
        state: str = "",
        cursor: str | None = None,
        most: int = 50,
    ) -> Page[Delivery]:
        """Deliveries in order of age; `state="dead"` is the list of dead letters."""
        principal.demand(Permission.WEBHOOKS_WRITE)
        query = select(DeliveryRow).where(
            DeliveryRow.org == principal.org, DeliveryRow.id > after(cursor)
        )
        if endpoint:
            query = query.where(DeliveryRow.endpoint == endpoint)
        if state:
            query = query.where(DeliveryRow.state == state)
        query = query.order_by(DeliveryRow.id).limit(size(most) + 1)
        async with self._database.read() as session:
            found = [_delivery(row) for row in await session.scalars(query)]
        return page(found, most, [one.id for one in found])

    async def retry(self, principal: Principal, delivery: str) -> Delivery:
        """Put a dead letter back. CONFLICT if it is not dead, NOT_FOUND for another tenant's."""
        principal.demand(Permission.WEBHOOKS_WRITE)
        async with self._database.write() as session:
            row = await _own(session, principal, delivery)
            if row.state != "dead":
                raise Refusal(Code.CONFLICT, f"the delivery is {row.state}, not dead")
            row.state, row.attempts, row.claim = "pending", 0, ""
            row.due_ms, row.finished_at = _ms(self._clock()), None
            return _delivery(row)


async def _own(session: AsyncSession, principal: Principal, delivery: str) -> DeliveryRow:
    query = select(DeliveryRow).where(DeliveryRow.id == delivery, DeliveryRow.org == principal.org)
    row = await session.scalar(query.with_for_update())
    if row is None:
        raise Refusal(Code.NOT_FOUND, "there is no such delivery")
    return row


def _claimed(row: DeliveryRow, endpoint: EndpointRow, now: datetime) -> Claimed:
    sealed: Sequence[str] = [endpoint.secret]
    if endpoint.previous_secret and endpoint.previous_until and endpoint.previous_until > now:
        sealed = [endpoint.secret, endpoint.previous_secret]
    return Claimed(
        row.id,
        row.claim,
        row.event,
        endpoint.url,
        row.payload.encode(),
        row.attempts,
        tuple(sealed),
    )


def _delivery(row: DeliveryRow) -> Delivery:
    return Delivery(
        row.id,
        row.endpoint,
        row.event,
        row.type,
        row.state,
        row.attempts,
        row.created_at,
        row.finished_at,
        row.due_ms,
        row.last_status,
        row.last_error,
    )


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
