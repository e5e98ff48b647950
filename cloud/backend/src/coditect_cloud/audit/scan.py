"""All licenses, page by page, whatever tenant they belong to."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from coditect_cloud.database import Database
from coditect_cloud.licenses.tables import LicenseTable


class EveryLicense:
    """Gives the drainer the ids of all licenses that SQL knows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(self, after: str, most: int) -> Sequence[str]:
        """Give ids behind `after`, in order."""
        query = (
            select(LicenseTable.id)
            .where(LicenseTable.id > after)
            .order_by(LicenseTable.id)
            .limit(most)
        )
        async with self._database.read() as session:
            return (await session.scalars(query)).all()
