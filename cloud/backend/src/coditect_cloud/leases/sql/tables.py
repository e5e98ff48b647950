"""The tables of seats. Times are milliseconds of store time; ids compare by their bytes."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)

from coditect_cloud.database import Base

_ID = String(200).with_variant(String(200, collation="C"), "postgresql")
"""Ordered alike on every database, whatever its locale."""

LICENSE = Table(
    "seat_license",
    Base.metadata,
    Column("license", _ID),
    Column("org", String(200), nullable=False),
    Column("version", Integer, nullable=False),
    Column("seat_limit", Integer, nullable=False),
    Column("overage", Integer, nullable=False),
    Column("state", String(20), nullable=False),
    Column("starts_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("ttl_ms", BigInteger, nullable=False),
    Column("queue_limit", Integer, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("counter", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("placed", BigInteger, nullable=False),
    Column("settling_until_ms", BigInteger, nullable=False),
    Column("clock_ms", BigInteger, nullable=False),
    Column("live", Integer, nullable=False),
    PrimaryKeyConstraint("license"),
)
"""One row a license, which every step on it locks.

`clock_ms` is the highest time seen, and `live` the leases whose expiry is later than *that*. A step
at a later time first takes away those that expire in between, by an indexed range: each lease is
counted out once, and no step ever counts those that live. `placed` numbers the tickets.
"""

LEASE = Table(
    "seat_lease",
    Base.metadata,
    Column("license", _ID),
    Column("id", _ID),
    Column("holder", _ID, nullable=False),
    Column("device", String(200), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("counter", BigInteger, nullable=False),
    Column("granted_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("ttl_ms", BigInteger, nullable=False),
    Column("overage", Boolean(create_constraint=False), nullable=False),
    Column("burned", Boolean(create_constraint=False), nullable=False),
    Column("label", Text, nullable=False),
    Column("secret_base", String(200), nullable=False),
    Column("secrets_handed", Text, nullable=False),
    Column("reservation", _ID, nullable=False),
    Column("proof", String(60), nullable=False),
    PrimaryKeyConstraint("license", "id"),
)
Index("ix_seat_lease_expiry", LEASE.c.license, LEASE.c.expires_ms)
# With the expiry in it, or SQLite would rather go through all that live than ask for the holder.
Index("ix_seat_lease_holder", LEASE.c.license, LEASE.c.holder, LEASE.c.expires_ms)
Index(
    "ix_seat_lease_reserved",
    LEASE.c.license,
    LEASE.c.kind,
    LEASE.c.expires_ms,
    sqlite_where=LEASE.c.kind == "reserved",
    postgresql_where=LEASE.c.kind == "reserved",
)
Index(
    "ix_seat_lease_reservation",
    LEASE.c.license,
    LEASE.c.reservation,
    LEASE.c.expires_ms,
    sqlite_where=LEASE.c.reservation != "",
    postgresql_where=LEASE.c.reservation != "",
)

TICKET = Table(
    "seat_ticket",
    Base.metadata,
    Column("license", _ID),
    Column("id", _ID),
    Column("holder", String(200), nullable=False),
    Column("place", BigInteger, nullable=False),
    Column("polled_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("license", "id"),
)
Index("ix_seat_ticket_place", TICKET.c.license, TICKET.c.place)

MEMORY = Table(
    "seat_memory",
    Base.metadata,
    Column("license", _ID),
    Column("key", String(400)),
    Column("fingerprint", String(200), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("lease", JSON, nullable=False),
    PrimaryKeyConstraint("license", "key"),
)
"""What idempotency keys gave."""
Index("ix_seat_memory_age", MEMORY.c.license, MEMORY.c.at_ms)

TOMB = Table(
    "seat_tomb",
    Base.metadata,
    Column("license", _ID),
    Column("lease", _ID),
    Column("code", String(40), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("license", "lease"),
)
"""Leases that ended a while ago, and how."""
Index("ix_seat_tomb_age", TOMB.c.license, TOMB.c.at_ms)

OUTBOX = Table(
    "seat_outbox",
    Base.metadata,
    Column("license", _ID),
    Column("epoch", BigInteger),
    Column("seq", BigInteger),
    Column("org", String(200), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("body", JSON, nullable=False),
    PrimaryKeyConstraint("license", "epoch", "seq"),
)

SEAT_TABLES = [LICENSE, LEASE, TICKET, MEMORY, TOMB, OUTBOX]
