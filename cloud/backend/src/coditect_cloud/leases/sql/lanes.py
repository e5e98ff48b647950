"""Concurrent steps on the same row travel in one transaction: one lock, one flush to the disk."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoFreeConnection
from sqlalchemy.ext.asyncio import AsyncSession

from coditect_cloud.database import Database
from coditect_cloud.leases.store import NeedsRestore, StoreUnavailable

T = TypeVar("T")
Work = Callable[[AsyncSession], Awaitable[T]]
"""One step. It raises NeedsRestore before it changed anything, or fails whole."""

MOST = 64
"""Steps in one transaction: enough to share a flush, few enough not to keep others waiting."""

_AWAY = ("08", "25006", "40", "53", "55", "57", "58")
"""SQL states of a database that is away, read-only, full, or gave way to another transaction."""


@asynccontextmanager
async def answering(deadline_s: float) -> AsyncIterator[None]:
    """Turn a database that does not answer, or not in time, into StoreUnavailable."""
    try:
        async with asyncio.timeout(deadline_s):
            yield
    except TimeoutError as error:
        raise StoreUnavailable(f"no answer within {deadline_s:g} s") from error
    except (OperationalError, InterfaceError, OSError) as error:
        raise StoreUnavailable(type(error).__name__) from error
    except DBAPIError as error:
        state = str(getattr(error.orig, "sqlstate", None) or "")
        if error.connection_invalidated or state.startswith(_AWAY):
            raise StoreUnavailable(type(error).__name__) from error
        raise
    except NoFreeConnection as error:
        raise StoreUnavailable("no free connection") from error
    except Exception as error:
        # While it starts or stops, the driver's own errors come through from `connect`.
        if str(getattr(error, "sqlstate", None) or "").startswith(_AWAY):
            raise StoreUnavailable(type(error).__name__) from error
        raise


@dataclass(slots=True)
class _Waiting:
    work: Work[Any]
    answer: asyncio.Future[Any]


class Lanes:
    """Runs steps one after another in each lane, as many as wait in one transaction.

    A caller that goes away does not undo its step: it is decided by then, or not begun.
    """

    def __init__(self, database: Database, *, deadline_s: float) -> None:
        self._database = database
        self._deadline_s = deadline_s
        self._waiting: dict[str, deque[_Waiting]] = {}
        self._running: dict[str, asyncio.Task[None]] = {}

    async def run(self, lane: str, work: Work[T]) -> T:
        """Run one step; its answer is given when it is committed."""
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(lane, deque()).append(_Waiting(work, answer))
        if lane not in self._running:
            self._running[lane] = asyncio.create_task(self._drain(lane))
        return await answer

    async def close(self) -> None:
        """Wait until nothing is under way."""
        while self._running:
            await asyncio.gather(*self._running.values())

    async def _drain(self, lane: str) -> None:
        waiting = self._waiting[lane]
        try:
            while waiting:
                batch = [waiting.popleft() for _ in range(min(MOST, len(waiting)))]
                batch = [one for one in batch if not one.answer.cancelled()]
                if batch:
                    await self._take(batch)
        finally:
            del self._waiting[lane], self._running[lane]

    async def _take(self, batch: list[_Waiting]) -> None:
        try:
            answers = await self._transact(batch)
        except StoreUnavailable as error:
            answers = [error] * len(batch)
        except Exception as error:  # noqa: BLE001 - given to whoever asked, below
            # The fault of one is not the fault of the others: each alone.
            if len(batch) > 1:
                for one in batch:
                    await self._take([one])
                return
            answers = [error]
        for one, answer in zip(batch, answers, strict=True):
            if one.answer.done():
                continue
            if isinstance(answer, Exception):
                one.answer.set_exception(answer)
            else:
                one.answer.set_result(answer)

    async def _transact(self, batch: list[_Waiting]) -> list[Any]:
        answers: list[Any] = []
        async with answering(self._deadline_s), self._database.write() as session:
            for one in batch:
                try:
                    answers.append(await one.work(session))
                except NeedsRestore as error:
                    answers.append(error)
        return answers
