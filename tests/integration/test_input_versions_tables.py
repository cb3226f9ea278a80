"""Tables of DuckDB databases, changed in every way between statements: always the plain rows."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from metastore.embedded import embedded_url
from tests.support.moments import Change, Workbench, old_enough, refused, same_as_plain, workbench

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


def other_cursor(raw: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Run something on a cursor that nobody wrapped."""
    with raw.cursor() as cursor:
        cursor.execute(sql)


def in_a_thread(work: object) -> None:
    """Run something in another thread, to its end."""
    assert callable(work)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


CHANGES: dict[str, Change] = {
    "insert": lambda con, _: con.execute("INSERT INTO t VALUES (1000)"),
    "update": lambda con, _: con.execute("UPDATE t SET a = a + 1"),
    "delete": lambda con, _: con.execute("DELETE FROM t WHERE a < 7"),
    "executemany": lambda con, _: con.executemany("INSERT INTO t VALUES (?)", [[1], [2]]),
    "raw": lambda _, raw: raw.execute("INSERT INTO t VALUES (3)"),
    "relation": lambda _, raw: raw.table("t").insert([4]),
    "raw cursor": lambda _, raw: other_cursor(raw, "INSERT INTO t VALUES (5)"),
    "wrapped cursor in a thread": lambda con, _: in_a_thread(
        lambda: con.cursor().execute("INSERT INTO t VALUES (6)")
    ),
    "raw cursor in a thread": lambda _, raw: in_a_thread(
        lambda: other_cursor(raw, "INSERT INTO t VALUES (7)")
    ),
    "replaced": lambda con, _: con.execute("CREATE OR REPLACE TABLE t AS SELECT 8 AS a"),
    "dropped and made again": lambda con, _: con.execute("DROP TABLE t; CREATE TABLE t AS SELECT 9 AS a"),
    "swapped": lambda con, _: con.execute("ALTER TABLE t RENAME TO u; CREATE TABLE t AS SELECT 10 AS a"),
    "column added": lambda _, raw: raw.execute("ALTER TABLE t ADD COLUMN b INTEGER DEFAULT 1"),
    "checkpoint": lambda con, _: con.execute("UPDATE t SET a = a + 1; CHECKPOINT"),
    "copied in": lambda con, _: con.execute("INSERT INTO t (a) SELECT a FROM t"),
}


def test_every_change_shows_at_once(bench: Workbench, raw: duckdb.DuckDBPyConnection) -> None:
    """One change after another, each followed by the statement: reused in between, and never stale."""
    con = bench.wrap(raw)
    for name, change in CHANGES.items():
        change(con, raw)
        con.execute("SELECT 1")
        assert same_as_plain(con, TOTAL), name
        assert same_as_plain(con, "SELECT * FROM t WHERE a > 5"), name


def test_an_open_cursor_that_nobody_knows_stops_reuse(
    bench: Workbench, raw: duckdb.DuckDBPyConnection
) -> None:
    """It may be in the middle of a write; when it is closed, views are read again."""
    con = bench.wrap(raw)
    assert same_as_plain(con, TOTAL)
    with raw.cursor() as other:
        other.execute("INSERT INTO t VALUES (1)")
        assert "REUSE-201" in refused(con, TOTAL)
        assert "REUSE-201" in str(con.reuse.explain(TOTAL))
        other.execute("INSERT INTO t VALUES (1)")
        same_as_plain(con, TOTAL)
    assert same_as_plain(con, TOTAL)


def test_a_write_on_the_wrapped_connection_itself_in_another_thread(
    bench: Workbench, raw: duckdb.DuckDBPyConnection
) -> None:
    """It is counted when it begins: until it has ended, nothing is built of the rows of before."""
    con = bench.wrap(raw)
    cursor = con.cursor()
    assert same_as_plain(cursor, TOTAL)
    slow = (
        "INSERT INTO t SELECT 100 FROM (SELECT count(*) FROM range(3000) a, range(3000) b "
        "WHERE hash(a.range + b.range) % 7 = 3)"
    )
    thread = threading.Thread(target=lambda: raw.execute(slow))
    thread.start()
    during = 0
    while thread.is_alive() or during < 3:
        cursor.execute(TOTAL).fetchall()
        during += 1
    thread.join()
    same_as_plain(cursor, TOTAL)
    assert same_as_plain(con, TOTAL)
    assert same_as_plain(cursor, TOTAL)


def test_between_opens_nothing_goes_unseen(bench: Workbench, tmp_path: Path) -> None:
    """Other processes, copies, backups with the times of before, and a writer that never closed."""
    path, backup = tmp_path / "shop.duckdb", tmp_path / "backup"
    with duckdb.connect(str(path)) as plain:
        plain.execute("CREATE TABLE t AS SELECT range AS a FROM range(10000)")

    def opened(*, read_only: bool) -> None:
        con = bench.wrap(duckdb.connect(str(path), read_only=read_only))
        assert same_as_plain(con, TOTAL)
        con.close()

    def written_elsewhere(code: str) -> None:
        script = f"import duckdb, os; con = duckdb.connect({str(path)!r}); {code}"
        subprocess.run([sys.executable, "-c", script], check=True)

    opened(read_only=False)
    opened(read_only=True)
    shutil.copy2(path, backup)
    times = path.stat()
    written_elsewhere("con.execute('UPDATE t SET a = a + 1'); con.close()")
    opened(read_only=True)
    shutil.copyfile(backup, path)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    opened(read_only=True)
    written_elsewhere("con.execute('UPDATE t SET a = a + 2'); con.close()")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    opened(read_only=False)
    backup.replace(path)
    opened(read_only=False)
    written_elsewhere("con.execute('INSERT INTO t VALUES (1)'); os._exit(0)")
    opened(read_only=True)
    opened(read_only=False)


def test_a_file_replaced_under_an_open_database(bench: Workbench, tmp_path: Path) -> None:
    """DuckDB goes on with the file that it has open: its rows are not those of the path's file."""
    path = tmp_path / "shop.duckdb"
    for number, name in ((1, path), (2, tmp_path / "next")):
        with duckdb.connect(str(name)) as plain:
            plain.execute(f"CREATE TABLE t AS SELECT {number} AS a")
    kept = duckdb.connect(str(path), read_only=True)
    (tmp_path / "next").replace(path)
    con = bench.wrap(duckdb.connect(str(path), read_only=True))
    assert "REUSE-201" in refused(con, TOTAL)
    con.close()
    kept.close()
    con = bench.wrap(duckdb.connect(str(path), read_only=True))
    assert same_as_plain(con, TOTAL)
    assert con.execute(TOTAL).fetchall() == [(2, 1)]


def test_a_read_only_file_overwritten_in_place(bench: Workbench, tmp_path: Path) -> None:
    """What is read may be of two states: no view of it is kept, and the next process builds its own."""
    path = tmp_path / "shop.duckdb"
    for number, name in ((1, path), (2, tmp_path / "next")):
        with duckdb.connect(str(name)) as plain:
            plain.execute(f"CREATE TABLE t AS SELECT {number} AS a")
    con = bench.wrap(duckdb.connect(str(path), read_only=True))
    assert same_as_plain(con, TOTAL)
    shutil.copyfile(tmp_path / "next", path)
    assert not same_as_plain(con, TOTAL)
    con.close()
    con = bench.wrap(duckdb.connect(str(path), read_only=True))
    same_as_plain(con, TOTAL)
    assert con.execute(TOTAL).fetchall() == [(2, 1)]


def test_one_alias_for_one_file_after_another(bench: Workbench, tmp_path: Path) -> None:
    """ATTACH, DETACH and USE, seen and not seen; in memory, read-only, relative to a directory left since."""
    raw = duckdb.connect()
    con = bench.wrap(raw)
    for number in (1, 2):
        with duckdb.connect(str(tmp_path / f"{number}.duckdb")) as plain:
            plain.execute(f"CREATE TABLE t AS SELECT {number} AS a")
    for who in (con, raw):
        for number in (1, 2, 1):
            for option in ("", " (READ_ONLY)"):
                who.execute(f"ATTACH '{tmp_path}/{number}.duckdb' AS x{option}")
                assert same_as_plain(con, "SELECT sum(a) AS total FROM x.t")
                assert con.execute("SELECT sum(a) AS total FROM x.t").fetchall() == [(number,)]
                who.execute("DETACH x")
        for number in (3, 4):
            who.execute(f"ATTACH ':memory:' AS x; CREATE TABLE x.t AS SELECT {number} AS a")
            assert same_as_plain(con, "SELECT sum(a) AS total FROM x.t")
            who.execute("DETACH x")
    for number in (1, 2):
        raw.execute(f"ATTACH '{tmp_path}/{number}.duckdb' AS n{number}")
    for who in (con, raw):
        for number in (1, 2):
            who.execute(f"USE n{number}")
            assert same_as_plain(con, TOTAL)
            raw.execute(f"INSERT INTO n{number}.t VALUES (50)")
            assert same_as_plain(con, "SELECT (SELECT sum(a) FROM n1.t) AS p, (SELECT sum(a) FROM n2.t) AS q")


def test_a_directory_left_since_a_database_was_attached(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative path means the directory of the time of ATTACH."""
    con = bench.wrap(duckdb.connect())
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        with duckdb.connect(str(tmp_path / name / "x.duckdb")) as plain:
            plain.execute(f"CREATE TABLE t AS SELECT '{name}' AS a")
    sql = "SELECT max(a) AS a FROM x.t"
    monkeypatch.chdir(tmp_path / "one")
    con.execute("ATTACH 'x.duckdb' AS x")
    monkeypatch.chdir(tmp_path / "two")
    assert same_as_plain(con, sql)
    con.execute("DETACH x; ATTACH 'x.duckdb' AS x")
    assert same_as_plain(con, sql)
    assert con.execute(sql).fetchall() == [("two",)]


@pytest.mark.parametrize("seen", [True, False])
def test_a_database_without_a_log(bench: Workbench, tmp_path: Path, seen: bool) -> None:
    """Commits that reach no file until the next checkpoint are told by what this process counts."""
    raw = duckdb.connect()
    attach = f"ATTACH '{tmp_path}/x.duckdb' AS x (RECOVERY_MODE no_wal_writes)"
    if not seen:
        raw.execute(attach)
    con = bench.wrap(raw)
    if seen:
        con.execute(attach)
    con.execute("CREATE TABLE x.t AS SELECT 1 AS a")
    sql = "SELECT sum(a) AS total FROM x.t"
    for write in (con, raw, con):
        assert same_as_plain(con, sql)
        write.execute("INSERT INTO x.t VALUES (100)")
    con.execute("CHECKPOINT x")
    assert same_as_plain(con, sql)
    raw.execute("INSERT INTO x.t VALUES (100)")
    assert same_as_plain(con, sql)


def test_other_kinds_of_databases_are_not_told(bench: Workbench, tmp_path: Path) -> None:
    """SQLite and DuckLake need extensions, which are not everywhere; without them ATTACH fails as ever."""
    con = bench.wrap(duckdb.connect())
    path = tmp_path / "x.sqlite"
    try:
        con.execute("LOAD sqlite")
        con.execute(f"ATTACH '{path}' AS s (TYPE sqlite); CREATE TABLE s.t (a INTEGER)")
    except duckdb.Error:
        pytest.skip("the extension sqlite is not installed")
    con.execute("INSERT INTO s.t VALUES (1)")
    assert "REUSE-201" in refused(con, "SELECT sum(a) AS total FROM s.t")


@pytest.mark.parametrize(
    "source", ["delta_scan('/x')", "iceberg_scan('/x')", "read_xlsx('x.xlsx')", "sqlite_scan('x', 't')"]
)
def test_formats_whose_versions_are_not_told(bench: Workbench, source: str) -> None:
    """Their functions belong to extensions: nothing is signed of what they read, and the reason says so."""
    con = bench.wrap(duckdb.connect())
    explained = con.reuse.explain(f"SELECT count(*) AS n FROM {source}")
    assert "REUSE-109" in str(explained) or "REUSE-107" in str(explained)


def test_writes_between_a_look_and_the_next_tick_of_the_file_system(bench: Workbench, tmp_path: Path) -> None:
    """Checkpoints that follow each other at once leave files of one size; still no row is of before."""
    raw = duckdb.connect(str(tmp_path / "x.duckdb"))
    con = bench.wrap(raw)
    con.execute("CREATE TABLE t AS SELECT range AS a FROM range(100); SET checkpoint_threshold = '1b'")
    for step in range(20):
        con.execute("UPDATE t SET a = a + 1")
        assert con.execute("SELECT min(a) AS low FROM t").fetchall() == [(step + 1,)]
    old_enough(tmp_path / "x.duckdb")
    assert same_as_plain(con, TOTAL)
