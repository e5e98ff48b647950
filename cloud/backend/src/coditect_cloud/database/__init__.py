"""SQL: one declarative base, one way to an engine, SQLite by default and PostgreSQL."""

from coditect_cloud.database.base import Base, new_id, utc_now
from coditect_cloud.database.engine import Database

__all__ = ["Base", "Database", "new_id", "utc_now"]
