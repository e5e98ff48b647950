"""The tables of licenses and their keys."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
)
from sqlalchemy.orm import Mapped, mapped_column

from coditect_cloud.database import Base


class LicenseTable(Base):
    """A license and its terms."""

    __tablename__ = "licenses"
    __table_args__ = (
        Index(None, "org", "id"),
        Index(None, "org", "product", "id"),
        Index(None, "state", "expires_at"),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    org: Mapped[str] = mapped_column(ForeignKey("organisations.id"))
    product: Mapped[str] = mapped_column(ForeignKey("products.id"))
    name: Mapped[str] = mapped_column(String(200))
    seats: Mapped[int] = mapped_column(Integer)
    overage_strategy: Mapped[str] = mapped_column(String(16))
    overage_value: Mapped[int] = mapped_column(Integer)
    entitlements: Mapped[dict[str, int | None]] = mapped_column(JSON)
    starts_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    trial: Mapped[bool]
    ttl_ms: Mapped[int] = mapped_column(BigInteger)
    queue_limit: Mapped[int] = mapped_column(Integer)
    borrow_max_ms: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(16))
    state_reason: Mapped[str] = mapped_column(Text)
    version: Mapped[int] = mapped_column(BigInteger)
    key_hint: Mapped[str] = mapped_column(String(8))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class LicenseKeyTable(Base):
    """A key of a license; after a rotation the one before stands beside it until its time ends."""

    __tablename__ = "license_keys"

    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    """SHA-256 of the key; the key itself is kept nowhere."""
    license: Mapped[str] = mapped_column(ForeignKey("licenses.id"), index=True)
    org: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    """None for the current one."""
