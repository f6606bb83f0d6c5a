"""Alembic's way in. It is only ever called by ``schema.upgrade``, which brings the connection."""

from __future__ import annotations

from alembic import context

from pyramid_oauthguard.server.store.sqlalchemy.models import metadata
from pyramid_oauthguard.server.store.sqlalchemy.schema import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,  # SQLite changes a table by making a new one
)
with context.begin_transaction():
    context.run_migrations()
