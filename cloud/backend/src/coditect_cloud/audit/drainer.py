"""Moves changes of seats from the stores' outboxes into the audit: each exactly once (S6)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import structlog
from sqlalchemy import insert, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from coditect_cloud.audit.canonical import canonical, plain
from coditect_cloud.audit.log import AuditLog, insert_missing, storable
from coditect_cloud.audit.outbox import Position, Taken, take
from coditect_cloud.audit.tables import DenialRow, PositionRow
from coditect_cloud.database import Database
from coditect_cloud.leases.store import NeedsRestore, SeatStore, StoreUnavailable
from coditect_cloud.leases.types import Change, Seats

_log = structlog.get_logger("coditect_cloud.audit")
_TRANSIENT = (StoreUnavailable, SQLAlchemyError, OSError, TimeoutError)
_TAKES_SEATS = frozenset({"granted", "borrowed", "reserved", "registered"})


@dataclass(frozen=True, slots=True)
class Batch:
    """What a follower is told: changes of one license that just entered the audit."""

    license: str
    org: str
    changes: tuple[Change, ...]
    seats: Seats | None
    """How the license stood a moment before; only if seats were taken, and the store answered."""


class Follower(Protocol):
    """Derives something from changes, exactly once, in the transaction that audits them."""

    async def follow(self, session: AsyncSession, batch: Batch) -> None:
        """Write what follows; an exception undoes the batch, and it comes again."""
        ...


class Licenses(Protocol):
    """Knows all licenses, so that none is forgotten when an instance dies with its notes."""

    async def __call__(self, after: str, most: int) -> Sequence[str]:
        """Give ids behind `after`, in order."""
        ...


class Watcher(Protocol):
    """Is told of progress, for metrics."""

    def drained(self, license: str, *, changes: int, entries: int, lag_ms: int) -> None:
        """Take note of one batch; `lag_ms`: age of its oldest change by the store's clock."""
        ...


@dataclass(frozen=True, slots=True)
class _Rest:
    """A license that failed is left alone for a while; the others go on."""

    until: float
    failures: int


class Drainer:
    """Drains outboxes; any number of instances may drain the same license at once.

    A batch enters the chain, and the position moves behind it, in one transaction under the lock
    of the chain's head. Only then the store forgets it. Killed before the commit nothing happened;
    killed after it the batch is read again and found to be taken.
    """

    def __init__(
        self,
        database: Database,
        store: SeatStore,
        log: AuditLog,
        *,
        licenses: Licenses,
        followers: Sequence[Follower] = (),
        watcher: Watcher | None = None,
        batch: int = 500,
        gather_seconds: float = 0.1,
        scan_seconds: float = 1.0,
        parallel: int = 4,
        step: Callable[[str], None] = lambda _name: None,
    ) -> None:
        """Nothing runs before `run`.

        `gather_seconds`: how long changes gather into one batch. `scan_seconds`: pause between
        pages of 100 licenses that are looked at unasked. `step` is told the name of each step
        before it is made; tests of crashes end the process there.
        """
        self._database, self._store, self._log = database, store, log
        self._licenses, self._followers, self._watcher = licenses, tuple(followers), watcher
        self._batch, self._step = batch, step
        self._gather, self._scan_pause = gather_seconds, scan_seconds
        self._slots = asyncio.Semaphore(1 if database.is_sqlite else parallel)
        self._dirty: dict[str, float] = {}
        self._wake = asyncio.Event()
        self._rests: dict[str, _Rest] = {}

    def dirty(self, license: str) -> None:
        """Say that a license has changes; costs nothing, so say it after each operation."""
        self._dirty.setdefault(license, time.monotonic())
        self._wake.set()

    @property
    def waiting_seconds(self) -> float:
        """For how long the oldest known change waits; 0 if none does. For readiness."""
        return max((time.monotonic() - since for since in self._dirty.values()), default=0.0)

    async def run(self) -> None:
        """Drain what is dirty, and scan all licenses slowly, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow_dirty())
            group.create_task(self._scan())

    async def flush(self) -> None:
        """Drain what is dirty now, once; what fails stays dirty. For the shutdown."""
        await asyncio.gather(*(self._try(license) for license in list(self._dirty)))

    async def drain(self, license: str) -> int:
        """Empty a license's outbox; how many changes were new.

        Raises StoreUnavailable or SQLAlchemyError; then some, whole, batches were taken.
        """
        total = 0
        while True:
            self._step("read")
            changes = await self._store.outbox(license, most=self._batch)
            if not changes:
                return total
            taken = await self._enter(license, changes)
            self._step("discard")
            await self._store.discard(license, changes[-1].cursor)
            self._step("discarded")
            total += len(taken.changes)
            if len(changes) < self._batch:
                return total

    async def _enter(self, license: str, changes: Sequence[Change]) -> Taken:
        org = changes[0].org
        seats = await self._seats(license, changes)
        self._step("begin")
        async with self._database.write() as session:
            await self._log.lock(session, org)  # one drainer of an organisation at a time
            self._step("locked")
            before = await _position(session, license)
            taken = take(before, changes, lossy=self._store.lossy)
            if taken.changes:
                await self._log.append(session, org, taken.drafts)
                self._step("appended")
                await _deny(session, taken.denials)
                await _move(session, license, org, before, taken.position)
                self._step("moved")
                batch = Batch(license, org, taken.changes, seats)
                for follower in self._followers:
                    await follower.follow(session, batch)
            self._step("commit")
        self._step("committed")
        if self._watcher is not None and taken.changes:
            lag = max(0, await self._store.now_ms() - taken.changes[0].at_ms)
            self._watcher.drained(
                license, changes=len(taken.changes), entries=len(taken.drafts), lag_ms=lag
            )
        return taken

    async def _seats(self, license: str, changes: Sequence[Change]) -> Seats | None:
        if not self._followers or not any(c.kind in _TAKES_SEATS for c in changes):
            return None
        try:
            return await self._store.seats(license)
        except (StoreUnavailable, NeedsRestore):
            return None  # the audit does not wait for what only a notice needs

    async def _try(self, license: str) -> None:
        since = self._dirty.pop(license, None)
        try:
            async with self._slots:
                with suppress(NeedsRestore):  # it is dirty again once it is restored
                    await self.drain(license)
        except _TRANSIENT as fault:
            _log.warning("audit_waits", license=license, fault=type(fault).__name__)
        except Exception:  # noqa: BLE001 - one license's trouble must not stop the others' audit
            _log.exception("audit_fails", license=license)
        else:
            self._rests.pop(license, None)
            return
        if since is not None:
            self._dirty[license] = min(since, self._dirty.get(license, since))
        failures = self._rests.get(license, _Rest(0.0, 0)).failures + 1
        pause = min(10.0, 0.1 * 2 ** min(failures, 10))
        self._rests[license] = _Rest(time.monotonic() + pause, failures)

    def _due(self) -> list[str]:
        now = time.monotonic()
        return [
            name
            for name in self._dirty
            if name not in self._rests or self._rests[name].until <= now
        ]

    async def _follow_dirty(self) -> None:
        while True:
            rests = [self._rests[name].until for name in self._dirty if name in self._rests]
            pause = max(0.0, min(rests) - time.monotonic()) if rests else None
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause)
            await asyncio.sleep(self._gather)
            self._wake.clear()
            await asyncio.gather(*(self._try(license) for license in self._due()))

    async def _scan(self) -> None:
        after = ""
        while True:
            await asyncio.sleep(self._scan_pause)
            try:
                page = await self._licenses(after, 100)
            except _TRANSIENT as fault:
                _log.warning("audit_scan_waits", fault=type(fault).__name__)
                continue
            for license in page:
                await self._try(license)
            after = page[-1] if page else ""


async def _position(session: AsyncSession, license: str) -> Position | None:
    query = select(PositionRow.epoch, PositionRow.seq).where(PositionRow.license == license)
    found = (await session.execute(query)).one_or_none()
    return None if found is None else Position(found.epoch, found.seq)


async def _move(
    session: AsyncSession,
    license: str,
    org: str,
    before: Position | None,
    after: Position | None,
) -> None:
    """Compare-and-swap of the position: two that took the same batch cannot both be committed."""
    assert after is not None
    values = {"epoch": after.epoch, "seq": after.seq}
    if before is None:
        statement = insert_missing(session, PositionRow, license=license, org=org, **values)
        moved = await session.execute(statement)
    else:
        moved = await session.execute(
            update(PositionRow)
            .where(
                PositionRow.license == license,
                PositionRow.epoch == before.epoch,
                PositionRow.seq == before.seq,
            )
            .values(**values)
            .execution_options(synchronize_session=False)
        )
    if moved.rowcount != 1:  # type: ignore[attr-defined]
        raise RuntimeError(f"the audit position of {license} moved under its lock")


async def _deny(session: AsyncSession, denials: Sequence[Change]) -> None:
    if not denials:
        return
    rows = []
    for change in denials:
        body = plain(change.body)
        rows.append(
            {
                "license": change.license,
                "epoch": change.epoch,
                "seq": change.seq,
                "org": change.org,
                "at_ms": change.at_ms,
                "kind": storable(change.kind, 16),
                "code": storable(str(body.get("code", "")), 64),
                "holder": storable(str(body.get("holder", ""))),
                "body": canonical(body).decode(),
            }
        )
    await session.execute(insert(DenialRow), rows)
