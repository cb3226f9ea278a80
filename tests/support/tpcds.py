"""TPC-DS as DuckDB's extension carries it: the schema, and the texts of its 99 queries."""

from __future__ import annotations

import os
from dataclasses import dataclass

import duckdb
import pytest

from benchmarks.tpcds.extension import load_generator
from tests.support.catalog import FixedCatalog, catalog_of


@dataclass(frozen=True, slots=True)
class Tpcds:
    """The names of an empty TPC-DS database, and the queries by number."""

    catalog: FixedCatalog
    queries: tuple[tuple[int, str], ...]


def load_tpcds() -> Tpcds:
    """Make the schema in memory; skips the test where the extension can't be had, fails in CI."""
    with duckdb.connect(config={"allow_unsigned_extensions": True}) as connection:
        if not load_generator(connection):
            message = (
                "found no tpcds extension for this DuckDB, expected an installed one, a network, or the "
                "package duckdb-extension-tpcds: pip install -e '.[bench]'"
            )
            if os.environ.get("CI"):
                pytest.fail(message)
            pytest.skip(message)
        connection.execute("CALL dsdgen(sf = 0)")
        catalog = catalog_of(connection)
        queries = connection.execute("SELECT query_nr, query FROM tpcds_queries() ORDER BY query_nr")
        return Tpcds(catalog, tuple((number, text) for number, text in queries.fetchall()))
