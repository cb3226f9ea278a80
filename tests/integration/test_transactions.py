"""Transactions through the wrapped connection: what they see, and that nothing of ours runs in them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from metastore.embedded import embedded_url
from tests.support.moments import Workbench, refused, same_as_plain, workbench

TOTAL = "SELECT sum(a) AS total, count(*) AS n FROM t"


@pytest.fixture(scope="module")
def url(module_server_directory: Path) -> str:
    """A metastore of this module."""
    return embedded_url(module_server_directory)


@pytest.fixture
def bench(tmp_path: Path, url: str) -> Iterator[Workbench]:
    """Connections that share everything."""
    yield from workbench(tmp_path, url)


@pytest.fixture(params=["memory", "file"])
def raw(request: pytest.FixtureRequest, tmp_path: Path) -> duckdb.DuckDBPyConnection:
    """A connection with a table ``t``, in memory and in a file."""
    raw = duckdb.connect(":memory:" if request.param == "memory" else str(tmp_path / "shop.duckdb"))
    raw.execute("CREATE TABLE t AS SELECT range AS a FROM range(100)")
    return raw


def fails(connection: Any, sql: str) -> str:
    """The class of the error that a statement raises."""
    with pytest.raises(duckdb.Error) as caught:
        connection.execute(sql).fetchall()
    return type(caught.value).__name__


@pytest.mark.parametrize("how", ["methods", "statements", "raw"])
@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_own_writes_are_read_and_nothing_else(
    bench: Workbench, raw: duckdb.DuckDBPyConnection, how: str, end: str
) -> None:
    """Inside, the transaction's own state; for others the committed one, until it ends."""
    con = bench.wrap(raw)
    other = con.cursor()
    assert same_as_plain(con, TOTAL)

    def run(word: str) -> None:
        if how == "statements":
            con.execute(word)
        else:
            getattr(con if how == "methods" else raw, word)()

    run("begin")
    assert "REUSE-505" in refused(con, TOTAL)
    con.execute("INSERT INTO t VALUES (1000)")
    assert "REUSE-505" in refused(con, TOTAL)
    assert "REUSE-505" in str(con.reuse.explain(TOTAL))
    assert con.execute(TOTAL).fetchall() == [(5950, 101)]
    assert other.execute(TOTAL).fetchall() == [(4950, 100)]
    same_as_plain(other, TOTAL)
    run(end)
    expected = [(5950, 101)] if end == "commit" else [(4950, 100)]
    for connection in (other, con):
        assert same_as_plain(connection, TOTAL)
        assert connection.execute(TOTAL).fetchall() == expected
    assert con.reuse.stats()["errors"] == other.reuse.stats()["errors"] == 0


def test_a_snapshot_outlives_views_published_later(bench: Workbench, raw: duckdb.DuckDBPyConnection) -> None:
    """A transaction that has begun to read goes on reading its moment, whatever others build meanwhile."""
    con = bench.wrap(raw)
    other = con.cursor()
    con.begin()
    first = con.execute(TOTAL).fetchall()
    other.execute("INSERT INTO t VALUES (1000)")
    assert same_as_plain(other, TOTAL)
    assert con.execute(TOTAL).fetchall() == first
    con.commit()
    assert same_as_plain(con, TOTAL)
    assert con.execute(TOTAL).fetchall() == other.execute(TOTAL).fetchall() != first


@pytest.mark.parametrize(
    "before", ["SELECT 1", "SET threads = 2", "SELECT 1 + 1 AS x", "SELECT sum(a) FROM t"]
)
def test_the_snapshot_is_taken_when_the_program_takes_it(
    bench: Workbench, raw: duckdb.DuckDBPyConnection, before: str
) -> None:
    """DuckDB takes it when a transaction first reads: a catalog query of ours would be a read too early."""

    def sees_the_other(connection: Any, writer: Any) -> bool:
        count = writer.execute("SELECT count(*) FROM t").fetchall()[0][0]
        connection.execute("BEGIN")
        connection.execute(before)
        writer.execute("INSERT INTO t VALUES (1)")
        seen = connection.execute("SELECT count(*) FROM t").fetchall()[0][0]
        connection.execute("COMMIT")
        return bool(seen > count)

    expected = sees_the_other(raw.cursor(), raw.cursor())
    con = bench.wrap(raw)
    con.execute(TOTAL).fetchall()
    assert sees_the_other(con, con.cursor()) == expected
    raw.execute("CREATE TABLE more (a INTEGER)")
    assert sees_the_other(con, con.cursor()) == expected


@pytest.mark.parametrize("begun", ["con", "raw"])
def test_a_transaction_that_failed(bench: Workbench, raw: duckdb.DuckDBPyConnection, begun: str) -> None:
    """The engine's own errors until it is undone; none of them is counted as ours."""
    con = bench.wrap(raw)
    first: Any = con if begun == "con" else raw
    first.execute("BEGIN")
    first.execute("INSERT INTO t VALUES (1)")
    assert fails(first, "SELECT error('x') FROM t") == "InvalidInputException"
    for sql in (TOTAL, "SELECT max(a) + 1 AS m FROM t", "INSERT INTO t VALUES (2)", "BEGIN"):
        assert fails(con, sql) == "TransactionException"
    assert "REUSE-505" in str(con.reuse.explain(TOTAL))
    con.execute("ROLLBACK")
    assert same_as_plain(con, TOTAL)
    stats = con.reuse.stats()
    assert stats["errors"] == stats["fallbacks"] == 0


def test_begin_twice(bench: Workbench, raw: duckdb.DuckDBPyConnection) -> None:
    """The second BEGIN fails; what the first one has written stays its own."""
    con = bench.wrap(raw)
    other = con.cursor()
    con.execute("BEGIN; INSERT INTO t VALUES (1000)")
    assert fails(con, "BEGIN") == "TransactionException"
    assert fails(con, TOTAL) == "TransactionException"
    assert same_as_plain(other, TOTAL)
    con.execute("ROLLBACK")
    assert same_as_plain(con, TOTAL)


def test_scripts(bench: Workbench, raw: duckdb.DuckDBPyConnection) -> None:
    """Several statements in one text, whole transactions among them, also where one of them fails."""
    con = bench.wrap(raw)
    assert same_as_plain(con, TOTAL)
    con.execute("BEGIN; INSERT INTO t VALUES (7); COMMIT")
    assert same_as_plain(con, TOTAL)
    con.execute("BEGIN; DELETE FROM t; ROLLBACK; SELECT 1")
    assert same_as_plain(con, TOTAL)
    assert fails(con, "BEGIN; INSERT INTO t VALUES (8); SELECT error('y') FROM t; ROLLBACK")
    assert fails(con, TOTAL) == "TransactionException"
    con.execute("ROLLBACK")
    assert same_as_plain(con, TOTAL)
    con.execute("INSERT INTO t VALUES (9); BEGIN; INSERT INTO t VALUES (10)")
    refused(con, TOTAL)
    con.execute("ROLLBACK; INSERT INTO t VALUES (11)")
    assert same_as_plain(con, TOTAL)


def test_definitions_inside(bench: Workbench, raw: duckdb.DuckDBPyConnection) -> None:
    """Tables, columns, views and macros made in a transaction, committed and undone."""
    con = bench.wrap(raw)
    other = con.cursor()
    statement = "SELECT sum(f(a)) AS total FROM v"
    con.execute("CREATE MACRO f(x) AS x + 1; CREATE VIEW v AS SELECT a FROM t")
    assert same_as_plain(con, statement)
    for end in ("ROLLBACK", "COMMIT"):
        con.execute("BEGIN; CREATE OR REPLACE MACRO f(x) AS x + 2")
        con.execute(
            "CREATE OR REPLACE VIEW v AS SELECT a * 2 AS a FROM t; ALTER TABLE t ADD COLUMN b INTEGER"
        )
        refused(con, statement)
        refused(con, "SELECT * FROM t")
        assert same_as_plain(other, statement)
        con.execute(end)
        for connection in (con, other):
            assert same_as_plain(connection, statement)
            assert same_as_plain(connection, "SELECT * FROM t")


def test_conflicts(bench: Workbench, raw: duckdb.DuckDBPyConnection) -> None:
    """Of two transactions that change one row the second fails, and nothing of it shows."""
    con = bench.wrap(raw)
    other = con.cursor()
    con.begin()
    other.begin()
    con.execute("UPDATE t SET a = 1000 WHERE a = 1")
    assert fails(other, "UPDATE t SET a = 2000 WHERE a = 1") == "TransactionException"
    con.commit()
    other.rollback()
    for connection in (con, other):
        assert same_as_plain(connection, TOTAL)


def test_cursors_in_threads_with_a_writer(bench: Workbench, raw: duckdb.DuckDBPyConnection) -> None:
    """Each reader sees a total that only grows, and at the end the last one; nothing of ours fails."""
    con = bench.wrap(raw)
    readers = [con.cursor() for _ in range(3)]
    seen: list[list[int]] = [[] for _ in readers]
    done = threading.Event()

    def read(connection: Any, into: list[int]) -> None:
        while not done.is_set() or len(into) < 5:
            into.append(connection.execute("SELECT count(*) AS n FROM t").fetchall()[0][0])

    threads = [threading.Thread(target=read, args=pair) for pair in zip(readers, seen, strict=True)]
    for thread in threads:
        thread.start()
    for step in range(30):
        if step % 3:
            con.execute("INSERT INTO t VALUES (1)")
        else:
            con.execute("BEGIN; INSERT INTO t VALUES (1), (2); COMMIT")
    done.set()
    for thread in threads:
        thread.join()
    for found in seen:
        assert found == sorted(found)
    for connection in (*readers, con):
        same_as_plain(connection, TOTAL)
    for connection in (*readers, con):
        assert same_as_plain(connection, TOTAL)
        assert connection.reuse.stats()["errors"] == 0
