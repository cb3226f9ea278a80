"""Statements that are taken for equal are run: DuckDB has to give the same rows for both."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from random import Random

import duckdb
import pytest
import sqlglot
from sqlglot import exp

from signatures.catalog import FunctionKind
from signatures.compiler import compile_statement
from signatures.sites import CompiledStatement
from signatures.verification import meaning
from tests.support.catalog import FixedCatalog, catalog_of
from tests.support.operators import TABLE, chain, in_parentheses
from tests.support.random_sql import SCHEMA, Choices, statement

STATEMENTS = 8_000
NEIGHBOURS = 7
CHAINS = 4_000


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """Three tiny tables; without the optimizer rule that has given wrong rows."""
    with duckdb.connect() as connection:
        connection.execute("SET disabled_optimizers = 'common_subplan'")
        for part in (*SCHEMA, *TABLE):
            connection.execute(part)
        yield connection


@pytest.fixture(scope="module")
def catalog(connection: duckdb.DuckDBPyConnection) -> FixedCatalog:
    """Their names."""
    return catalog_of(connection)


def drawn(random: Random) -> Iterator[str]:
    """Random statements, each followed by some that differ in one choice."""
    for _ in range(STATEMENTS // (NEIGHBOURS + 1)):
        choices = Choices(random)
        yield statement(choices)
        for _ in range(NEIGHBOURS):
            neighbour = choices.neighbour()
            yield statement(neighbour)
            choices = neighbour if random.random() < 0.3 else choices


def keys_of(compiled: CompiledStatement) -> list[str]:
    """The columns that a view of the statement would hold, one for each output."""
    assert compiled.statement is not None
    return [output.name for output in compiled.definitions[compiled.statement].outputs]


def columns_of(rows: list[tuple[object, ...]], have: list[str], want: list[str]) -> list[str]:
    """Rows as a reader of a view sees them, sorted."""
    return sorted(repr([row[have.index(key)] for key in want]) for row in rows)


def test_statements_of_one_plan_have_the_same_rows(
    connection: duckdb.DuckDBPyConnection, catalog: FixedCatalog
) -> None:
    """Of statements with one canonical plan each can read the rows of the one with the most columns."""
    groups: dict[str, dict[str, CompiledStatement]] = {}
    for sql in drawn(Random(20)):
        compiled = compile_statement(sql, catalog, "duckdb")
        if compiled.statement is None:
            continue
        whole = compiled.subexpressions[compiled.statement]
        if whole.eligible and not whole.same_text_only:
            groups.setdefault(whole.canonical, {})[sql] = compiled
    pairs = 0
    for group in groups.values():
        ordered = sorted(group.items(), key=lambda item: -len(set(keys_of(item[1]))))
        (first, view), *others = ordered
        for sql, reader in others:
            have, want = keys_of(view), keys_of(reader)
            if set(want) <= set(have):
                try:
                    rows = connection.execute(first).fetchall()
                    own = connection.execute(sql).fetchall()
                except duckdb.BinderException:
                    continue  # one that the engine refuses has no rows that could be wrong
                assert columns_of(rows, have, want) == columns_of(own, want, want), (first, sql)
                pairs += 1
    assert pairs >= 150


def test_operators_bind_as_in_the_engine(
    connection: duckdb.DuckDBPyConnection, catalog: FixedCatalog
) -> None:
    """Chains of operators give what they give with the tree's parentheses, or are not understood."""
    random = Random(7)
    compared = 0
    for _ in range(CHAINS):
        sql = f"SELECT {chain(random)} FROM operands"
        try:
            rows = connection.execute(sql).fetchall()
        except duckdb.Error:
            continue
        if compile_statement(sql, catalog, "duckdb").statement is None:
            continue
        tree = sqlglot.parse_one(sql, read="duckdb")
        explicit = in_parentheses(tree.expressions[0]).sql("duckdb")
        compared += 1
        found = connection.execute(f"SELECT {explicit} FROM operands").fetchall()
        assert repr(found) == repr(rows), (sql, explicit)
    assert compared >= 500


def test_functions_and_arguments_are_told_apart(catalog: FixedCatalog) -> None:
    """No two functions, and no two orders of one function's arguments, sign alike."""
    names = sorted(
        name
        for name, facts in catalog.functions.items()
        if name.isidentifier()
        and facts.kind in (FunctionKind.SCALAR, FunctionKind.AGGREGATE, FunctionKind.MACRO)
    )
    arguments = [part for count in (1, 2, 3) for part in permutations(("a", "b", "c"), count)]
    arguments += [("'x'", "a"), ("a", "'x'"), ("a", "'x'", "'y'"), ("a", "'y'", "'x'"), ("a", "1", "2")]
    arguments += [("a", "2", "1"), ("'month'", "a", "b"), ("'day'", "a", "b"), ("'month'", "b", "a")]
    arguments += [("DISTINCT a",), ("a ORDER BY b",), ("a ORDER BY c",), ("a ORDER BY b DESC",)]
    seen: dict[object, str] = {}
    for name in names:
        for chosen in arguments:
            sql = f"SELECT {name}({', '.join(chosen)}) FROM t"
            found = meaning(compile_statement(sql, catalog, "duckdb"))
            if found is not None:
                assert seen.setdefault(found, sql) == sql
    assert len(seen) >= 5_000


def test_types_are_told_apart(connection: duckdb.DuckDBPyConnection, catalog: FixedCatalog) -> None:
    """Two spellings of a type sign alike only where they are one type to the engine."""
    known = connection.execute("SELECT type_name FROM duckdb_types()").fetchall()
    spellings = [row[0] for row in known]
    spellings += """DECIMAL(10,2) DECIMAL(18,3) TIMESTAMP(3) TIMESTAMP(9) INT[] INT[][] INT[3] INT[4]
        MAP(INT,INT) MAP(INT,VARCHAR) FLOAT8 FLOAT4 REAL INT1 INT2 INT4 INT8 INT16 INT32 INT64 INT128
        UINT8 UINT16 LONG SHORT NUMERIC TEXT STRING BPCHAR BLOB BYTEA BIT""".split()
    spellings += [
        "DOUBLE PRECISION",
        "TIMESTAMP WITH TIME ZONE",
        "STRUCT(a INT)",
        "STRUCT(b INT)",
        "ENUM('a')",
    ]
    types: dict[object, str] = {}
    for spelling in sorted(set(spellings)):
        try:
            row = connection.execute(f"SELECT typeof(NULL::{spelling})").fetchone()
        except duckdb.Error:
            continue
        found = meaning(compile_statement(f"SELECT a::{spelling} FROM t", catalog, "duckdb"))
        if found is not None:
            assert row is not None
            assert types.setdefault(found, row[0]) == row[0], spelling
    assert len(types) >= 25


def test_tree_with_parentheses_is_the_statement() -> None:
    """The helper that writes parentheses out changes nothing but them."""
    tree = sqlglot.parse_one("SELECT a + b * 2 FROM t", read="duckdb")
    assert isinstance(tree, exp.Select)
    assert in_parentheses(tree.expressions[0]).sql("duckdb") == "(a + (b * 2))"
