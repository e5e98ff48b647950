"""Endpoints of an organisation: made, changed, their secrets rotated with overlap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from coditect_cloud.database import Database, new_id, utc_now
from coditect_cloud.database.paging import Page, after, page, size
from coditect_cloud.identity.principal import Permission, Principal
from coditect_cloud.identity.recording import Record, unrecorded
from coditect_cloud.refusals import Code, Refusal
from coditect_cloud.webhooks.rules import check_events, check_url
from coditect_cloud.webhooks.secrets import Sealer, new_secret
from coditect_cloud.webhooks.tables import EndpointRow

MOST = 20
"""Endpoints of one organisation."""
MOST_OVERLAP = timedelta(days=7)
"""How long a rotated secret may go on signing."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where events go."""

    id: str
    org: str
    url: str
    description: str
    events: tuple[str, ...]
    enabled: bool
    version: int
    """Goes up with each change; the ETag."""
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Issued:
    """An endpoint with the secret that was just made: nobody sees it again."""

    endpoint: Endpoint
    secret: str = field(repr=False)
    old_secret_until: datetime | None = None
    """Until when deliveries are signed with the one before, too."""


class EndpointService:
    """Needs `webhooks:write` for everything, and stays within the principal's organisation."""

    def __init__(
        self,
        database: Database,
        sealer: Sealer,
        *,
        production: bool,
        record: Record = unrecorded,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._database, self._sealer, self._production = database, sealer, production
        self._record, self._clock = record, clock

    async def create(
        self, principal: Principal, *, url: str, events: Sequence[str], description: str = ""
    ) -> Issued:
        """Make an endpoint. CONFLICT if there are `MOST` already."""
        principal.demand(Permission.WEBHOOKS_WRITE)
        now, secret = self._clock(), new_secret()
        row = EndpointRow(
            id=new_id("whk"),
            org=principal.org,
            url=check_url(url, production=self._production),
            description=_description(description),
            events=check_events(events),
            enabled=True,
            version=1,
            secret=self._sealer.seal(secret),
            created_at=now,
            updated_at=now,
        )
        async with self._database.write() as session:
            count = select(func.count()).where(EndpointRow.org == principal.org)
            if (await session.scalar(count) or 0) >= MOST:
                raise Refusal(Code.CONFLICT, f"an organisation has at most {MOST} webhooks")
            session.add(row)
            await session.flush()
            await self._tell(session, principal, "webhook.created", row)
        return Issued(_endpoint(row), secret)

    async def get(self, principal: Principal, endpoint: str) -> Endpoint:
        """One endpoint. NOT_FOUND for another tenant's."""
        principal.demand(Permission.WEBHOOKS_WRITE)
        async with self._database.read() as session:
            return _endpoint(await _own(session, principal, endpoint))

    async def list(
        self, principal: Principal, *, cursor: str | None = None, most: int = 50
    ) -> Page[Endpoint]:
        """Endpoints in order of age."""
        principal.demand(Permission.WEBHOOKS_WRITE)
        query = (
            select(EndpointRow)
            .where(EndpointRow.org == principal.org, EndpointRow.id > after(cursor))
            .order_by(EndpointRow.id)
            .limit(size(most) + 1)
        )
        async with self._database.read() as session:
            found = [_endpoint(row) for row in await session.scalars(query)]
        return page(found, most, [one.id for one in found])

    async def change(
        self,
        principal: Principal,
        endpoint: str,
        *,
        version: int,
        url: str | None = None,
        events: Sequence[str] | None = None,
        description: str | None = None,
        enabled: bool | None = None,
    ) -> Endpoint:
        """Change what is given. PRECONDITION_FAILED if it is not of this version any more."""
        principal.demand(Permission.WEBHOOKS_WRITE)
        async with self._database.write() as session:
            row = await _own(session, principal, endpoint, lock=True)
            if row.version != version:
                raise Refusal(
                    Code.PRECONDITION_FAILED,
                    f"the webhook is at version {row.version}",
                    hint="Read it again, and decide anew.",
                )
            if url is not None:
                row.url = check_url(url, production=self._production)
            if events is not None:
                row.events = check_events(events)
            if description is not None:
                row.description = _description(description)
            if enabled is not None:
                row.enabled = enabled
            await self._touch(session, principal, "webhook.changed", row)
            return _endpoint(row)

    async def rotate(
        self, principal: Principal, endpoint: str, *, overlap: timedelta = timedelta(days=1)
    ) -> Issued:
        """Make another secret; for the overlap deliveries carry signatures of both."""
        principal.demand(Permission.WEBHOOKS_WRITE)
        if not timedelta(0) <= overlap <= MOST_OVERLAP:
            raise Refusal(Code.INVALID_REQUEST, f"secrets overlap for 0 to {MOST_OVERLAP.days} d")
        secret = new_secret()
        async with self._database.write() as session:
            row = await _own(session, principal, endpoint, lock=True)
            row.previous_secret = row.secret if overlap else None
            row.previous_until = self._clock() + overlap if overlap else None
            row.secret = self._sealer.seal(secret)
            await self._touch(session, principal, "webhook.rotated", row)
            return Issued(_endpoint(row), secret, row.previous_until)

    async def delete(self, principal: Principal, endpoint: str) -> None:
        """Remove it and its deliveries. NOT_FOUND for another tenant's."""
        principal.demand(Permission.WEBHOOKS_WRITE)
        async with self._database.write() as session:
            row = await _own(session, principal, endpoint)
            # The chain first: the drainer holds it when it writes deliveries to this endpoint.
            await self._tell(session, principal, "webhook.deleted", row)
            gone: Any = await session.execute(
                delete(EndpointRow)
                .where(EndpointRow.id == row.id)
                .execution_options(synchronize_session=False)
            )
            if gone.rowcount != 1:  # another request was first
                raise _no_webhook()

    async def _touch(
        self, session: AsyncSession, principal: Principal, kind: str, row: EndpointRow
    ) -> None:
        row.version += 1
        row.updated_at = self._clock()
        await session.flush()
        await self._tell(session, principal, kind, row)

    async def _tell(
        self, session: AsyncSession, principal: Principal, kind: str, row: EndpointRow
    ) -> None:
        # Of the URL only the host: receivers put tokens into paths and queries.
        host = row.url.split("/")[2]
        body = {"host": host, "events": row.events, "enabled": row.enabled}
        await self._record(
            session, org=row.org, actor=principal.id, kind=kind, subject=row.id, body=body
        )


async def _own(
    session: AsyncSession, principal: Principal, endpoint: str, *, lock: bool = False
) -> EndpointRow:
    query = select(EndpointRow).where(EndpointRow.id == endpoint, EndpointRow.org == principal.org)
    if lock:  # lets deliveries to it be written, so that nobody waits in a circle
        query = query.with_for_update(key_share=True)
    row = await session.scalar(query)
    if row is None:
        raise _no_webhook()
    return row


def _no_webhook() -> Refusal:
    return Refusal(Code.NOT_FOUND, "there is no such webhook")


def _description(text: str) -> str:
    if len(text) > 200 or "\x00" in text:
        raise Refusal(Code.INVALID_REQUEST, "a description has at most 200 characters")
    return text


def _endpoint(row: EndpointRow) -> Endpoint:
    return Endpoint(
        row.id,
        row.org,
        row.url,
        row.description,
        tuple(row.events),
        row.enabled,
        row.version,
        row.created_at,
        row.updated_at,
    )
