"""Brings a database to the tables that this release expects, or says why it cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, text

from metastore import tables
from metastore.database import Database
from metastore.errors import SchemaTooNew

HEAD_REVISION: Final = "0001"
"""Latest revision in ``metastore/migrations/versions``. Revisions are numbers that count up."""

MIGRATIONS_DIRECTORY: Final = Path(__file__).parent / "migrations"

_MIGRATION_LOCK: Final = 0x7265_7370_6F6F_6C
"""Key of the advisory lock that lets one process migrate at a time: "respool" in ASCII."""


def ensure_schema(database: Database) -> None:
    """Run the migrations that are missing; with none missing this is one short query.

    Raises:
        SchemaTooNew: the database was migrated by a later release.
    """
    with database.reading() as connection:
        revision = _revision(connection)
    if revision is not None and revision > HEAD_REVISION:
        raise SchemaTooNew(
            f"metastore {database.name}: its tables are at revision {revision}, "
            f"this release knows up to {HEAD_REVISION}; upgrade respool"
        )
    if revision != HEAD_REVISION:
        _migrate(database)


def _revision(connection: Connection) -> str | None:
    table = f"{tables.SCHEMA}.{tables.VERSION_TABLE}"
    if connection.execute(text("SELECT to_regclass(:table)"), {"table": table}).scalar() is None:
        return None
    found = connection.execute(text(f"SELECT max(version_num) FROM {table}")).scalar()
    return None if found is None else str(found)


def _migrate(database: Database) -> None:
    # Alembic takes long to import, and nearly every start finds nothing to migrate.
    from alembic import command
    from alembic.config import Config

    with database.migrating() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS_DIRECTORY).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, HEAD_REVISION)
