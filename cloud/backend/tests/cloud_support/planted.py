"""Stores with a bug in them: whoever says that he finds such bugs, proves it with these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import TextClause, text

from coditect_cloud.leases.sql import SqlSeats
from coditect_cloud.leases.types import Granted, Heartbeat, Lease, Policy, Refused


class CountsWhatExpired(SqlSeats):
    """Counts without taking away what has expired: seats are lost for ever."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._statements.short = _changed(self._statements.short, "AS lapsed", "* 0 AS lapsed")
        self._statements.long = _changed(self._statements.long, "AS lapsed", "* 0 AS lapsed")


class CountsOneTooFew(SqlSeats):
    """Takes away one lease too many where some expire: seats are oversold."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._statements.long = _changed(
            self._statements.long, "expires_ms <= m.now_ms", "expires_ms <= m.now_ms + 999"
        )


class BeatsWithoutFence(SqlSeats):
    """Takes a heartbeat of any incarnation."""

    async def heartbeat_many(self, beats: Sequence[Heartbeat]) -> list[Granted | Refused]:
        taken = []
        for beat in beats:
            lease = await self.lease(beat.license, beat.lease)
            taken.append(beat if lease is None else replace(beat, fence=lease.fence))
        return await super().heartbeat_many(taken)


class NeverSettles(SqlSeats):
    """Grants anew at once after a loss."""

    async def restore(
        self, policy: Policy, *, epoch: int, borrowed: Sequence[Lease] = (), settle: bool
    ) -> None:
        await super().restore(policy, epoch=epoch, borrowed=borrowed, settle=False)


PLANTED: dict[str, type[SqlSeats]] = {
    "counts-what-expired": CountsWhatExpired,
    "counts-one-too-few": CountsOneTooFew,
    "beats-without-fence": BeatsWithoutFence,
    "never-settles": NeverSettles,
}


def _changed(statement: TextClause, old: str, new: str) -> TextClause:
    assert statement.text.count(old) == 1
    return text(statement.text.replace(old, new))
