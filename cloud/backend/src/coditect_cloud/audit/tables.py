"""Tables of the audit: a chain of entries for each organisation, and denials beside it."""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from coditect_cloud.database import Base


class ChainRow(Base):
    """The head of an organisation's chain; whoever appends holds its row lock."""

    __tablename__ = "audit_chains"

    org: Mapped[str] = mapped_column(String(64), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger)
    """Number of the newest entry; 0: none yet."""
    hash: Mapped[str] = mapped_column(String(64))
    """Of the newest entry, hexadecimal; at 0 the organisation's genesis."""


class EntryRow(Base):
    """One entry; written once and never changed."""

    __tablename__ = "audit_entries"
    __table_args__ = (Index(None, "org", "license", "seq"), Index(None, "org", "kind", "seq"))

    org: Mapped[str] = mapped_column(String(64), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at_ms: Mapped[int] = mapped_column(BigInteger)
    """Unix time: the store's for seats, the wall clock's for the rest."""
    kind: Mapped[str] = mapped_column(String(64))
    actor: Mapped[str] = mapped_column(String(600))
    subject: Mapped[str] = mapped_column(String(600))
    license: Mapped[str] = mapped_column(String(64), default="")
    """Also in the body; a column only to look entries up by."""
    body: Mapped[str] = mapped_column(Text)
    """Canonical JSON, exactly as it was hashed."""
    prev: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class PositionRow(Base):
    """Up to where the outbox of a license stands in the audit."""

    __tablename__ = "audit_positions"

    license: Mapped[str] = mapped_column(String(64), primary_key=True)
    org: Mapped[str] = mapped_column(String(64))
    epoch: Mapped[int] = mapped_column(BigInteger)
    seq: Mapped[int] = mapped_column(BigInteger)


class DenialRow(Base):
    """Somebody got no seat, or had to wait: data for sizing a license, outside the chain."""

    __tablename__ = "denials"
    __table_args__ = (Index(None, "org", "license", "at_ms"), Index(None, "at_ms"))

    license: Mapped[str] = mapped_column(String(64), primary_key=True)
    epoch: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    org: Mapped[str] = mapped_column(String(64))
    at_ms: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(16))
    """`denied`, `queued` or `unqueued`."""
    code: Mapped[str] = mapped_column(String(64), default="")
    holder: Mapped[str] = mapped_column(String(600), default="")
    body: Mapped[str] = mapped_column(Text)
    """Canonical JSON."""
