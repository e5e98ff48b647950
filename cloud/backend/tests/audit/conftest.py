from __future__ import annotations

from cloud_support.audit_fixtures import database, postgres_server, url

__all__ = ["database", "postgres_server", "url"]
