from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cloud_support.licensing import migrated
from cloud_support.postgres import postgres_server
from coditect_cloud.database import Database

__all__ = ["postgres_server"]


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(
    request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str
) -> AsyncIterator[Database]:
    kind = str(request.param)
    server = request.getfixturevalue("postgres_server") if kind == "postgresql" else None
    async with migrated(kind, tmp_path, server) as found:
        yield found
