"""Generated data: whole or not there, once for all processes, the same from Parquet files."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from benchmarks.errors import BenchmarkError
from benchmarks.tpcds.data import CACHE_VARIABLE, cache_directory, export_parquet, prepare
from benchmarks.tpcds.queries import parse_selection

SCALE = 0.01

_PREPARE = """
import sys
from pathlib import Path
from benchmarks.tpcds import data

create = data._create_database

def tell(places):
    print("created", flush=True)
    create(places)

data._create_database = tell
data.prepare(Path(sys.argv[1]), 0.01)
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with a small database in it."""
    directory = tmp_path_factory.mktemp("cache")
    prepare(directory, SCALE)
    return directory


def facts(database: Path) -> list[tuple[object, ...]]:
    """Every table with its columns, types and number of rows."""
    with duckdb.connect(database, read_only=True) as connection:
        columns = connection.execute(
            "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal ORDER BY ALL"
        ).fetchall()
        tables = sorted({name for name, _, _ in columns})
        counts = [connection.execute(f'SELECT count(*) FROM "{name}"').fetchone() for name in tables]
    return [*columns, *zip(tables, counts, strict=True)]


def test_database_and_queries(cache: Path) -> None:
    """A prepared cache holds 24 tables and 99 texts, and nothing temporary."""
    dataset = prepare(cache, SCALE)

    assert [query.number for query in dataset.queries] == list(range(1, 100))
    assert all("SELECT" in query.text.upper() for query in dataset.queries)
    with duckdb.connect(dataset.database, read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM duckdb_tables()").fetchone() == (24,)
        assert connection.execute("SELECT count(*) > 0 FROM store_sales").fetchone() == (True,)
    assert not list(cache.glob("*.tmp")) + list(cache.glob(".*.tmp"))


def test_prepared_once(cache: Path) -> None:
    """A second call finds the database and leaves it alone."""
    before = prepare(cache, SCALE).database.stat()

    after = prepare(cache, SCALE).database.stat()

    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_two_processes_generate_once(tmp_path: Path) -> None:
    """Of two processes that start at once, the second takes the database of the first."""
    commands = [sys.executable, "-c", _PREPARE, str(tmp_path)]
    processes = [subprocess.Popen(commands, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = [process.communicate()[0] for process in processes]

    assert [process.returncode for process in processes] == [0, 0]
    assert sorted(answers) == ["", "created\n"]


def test_a_failed_generation_leaves_nothing(tmp_path: Path) -> None:
    """What dies halfway leaves neither a database nor temporary files."""
    (tmp_path / "sf0.01-parquet").mkdir()
    (tmp_path / "sf0.01-parquet" / "store.parquet").write_bytes(b"not a Parquet file")

    with pytest.raises(duckdb.Error):
        prepare(tmp_path, SCALE)

    assert {path.name for path in tmp_path.iterdir()} <= {".lock", "sf0.01-parquet"}


def test_parquet_gives_the_same_database(cache: Path, tmp_path: Path) -> None:
    """A cache with only the exported files and the texts gives the same tables, types and counts."""
    exported = export_parquet(cache, SCALE)
    shutil.copytree(exported, tmp_path / exported.name)
    shutil.copy(cache / "queries.json", tmp_path)

    copied = prepare(tmp_path, SCALE)

    assert facts(copied.database) == facts(prepare(cache, SCALE).database)


def test_a_damaged_list_of_queries(cache: Path, tmp_path: Path) -> None:
    """A list that is no list is named, with what to do about it."""
    shutil.copy(prepare(cache, SCALE).database, tmp_path)
    (tmp_path / "queries.json").write_text("[]x")

    with pytest.raises(BenchmarkError, match=r"queries\.json.*delete it"):
        prepare(tmp_path, SCALE)


def test_a_cache_that_is_a_file(tmp_path: Path) -> None:
    """A cache that cannot be a directory is one clear error."""
    (tmp_path / "file").touch()

    with pytest.raises(BenchmarkError, match=f"not usable.*{CACHE_VARIABLE}"):
        prepare(tmp_path / "file", SCALE)


def test_where_the_cache_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An argument wins over the variable, the variable over the user's cache."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    assert cache_directory() == tmp_path / "tpcds"
    assert cache_directory(Path("here")) == Path("here")
    monkeypatch.delenv(CACHE_VARIABLE)
    assert cache_directory().name == "tpcds"
    assert not cache_directory().is_relative_to(Path.cwd())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,2,5-7", (1, 2, 5, 6, 7)),
        ("7, 3 ,7", (7, 3)),
        ("99", (99,)),
        ("all", tuple(range(1, 100))),
        (None, tuple(range(1, 100))),
    ],
)
def test_selection(text: str | None, expected: tuple[int, ...]) -> None:
    """Numbers and ranges, in the order given, each once."""
    assert parse_selection(text) == expected


@pytest.mark.parametrize("text", ["0", "100", "5-200", "9-5", "x", "1,,2", "1.5", "-3"])
def test_bad_selection(text: str) -> None:
    """What names no query of the benchmark is refused."""
    with pytest.raises(BenchmarkError, match="--queries"):
        parse_selection(text)
