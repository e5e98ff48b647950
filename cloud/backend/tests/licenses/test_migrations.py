from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect

import coditect_cloud
from cloud_support.licensing import empty_database
from coditect_cloud.database import Base, Database
from coditect_cloud.database.migrate import current, downgrade, head, upgrade

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["sqlite", "postgresql"])
async def empty(
    request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str
) -> AsyncIterator[Database]:
    kind = str(request.param)
    server = request.getfixturevalue("postgres_server") if kind == "postgresql" else None
    async with empty_database(kind, tmp_path, server) as found:
        yield found


def every_model() -> None:
    root = Path(coditect_cloud.__file__).parent
    for path in root.rglob("tables.py"):
        parts = path.relative_to(root).with_suffix("").parts
        importlib.import_module(".".join(("coditect_cloud", *parts)))


async def tables(database: Database) -> set[str]:
    async with database.engine.connect() as connection:
        return set(await connection.run_sync(lambda c: inspect(c).get_table_names()))


async def test_migrations_make_exactly_the_models_and_take_them_back(empty: Database) -> None:
    every_model()
    assert await current(empty) is None
    assert await upgrade(empty) == head()
    assert await current(empty) == head()

    def compare(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, Base.metadata))

    async with empty.engine.connect() as connection:
        assert await connection.run_sync(compare) == []
    assert await tables(empty) == {*Base.metadata.tables, "alembic_version"}
    assert await upgrade(empty) == head()  # again changes nothing
    assert await downgrade(empty, "base") is None
    assert await tables(empty) == {"alembic_version"}
    assert await upgrade(empty) == head()


async def test_several_instances_may_migrate_at_once(empty: Database) -> None:
    found = await asyncio.gather(*(upgrade(empty) for _ in range(4)))
    assert found == [head()] * 4
