"""Tables of webhooks: endpoints, deliveries as a queue with leases, and what was told already."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from coditect_cloud.database import Base


class EndpointRow(Base):
    """Where an organisation wants to be told, and of what."""

    __tablename__ = "webhook_endpoints"
    __table_args__ = (Index(None, "org", "id"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    org: Mapped[str] = mapped_column(String(64))
    url: Mapped[str] = mapped_column(String(2048))
    description: Mapped[str] = mapped_column(String(200), default="")
    events: Mapped[list[Any]] = mapped_column(JSON)
    """Types it wants; never empty."""
    enabled: Mapped[bool] = mapped_column(default=True)
    version: Mapped[int] = mapped_column(Integer)
    secret: Mapped[str] = mapped_column(Text)
    """Sealed: the key that opens it is not in the database."""
    previous_secret: Mapped[str | None] = mapped_column(Text, default=None)
    """Sealed; the one before the last rotation."""
    previous_until: Mapped[datetime | None] = mapped_column(default=None)
    """Until when deliveries are signed with that one too."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class DeliveryRow(Base):
    """One event on its way to one endpoint."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        Index(None, "state", "due_ms"),
        Index(None, "org", "endpoint", "id"),
        Index(None, "org", "state", "id"),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    org: Mapped[str] = mapped_column(String(64))
    endpoint: Mapped[str] = mapped_column(
        ForeignKey("webhook_endpoints.id", ondelete="CASCADE"), index=True
    )
    event: Mapped[str] = mapped_column(String(64))
    """Id of the event, the same at every endpoint and attempt."""
    type: Mapped[str] = mapped_column(String(64))
    payload: Mapped[str] = mapped_column(Text)
    """The body, exactly as it is signed and sent."""
    state: Mapped[str] = mapped_column(String(16))
    """`pending`, `delivered` or `dead`."""
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    due_ms: Mapped[int] = mapped_column(BigInteger)
    """Unix time from which it may be tried; moved ahead by whoever tries it (its lease)."""
    claim: Mapped[str] = mapped_column(String(64), default="")
    """Who tries it; only that one may say how it went."""
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None] = mapped_column(default=None)
    last_status: Mapped[int | None] = mapped_column(Integer, default=None)
    last_error: Mapped[str] = mapped_column(String(200), default="")


class MarkRow(Base):
    """What was told last of a license, so that a storm of changes becomes few events."""

    __tablename__ = "webhook_marks"

    license: Mapped[str] = mapped_column(String(64), primary_key=True)
    type: Mapped[str] = mapped_column(String(64), primary_key=True)
    at_ms: Mapped[int] = mapped_column(BigInteger)
    """When it was told last."""
    held: Mapped[int] = mapped_column(Integer, default=0)
    """Occurrences since then that were not told."""
    detail: Mapped[str] = mapped_column(String(64), default="")
    """What it was told about (`2026-01-31T…/7`), where once is enough for each."""
