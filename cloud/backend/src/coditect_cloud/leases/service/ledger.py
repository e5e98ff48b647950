"""The ledger: what SQL remembers about seats, so that a store that forgets can be told again."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from coditect_cloud.database import Database
from coditect_cloud.leases.service.tables import BorrowedRow, LedgerRow
from coditect_cloud.leases.types import Fence, Kind, Lease
from coditect_cloud.licenses.tables import LicenseTable


class Ledger:
    """Epochs, the newest terms a store has taken, and borrowed seats; each method commits."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def raise_epoch(self, license: str) -> int:
        """Give a license's next epoch: higher than all before, whoever asks at the same time.

        Its own transaction, committed before the store hears of it: two restores never share one.
        """
        table = LedgerRow.__table__
        query = (
            self._insert(LedgerRow)
            .values(license=license, epoch=1, pushed=0)
            .on_conflict_do_update(index_elements=["license"], set_={"epoch": table.c.epoch + 1})
            .returning(table.c.epoch)
        )
        async with self._database.write() as session:
            return int((await session.execute(query)).scalar_one())

    async def epoch(self, license: str) -> int:
        """The newest epoch; 0 if the license was never restored."""
        async with self._database.read() as session:
            found = await session.get(LedgerRow, license)
            return 0 if found is None else found.epoch

    async def pushed(self, license: str, version: int) -> None:
        """Remember that the store took these terms; never goes back."""
        table = LedgerRow.__table__
        query = (
            self._insert(LedgerRow)
            .values(license=license, epoch=0, pushed=version)
            .on_conflict_do_update(
                index_elements=["license"],
                set_={"pushed": version},
                where=table.c.pushed < version,
            )
        )
        async with self._database.write() as session:
            await session.execute(query)

    async def unpushed(self, *, most: int = 100) -> list[str]:
        """Licenses whose newest terms no store has taken yet."""
        query = (
            select(LicenseTable.id)
            .outerjoin(LedgerRow, LedgerRow.license == LicenseTable.id)
            .where(func.coalesce(LedgerRow.pushed, 0) < LicenseTable.version)
            .order_by(LicenseTable.updated_at)
            .limit(most)
        )
        async with self._database.read() as session:
            return list((await session.scalars(query)).all())

    async def borrowed(self, lease: Lease, org: str) -> bool:
        """Write a borrowed seat down, before anybody is told that he has it; False: it is lost.

        A restore raises the epoch and reads these rows afterwards. So a seat of the current epoch,
        written while the epoch cannot change, is counted by every restore to come; one of an older
        epoch that is not written down was forgotten by the store since, and must not be used.
        """
        current = select(LedgerRow.epoch).where(LedgerRow.license == lease.license)
        async with self._database.write() as session:
            epoch = (await session.scalars(current.with_for_update())).one_or_none()
            known = await session.get(BorrowedRow, lease.id)
            if known.withdrawn if known is not None else epoch != lease.fence.epoch:
                return False
            handed = known is not None and known.handed
            await session.merge(_row(lease, org, handed=handed))
            return True

    async def hand_over(self, lease: str) -> bool:
        """Decide that its token goes out; False: the seat was taken back meanwhile."""
        return await self._changed(
            update(BorrowedRow)
            .where(BorrowedRow.lease == lease, BorrowedRow.withdrawn.is_(False))
            .values(handed=True)
        )

    async def take_back(self, lease: str) -> bool:
        """Decide that its token never goes out; False: it has, or another repetition's has.

        Of `hand_over` and `take_back` one wins, so no seat is freed whose token somebody has.
        """
        return await self._changed(
            update(BorrowedRow)
            .where(BorrowedRow.lease == lease, BorrowedRow.handed.is_(False))
            .values(withdrawn=True)
        )

    async def abandoned(self, *, before_ms: int, most: int = 100) -> list[Lease]:
        """Seats granted before an instant whose token never went out: who lent them died."""
        query = (
            select(BorrowedRow)
            .where(BorrowedRow.handed.is_(False), BorrowedRow.granted_ms < before_ms)
            .limit(most)
        )
        async with self._database.read() as session:
            return [_lease(row) for row in await session.scalars(query)]

    async def returned(self, lease: str) -> None:
        """Forget a borrowed seat: it was given back."""
        async with self._database.write() as session:
            await session.execute(delete(BorrowedRow).where(BorrowedRow.lease == lease))

    async def burned(self, lease: str) -> None:
        """Remember that a borrowed seat was declared lost."""
        async with self._database.write() as session:
            await session.execute(
                update(BorrowedRow).where(BorrowedRow.lease == lease).values(burned=True)
            )

    async def seats(self, license: str) -> list[Lease]:
        """Every borrowed seat of a license: all of them may be in use offline."""
        query = select(BorrowedRow).where(
            BorrowedRow.license == license, BorrowedRow.withdrawn.is_(False)
        )
        async with self._database.read() as session:
            rows = await session.scalars(query.order_by(BorrowedRow.lease))
            return [_lease(row) for row in rows]

    async def forget_ended(self, now_ms: int) -> int:
        """Forget borrowed seats whose time is over; how many."""
        ended = delete(BorrowedRow).where(BorrowedRow.expires_ms <= now_ms)
        async with self._database.write() as session:
            result: Any = await session.execute(ended)
            return int(result.rowcount)

    async def _changed(self, statement: Any) -> bool:
        async with self._database.write() as session:
            result: Any = await session.execute(statement)
            return bool(result.rowcount)

    def _insert(self, table: Any) -> Any:
        insert = sqlite.insert if self._database.is_sqlite else postgresql.insert
        return insert(table)


def _row(lease: Lease, org: str, *, handed: bool) -> BorrowedRow:
    return BorrowedRow(
        lease=lease.id,
        license=lease.license,
        org=org,
        holder=lease.holder,
        device=lease.device,
        label=lease.label,
        epoch=lease.fence.epoch,
        counter=lease.fence.counter,
        granted_ms=lease.granted_ms,
        expires_ms=lease.expires_ms,
        ttl_ms=lease.ttl_ms,
        overage=lease.overage,
        burned=lease.burned,
        handed=handed,
        withdrawn=False,
    )


def _lease(row: BorrowedRow) -> Lease:
    return Lease(
        id=row.lease,
        license=row.license,
        holder=row.holder,
        device=row.device,
        kind=Kind.BORROWED,
        fence=Fence(row.epoch, row.counter),
        granted_ms=row.granted_ms,
        expires_ms=row.expires_ms,
        ttl_ms=row.ttl_ms,
        overage=row.overage,
        burned=row.burned,
        label=row.label,
    )
