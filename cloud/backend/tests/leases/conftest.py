"""The SQL stores under test: SQLite in a file, PostgreSQL, each with a clock that tests move."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cloud_support.postgres import PostgresServer, postgres_server
from cloud_support.seat_lab import Lab
from cloud_support.sql_seats import SettableClock, opened

__all__ = ["postgres_server"]


@pytest.fixture(params=["embedded", "strict"])
async def lab(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Lab]:
    """A store with a clock that is moved, and one license in it."""
    url = f"sqlite+aiosqlite:///{tmp_path}/seats.db"
    if request.param == "strict":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        url = server.url
    clock = SettableClock()
    async with opened(url, clock=clock) as store:
        yield Lab(store, clock.advance, can_jump=True)
