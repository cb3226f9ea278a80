"""Bounded staleness: only for inputs that are named, only for their time, and said wherever it happens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from metastore.embedded import embedded_url
from optimizer_plugin import policies
from optimizer_plugin.engines.duckdb.connection import ReuseConnection
from tests.support.moments import Workbench, eager, same_as_plain, workbench

TOTAL = "SELECT count(*) AS n FROM orders"
BOTH = "SELECT count(*) AS n FROM orders, shops"
POLICY = '[[staleness.inputs]]\nname = "main.orders"\nseconds = 60\n'


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """The time it was set to."""
        return self.now


@pytest.fixture(scope="module")
def url(module_server_directory: Path) -> str:
    """A metastore of this module."""
    return embedded_url(module_server_directory)


@pytest.fixture
def bench(tmp_path: Path, url: str) -> Iterator[Workbench]:
    """Connections under a policy that names one table."""
    for bench in workbench(tmp_path, url):
        bench.policy = eager(POLICY)
        yield bench


@pytest.fixture
def raw(tmp_path: Path) -> duckdb.DuckDBPyConnection:
    """A database with a table that is named and one that is not."""
    raw = duckdb.connect(str(tmp_path / "shop.duckdb"))
    raw.execute("CREATE TABLE orders AS SELECT 1 AS a; CREATE TABLE shops AS SELECT 1 AS a")
    return raw


def opened(bench: Workbench, raw: duckdb.DuckDBPyConnection) -> tuple[ReuseConnection, Clock]:
    """A wrapped connection with a clock of its own."""
    con, clock = bench.wrap(raw), Clock()
    con.reuse.session.staleness.clock = clock
    return con, clock


def count(con: ReuseConnection, sql: str = TOTAL) -> int:
    """The number that a statement gives."""
    return int(con.execute(sql).fetchall()[0][0])


def test_old_rows_for_a_while_and_new_ones_after(bench: Workbench, raw: duckdb.DuckDBPyConnection) -> None:
    """Counted from the last moment at which the version was known to be the current one."""
    con, clock = opened(bench, raw)
    assert [count(con), count(con)] == [1, 1]
    clock.now += 500
    assert count(con) == 1
    raw.execute("INSERT INTO orders VALUES (2)")
    clock.now += 59
    assert count(con) == 1
    report = con.reuse.last
    assert report is not None
    assert report.stale is not None
    assert [round(age) for age in report.stale.ages.values()] == [59]
    explained = str(con.reuse.explain(TOTAL))
    assert "bounded staleness" in explained
    assert "#main.orders as it was 59.0 s ago (the policy allows 60 s)" in explained
    clock.now += 2
    assert count(con) == 2
    assert same_as_plain(con, TOTAL)
    assert "bounded staleness" not in str(con.reuse.explain(TOTAL))
    assert con.reuse.stats()["stale"] == 1


def test_what_the_connection_has_written_counts_at_once(
    bench: Workbench, raw: duckdb.DuckDBPyConnection
) -> None:
    """Nobody may miss rows that he has just written."""
    con, _ = opened(bench, raw)
    assert [count(con), count(con)] == [1, 1]
    con.execute("INSERT INTO orders VALUES (2)")
    assert count(con) == 2
    with con.reuse.off():
        con.begin()
        con.execute("INSERT INTO orders VALUES (3)")
    assert count(con) == 3
    con.commit()
    assert count(con) == 3


def test_only_whole_results_of_what_is_named(bench: Workbench, raw: duckdb.DuckDBPyConnection) -> None:
    """A table beside it that is not named is exact, and parts of a statement are of now."""
    con, _ = opened(bench, raw)
    part = "SELECT (SELECT count(*) FROM orders) AS old, count(*) AS n FROM orders, range(2) AS r(x)"
    for sql in (BOTH, part, "SELECT count(*) AS n FROM shops"):
        assert same_as_plain(con, sql)
    raw.execute("INSERT INTO orders VALUES (2); INSERT INTO shops VALUES (2)")
    assert count(con, BOTH) == 4
    assert count(con, "SELECT count(*) AS n FROM shops") == 2
    assert con.execute("SELECT count(*) AS n, max(a) AS high FROM orders").fetchall() == [(2, 2)]


def test_nothing_is_built_of_what_is_old(bench: Workbench, raw: duckdb.DuckDBPyConnection) -> None:
    """Another connection, and another process, find exact views only."""
    con, _ = opened(bench, raw)
    count(con)
    raw.execute("INSERT INTO orders VALUES (2)")
    assert count(con) == 1
    other, _ = opened(bench, raw.cursor())
    assert count(other) == 2
    assert same_as_plain(other, TOTAL)


def test_off_unless_it_is_named(bench: Workbench, raw: duckdb.DuckDBPyConnection) -> None:
    """Names are compared whole: a table of that name in another schema is another one."""
    bench.policy = eager()
    con, _ = opened(bench, raw)
    for sql in (TOTAL, "SELECT count(*) AS n FROM other.orders"):
        raw.execute("CREATE SCHEMA IF NOT EXISTS other; CREATE TABLE IF NOT EXISTS other.orders (a INTEGER)")
        same_as_plain(con, sql)
        raw.execute("INSERT INTO orders VALUES (2); INSERT INTO other.orders VALUES (2)")
        assert same_as_plain(con, sql)
    staleness = eager(POLICY).staleness
    assert staleness.allowed_seconds("table:/x/shop.duckdb#main.orders") == 60
    for identity in ("table:/x#other.orders", "table:/x#main.orders2", "files:csv:main.orders2", "table:/x"):
        assert staleness.allowed_seconds(identity) == 0


def test_the_section_survives_being_written() -> None:
    """``to_toml`` gives it back, and mistakes are told with their line."""
    policy = policies.parse(POLICY + '[[staleness.inputs]]\nname = "/data/*.csv"\nseconds = 1.5\n')
    assert policies.parse(policies.to_toml(policy)) == policy
    assert policy.staleness.allowed_seconds("files:csv:/data/*.csv") == 1.5
    assert policies.check('[[staleness.inputs]]\nname = "x"\nseconds = -1\n')
