"""The seam to the audit: a change is recorded in the transaction that makes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncSession


class Record(Protocol):
    """Writes a change where the audit finds it."""

    async def __call__(
        self,
        session: AsyncSession,
        *,
        org: str,
        actor: str,
        kind: str,
        subject: str,
        body: Mapping[str, Any],
    ) -> None:
        """Add a change to the caller's transaction; `body` holds no secrets."""
        ...


async def unrecorded(
    session: AsyncSession,
    *,
    org: str,
    actor: str,
    kind: str,
    subject: str,
    body: Mapping[str, Any],
) -> None:
    """Record nothing; for tests and tools that have no audit."""
