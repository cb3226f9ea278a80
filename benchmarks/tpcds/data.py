"""The TPC-DS database of a run: generated once, kept outside the source tree.

DuckDB 1.5 generates it with its own extension. A DuckDB without that extension reads the Parquet files
that ``--export-parquet`` wrote, into a database file of its own version.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import duckdb
from filelock import FileLock
from platformdirs import user_cache_path

from benchmarks.errors import BenchmarkError
from benchmarks.tpcds.extension import load_generator
from benchmarks.tpcds.queries import Query, load_queries, save_queries

CACHE_VARIABLE = "RESPOOL_CACHE"
"""Environment variable that names the cache directory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A generated database and the texts of the queries that run on it."""

    database: Path
    scale_factor: float
    queries: tuple[Query, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Places:
    """Where the pieces of one scale factor lie."""

    directory: Path
    scale_factor: float

    @property
    def database(self) -> Path:
        # Storage formats differ between minor releases; patch releases share one.
        major, minor = duckdb.__version__.split(".")[:2]
        return self.directory / f"sf{self.scale_factor:g}-duckdb{major}.{minor}.duckdb"

    @property
    def parquet(self) -> Path:
        return self.directory / f"sf{self.scale_factor:g}-parquet"

    @property
    def queries(self) -> Path:
        return self.directory / "queries.json"

    @property
    def lock(self) -> Path:
        return self.directory / ".lock"


def cache_directory(data: Path | None = None) -> Path:
    """Where generated data is kept: ``data``, else ``$RESPOOL_CACHE/tpcds``, else the user's cache."""
    if data is not None:
        return data
    root = os.environ.get(CACHE_VARIABLE)
    return (Path(root) if root else user_cache_path("respool")) / "tpcds"


def prepare(directory: Path, scale_factor: float) -> Dataset:
    """Give the database of a scale factor, generating what is not there yet.

    Two processes that ask at once generate once; a process that dies leaves no half a database.

    Raises:
        BenchmarkError: the directory cannot be written, or there is nothing to generate from.
    """
    places = _Places(directory=directory, scale_factor=scale_factor)
    if not (places.database.exists() and places.queries.exists()):
        with _locked(places):
            if not places.database.exists():
                _create_database(places)
            if not places.queries.exists():
                _fetch_queries(places)
    return Dataset(database=places.database, scale_factor=scale_factor, queries=load_queries(places.queries))


def export_parquet(directory: Path, scale_factor: float) -> Path:
    """Write every table as one Parquet file, for DuckDB versions that cannot generate.

    Returns:
        The directory of the files; it appears whole or not at all.

    Raises:
        BenchmarkError: as ``prepare``.
    """
    prepare(directory, scale_factor)
    places = _Places(directory=directory, scale_factor=scale_factor)
    with _locked(places):
        if places.parquet.exists():
            return places.parquet
        temporary = _temporary(places.parquet)
        temporary.mkdir()
        try:
            with duckdb.connect(places.database, read_only=True) as connection:
                for (table,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall():
                    _copy_out(connection, table, temporary / f"{table}.parquet")
            temporary.rename(places.parquet)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return places.parquet


def _copy_out(connection: duckdb.DuckDBPyConnection, table: str, path: Path) -> None:
    connection.execute(f'COPY (FROM "{table}") TO {_literal(path)} (FORMAT parquet, COMPRESSION zstd)')


def _create_database(places: _Places) -> None:
    temporary = _temporary(places.database)
    try:
        with _generating_connection(temporary) as connection:
            if places.parquet.exists():
                _read_parquet(connection, places.parquet)
            elif load_generator(connection):
                connection.execute("CALL dsdgen(sf = $1)", [places.scale_factor])
            else:
                raise _nothing_to_generate_from(places)
            connection.execute("CHECKPOINT")
        temporary.replace(places.database)
    finally:
        temporary.unlink(missing_ok=True)
        temporary.with_name(f"{temporary.name}.wal").unlink(missing_ok=True)


def _read_parquet(connection: duckdb.DuckDBPyConnection, directory: Path) -> None:
    for path in sorted(directory.glob("*.parquet")):
        connection.execute(f'CREATE TABLE "{path.stem}" AS FROM read_parquet({_literal(path)})')


def _fetch_queries(places: _Places) -> None:
    with _generating_connection(":memory:") as connection:
        if not load_generator(connection):
            raise _nothing_to_generate_from(places)
        rows = connection.execute("SELECT query_nr, query FROM tpcds_queries() ORDER BY 1").fetchall()
    save_queries(places.queries, tuple(Query(number=number, text=text) for number, text in rows))


@contextmanager
def _generating_connection(database: Path | str) -> Iterator[duckdb.DuckDBPyConnection]:
    # The binary of the PyPI package is signed by nobody that DuckDB knows.
    with duckdb.connect(database, config={"allow_unsigned_extensions": True}) as connection:
        yield connection


@contextmanager
def _locked(places: _Places) -> Iterator[None]:
    try:
        places.directory.mkdir(parents=True, exist_ok=True)
        with FileLock(places.lock):
            yield
    except OSError as error:
        raise BenchmarkError(
            f"found {places.directory} not usable ({error.strerror})",
            expected="a directory that can be written",
            remedy=f"pass --data or set {CACHE_VARIABLE}",
        ) from error


def _temporary(final: Path) -> Path:
    return final.with_name(f".{final.name}.{uuid4().hex}.tmp")


def _literal(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _nothing_to_generate_from(places: _Places) -> BenchmarkError:
    return BenchmarkError(
        f"found no TPC-DS extension for DuckDB {duckdb.__version__}",
        expected=f"the extension, or {places.parquet.name} and {places.queries.name} in {places.directory}",
        remedy="run once with --export-parquet and the same --data in an environment with DuckDB 1.5 and "
        "duckdb-extension-tpcds",
    )
