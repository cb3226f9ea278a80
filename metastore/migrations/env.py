"""Alembic's entry. The connection comes from ``metastore.schema``, with its transaction open."""

from __future__ import annotations

from alembic import context
from sqlalchemy import text

from metastore import tables

connection = context.config.attributes["connection"]
connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {tables.SCHEMA}"))
context.configure(
    connection=connection,
    target_metadata=tables.metadata,
    version_table=tables.VERSION_TABLE,
    version_table_schema=tables.SCHEMA,
    include_schemas=True,
)
context.run_migrations()
