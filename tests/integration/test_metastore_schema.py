from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.engine import make_url

from metastore import tables
from metastore.database import Database
from metastore.embedded import embedded_url
from metastore.errors import SchemaTooNew
from metastore.opening import open_metastore
from metastore.schema import HEAD_REVISION, MIGRATIONS_DIRECTORY, ensure_schema


@pytest.fixture(scope="module")
def server_url(module_server_directory: Path) -> str:
    """Address of a server of this module's own."""
    return embedded_url(module_server_directory).replace("postgresql://", "postgresql+psycopg://")


@pytest.fixture
def database(server_url: str, request: pytest.FixtureRequest) -> Iterator[Database]:
    """An empty database named after the test."""
    name = request.node.name[:60]
    administration = Database(make_url(server_url))
    with administration.reading() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    administration.close()
    opened = Database(make_url(server_url).set(database=name))
    yield opened
    opened.close()


def test_migrations_lead_to_the_tables(database: Database) -> None:
    """Running all migrations gives just the tables that the code is written against."""
    ensure_schema(database)
    with database.reading() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "compare_type": True,
                "version_table": tables.VERSION_TABLE,
                "version_table_schema": tables.SCHEMA,
            },
        )
        assert compare_metadata(context, tables.metadata) == []
        found = set(
            connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'respool'")).scalars()
        )
    assert found == {table.name for table in tables.metadata.tables.values()} | {tables.VERSION_TABLE}


def test_head_is_the_last_migration() -> None:
    """The revision that the code asks for is the last one there is."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS_DIRECTORY))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD_REVISION]


def test_migrating_again_changes_nothing(database: Database) -> None:
    """A database at the head stays as it is, with what it holds."""
    ensure_schema(database)
    with database.writing() as connection:
        connection.execute(text("INSERT INTO respool.tenants VALUES ('kept', 1)"))
    ensure_schema(database)
    with database.reading() as connection:
        assert connection.execute(text("SELECT tenant FROM respool.tenants")).scalars().all() == ["kept"]


def test_several_processes_migrate_at_once(database: Database) -> None:
    """Whoever comes second waits for the first and finds the work done."""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: ensure_schema(database), range(4)))
    with database.reading() as connection:
        revisions = connection.execute(text("SELECT version_num FROM respool.schema_version")).scalars().all()
    assert revisions == [HEAD_REVISION]


def test_newer_schema_is_refused(database: Database) -> None:
    """Tables of a later release are left alone, with the remedy in the message."""
    ensure_schema(database)
    with database.writing() as connection:
        connection.execute(text("UPDATE respool.schema_version SET version_num = '9999'"))
    with pytest.raises(
        SchemaTooNew, match=f"revision 9999, this release knows up to {HEAD_REVISION}; upgrade"
    ):
        ensure_schema(database)


def test_opening_migrates(server_directory: Path) -> None:
    """A metastore is ready for use as soon as it is open, here over an ordinary URL."""
    url = embedded_url(server_directory)
    opened = open_metastore(url, data_directory=server_directory / "not used")
    try:
        assert opened.views("nobody") == ()
        assert not (server_directory / "not used").exists()
    finally:
        opened.close()
