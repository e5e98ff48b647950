"""Brings a database to a revision of the schema: one transaction, whoever else tries meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from coditect_cloud.database.engine import Database

_LOCK = 0x0C0D17EC
"""Name of the advisory lock that migrating instances queue for, on PostgreSQL."""


def head() -> str:
    """The newest revision that this version of the service knows."""
    found = ScriptDirectory.from_config(_config()).get_current_head()
    assert found is not None, "the package has its migrations"
    return found


async def current(database: Database) -> str | None:
    """The revision of a database; None if it was never migrated."""
    async with database.engine.connect() as connection:
        return await connection.run_sync(_current)


async def upgrade(database: Database, revision: str = "head") -> str:
    """Go up to a revision, and give it. Several instances may try: one does, the others wait.

    On any failure the schema is as it was before.
    """
    return await _run(database, lambda config: command.upgrade(config, revision)) or ""


async def downgrade(database: Database, revision: str) -> str | None:
    """Go back to a revision (`base`: to nothing), and give it. What newer tables held is lost."""
    return await _run(database, lambda config: command.downgrade(config, revision))


async def _run(database: Database, change: Callable[[Config], None]) -> str | None:
    def work(connection: Connection) -> str | None:
        config = _config()
        config.attributes["connection"] = connection
        change(config)
        return _current(connection)

    async with database.engine.begin() as connection:
        if not database.is_sqlite:  # SQLite's transaction began with the write lock
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        return await connection.run_sync(work)


def _config() -> Config:
    config = Config()
    folder = Path(__file__).parent / "migrations"
    # ConfigParser reads % as the start of a reference.
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
