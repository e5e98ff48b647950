"""Seats in SQL. One row a license is the lock; the rules decide; one transaction makes it true."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, TypeVar

from sqlalchemy import and_, delete, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from coditect_cloud.database import Database
from coditect_cloud.leases import rules
from coditect_cloud.leases.rules import Decision, Leave, Note, Standing
from coditect_cloud.leases.sql import rows
from coditect_cloud.leases.sql.beats import Beats
from coditect_cloud.leases.sql.lanes import Lanes, answering
from coditect_cloud.leases.sql.statements import Statements
from coditect_cloud.leases.sql.step import Step, find_ticket, recalled_of
from coditect_cloud.leases.sql.tables import LEASE, LICENSE, OUTBOX
from coditect_cloud.leases.sql.terms import MAKE, count_again, take_terms
from coditect_cloud.leases.store import NeedsRestore
from coditect_cloud.leases.types import (
    Acquire,
    Change,
    Ended,
    Fence,
    Granted,
    Heartbeat,
    Kind,
    Lease,
    Policy,
    Queued,
    Refused,
    Release,
    Reserve,
    Reserved,
    Seats,
)

T = TypeVar("T")


def wall_clock_ms() -> int:
    """The clock of this host. Steps that go back are not seen: store time is the highest seen."""
    return time.time_ns() // 1_000_000


class SqlSeats:
    """The embedded store on SQLite and the strict store on PostgreSQL.

    On SQLite the time is this process's clock, on PostgreSQL the server's, and on both never below
    the highest that a license has seen, which is stored with it. What was answered is on the disk;
    nothing is forgotten, so nothing has to settle.
    """

    lossy = False

    def __init__(
        self,
        database: Database,
        *,
        clock: Callable[[], int] | None = None,
        deadline_s: float = 20.0,
        lag_ms: int = 10_000,
    ) -> None:
        """Keep seats in `database`, which the caller opens and closes.

        `clock` gives milliseconds since 1970 in the server's place; `lag_ms` is added to the time
        that settling takes, for those who ask this store to settle all the same.
        """
        self._database = database
        self._sqlite = database.is_sqlite
        self._clock = wall_clock_ms if clock is None and self._sqlite else clock
        self._statements = Statements(sqlite=self._sqlite, server_clock=self._clock is None)
        self._deadline_s = deadline_s
        self._lag_ms = lag_ms
        self._lanes = Lanes(database, deadline_s=deadline_s)
        self._beats = Beats(self._run, self._beat)

    # --- terms and memory ---

    async def put_policy(self, policy: Policy) -> None:
        """Take the newest terms; an older version changes nothing. Raises NeedsRestore."""

        async def work(session: AsyncSession) -> None:
            step = await self._begin(session, policy.license)
            await take_terms(step, policy)

        await self._run(policy.license, work)

    async def restore(
        self, policy: Policy, *, epoch: int, borrowed: Sequence[Lease] = (), settle: bool
    ) -> None:
        """Make a license known under a new epoch; count again what is borrowed."""

        async def work(session: AsyncSession) -> None:
            await session.execute(
                MAKE, {"license": policy.license, **rows.policy_values(policy), "version": -1}
            )
            step = await self._begin(session, policy.license)
            if epoch <= step.standing.epoch:
                return await take_terms(step, policy)
            # The purge may have written changes of the old epoch; from here on it is the new one.
            ttl_ms = max(policy.ttl_ms, step.standing.policy.ttl_ms)
            until_ms = step.standing.now_ms + ttl_ms + self._lag_ms if settle else 0
            step.standing = replace(
                step.standing,
                epoch=epoch,
                counter=0,
                seq=0,
                settling_until_ms=until_ms,
                live=await step.recount(),
            )
            terms = {"epoch": epoch, "settling_until_ms": until_ms}
            await count_again(step, borrowed)
            if settle:
                await step.note([Note("settling_opened", {"until_ms": until_ms, "epoch": epoch})])
            return await take_terms(step, policy, **terms)

        await self._run(policy.license, work)

    async def register(self, lease: Lease) -> Granted | Refused:
        """Enter, while settling, a lease that its holder proves with our own signature."""

        async def work(session: AsyncSession) -> Granted | Refused:
            step = await self._begin(session, lease.license)
            return await step.carry_out(
                rules.register(
                    step.standing,
                    lease,
                    held=await step.live(lease.id),
                    own=await step.own(lease.holder),
                    buried=await step.buried(lease.id),
                )
            )

        return await self._run(lease.license, work)

    # --- seats ---

    async def acquire(self, ask: Acquire) -> Granted | Queued | Refused:
        """Grant a seat, or say why not. Raises NeedsRestore; ValueError for kind RESERVED."""
        if ask.kind is Kind.RESERVED:
            raise ValueError("seats are kept with `reserve`")

        async def work(session: AsyncSession) -> Granted | Queued | Refused:
            step = await self._begin(session, ask.license)
            return await step.carry_out(await self._admit(step, ask))

        return await self._run(ask.license, work)

    async def _admit(self, step: Step, ask: Acquire) -> Decision[Granted | Queued | Refused]:
        recalled = recalled_of(await step.recalled(ask.key))
        if recalled is not None:
            now = await step.live(recalled.lease.id)
            return rules.acquire(step.standing, ask, recalled=recalled, recalled_now=now)
        kept = await step.kept(ask.reservation) if ask.reservation else []
        return rules.acquire(
            step.standing,
            ask,
            own=await step.own(ask.holder),
            ticket=await step.ticket(ask.ticket),
            kept=kept[0] if kept else None,
        )

    async def heartbeat(self, beat: Heartbeat) -> Granted | Refused:
        """Prolong a live lease of this fence. Never revives. Raises NeedsRestore."""
        return (await self.heartbeat_many([beat]))[0]

    async def heartbeat_many(self, beats: Sequence[Heartbeat]) -> list[Granted | Refused]:
        """Prolong many leases of one license; answers in the order asked. Raises NeedsRestore."""
        if not beats:
            return []
        license = beats[0].license
        if any(beat.license != license for beat in beats):
            raise ValueError("the heartbeats are of more than one license")

        return await self._beats.ask(license, beats)

    async def _beat(
        self, session: AsyncSession, beats: Sequence[Heartbeat]
    ) -> list[Granted | Refused]:
        step = await self._begin(session, beats[0].license, short=True)
        return [decision.answer for decision in await step.beat(beats)]

    async def release(self, release: Release) -> Ended | Refused:
        """End a lease. Idempotent; a stale fence is refused. Raises NeedsRestore."""

        async def work(session: AsyncSession) -> Ended | Refused:
            step = await self._begin(session, release.license, short=True)
            held = await step.held(release.lease)
            return await step.carry_out(rules.release(step.standing, release, held))

        return await self._run(release.license, work)

    async def burn(self, license: str, lease: str, *, by: str) -> Lease | Refused:
        """Declare a borrowed seat lost: counted until its token ends, never renewed or returned."""

        async def work(session: AsyncSession) -> Lease | Refused:
            step = await self._begin(session, license, short=True)
            return await step.carry_out(rules.burn(step.standing, await step.held(lease), by=by))

        return await self._run(license, work)

    # --- reservations and the queue ---

    async def reserve(self, ask: Reserve) -> Reserved | Refused:
        """Keep seats. The same reservation id again gives what is left of it. NeedsRestore."""
        if ask.seats < 1:
            raise ValueError("a reservation keeps one seat or more")
        key = f"\x1freserve\x1f{ask.reservation}"  # no key of a caller has such a character

        async def work(session: AsyncSession) -> Reserved | Refused:
            step = await self._begin(session, ask.license)
            kept = await step.kept(ask.reservation)
            before = await step.recalled(key) is not None
            decision = rules.reserve(
                step.standing,
                ask,
                kept=len(kept),
                until_ms=max((held.lease.expires_ms for held in kept), default=0),
                before=before,
            )
            if decision.effects:
                await step.remember(key, "", {})
            return await step.carry_out(decision)

        return await self._run(ask.license, work)

    async def unreserve(self, license: str, reservation: str, *, by: str) -> int:
        """Give back what is left of a reservation; how many seats that were."""

        async def work(session: AsyncSession) -> int:
            step = await self._begin(session, license, short=True)
            kept = await step.kept(reservation)
            return await step.carry_out(rules.unreserve(step.standing, reservation, kept, by=by))

        return await self._run(license, work)

    async def leave(self, license: str, ticket: str) -> bool:
        """Leave the queue; whether the ticket was there."""

        async def work(session: AsyncSession) -> bool:
            step = await self._begin(session, license)
            found = await step.ticket(ticket)
            if found is None:
                return await step.carry_out(rules.unchanged(step.standing, False))
            body = {"ticket": ticket, "holder": found.holder, "why": "left"}
            return await step.carry_out(
                Decision(
                    True,
                    step.standing.live,
                    step.standing.counter,
                    (Leave(ticket),),
                    (Note("unqueued", body),),
                )
            )

        return await self._run(license, work)

    async def position(self, license: str, ticket: str) -> Queued | None:
        """Where a ticket stands, without polling; None if it is not in the queue."""
        async with self._view(license) as (session, standing):
            found = await find_ticket(session, license, ticket, standing.now_ms)
            if found is None:
                return None
            return Queued(ticket, found.position, rules.seats_of(standing))

    # --- looking ---

    async def seats(self, license: str) -> Seats:
        """How a license stands. Raises NeedsRestore."""
        async with self._view(license) as (_, standing):
            return rules.seats_of(standing)

    async def lease(self, license: str, lease: str) -> Lease | None:
        """A live lease by its id."""
        found = await self._live(license, LEASE.c.id == lease, most=1)
        return found[0] if found else None

    async def leases(self, license: str, *, after: str = "", most: int = 100) -> list[Lease]:
        """Live leases ordered by id, from the first behind `after`."""
        return await self._live(license, LEASE.c.id > after, most=most)

    async def _live(self, license: str, where: Any, *, most: int) -> list[Lease]:
        async with self._view(license, short=True) as (session, standing):
            query = (
                select(LEASE)
                .where(LEASE.c.license == license, where, LEASE.c.expires_ms > standing.now_ms)
                .order_by(LEASE.c.id)
                .limit(most)
            )
            return [rows.lease_of(row) for row in await session.execute(query)]

    async def highest_fence(self, license: str) -> Fence | None:
        """The newest fence granted; None for a license that is not known."""
        query = select(LICENSE.c.epoch, LICENSE.c.counter).where(LICENSE.c.license == license)
        async with answering(self._deadline_s), self._database.read() as session:
            row = (await session.execute(query)).one_or_none()
            return None if row is None else Fence(row.epoch, row.counter)

    async def now_ms(self) -> int:
        """The store's time; raises StoreUnavailable. Also tells readiness."""
        async with answering(self._deadline_s), self._database.read() as session:
            bound = {} if self._clock is None else {"clock": self._clock()}
            return int((await session.execute(self._statements.now, bound)).scalar_one())

    # --- the outbox ---

    async def outbox(self, license: str, *, most: int = 500) -> list[Change]:
        """The oldest changes that were not discarded."""
        query = (
            select(OUTBOX)
            .where(OUTBOX.c.license == license)
            .order_by(OUTBOX.c.epoch, OUTBOX.c.seq)
            .limit(most)
        )
        async with answering(self._deadline_s), self._database.read() as session:
            return [
                Change(
                    license=row.license,
                    org=row.org,
                    seq=row.seq,
                    epoch=row.epoch,
                    at_ms=row.at_ms,
                    kind=row.kind,
                    body=row.body,
                    cursor=f"{row.epoch}.{row.seq}",
                )
                for row in await session.execute(query)
            ]

    async def discard(self, license: str, cursor: str) -> None:
        """Forget the changes up to a cursor. ValueError for what is no cursor."""
        last = Fence.parse(cursor)  # the same form: two numbers
        upto = or_(
            OUTBOX.c.epoch < last.epoch,
            and_(OUTBOX.c.epoch == last.epoch, OUTBOX.c.seq <= last.counter),
        )

        async def work(session: AsyncSession) -> None:
            await session.execute(delete(OUTBOX).where(OUTBOX.c.license == license, upto))

        await self._run(license, work)

    async def close(self) -> None:
        """Wait for what is under way. The database stays open: it is the caller's."""
        await self._beats.close()
        await self._lanes.close()

    # --- how a step runs ---

    async def _run(self, license: str, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
        # SQLite has one writer at a time, whatever the license; elsewhere each has its own lock.
        return await self._lanes.run("" if self._sqlite else license, work)

    async def _begin(self, session: AsyncSession, license: str, *, short: bool = False) -> Step:
        return await Step.begin(
            session,
            self._statements,
            license,
            clock_ms=None if self._clock is None else self._clock(),
            lock=not self._sqlite,
            short=short,
        )

    @asynccontextmanager
    async def _view(
        self, license: str, *, short: bool = False
    ) -> AsyncIterator[tuple[AsyncSession, Standing]]:
        """How a license stands, without a lock and without changing anything."""
        bound: dict[str, Any] = {"license": license}
        if self._clock is not None:
            bound["clock"] = self._clock()
        statement = self._statements.short if short else self._statements.long
        async with answering(self._deadline_s), self._database.read() as session:
            row = (await session.execute(statement, bound)).one_or_none()
            if row is None:
                raise NeedsRestore(license, fresh=True)
            yield session, rows.standing_of(row)
