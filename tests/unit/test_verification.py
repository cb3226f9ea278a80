"""The check of rewritten statements: right ones pass, and every mistake in editing is caught."""

from __future__ import annotations

import duckdb
import pytest

from signatures.compiler import compile_statement
from signatures.plan import BoundQuery, Output
from signatures.verification import meaning, same_meaning
from tests.support.catalog import FixedCatalog, catalog_of

ORIGINAL = "SELECT q.a, q.n + 1 FROM (SELECT a, count(*) AS n FROM t WHERE b > 1 GROUP BY a) q ORDER BY q.a"
VIEW = "view:0"


@pytest.fixture(scope="module")
def catalog() -> FixedCatalog:
    """Two tables of one layout."""
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t(a INT, b INT); CREATE TABLE u(a INT, b INT)")
        return catalog_of(connection)


@pytest.fixture(scope="module")
def view(catalog: FixedCatalog) -> BoundQuery:
    """What a view of the derived table holds: columns ``c0`` and ``c1``."""
    compiled = compile_statement("SELECT a, count(*) FROM t WHERE 1 < b GROUP BY a", catalog, "duckdb")
    assert compiled.statement is not None
    definition = compiled.definitions[compiled.statement]
    outputs = tuple(Output(f"c{i}", output.expression) for i, output in enumerate(definition.outputs))
    return BoundQuery(definition.plan, outputs)


def test_statement_means_what_it_means(catalog: FixedCatalog) -> None:
    """The user's own text passes."""
    original = compile_statement(ORIGINAL, catalog, "duckdb")
    assert same_meaning(original, ORIGINAL, catalog, "duckdb", {})


def test_rewritten_statement_passes(catalog: FixedCatalog, view: BoundQuery) -> None:
    """A scan of the view in place of the derived table is the original statement."""
    original = compile_statement(ORIGINAL, catalog, "duckdb")
    text = f"SELECT q.a, q.n + 1 FROM (SELECT c0 AS a, c1 AS n FROM read_parquet('{VIEW}')) q ORDER BY q.a"
    assert same_meaning(original, text, catalog, "duckdb", {VIEW: view})


@pytest.mark.parametrize(
    "mistake",
    [
        "SELECT q.a, q.n + 1 FROM (SELECT c1 AS a, c0 AS n FROM read_parquet('view:0')) q ORDER BY q.a",
        "SELECT q.a, q.n + 2 FROM (SELECT c0 a, c1 n FROM read_parquet('view:0')) q ORDER BY q.a",
        "SELECT q.a, q.n + 1 FROM (SELECT c0 AS a, c1 AS n FROM read_parquet('view:0')) q",
        "SELECT q.a, q.n + 1 FROM (SELECT c0 AS a, c1 AS n FROM read_parquet('view:0')) q ORDER BY q.a DESC",
        "SELECT q.n + 1, q.a FROM (SELECT c0 a, c1 n FROM read_parquet('view:0')) q ORDER BY q.a",
        "SELECT q.a, q.n + 1 FROM (SELECT DISTINCT c0 a, c1 n FROM read_parquet('view:0')) q ORDER BY q.a",
        "SELECT q.a, q.n + 1 FROM (SELECT c0 a, c1 n FROM read_parquet('view:0') WHERE c0>1) q ORDER BY q.a",
        "SELECT q.a, q.n + 1 FROM (SELECT c0 AS a, c1 AS n FROM read_parquet('other')) q ORDER BY q.a",
        "SELECT q.a, q.n + 1 FROM (SELECT a, count(*) AS n FROM u WHERE b > 1 GROUP BY a) q ORDER BY q.a",
        "SELECT q.a, q.n + 1 FROM q ORDER BY q.a",
        "SELECT q.a, q.n + 1 FROM (",
        "DELETE FROM t",
    ],
)
def test_mistakes_are_caught(mistake: str, catalog: FixedCatalog, view: BoundQuery) -> None:
    """Swapped columns, lost order, another filter, another view: nothing of it passes."""
    original = compile_statement(ORIGINAL, catalog, "duckdb")
    assert not same_meaning(original, mistake, catalog, "duckdb", {VIEW: view})


def test_what_is_not_understood_means_nothing(catalog: FixedCatalog) -> None:
    """A statement that was not understood is not even the same as itself."""
    original = compile_statement("SELECT * FROM nowhere", catalog, "duckdb")
    assert meaning(original) is None
    assert not same_meaning(original, "SELECT * FROM nowhere", catalog, "duckdb", {})
