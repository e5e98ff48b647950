"""One step on one license inside a transaction: load, decide elsewhere, carry out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from sqlalchemy import and_, bindparam, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from coditect_cloud.leases import rules
from coditect_cloud.leases.rules import Decision, Held, Note, Recalled, Standing, Ticket
from coditect_cloud.leases.sql import rows
from coditect_cloud.leases.sql.statements import LOCK, Statements
from coditect_cloud.leases.sql.tables import LEASE, LICENSE, MEMORY, OUTBOX, TICKET, TOMB
from coditect_cloud.leases.store import NeedsRestore
from coditect_cloud.leases.types import IDEMPOTENCY_MS, PURGE, TICKET_TTL_MS, Heartbeat
from coditect_cloud.refusals import Code

A = TypeVar("A")

TOMB_MS = 3_600_000
"""How long a lease that ended is told from one that never was."""
_SWEEP_EVERY = 16
"""Old keys and tombs go at every so many-th fence: they only take room."""

_RENEW = (
    update(LEASE)
    .where(LEASE.c.license == bindparam("of_license"), LEASE.c.id == bindparam("of_id"))
    .values(
        expires_ms=bindparam("to_expires_ms"),
        secret_base=bindparam("to_secret_base"),
        secrets_handed=bindparam("to_secrets_handed"),
    )
)


class Step:
    """Owns the license's row from `begin` to the end of the transaction."""

    def __init__(self, session: AsyncSession, license: str, standing: Standing, placed: int):
        self.session = session
        self.license = license
        self.standing = standing
        self._placed = placed
        self._loaded: set[str] = set()
        self._more_expired = False

    @classmethod
    async def begin(
        cls,
        session: AsyncSession,
        statements: Statements,
        license: str,
        *,
        clock_ms: int | None,
        lock: bool,
        short: bool = False,
    ) -> Step:
        """Lock the license, take the time, count out what has expired. Raises NeedsRestore."""
        bound: dict[str, Any] = {"license": license}
        if lock:
            await session.execute(LOCK, bound)
        if clock_ms is not None:
            bound["clock"] = clock_ms
        found = await session.execute(statements.short if short else statements.long, bound)
        row = found.one_or_none()
        if row is None:
            raise NeedsRestore(license, fresh=True)
        step = cls(session, license, rows.standing_of(row), row.placed)
        if row.oldest_ms is not None and row.oldest_ms <= row.now_ms:
            await step._purge_leases()
        if not short and row.stale:
            await step._purge_tickets()
        return step

    # --- what a rule wants to see ---

    async def held(self, lease: str) -> Held | None:
        """The row of a lease, live or not."""
        found = await self._leases(LEASE.c.id == lease)
        return found[0] if found else None

    async def live(self, lease: str) -> Held | None:
        """A live lease."""
        found = await self._leases(LEASE.c.id == lease, LEASE.c.expires_ms > self.standing.now_ms)
        return found[0] if found else None

    async def many(self, leases: Sequence[str]) -> dict[str, Held]:
        """The rows of many leases, live or not."""
        found: dict[str, Held] = {}
        for start in range(0, len(leases), 500):
            some = await self._leases(LEASE.c.id.in_(leases[start : start + 500]))
            found.update((held.lease.id, held) for held in some)
        return found

    async def own(self, holder: str) -> Held | None:
        """The newest live lease of a holder that was not burned."""
        if not holder:
            return None
        found = await self._leases(
            LEASE.c.holder == holder,
            LEASE.c.expires_ms > self.standing.now_ms,
            LEASE.c.burned.is_(False),
        )
        return max(found, key=lambda held: held.lease.fence, default=None)

    async def kept(self, reservation: str) -> list[Held]:
        """The live seats of a reservation, in the order in which they are redeemed."""
        found = await self._leases(
            LEASE.c.reservation == reservation,
            LEASE.c.reservation != "",
            LEASE.c.expires_ms > self.standing.now_ms,
        )
        return sorted(found, key=lambda held: held.lease.fence)

    async def recalled(self, key: str) -> Any | None:
        """What a key gave, within its time and epoch."""
        if not key:
            return None
        found = await self.session.execute(
            select(MEMORY.c.fingerprint, MEMORY.c.lease).where(
                MEMORY.c.license == self.license,
                MEMORY.c.key == key,
                MEMORY.c.epoch == self.standing.epoch,
                MEMORY.c.at_ms > self.standing.now_ms - IDEMPOTENCY_MS,
            )
        )
        return found.one_or_none()

    async def ticket(self, ticket: str) -> Ticket | None:
        """A live ticket and its position."""
        if not ticket:
            return None
        return await find_ticket(self.session, self.license, ticket, self.standing.now_ms)

    async def buried(self, lease: str) -> Code | None:
        """How a lease is known to have ended, while that is remembered."""
        found = await self.session.execute(
            select(TOMB.c.code).where(TOMB.c.license == self.license, TOMB.c.lease == lease)
        )
        code = found.scalar_one_or_none()
        return None if code is None else Code(code)

    async def _leases(self, *where: Any) -> list[Held]:
        query = select(LEASE).where(LEASE.c.license == self.license, *where)
        found = [rows.held_of(row) for row in await self.session.execute(query)]
        self._loaded.update(held.lease.id for held in found)
        return found

    # --- what a decision orders ---

    async def carry_out(self, decision: Decision[A], **terms: Any) -> A:
        """Make the decision true, write its changes, and store time, count and counters."""
        puts: list[Held] = []
        for effect in decision.effects:
            match effect:
                case rules.Put(held):
                    puts.append(held)
                case rules.Drop(lease):
                    await self._delete(LEASE, LEASE.c.id == lease)
                case rules.Bury(lease):
                    await self._bury([lease], Code.LEASE_RELEASED)
                case rules.Remember(key, fingerprint, given):
                    await self.remember(key, fingerprint, rows.lease_memo(given))
                case rules.Enqueue(ticket, holder):
                    self._placed += 1
                    await self._insert(
                        TICKET,
                        id=ticket,
                        holder=holder,
                        place=self._placed,
                        polled_ms=self.standing.now_ms,
                    )
                case rules.Poll(ticket):
                    await self.session.execute(
                        update(TICKET)
                        .where(TICKET.c.license == self.license, TICKET.c.id == ticket)
                        .values(polled_ms=self.standing.now_ms)
                    )
                case rules.Leave(ticket):
                    await self._delete(TICKET, TICKET.c.id == ticket)
        await self._write(puts)
        self.standing = replace(self.standing, live=decision.live, counter=decision.counter)
        await self.note(decision.notes)
        await self.finish(**terms)
        return decision.answer

    async def remember(self, key: str, fingerprint: str, memo: dict[str, Any]) -> None:
        """Keep what a key gave, over what it gave in an earlier time."""
        await self._delete(MEMORY, MEMORY.c.key == key)
        await self._insert(
            MEMORY,
            key=key,
            fingerprint=fingerprint,
            epoch=self.standing.epoch,
            at_ms=self.standing.now_ms,
            lease=memo,
        )

    async def renew(self, held: Sequence[Held]) -> None:
        """Write new expiries and secrets of leases that exist."""
        values = [
            {
                "of_license": self.license,
                "of_id": one.lease.id,
                "to_expires_ms": one.lease.expires_ms,
                "to_secret_base": one.secrets.base,
                "to_secrets_handed": ",".join(one.secrets.handed),
            }
            for one in held
        ]
        if values:
            connection = await self.session.connection()
            await connection.execute(_RENEW, values)

    async def beat(self, beats: Sequence[Heartbeat]) -> list[Decision[Any]]:
        """Decide on heartbeats one after another, and carry them out together."""
        known = await self.many(list(dict.fromkeys(beat.lease for beat in beats)))
        renewed: dict[str, Held] = {}
        decisions = []
        for beat in beats:
            held = renewed.get(beat.lease) or known.get(beat.lease)
            buried = await self.buried(beat.lease) if held is None else None
            decision = rules.heartbeat(self.standing, beat, held, buried=buried)
            for effect in decision.effects:
                if isinstance(effect, rules.Put):
                    renewed[beat.lease] = effect.held
            decisions.append(decision)
        await self.renew(list(renewed.values()))
        await self.note([note for decision in decisions for note in decision.notes])
        await self.finish()
        return decisions

    async def note(self, notes: Sequence[Note]) -> None:
        """Add changes to the outbox."""
        values = [
            {
                "license": self.license,
                "epoch": self.standing.epoch,
                "seq": self.standing.seq + number,
                "org": self.standing.policy.org,
                "at_ms": self.standing.now_ms,
                "kind": note.kind,
                "body": note.body,
            }
            for number, note in enumerate(notes, 1)
        ]
        if values:
            await self.session.execute(insert(OUTBOX), values)
            self.standing = replace(self.standing, seq=self.standing.seq + len(values))

    async def finish(self, **terms: Any) -> None:
        """Store time, count and counters: the last thing a step does."""
        standing = self.standing
        await self.session.execute(
            update(LICENSE)
            .where(LICENSE.c.license == self.license)
            .values(
                clock_ms=standing.now_ms,
                live=standing.live,
                counter=standing.counter,
                seq=standing.seq,
                placed=self._placed,
                **terms,
            )
        )
        if standing.counter % _SWEEP_EVERY == 0:
            await self._sweep(MEMORY, MEMORY.c.key, IDEMPOTENCY_MS)
            await self._sweep(TOMB, TOMB.c.lease, TOMB_MS)

    async def recount(self) -> int:
        """Count the live leases one by one, which only a restore may take the time for."""
        found = await self.session.execute(
            select(func.count()).where(
                LEASE.c.license == self.license, LEASE.c.expires_ms > self.standing.now_ms
            )
        )
        return int(found.scalar_one())

    # --- housekeeping ---

    async def _write(self, puts: Sequence[Held]) -> None:
        new = [rows.held_values(held) for held in puts if held.lease.id not in self._loaded]
        if new and self._more_expired:
            # One of the same id may have expired and still be there.
            ids = [values["id"] for values in new]
            expired = LEASE.c.expires_ms <= self.standing.now_ms
            await self._delete(LEASE, and_(LEASE.c.id.in_(ids), expired))
        if new:
            await self.session.execute(insert(LEASE), new)
        for held in puts:
            if held.lease.id in self._loaded:
                await self.session.execute(
                    update(LEASE)
                    .where(LEASE.c.license == self.license, LEASE.c.id == held.lease.id)
                    .values(**rows.held_values(held))
                )

    async def _purge_leases(self) -> None:
        """Remove some that expired. Nobody counts them any more: it only makes room."""
        query = (
            select(LEASE)
            .where(LEASE.c.license == self.license, LEASE.c.expires_ms <= self.standing.now_ms)
            .order_by(LEASE.c.expires_ms)
            .limit(PURGE)
        )
        gone = [rows.lease_of(row) for row in await self.session.execute(query)]
        self._more_expired = len(gone) == PURGE
        ids = [lease.id for lease in gone]
        await self._delete(LEASE, LEASE.c.id.in_(ids))
        await self._bury(ids, Code.LEASE_EXPIRED)
        await self.note([rules.expired(lease) for lease in gone])

    async def _purge_tickets(self) -> None:
        stale = (
            select(TICKET.c.id, TICKET.c.holder)
            .where(
                TICKET.c.license == self.license,
                TICKET.c.polled_ms <= self.standing.now_ms - TICKET_TTL_MS,
            )
            .limit(PURGE)
        )
        gone = (await self.session.execute(stale)).all()
        await self._delete(TICKET, TICKET.c.id.in_([row.id for row in gone]))
        await self.note(
            [
                Note("unqueued", {"ticket": row.id, "holder": row.holder, "why": "not polled"})
                for row in gone
            ]
        )

    async def _sweep(self, table: Any, key: Any, age_ms: int) -> None:
        old = (
            select(key)
            .where(table.c.license == self.license, table.c.at_ms <= self.standing.now_ms - age_ms)
            .limit(PURGE)
        )
        keys = list((await self.session.execute(old)).scalars())
        if keys:
            await self._delete(table, key.in_(keys))

    async def _bury(self, leases: Sequence[str], code: Code) -> None:
        await self._delete(TOMB, TOMB.c.lease.in_(leases))
        now_ms = self.standing.now_ms
        await self.session.execute(
            insert(TOMB),
            [
                {"license": self.license, "lease": lease, "code": code.value, "at_ms": now_ms}
                for lease in leases
            ],
        )

    async def _insert(self, table: Any, **values: Any) -> None:
        await self.session.execute(insert(table).values(license=self.license, **values))

    async def _delete(self, table: Any, where: Any) -> None:
        await self.session.execute(delete(table).where(table.c.license == self.license, where))


async def find_ticket(
    session: AsyncSession, license: str, ticket: str, now_ms: int
) -> Ticket | None:
    """Find a live ticket; its position counts the live ones at or before its place."""
    ahead = TICKET.alias("ahead")
    position = (
        select(func.count())
        .where(
            ahead.c.license == license,
            ahead.c.place <= TICKET.c.place,
            ahead.c.polled_ms > now_ms - TICKET_TTL_MS,
        )
        .correlate(TICKET)
        .scalar_subquery()
    )
    found = await session.execute(
        select(TICKET.c.holder, position.label("position")).where(
            TICKET.c.license == license,
            TICKET.c.id == ticket,
            TICKET.c.polled_ms > now_ms - TICKET_TTL_MS,
        )
    )
    row = found.one_or_none()
    return None if row is None else Ticket(ticket, row.holder, row.position)


def recalled_of(row: Any | None) -> Recalled | None:
    """Read what a key gave."""
    return None if row is None else Recalled(row.fingerprint, rows.memo_lease(row.lease))
