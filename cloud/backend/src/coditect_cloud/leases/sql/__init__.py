"""Seats in SQL: one store, on SQLite (embedded) and on PostgreSQL (strict)."""

from coditect_cloud.leases.sql.store import SqlSeats, wall_clock_ms
from coditect_cloud.leases.sql.tables import SEAT_TABLES

__all__ = ["SEAT_TABLES", "SqlSeats", "wall_clock_ms"]
