"""What a statement means besides its tables: names, macros, functions, settings, variables of the caller."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pytest

from metastore.embedded import embedded_url
from tests.support.moments import Change, Workbench, refused, same_as_plain, workbench

if TYPE_CHECKING:
    from optimizer_plugin.engines.duckdb.connection import ReuseConnection

TOTAL = "SELECT sum(a) AS total FROM t"


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


def column(value: int) -> Any:
    """An Arrow table of one row."""
    return pa.table({"a": [value]})


SHADOWS: dict[str, Change] = {
    "temporary table": lambda con, _: con.execute("CREATE TEMP TABLE t AS SELECT 50 AS a"),
    "dropped": lambda _, raw: raw.execute("DROP TABLE temp.t"),
    "temporary view, not seen": lambda _, raw: raw.execute("CREATE TEMP VIEW t AS SELECT 60 AS a"),
    "another view": lambda con, _: con.execute("CREATE OR REPLACE TEMP VIEW t AS SELECT 61 AS a"),
    "dropped again": lambda con, _: con.execute("DROP VIEW temp.t"),
    "registered": lambda con, _: con.register("t", column(70)),
    "registered anew": lambda _, raw: raw.register("t", column(71)),
    "unregistered": lambda con, _: con.unregister("t"),
    "schema": lambda con, _: con.execute("CREATE SCHEMA s; CREATE TABLE s.t AS SELECT 80 AS a; USE s"),
    "schema left": lambda _, raw: raw.execute("USE main"),
    "search path": lambda _, raw: raw.sql("SET search_path = 's'"),
}


def test_names_that_mean_something_else(bench: Workbench, raw: duckdb.DuckDBPyConnection) -> None:
    """Whatever comes before a table in the search for its name, seen or not."""
    con = bench.wrap(raw)
    assert same_as_plain(con, TOTAL)
    for change in SHADOWS.values():
        change(con, raw)
        same_as_plain(con, TOTAL)
    assert same_as_plain(con, TOTAL)


def test_views_and_macros_defined_anew(bench: Workbench, raw: duckdb.DuckDBPyConnection) -> None:
    """Also those of another database than the table's, whose version does not change with them."""
    con = bench.wrap(raw)
    for who in (con, raw):
        for step in (1, 2):
            for kind in ("", "TEMP "):
                who.execute(f"CREATE OR REPLACE {kind}VIEW {kind.strip()}v AS SELECT a + {step} AS a FROM t")
                assert same_as_plain(con, f"SELECT sum(a) AS total FROM {kind.strip()}v")
                who.execute(f"CREATE OR REPLACE {kind}MACRO f(x) AS x + {step}{len(kind)}")
                assert same_as_plain(con, "SELECT sum(f(a)) AS total FROM t")
    con.execute("CREATE VIEW w AS SELECT sum(f(a)) AS total FROM t; DROP MACRO temp.f")
    assert same_as_plain(con, "SELECT total FROM w")
    raw.execute("CREATE OR REPLACE MACRO f(x) AS x * 3")
    assert same_as_plain(con, "SELECT total FROM w")
    con.cursor().execute("CREATE OR REPLACE MACRO f(x, y := 5) AS x * y")
    same_as_plain(con, "SELECT total FROM w")


def multiplied(factor: int, value: int) -> int:
    """A function for DuckDB to call."""
    return factor * value


def test_functions_of_the_program(bench: Workbench, raw: duckdb.DuckDBPyConnection) -> None:
    """Registered, removed, registered anew, turned into a macro: never reused while it is a function."""
    con = bench.wrap(raw)
    sql = "SELECT sum(g(a)) AS total FROM t"
    for factor in (2, 3):
        raw.create_function("g", partial(multiplied, factor), ["BIGINT"], "BIGINT")
        assert "REUSE-113" in refused(con, sql)
        assert "REUSE-113" in str(con.reuse.explain(sql))
        con.remove_function("g")
    con.execute("CREATE MACRO g(x) AS x + 10")
    assert same_as_plain(con, sql)
    con.execute("DROP MACRO g")
    con.create_function("g", lambda x: x * 5, ["BIGINT"], "BIGINT")
    assert "REUSE-113" in refused(con, sql)


SETTINGS = (
    "SET GLOBAL integer_division = true",
    "SET TimeZone = 'Asia/Tokyo'",
    "SET GLOBAL TimeZone = 'America/New_York'",
    "SET SESSION default_null_order = 'nulls_first'",
    "PRAGMA default_collation = 'nocase'",
    "SET default_order = 'desc'",
    "SELECT 1; SET TimeZone = 'Europe/Berlin'",
    "RESET TimeZone",
    "SET GLOBAL integer_division = false",
)
STATEMENTS = (
    "SELECT a / 2 AS half FROM m",
    "SELECT m::VARCHAR AS x, date_trunc('day', m)::VARCHAR AS day FROM m",
    "SELECT a FROM m ORDER BY a LIMIT 1",
    "SELECT s, count(*) AS n FROM m WHERE s = 'a' GROUP BY s",
    "SELECT a, row_number() OVER (ORDER BY a) AS place FROM m",
)


@pytest.mark.parametrize("who", ["wrapped", "raw", "other wrapped", "other raw"])
def test_settings_however_they_are_changed(
    bench: Workbench, raw: duckdb.DuckDBPyConnection, who: str
) -> None:
    """By this connection, past the wrapper, by another cursor for all of them."""
    raw.execute(
        "CREATE TABLE m AS SELECT * FROM (VALUES (1, 'a', TIMESTAMPTZ '2024-01-01 00:00:00+00'), "
        "(NULL, 'B', TIMESTAMPTZ '2024-01-01 20:00:00+00'), (3, 'A', NULL)) AS v(a, s, m)"
    )
    con = bench.wrap(raw)
    other: Any = con.cursor() if who == "other wrapped" else raw.cursor() if who == "other raw" else None
    setter: Any = other or (con if who == "wrapped" else raw)
    # While a cursor is open that nobody knows, all names are read again for each statement.
    settings, statements = (SETTINGS[:3], STATEMENTS[:2]) if who == "other raw" else (SETTINGS, STATEMENTS)
    for setting in ("SELECT 1", *settings):
        setter.execute(setting)
        hits = [same_as_plain(con, sql) for sql in statements]
        assert all(hits) or who == "other raw", setting
    if other is not None:
        other.close()
    assert all(same_as_plain(con, sql) for sql in STATEMENTS)


VOLATILE = {
    "SELECT a, nextval('q') AS x FROM t": "REUSE-101",
    "SELECT a * random() AS x FROM t": "REUSE-101",
    "SELECT a, uuid() AS x FROM t": "REUSE-101",
    "SELECT a, getvariable('v') AS x FROM t": "REUSE-102",
    "SELECT a, current_setting('threads') AS x FROM t": "REUSE-102",
    "SELECT a, today() AS x FROM t": "REUSE-102",
    "SELECT a, current_query() AS x FROM t": "REUSE-101",
    "SELECT a, current_date AS x FROM t": "REUSE-102",
    "SELECT count(*) AS n FROM duckdb_tables()": "REUSE-101",
    "SELECT * FROM t USING SAMPLE 5": "REUSE-105",
    "SELECT count(*) AS n FROM information_schema.tables": "REUSE-107",
}


def test_what_gives_something_else_each_time(bench: Workbench, raw: duckdb.DuckDBPyConnection) -> None:
    """Sequences, clocks, variables, the catalog itself: never reused, with their codes in ``explain``."""
    con = bench.wrap(raw)
    con.execute("CREATE SEQUENCE q; SET VARIABLE v = 1")
    for sql, code in VOLATILE.items():
        for _ in range(2):
            con.execute(sql).fetchall()
            report = con.reuse.last
            assert report is not None
            assert not report.reads
            assert not report.whole
        assert code in str(con.reuse.explain(sql)), sql


def total_of(con: ReuseConnection, value: int | None) -> list[list[tuple[int]]]:
    """Twice the total of ``d``, which is a variable of this function where a value is given."""
    if value is None:
        return [con.execute("SELECT sum(a) AS total FROM d").fetchall() for _ in (1,)] * 2
    d = column(value)  # noqa: F841 - named in SQL
    first = con.execute("SELECT sum(a) AS total FROM d").fetchall()
    return [first, con.execute("SELECT sum(a) AS total FROM d").fetchall()]


def test_variables_of_the_caller(bench: Workbench, raw: duckdb.DuckDBPyConnection) -> None:
    """A variable counts where no table has its name, with its value of the moment."""
    con = bench.wrap(raw)
    for value in (1, 2):
        assert total_of(con, value) == [[(value,)]] * 2
        assert "REUSE-107" in {reason.code for reason in con.reuse.last.not_reused}  # type: ignore[union-attr]
    con.execute("CREATE TABLE d AS SELECT 50 AS a")
    assert total_of(con, 3) == [[(50,)]] * 2
    raw.execute("DROP TABLE d")
    assert total_of(con, 4) == [[(4,)]] * 2
    with pytest.raises(duckdb.CatalogException):
        total_of(con, None)
    con.register("d", column(5))
    assert total_of(con, 6) == [[(5,)]] * 2
    con.unregister("d")
    assert total_of(con, 7) == [[(7,)]] * 2
