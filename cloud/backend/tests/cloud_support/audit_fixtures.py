"""Fixtures: one empty database after the other, on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from cloud_support.audit_lab import opened
from cloud_support.postgres import PostgresServer, postgres_server
from coditect_cloud.database import Database

__all__ = ["database", "postgres_server", "url"]


async def fresh(server: PostgresServer, name: str) -> str:
    """Make a database of its own; gives its URL."""
    admin = Database.open(server.url)
    try:
        async with admin.engine.execution_options(
            isolation_level="AUTOCOMMIT"
        ).connect() as connection:
            await connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
            await connection.execute(text(f'CREATE DATABASE "{name}"'))
    finally:
        await admin.close()
    return server.database(name)


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/audit.db"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return asyncio.run(fresh(server, "audit_tests"))


@pytest.fixture
async def database(url: str, anyio_backend: str) -> AsyncIterator[Database]:
    async with opened(url) as database:
        yield database
