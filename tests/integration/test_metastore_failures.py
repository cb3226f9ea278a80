from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from metastore.database import RETRY_AFTER_SECONDS, STATEMENT_SECONDS, Database
from metastore.embedded import embedded_url
from metastore.errors import AccessDenied, BadUrl, InvalidRecord, MetastoreError, Unreachable
from metastore.memory import MemoryMetastore
from metastore.opening import open_metastore
from metastore.postgres import PostgresMetastore
from metastore.records import Analysis
from metastore.schema import ensure_schema

NOBODY_LISTENS = "postgresql+psycopg://ada:secret@127.0.0.1:1/team"


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        """Seconds that only the test moves on."""
        return self.seconds


@pytest.fixture(scope="module")
def server_url(module_server_directory: Path) -> str:
    """Address of a server of this module's own."""
    return embedded_url(module_server_directory).replace("postgresql://", "postgresql+psycopg://")


@pytest.fixture
def database(server_url: str) -> Iterator[Database]:
    """A migrated database."""
    opened = Database(make_url(server_url))
    ensure_schema(opened)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "team.example/metastore",
        "sqlite:///secret.db",
        "mysql://ada:secret@host/team",
        "memory://shared-secret",
        "postgresql://ada:secret@host:port/team",
    ],
)
def test_bad_url_is_named_without_its_secrets(url: str, tmp_path: Path) -> None:
    """A URL of another kind is refused with what is expected, and nothing of it but its scheme is shown."""
    with pytest.raises(BadUrl, match="expected postgresql://user@host/database") as raised:
        open_metastore(url, data_directory=tmp_path)
    assert "secret" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_memory_url_opens_a_twin_of_its_own(tmp_path: Path) -> None:
    """Each opening of memory:// is a new, empty metastore."""
    one, two = (open_metastore("memory://", data_directory=tmp_path) for _ in range(2))
    assert isinstance(one, MemoryMetastore)
    one.apply_policy("tenant", "", "", "")
    assert two.current_policy("tenant") is None


def test_unreachable_server_says_so_on_one_line(tmp_path: Path) -> None:
    """Where nobody listens the error names the address, hides the password and names the remedy."""
    with pytest.raises(Unreachable, match="check that the server runs") as raised:
        open_metastore(NOBODY_LISTENS, data_directory=tmp_path)
    message = str(raised.value)
    assert "127.0.0.1:1/team" in message
    assert "secret" not in message
    assert "\n" not in message


def test_embedded_server_in_a_file(tmp_path: Path) -> None:
    """A data directory that cannot be one is an unreachable metastore, not a crash."""
    (tmp_path / "data").write_text("not a directory")
    with pytest.raises(Unreachable, match="embedded metastore"):
        open_metastore(None, data_directory=tmp_path / "data")


def test_calls_fail_fast_while_the_server_is_down() -> None:
    """After a failed connection calls do not wait again until the pause is over."""
    clock = Clock()
    database = Database(make_url(NOBODY_LISTENS), clock=clock)

    def failure() -> str:
        with pytest.raises(Unreachable) as raised, database.reading():
            pass
        return str(raised.value)

    assert "check that the server runs" in failure()
    assert "resumes by itself" in failure()
    clock.seconds += RETRY_AFTER_SECONDS
    assert "check that the server runs" in failure()


def test_lost_connections_recover(database: Database, server_url: str) -> None:
    """When the server drops its connections one call fails, and later ones work on new ones."""
    clock = Clock()
    dropped = Database(make_url(server_url), clock=clock)
    metastore = PostgresMetastore(dropped)
    metastore.apply_policy("recovering", "", "", "")
    with dropped.reading() as connection:
        process = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    with database.reading() as connection:
        # The second argument waits until the other server process has ended.
        ended = connection.execute(text("SELECT pg_terminate_backend(:it, 5000)"), {"it": process})
        assert ended.scalar_one()
    with pytest.raises(Unreachable):
        metastore.current_policy("recovering")
    clock.seconds += RETRY_AFTER_SECONDS
    assert metastore.current_policy("recovering") is not None
    metastore.close()


def test_slow_statement_is_cut_off(database: Database) -> None:
    """A statement that takes longer than its limit gives an error of ours; the connection lives on."""

    def sleep_too_long() -> None:
        with database.writing() as connection:
            connection.execute(text("SET LOCAL statement_timeout = 1"))
            connection.execute(text("SELECT pg_sleep(60)"))

    with pytest.raises(Unreachable, match="no answer within"):
        sleep_too_long()
    with database.reading() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
        assert connection.execute(text("SHOW statement_timeout")).scalar_one() == f"{STATEMENT_SECONDS}s"


def test_text_that_postgres_cannot_hold(database: Database) -> None:
    """A record with a NUL character is refused as a record, not reported as a lost server."""
    bad = Analysis(
        analysis_id="a\0b",
        tenant="tenant",
        started_at=datetime(2024, 1, 1, tzinfo=UTC),
        jobs_seen=0,
        candidates=0,
        selected=0,
    )
    with pytest.raises(InvalidRecord, match="correct the record"):
        PostgresMetastore(database).save_analysis(bad)


def test_missing_rights_are_named(database: Database, server_url: str) -> None:
    """A user who may not create tables learns what to grant."""
    with database.writing() as connection:
        connection.execute(text("CREATE ROLE guest LOGIN"))
    with database.reading() as connection:
        connection.execute(text("CREATE DATABASE closed"))
    guest = Database(make_url(server_url).set(username="guest", database="closed"))
    with pytest.raises(AccessDenied, match="grant the user CREATE"):
        ensure_schema(guest)
    guest.close()


def test_broken_tables_are_an_error_of_ours(database: Database) -> None:
    """Whatever the server says, callers see this package's root error."""
    with pytest.raises(MetastoreError, match="report this"), database.reading() as connection:
        connection.execute(text("SELECT * FROM respool.no_such_table"))
