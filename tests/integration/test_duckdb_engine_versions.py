"""Input versions of DuckDB: nothing that anybody does to a table may leave its version as it was."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from optimizer_plugin.engines.duckdb.engine import DuckDBEngine
from optimizer_plugin.engines.duckdb.instances import Instances
from optimizer_plugin.engines.duckdb.statements import StatementKind, transaction_statement
from optimizer_plugin.engines.ports import SpoolRequest
from signatures.catalog import TableFacts
from signatures.model import InputIdentity, InputVersion

Write = Callable[[duckdb.DuckDBPyConnection], object]


@pytest.fixture(params=["memory", "file"])
def raw(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with a table ``t`` of three rows, in memory and in a file."""
    path = ":memory:" if request.param == "memory" else str(tmp_path / "shop.duckdb")
    with duckdb.connect(path) as connection:
        connection.execute("CREATE TABLE t AS SELECT range AS a FROM range(3)")
        yield connection


@pytest.fixture
def engine(raw: duckdb.DuckDBPyConnection) -> Iterator[DuckDBEngine]:
    """An engine with evidence of its own."""
    engine = DuckDBEngine(raw, instances=Instances())
    yield engine
    engine.close()


def identity(engine: DuckDBEngine, name: str = "t") -> InputIdentity:
    """Identity of a table of the engine's."""
    facts = engine.look().catalog.relation((name,))
    assert isinstance(facts, TableFacts)
    return facts.identity


def version(engine: DuckDBEngine, name: str = "t") -> InputVersion | None:
    """Version of a table of the engine's."""
    table = identity(engine, name)
    return engine.versions([table])[table]


def run(engine: DuckDBEngine, raw: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[object, ...]]:
    """Run a statement the way the session does, observed."""
    statements = engine.statement_kinds(sql)
    engine.observe_before(statements)
    try:
        rows = raw.execute(sql).fetchall()
    except duckdb.Error as error:
        engine.observe_after(statements, error=error)
        raise
    engine.observe_after(statements)
    return rows


def test_observed_reads_keep_the_version(engine: DuckDBEngine, raw: duckdb.DuckDBPyConnection) -> None:
    """Repeated SELECTs leave the version alone, else nothing would ever be reused."""
    first = version(engine)
    assert first is not None
    for sql in (
        "SELECT sum(a) FROM t",
        "SELECT * FROM t ORDER BY a",
        "SELECT 1; SELECT count(*) FROM t",
        "EXPLAIN SELECT * FROM t",
        "SET threads = 2",
        "FROM t",
        "DESCRIBE t",
    ):
        run(engine, raw, sql)
        engine.describe("SELECT a FROM t")
        assert not engine.look().in_transaction
        assert version(engine) == first, sql


@pytest.mark.parametrize("fetch", ["fetchone", "fetchmany", "fetchall", "description"])
def test_fetching_keeps_the_version(engine: DuckDBEngine, raw: duckdb.DuckDBPyConnection, fetch: str) -> None:
    """However a result is fetched, or not fetched at all, nothing looks like a write."""
    first = version(engine)
    statements = engine.statement_kinds("SELECT * FROM t")
    for _ in range(3):
        engine.observe_before(statements)
        raw.execute("SELECT * FROM t")
        engine.observe_after(statements)
        found = getattr(raw, fetch)
        assert found() if callable(found) else found
        assert version(engine) == first


def test_failing_reads_keep_the_version(engine: DuckDBEngine, raw: duckdb.DuckDBPyConnection) -> None:
    """Statements that do not parse, bind or finish are no writes either."""
    first = version(engine)
    for sql in ("SELECT nope FROM t", "SELECT error('x') FROM t"):
        with pytest.raises(duckdb.Error):
            run(engine, raw, sql)
        assert version(engine) == first, sql


WRITES: dict[str, Write] = {
    "insert": lambda raw: raw.execute("INSERT INTO t VALUES (9)"),
    "update": lambda raw: raw.execute("UPDATE t SET a = 7 WHERE a = 1"),
    "delete": lambda raw: raw.execute("DELETE FROM t WHERE a = 1"),
    "truncate": lambda raw: raw.execute("TRUNCATE t"),
    "alter": lambda raw: raw.execute("ALTER TABLE t ADD COLUMN b INTEGER DEFAULT 4"),
    "replace": lambda raw: raw.execute("CREATE OR REPLACE TABLE t AS SELECT 5 AS a"),
    "relation": lambda raw: raw.table("t").insert([11]),
    "executemany": lambda raw: raw.executemany("INSERT INTO t VALUES (?)", [[1], [2]]),
    "transaction": lambda raw: raw.begin().execute("DELETE FROM t").commit(),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_unseen_write_on_the_raw_connection_changes_the_version(
    engine: DuckDBEngine, raw: duckdb.DuckDBPyConnection, write: Write
) -> None:
    """A program may go on using the connection that it wrapped."""
    first = version(engine)
    write(raw)
    second = version(engine)
    assert second is not None
    assert second != first
    assert version(engine) == second


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_unseen_write_through_another_cursor_changes_the_version(
    engine: DuckDBEngine, raw: duckdb.DuckDBPyConnection, write: Write
) -> None:
    """A cursor that nobody wrapped: no version once it has run, another one after it is closed."""
    first = version(engine)
    with raw.cursor() as other:
        write(other)
        assert version(engine) is None
    assert version(engine) not in (None, first)


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_unseen_cursor_that_comes_and_goes_changes_the_version(
    engine: DuckDBEngine, raw: duckdb.DuckDBPyConnection, write: Write
) -> None:
    """A write by a cursor that was opened and closed between two looks."""
    first = version(engine)
    with raw.cursor() as other:
        write(other)
    assert version(engine) not in (None, first)


def test_unseen_write_hidden_between_observed_ones(
    engine: DuckDBEngine, raw: duckdb.DuckDBPyConnection
) -> None:
    """An observed write right after an unseen one hides neither its data nor its names."""
    raw.execute("CREATE VIEW v AS SELECT 1 AS one")
    first = engine.look().catalog
    raw.execute("CREATE OR REPLACE VIEW v AS SELECT 2 AS one")
    run(engine, raw, "INSERT INTO t VALUES (4)")
    assert engine.look().catalog is not first


def test_half_done_foreign_write_has_no_version(engine: DuckDBEngine, raw: duckdb.DuckDBPyConnection) -> None:
    """Between the start of a foreign transaction and its commit nothing may be published or read."""
    first = version(engine)
    with raw.cursor() as other:
        other.begin()
        other.execute("INSERT INTO t VALUES (4)")
        assert version(engine) is None
        rows = raw.execute("SELECT count(*) FROM t").fetchall()
        other.commit()
        assert rows == [(3,)]
    last = version(engine)
    assert last not in (None, first)


def test_write_in_another_thread_during_a_spool(
    engine: DuckDBEngine, raw: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """A view whose rows may be older or newer than its version shows in the version asked for after."""
    before = version(engine)

    def insert() -> None:
        with raw.cursor() as other:
            other.execute("INSERT INTO t VALUES (99)")

    thread = threading.Thread(target=insert)
    thread.start()
    engine.spool(SpoolRequest(sql="SELECT sum(a) FROM t, range(200000)", directory=tmp_path / "view"))
    thread.join()
    assert version(engine) != before


def test_observed_write_changes_the_version(engine: DuckDBEngine, raw: duckdb.DuckDBPyConnection) -> None:
    """A write has no version while it runs and another one afterwards, also for another engine."""
    first = version(engine)
    statements = engine.statement_kinds("INSERT INTO t VALUES (5)")
    cursor = raw.cursor()
    other = engine.for_cursor(cursor)
    engine.observe_before(statements)
    assert version(other) is None
    raw.execute("INSERT INTO t VALUES (5)")
    engine.observe_after(statements)
    assert version(engine) not in (None, first)
    assert version(engine) == version(other)


def test_wraps_of_one_instance_share_identity_and_version(raw: duckdb.DuckDBPyConnection) -> None:
    """A view built through one wrap is found through another one of the same database."""
    instances = Instances()
    one, two = DuckDBEngine(raw, instances=instances), DuckDBEngine(raw.cursor(), instances=instances)
    assert identity(one) == identity(two)
    assert version(one) == version(two)
    assert version(one) is not None
    run(one, raw, "SELECT * FROM t")
    assert version(one) == version(two)


def test_two_memory_databases_are_two(tmp_path: Path) -> None:
    """Equal layout in two in-memory databases is no reason to share a view."""
    instances = Instances()
    found = set()
    connections = [duckdb.connect(":memory:") for _ in range(2)]
    for connection in connections:
        connection.execute("CREATE TABLE t (a INTEGER)")
        engine = DuckDBEngine(connection, instances=instances)
        found |= {identity(engine), version(engine)}
    assert len(found) == 4


def test_begin_commit_without_writes_keeps_the_version(
    engine: DuckDBEngine, raw: duckdb.DuckDBPyConnection
) -> None:
    """Drivers that open a transaction around every SELECT do not make views of others unreadable."""
    first, names = version(engine), engine.look().catalog
    for _ in range(2):
        run(engine, raw, "BEGIN")
        assert engine.look().in_transaction
        run(engine, raw, "SELECT * FROM t")
        assert version(engine) is None
        run(engine, raw, "COMMIT")
        assert not engine.look().in_transaction
        assert version(engine) == first
        assert engine.look().catalog is names


def test_own_writes_in_a_transaction_have_no_version(
    engine: DuckDBEngine, raw: duckdb.DuckDBPyConnection
) -> None:
    """What only this transaction sees must neither be published nor be answered from a view."""
    first = version(engine)
    run(engine, raw, "BEGIN")
    run(engine, raw, "INSERT INTO t VALUES (8)")
    assert version(engine) is None
    run(engine, raw, "ROLLBACK")
    run(engine, raw, "BEGIN")
    run(engine, raw, "DELETE FROM t")
    run(engine, raw, "COMMIT")
    assert version(engine) not in (None, first)


def test_commit_by_others_inside_a_transaction(engine: DuckDBEngine, raw: duckdb.DuckDBPyConnection) -> None:
    """A transaction goes on seeing its snapshot: views of what was committed since are not for it."""
    assert version(engine) is not None
    run(engine, raw, "BEGIN")
    run(engine, raw, "SELECT * FROM t")
    cursor = raw.cursor()
    other = engine.for_cursor(cursor)
    run(other, cursor, "INSERT INTO t VALUES (8)")
    assert version(other) is not None
    assert version(engine) is None
    run(engine, raw, "COMMIT")
    assert version(engine) == version(other)


def test_transaction_begun_on_the_raw_connection_is_noticed(
    engine: DuckDBEngine, raw: duckdb.DuckDBPyConnection
) -> None:
    """Its uncommitted rows are this connection's own, so tables have no version until it ends."""
    first = version(engine)
    raw.begin()
    raw.execute("INSERT INTO t VALUES (8)")
    assert version(engine) is None
    assert engine.look().in_transaction
    raw.commit()
    assert not engine.look().in_transaction
    assert version(engine) not in (None, first)


def test_transaction_methods_are_noted(engine: DuckDBEngine, raw: duckdb.DuckDBPyConnection) -> None:
    """``begin()`` and ``commit()`` of the connection count like the statements."""
    first = version(engine)
    for kind, method in ((StatementKind.BEGIN, raw.begin), (StatementKind.COMMIT, raw.commit)):
        statements = (transaction_statement(kind),)
        engine.observe_before(statements)
        method()
        engine.observe_after(statements)
    assert version(engine) == first


def test_file_version_is_the_same_in_the_next_process(tmp_path: Path) -> None:
    """Closing and opening a database, read-only or not, keeps what was built from it valid."""
    path = tmp_path / "shop.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE t AS SELECT 1 AS a")
    found = []
    for read_only in (True, False, True):
        with duckdb.connect(str(path), read_only=read_only) as connection:
            engine = DuckDBEngine(connection, instances=Instances())
            found.append((identity(engine), version(engine)))
    assert len(set(found)) == 1
    assert found[0][1] is not None


def test_every_write_to_a_file_gives_a_new_version(tmp_path: Path) -> None:
    """Versions never come back, across writes, checkpoints and reopened files."""
    path = tmp_path / "shop.duckdb"
    seen: list[InputVersion | None] = []
    for _ in range(3):
        with duckdb.connect(str(path)) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS t (a INTEGER)")
            engine = DuckDBEngine(connection, instances=Instances())
            for _ in range(3):
                run(engine, connection, "INSERT INTO t VALUES (1)")
                seen.append(version(engine))
    assert None not in seen
    assert len(set(seen)) == len(seen)


def test_replaced_database_file_has_no_version(tmp_path: Path) -> None:
    """Where another file was put in its place, the open database is not the one that the path names."""
    path = tmp_path / "shop.duckdb"
    for name in (path, tmp_path / "other.duckdb"):
        with duckdb.connect(str(name)) as connection:
            connection.execute("CREATE TABLE t AS SELECT 1 AS a")
    with duckdb.connect(str(path), read_only=True) as connection:
        engine = DuckDBEngine(connection, instances=Instances())
        assert version(engine) is not None
        (tmp_path / "other.duckdb").rename(path)
        assert version(engine) is None


def test_file_inputs_follow_their_files(tmp_path: Path) -> None:
    """A changed, added or removed file of a glob changes the version; what is remote has none."""
    engine = DuckDBEngine(duckdb.connect(":memory:"), instances=Instances())
    table = InputIdentity(f"files:csv:{tmp_path}/*.csv")

    def now() -> InputVersion | None:
        # Files of this very moment have no version yet, since the file system could not tell two states
        # of them apart: ask until they are a few milliseconds old.
        for _ in range(100_000):
            found = engine.versions([table])[table]
            if found is not None or not any(tmp_path.glob("*.csv")):
                return found
        return None

    assert now() is None
    (tmp_path / "one.csv").write_text("a\n1\n")
    seen = [now()]
    (tmp_path / "one.csv").write_text("a\n2\n")
    seen.append(now())
    (tmp_path / "two.csv").write_text("a\n3\n")
    seen.append(now())
    (tmp_path / "one.csv").unlink()
    seen.append(now())
    assert None not in seen
    assert len(set(seen)) == 4
    remote = InputIdentity("files:parquet:s3://bucket/*.parquet")
    assert engine.versions([remote])[remote] is None


def test_attached_databases_of_other_systems_have_no_version(engine: DuckDBEngine) -> None:
    """Whoever writes there leaves no trace here."""
    for text in ("table:sqlite elsewhere:/x.db#main.t", "table:/not/attached#main.t", "nonsense"):
        unknown = InputIdentity(text)
        assert engine.versions([unknown])[unknown] is None


def test_temporary_tables_belong_to_their_connection(
    engine: DuckDBEngine, raw: duckdb.DuckDBPyConnection
) -> None:
    """Temporary tables of one name in two connections are two tables, and marked."""
    cursor = raw.cursor()
    other = engine.for_cursor(cursor)
    run(engine, raw, "CREATE TEMP TABLE x AS SELECT 1 AS a")
    run(other, cursor, "CREATE TEMP TABLE x AS SELECT 2 AS a")
    facts = engine.look().catalog.relation(("x",))
    assert isinstance(facts, TableFacts)
    assert facts.temporary
    assert facts.identity != identity(other, "x")


def test_names_of_a_transaction_that_is_undone(engine: DuckDBEngine, raw: duckdb.DuckDBPyConnection) -> None:
    """Names are not read in a transaction: tables made in it are there when it was committed."""
    for end in ("ROLLBACK", "COMMIT"):
        run(engine, raw, "BEGIN")
        run(engine, raw, "CREATE TABLE fresh (a INTEGER)")
        assert engine.look().catalog.relation(("fresh",)) is None
        run(engine, raw, end)
        assert (engine.look().catalog.relation(("fresh",)) is not None) is (end == "COMMIT")


def test_failed_transactions_are_open_until_they_are_undone(
    engine: DuckDBEngine, raw: duckdb.DuckDBPyConnection
) -> None:
    """An error inside leaves the transaction open and everything without a version."""
    run(engine, raw, "BEGIN")
    run(engine, raw, "INSERT INTO t VALUES (1)")
    with pytest.raises(duckdb.Error):
        run(engine, raw, "SELECT error('x') FROM t")
    assert engine.look().in_transaction
    run(engine, raw, "ROLLBACK")
    assert not engine.look().in_transaction
    assert version(engine) is not None
    raw.execute("BEGIN")
    with pytest.raises(duckdb.Error):
        raw.execute("SELECT error('x') FROM t").fetchall()
    assert engine.look().in_transaction
    raw.execute("ROLLBACK")
    assert not engine.look().in_transaction


def test_closed_connection_is_an_error_not_a_version(
    engine: DuckDBEngine, raw: duckdb.DuckDBPyConnection
) -> None:
    """After the program has closed the connection nothing is known of its tables; another wrap goes on."""
    table = identity(engine)
    cursor = raw.cursor()
    other = engine.for_cursor(cursor)
    assert version(other) is not None
    cursor.close()
    with pytest.raises(duckdb.ConnectionException):
        other.look().in_transaction or other.describe("SELECT 1")
    assert engine.versions([table])[table] is not None
