"""Heartbeats of one license that come at the same time are one step: one look, one write."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from coditect_cloud.leases.types import Granted, Heartbeat, Refused

Answers = list[Granted | Refused]
Decide = Callable[[AsyncSession, Sequence[Heartbeat]], Awaitable[Answers]]
Run = Callable[[str, Callable[[AsyncSession], Awaitable[Answers]]], Awaitable[Answers]]


@dataclass(frozen=True, slots=True)
class _Asked:
    beats: Sequence[Heartbeat]
    answer: asyncio.Future[Answers]


class Beats:
    """Collects heartbeats until their license's turn comes, and answers each its own."""

    def __init__(self, run: Run, decide: Decide) -> None:
        self._run = run
        self._decide = decide
        self._waiting: dict[str, list[_Asked]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, license: str, beats: Sequence[Heartbeat]) -> Answers:
        """Answer these in their order, together with whatever else waits."""
        asked = _Asked(beats, asyncio.get_running_loop().create_future())
        waiting = self._waiting.get(license)
        if waiting is not None:
            waiting.append(asked)
        else:
            self._waiting[license] = [asked]
            # A task of its own: a caller that goes away must not take the others along.
            task = asyncio.create_task(self._together(license))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await asked.answer

    async def close(self) -> None:
        """Wait until nothing is under way."""
        await asyncio.gather(*self._tasks)

    async def _together(self, license: str) -> None:
        taken: list[_Asked] = []

        async def work(session: AsyncSession) -> Answers:
            if not taken:  # else it is tried again: with the same ones
                taken.extend(self._waiting.pop(license))
            return await self._decide(session, [beat for asked in taken for beat in asked.beats])

        try:
            answers = await self._run(license, work)
        except Exception as error:  # noqa: BLE001 - given to whoever asked
            for asked in taken or self._waiting.pop(license):
                if not asked.answer.done():
                    asked.answer.set_exception(error)
            return
        start = 0
        for asked in taken:
            end = start + len(asked.beats)
            if not asked.answer.done():
                asked.answer.set_result(answers[start:end])
            start = end
