"""Alembic's way in: runs on the connection that `database.migrate` gives it, in its transaction."""

from __future__ import annotations

from alembic import context

from coditect_cloud.database import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
