"""What must outlive the store of seats: epochs, and seats that work offline."""

from __future__ import annotations

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from coditect_cloud.database import Base


class LedgerRow(Base):
    """How the store of seats stands to a license in SQL."""

    __tablename__ = "ledger_licenses"

    license: Mapped[str] = mapped_column(String(64), primary_key=True)
    epoch: Mapped[int] = mapped_column(BigInteger)
    """Raised before each restore, never lowered; 0: never restored."""
    pushed: Mapped[int] = mapped_column(BigInteger)
    """Version of the terms that the store has taken."""


class BorrowedRow(Base):
    """A seat that works offline."""

    __tablename__ = "ledger_borrowed"

    lease: Mapped[str] = mapped_column(String(64), primary_key=True)
    license: Mapped[str] = mapped_column(String(64), index=True)
    org: Mapped[str] = mapped_column(String(64))
    holder: Mapped[str] = mapped_column(String(256))
    device: Mapped[str] = mapped_column(String(256))
    label: Mapped[str] = mapped_column(String(256))
    epoch: Mapped[int] = mapped_column(BigInteger)
    counter: Mapped[int] = mapped_column(BigInteger)
    granted_ms: Mapped[int] = mapped_column(BigInteger)
    expires_ms: Mapped[int] = mapped_column(BigInteger, index=True)
    ttl_ms: Mapped[int] = mapped_column(BigInteger)
    overage: Mapped[bool]
    burned: Mapped[bool]
    handed: Mapped[bool]
    """Its token was signed and goes out: from here on only its holder or its time ends it."""
    withdrawn: Mapped[bool]
    """Its token never goes out: kept until its time ends, so that no late repetition lends it."""
