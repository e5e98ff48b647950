"""What tests of identity share: an issuer, a database, a clock that is set."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

import coditect_cloud.identity.tables
from cloud_support.identity_clock import Clock
from cloud_support.issuer_server import IssuerServer, issuer_server
from cloud_support.postgres import PostgresServer, postgres_server
from coditect_cloud.database import Base, Database
from coditect_cloud.identity.tables import AccountRow

_TABLES = [
    t
    for t in Base.metadata.sorted_tables
    if t.name in {"accounts", "sign_ins", "memberships", "invitations", "api_keys", "bootstraps"}
]
assert coditect_cloud.identity.tables.AccountRow is AccountRow


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def issuer() -> Iterator[IssuerServer]:
    with issuer_server() as server:
        yield server


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database.open(f"sqlite+aiosqlite:///{tmp_path}/identity.db")
    async with opened.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all, tables=_TABLES)
    yield opened
    await opened.close()


@pytest.fixture
async def strict_database(postgres_server: PostgresServer) -> AsyncIterator[Database]:
    opened = Database.open(postgres_server.url)
    async with opened.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all, tables=_TABLES)
    yield opened
    async with opened.engine.begin() as connection:
        await connection.run_sync(Base.metadata.drop_all, tables=_TABLES)
    await opened.close()


__all__ = ["postgres_server"]
