"""An engine and its sessions, set up for what each database needs to be safe."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)


class Database:
    """One database; every transaction is committed whole or not at all."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self._sessions = async_sessionmaker(engine, expire_on_commit=False)

    @classmethod
    def open(cls, url: str, *, pool: int = 10) -> Database:
        """Open `sqlite+aiosqlite:///…` or `postgresql+asyncpg://…`; connects at the first use."""
        if not url.startswith("sqlite"):
            return cls(create_async_engine(url, pool_size=pool, pool_pre_ping=True))
        engine = create_async_engine(url, connect_args={"timeout": 15})

        @event.listens_for(engine.sync_engine, "connect")
        def prepare(connection: Any, _record: Any) -> None:
            # The driver would begin on its own, too late for BEGIN IMMEDIATE.
            connection.isolation_level = None
            cursor = connection.cursor()
            cursor.execute("PRAGMA journal_mode = WAL")
            cursor.execute("PRAGMA synchronous = FULL")  # what was answered survives a power cut
            cursor.execute("PRAGMA foreign_keys = ON")
            cursor.execute("PRAGMA busy_timeout = 15000")
            cursor.close()

        @event.listens_for(engine.sync_engine, "begin")
        def begin(connection: Any) -> None:
            # Writers wait at the start, where no deadlock is possible, not at their first write.
            options = connection.get_execution_options()
            reads = options.get("coditect_reads", False)
            connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

        return cls(engine)

    @property
    def is_sqlite(self) -> bool:
        """Whether this is the embedded database."""
        return self.engine.dialect.name == "sqlite"

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """A transaction that is committed at the end, and undone by an exception."""
        async with self._sessions() as session, session.begin():
            yield session

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A consistent view; nothing written in it is kept."""
        async with self._sessions() as session:
            await session.connection(execution_options={"coditect_reads": True})
            try:
                yield session
            finally:
                session.expunge_all()  # what was read stays readable: a rollback would expire it
                await session.rollback()

    async def close(self) -> None:
        """Let go of connections."""
        await self.engine.dispose()
