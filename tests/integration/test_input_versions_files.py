"""Parquet, CSV and JSON files, changed in every way between statements: always the plain rows."""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from metastore.embedded import embedded_url
from optimizer_plugin.engines.duckdb import files
from tests.support.moments import Workbench, old_enough, refused, same_as_plain, workbench


@pytest.fixture(scope="module")
def url(module_server_directory: Path) -> str:
    """A metastore of this module."""
    return embedded_url(module_server_directory)


@pytest.fixture
def bench(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workbench]:
    """Connections that share everything, in a directory of their own."""
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path / "data")
    yield from workbench(tmp_path, url)


def write(name: str, text: str) -> Path:
    """A file in the current directory, old enough to be told from its next state."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    old_enough(path)
    return path


def parquet(name: str, select: str) -> Path:
    """The same, in Parquet."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    duckdb.connect().execute(f"COPY ({select}) TO '{path}' (FORMAT parquet)")
    old_enough(path)
    return path


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM 'a.csv'",
        "SELECT * FROM read_csv('a.csv')",
        "SELECT count(*) AS n, min(a) AS low FROM read_csv_auto(['a.csv'])",
        "SELECT * FROM read_csv('*.csv', union_by_name = true, filename = true)",
    ],
)
def test_columns_that_change(bench: Workbench, sql: str) -> None:
    """A file may come back with other columns, other types, another order; the statement stays as it is."""
    con = bench.wrap(duckdb.connect())
    for text in ("a,b\n1,2\n", "b,a\n1,2\n", "a,b,c\n1,2,5\n", "a,b\nx,2\n", "a\n2\n", "a,b\n1,2\n"):
        write("a.csv", text)
        assert same_as_plain(con, sql), text


HIVE = (
    "SELECT y, count(*) AS n FROM read_parquet('h/*/*.parquet') GROUP BY y",
    "SELECT y, a FROM read_parquet('h/**/*.parquet', hive_partitioning = true)",
    "SELECT * FROM read_parquet('h/**/*.parquet', hive_partitioning = false)",
    "SELECT * FROM read_parquet('h/**/*.parquet', hive_types = {'y': 'VARCHAR'})",
    "SELECT * FROM read_parquet('h/**/*.parquet', filename = true)",
    "SELECT sum(a) AS total FROM 'h/*/*.parquet'",
)


def test_hive_partitions(bench: Workbench) -> None:
    """Files added, removed, moved to another partition, replaced by files of the same size and time."""
    for year in (1, 2, 3):
        parquet(f"h/y={year}/data.parquet", f"SELECT {year} AS a FROM range(100)")
    con = bench.wrap(duckdb.connect())

    def check() -> None:
        for sql in HIVE:
            assert same_as_plain(con, sql), sql

    check()
    Path("h/y=3").rename("h/y=7")
    old_enough(Path("h/y=7/data.parquet"))
    check()
    added = parquet("h/y=7/more.parquet", "SELECT 1000 AS a")
    check()
    added.unlink()
    check()
    before = Path("h/y=1/data.parquet").stat()
    other = parquet("other", "SELECT 5 AS a FROM range(100)")
    assert other.stat().st_size == before.st_size
    shutil.copyfile(other, "h/y=1/data.parquet")
    os.utime("h/y=1/data.parquet", ns=(before.st_atime_ns, before.st_mtime_ns))
    old_enough(Path("h/y=1/data.parquet"))
    check()
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace("h/y=2/data.parquet")
    old_enough(Path("h/y=2/data.parquet"))
    check()


def test_lists_json_and_compressed_files(bench: Workbench) -> None:
    """Each kind of file is told by the same means."""
    con = bench.wrap(duckdb.connect())
    statements = (
        "SELECT * FROM 'a.json'",
        "SELECT * FROM read_json('a*.json', filename = true)",
        "SELECT * FROM read_json('a.json', columns = {'a': 'VARCHAR'})",
        "SELECT * FROM read_csv('z.csv.gz')",
        "SELECT * FROM read_csv(['one.csv', 'two.csv'])",
        "SELECT * FROM read_csv(['two.csv', 'one.csv'], filename = true)",
    )
    for step, json in enumerate(('{"a":1,"b":2}', '{"a":1,"b":3}', '{"a":"x","c":4}')):
        write("a.json", json)
        with gzip.open("z.csv.gz", "wt") as packed:
            packed.write(f"a\n{step}\n")
        write("one.csv", f"a\n{step}\n")
        write("two.csv", f"a\n{9 - step}\n")
        old_enough(Path("z.csv.gz"))
        for sql in statements:
            assert same_as_plain(con, sql), sql


OPTIONS = (
    "",
    "delim = ','",
    "delim := ','",
    "delim := '|'",
    "header = false",
    "header := true",
    "skip = 1",
    "skip := 2",
    "nullstr = '5'",
    "nullstr := '1'",
    "nullstr => '2'",
    "all_varchar := true",
    "names = ['a', 'b']",
    "names := ['c', 'd']",
    "columns = {'x': 'VARCHAR', 'y': 'VARCHAR'}",
    "columns := {'x': 'VARCHAR', 'z': 'VARCHAR'}",
    "filename := true",
)


def test_options_however_they_are_written(bench: Workbench) -> None:
    """``nullstr = '1'`` and ``nullstr := '1'`` mean the same, and something else than no option at all."""
    write("o.csv", "1,2|3\n5,6|7\n,2|1\n")
    con = bench.wrap(duckdb.connect())
    for option in OPTIONS:
        same_as_plain(con, f"SELECT * FROM read_csv('o.csv'{', ' if option else ''}{option})")


def test_links(bench: Workbench) -> None:
    """A link that gets another name or another end: its name is in ``filename`` and in partitions."""
    write("real/one/x.csv", "a\n1\n")
    write("real/two/x.csv", "a\n2\n")
    Path("l").mkdir()
    Path("l/p=1").symlink_to(Path("real/one").resolve())
    Path("now.csv").symlink_to("real/one/x.csv")
    con = bench.wrap(duckdb.connect())
    by_partition = "SELECT * FROM read_csv('l/*/x.csv', hive_partitioning = true)"
    by_name = "SELECT * FROM read_csv('*.csv', filename = true)"
    assert same_as_plain(con, by_partition)
    assert same_as_plain(con, by_name)
    assert same_as_plain(con, "SELECT a FROM 'now.csv'")
    Path("l/p=1").rename("l/p=7")
    Path("now.csv").rename("then.csv")
    assert same_as_plain(con, by_partition)
    assert same_as_plain(con, by_name)
    Path("now.csv").symlink_to("real/two/x.csv")
    assert same_as_plain(con, "SELECT a FROM 'now.csv'")
    assert con.execute("SELECT a FROM 'now.csv'").fetchall() == [(2,)]


def test_relative_paths_and_where_they_lead(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program changes its directory, ``file_search_path`` and ``home_directory``."""
    home = Path.cwd()
    for name in ("one", "two"):
        write(f"{name}/r.csv", f"a,n\n1,{name}\n")
        write(f"{name}/only_{name}.csv", f"a,n\n1,{name}\n")
    raw = duckdb.connect()
    con = bench.wrap(raw)
    for name in ("one", "two", "one"):
        monkeypatch.chdir(home / name)
        assert same_as_plain(con, "SELECT * FROM 'r.csv'")
        assert same_as_plain(con, "SELECT * FROM read_csv('r.csv', filename = true)")
        assert same_as_plain(con, "SELECT * FROM 'only_*.csv'")
    monkeypatch.chdir(home)
    for who in (con, raw):
        for name in ("one", "two"):
            who.execute(f"SET file_search_path = '{home / name}'")
            same_as_plain(con, "SELECT * FROM 'r.csv'")
            same_as_plain(con, "SELECT * FROM 'only_*.csv'")
            write(f"{name}/r.csv", f"a,n\n2,{name}\n")
            same_as_plain(con, "SELECT * FROM 'r.csv'")
        who.execute("RESET file_search_path")
        for name in ("one", "two"):
            who.execute(f"SET home_directory = '{home / name}'")
            same_as_plain(con, "SELECT * FROM '~/r.csv'")
            write(f"{name}/r.csv", f"a,n\n3,{name}\n")
            same_as_plain(con, "SELECT * FROM read_csv('~/r.csv')")


def test_what_is_not_a_file_here_is_not_told(bench: Workbench) -> None:
    """Remote paths, files of this very moment, pipes; and a glob that finds nothing."""
    con = bench.wrap(duckdb.connect())
    write("a.csv", "a\n1\n")
    for source in ("https://example.invalid/a.parquet", "s3://bucket/a.parquet", "file://a.csv"):
        explained = str(con.reuse.explain(f"SELECT count(*) AS n FROM '{source}'"))
        assert "REUSE-1" in explained or "REUSE-201" in explained
    os.mkfifo("pipe.csv")
    assert files.file_version(["pipe.csv"]) is None
    assert files.file_version(["gone.csv"]) is None
    assert files.file_version([]) is None
    Path("a.csv").write_text("a\n2\n")
    assert files.file_version(["a.csv"]) is None
    old_enough(Path("a.csv"))
    assert files.file_version(["a.csv"]) is not None


def test_a_file_that_shrinks_away_and_comes_back(bench: Workbench) -> None:
    """Where the file is gone, DuckDB's own error comes; afterwards the new file is read."""
    con = bench.wrap(duckdb.connect())
    path = write("a.csv", "a\n1\n")
    assert same_as_plain(con, "SELECT a FROM 'a.csv'")
    path.unlink()
    with pytest.raises(duckdb.IOException):
        con.execute("SELECT a FROM 'a.csv'")
    write("a.csv", "a\n5\n")
    assert same_as_plain(con, "SELECT a FROM 'a.csv'")
    assert con.execute("SELECT a FROM 'a.csv'").fetchall() == [(5,)]


def test_young_files_are_refused_with_their_code(bench: Workbench) -> None:
    """A statement in the same instant as the write is answered by the file."""
    con = bench.wrap(duckdb.connect())
    path = Path("future.csv")
    path.write_text("a\n1\n")
    later = path.stat().st_mtime_ns + 3_600_000_000_000
    os.utime(path, ns=(later, later))
    assert "REUSE-201" in refused(con, "SELECT a FROM 'future.csv'")
