"""Statements of every kind against what was understood of them, and against DuckDB itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from signatures.catalog import ColumnFacts
from signatures.compiler import compile_statement
from signatures.sites import CompiledStatement
from signatures.verification import meaning
from tests.support.catalog import FixedCatalog, catalog_of
from tests.support.goldens import Case, describe, read_cases

FOLDER = Path(__file__).parent / "signatures"
FILES = tuple(path for path in sorted(FOLDER.glob("*.sql")) if path.name != "schema.sql")
CASES = {case.key: case for path in FILES for case in read_cases(path)}
RELATED = [
    (word, case.key, target)
    for case in CASES.values()
    for word in ("same-as", "differs-from")
    for target in case.targets(word)
]
_FILE_COLUMNS = (ColumnFacts(name="item", type="INTEGER"), ColumnFacts(name="quantity", type="INTEGER"))
_SOURCES = (
    "read_parquet('sales/*.parquet')",
    "read_parquet('sales/2024-*.parquet')",
    "read_parquet('sales/*.parquet', union_by_name = true)",
    "read_csv('sales/*.parquet')",
    "read_json('sales.json')",
    "read_ndjson('sales.json')",
)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """The tables of the golden files, with a few rows in them."""
    with duckdb.connect() as connection:
        connection.execute((FOLDER / "schema.sql").read_text())
        yield connection


@pytest.fixture(scope="module")
def catalog(connection: duckdb.DuckDBPyConnection) -> FixedCatalog:
    """Their names, and columns for files that need not be there."""
    return replace(catalog_of(connection), files=dict.fromkeys(_SOURCES, _FILE_COLUMNS))


@pytest.fixture(scope="module")
def compiled(catalog: FixedCatalog) -> dict[str, CompiledStatement]:
    """Every statement of every file."""
    return {key: compile_statement(case.sql, catalog, "duckdb") for key, case in CASES.items()}


def codes(compiled: CompiledStatement) -> set[str]:
    """Reasons against sharing the whole statement."""
    ordinal = -1 if compiled.statement is None else compiled.statement
    return {reason.code for reason in compiled.subexpressions[ordinal].ineligible}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_golden_file(path: Path, compiled: dict[str, CompiledStatement], update_golden: bool) -> None:
    """What is understood of each statement is what was reviewed."""
    found = "\n".join(describe(case, compiled[case.key]) for case in read_cases(path))
    golden = path.with_suffix(".golden")
    if update_golden:
        golden.write_text(found)
    assert golden.read_text() == found


@pytest.mark.parametrize(("word", "key", "target"), RELATED, ids=str)
def test_relation(word: str, key: str, target: str, compiled: dict[str, CompiledStatement]) -> None:
    """Statements that mean the same are equal, and those that don't are not."""
    one, other = meaning(compiled[key]), meaning(compiled[target])
    if word == "same-as":
        assert one is not None
        assert one == other
    else:
        assert one != other


@pytest.mark.parametrize(
    "case", [case for case in CASES.values() if case.values("expect")], ids=lambda c: c.key
)
def test_expectation(case: Case, compiled: dict[str, CompiledStatement]) -> None:
    """A statement is eligible, or isn't for the stated reason."""
    statement = compiled[case.key]
    assert statement.statement is not None, codes(statement)
    tied = statement.subexpressions[statement.statement].same_text_only
    for expected in case.values("expect"):
        if expected == "eligible":
            assert codes(statement) == set()
            assert not tied
        elif expected == "tied":
            assert codes(statement) == set()
            assert tied
        else:
            assert expected in codes(statement)


@pytest.mark.parametrize(
    "case", [case for case in CASES.values() if case.values("reject")], ids=lambda c: c.key
)
def test_rejection(case: Case, compiled: dict[str, CompiledStatement]) -> None:
    """What is not understood has no meaning, and says why."""
    statement = compiled[case.key]
    assert statement.statement is None
    assert set(case.values("reject")) == codes(statement)


@pytest.mark.parametrize(
    "case", [case for case in CASES.values() if case.values("shares")], ids=lambda c: c.key
)
def test_inner_part_can_be_shared(case: Case, compiled: dict[str, CompiledStatement]) -> None:
    """Inside of what is opaque there are parts that stand on their own."""
    kinds = {str(part.kind) for part in compiled[case.key].subexpressions if part.eligible}
    assert set(case.values("shares")) <= kinds


@pytest.mark.parametrize(
    "case", [case for case in CASES.values() if case.values("withholds")], ids=lambda c: c.key
)
def test_inner_part_is_withheld(case: Case, compiled: dict[str, CompiledStatement]) -> None:
    """Where a result depends on the order of rows, what gives the rows stays in place."""
    for kind in case.values("withholds"):
        parts = [part for part in compiled[case.key].subexpressions if part.kind == kind]
        assert parts
        assert all("REUSE-119" in {reason.code for reason in part.ineligible} for part in parts)


@pytest.mark.parametrize(
    "case", [case for case in CASES.values() if case.file != "sources.sql"], ids=lambda c: c.key
)
def test_engine_accepts(case: Case, connection: duckdb.DuckDBPyConnection) -> None:
    """No golden file rests on a statement that the engine itself refuses."""
    assert connection.extract_statements(case.sql)
    if "$" not in case.sql and "?" not in case.sql:
        connection.execute(f"EXPLAIN {case.sql}").fetchall()


@pytest.mark.parametrize(
    ("key", "target"), [(key, target) for word, key, target in RELATED if word == "same-as"]
)
def test_equal_statements_have_equal_rows(
    key: str, target: str, connection: duckdb.DuckDBPyConnection
) -> None:
    """What is taken for equal gives the same rows, as multisets, on data with NULLs and duplicates."""
    one, other = (connection.execute(CASES[name].sql).fetchall() for name in (key, target))
    assert sorted(map(repr, one)) == sorted(map(repr, other))
    assert one
