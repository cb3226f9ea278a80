from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from metastore.database import Database
from metastore.embedded import embedded_url
from metastore.postgres import PostgresMetastore
from metastore.records import PublicationOutcome, View
from metastore.schema import ensure_schema
from metastore.statements import views
from signatures.model import NormalizedSignature, PreciseSignature

PRECISE = PreciseSignature("1" * 32)
VIEW = View(
    tenant="team",
    precise=PRECISE,
    normalized=NormalizedSignature("a" * 32),
    canonical="Scan(sales)",
    environment="duckdb 1",
    inputs=(),
    columns=(),
    path="views/1",
    rows=1,
    size_bytes=1,
    checksum="c",
    build_seconds=1.0,
    write_seconds=1.0,
    producer="job-1",
    created_at=datetime(2024, 1, 1, tzinfo=UTC),
)


@pytest.fixture
def database(server_directory: Path) -> Iterator[Database]:
    """A migrated database of this test's own."""
    url = embedded_url(server_directory).replace("postgresql://", "postgresql+psycopg://")
    opened = Database(make_url(url))
    ensure_schema(opened)
    yield opened
    opened.close()


def wait_until_blocked(database: Database) -> None:
    """Ask the server until one of its sessions waits for a lock of another."""
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    blocked = 0
    while not blocked:
        with database.reading() as connection:
            blocked = connection.execute(waiting).scalar_one()


def test_no_lease_for_a_view_that_is_being_published(database: Database) -> None:
    """Who asks for the lease while its holder's publication commits does not build the view again."""
    metastore = PostgresMetastore(database)
    assert metastore.acquire_lease("team", PRECISE, "first", 60)
    with ThreadPoolExecutor(1) as pool:
        with database.writing() as connection:
            views.publish(connection, VIEW, frozenset(), "first")
            second = pool.submit(metastore.acquire_lease, "team", PRECISE, "second", 60)
            wait_until_blocked(database)
        assert second.result() is False
    assert metastore.leases("team") == ()


def test_publication_waits_for_a_take_over(database: Database) -> None:
    """A holder whose expired lease is being taken over learns that it is lost."""
    metastore = PostgresMetastore(database)
    assert metastore.acquire_lease("team", PRECISE, "slow", 0)
    with ThreadPoolExecutor(1) as pool:
        with database.writing() as connection:
            assert views.acquire_lease(connection, "team", PRECISE, "heir", 60)
            late = pool.submit(metastore.publish, VIEW, frozenset(), "slow")
            wait_until_blocked(database)
        assert late.result().outcome is PublicationOutcome.LEASE_LOST
    assert metastore.views("team") == ()
