"""Operators of DuckDB's own profiles linked back to the subexpressions that they compute."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from optimizer_plugin.analyzer.feedback import Attributed, attribute
from optimizer_plugin.engines.duckdb.profiles import parse_profile
from optimizer_plugin.engines.ports import Operator, Profile
from signatures.model import SubexpressionKind
from signatures.sites import CompiledStatement
from tests.support.rewriting import compiled

Kind = SubexpressionKind


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """Tables large enough that no operator is optimized away."""
    opened = duckdb.connect()
    opened.execute(
        "CREATE TABLE facts AS SELECT range AS id, range % 50 AS shop, range % 7 AS qty FROM range(60000)"
    )
    opened.execute("CREATE TABLE shops AS SELECT range AS id, 'r' || range % 5 AS region FROM range(50)")
    yield opened
    opened.close()


def profile_of(connection: duckdb.DuckDBPyConnection, sql: str) -> Profile:
    """DuckDB's profile of a statement."""
    return parse_profile(connection.execute(f"EXPLAIN (ANALYZE, FORMAT json) {sql}").fetchall()[0][1])


def attributed(
    connection: duckdb.DuckDBPyConnection, sql: str
) -> tuple[CompiledStatement, dict[int, Attributed]]:
    """A statement and what its profile says of its subexpressions."""
    statement = compiled(connection, sql)
    return statement, attribute(statement, profile_of(connection, sql))


def of_kind(statement: CompiledStatement, kind: SubexpressionKind) -> list[int]:
    """Ordinals of the subexpressions of a kind."""
    return [s.ordinal for s in statement.subexpressions if s.kind is kind]


def canonical_of(statement: CompiledStatement, ordinal: int) -> str:
    """The canonical plan of a subexpression."""
    return statement.subexpressions[ordinal].canonical


def test_a_statement_takes_the_time_of_the_whole(connection: duckdb.DuckDBPyConnection) -> None:
    """The root is the job itself, with the rows that came out."""
    statement, found = attributed(connection, "SELECT region, count(*) AS n FROM shops GROUP BY region")
    assert statement.statement is not None
    assert found[statement.statement].rows == 5


def test_core_and_grouping_have_operators_of_their_own(connection: duckdb.DuckDBPyConnection) -> None:
    """The grouping hands on one row a region, the core one row a fact: two operators over the same scans."""
    sql = (
        "SELECT t.n FROM (SELECT h.region, count(*) AS n FROM facts f JOIN shops h ON f.shop = h.id "
        "WHERE f.qty > 2 GROUP BY h.region) t WHERE t.n > 1"
    )
    statement, found = attributed(connection, sql)
    core = next(o for o in of_kind(statement, Kind.CORE) if "aggregate" not in canonical_of(statement, o))
    (grouping,) = of_kind(statement, Kind.AGGREGATE)
    assert found[core].rows == 34284
    assert found[grouping].rows == 5
    assert 0 < found[core].seconds <= found[grouping].seconds


def test_filters_tell_siblings_over_the_same_tables_apart(connection: duckdb.DuckDBPyConnection) -> None:
    """Two derived tables over one table differ in a literal: each finds the scan with its own."""
    sql = (
        "SELECT a.n, b.n FROM (SELECT shop, count(*) AS n FROM facts WHERE qty = 3 GROUP BY shop) a "
        "JOIN (SELECT shop, count(*) AS n FROM facts WHERE qty < 1 GROUP BY shop) b ON a.shop = b.shop"
    )
    statement, found = attributed(connection, sql)
    first, second = of_kind(statement, Kind.DERIVED_TABLE)
    assert {first, second} <= set(found)
    assert found[first] != found[second]


def test_what_could_be_several_operators_is_left_unattributed() -> None:
    """Where nothing tells two operators apart, no time is made up."""
    statement, profile = siblings(("f", "f"))
    found = attribute(statement, profile)
    assert set(of_kind(statement, Kind.DERIVED_TABLE)) & set(found) == set()


def test_literals_in_filters_decide_between_operators() -> None:
    """With filters that name their constants both siblings are found."""
    statement, profile = siblings(("qty=3", "qty=4"))
    found = attribute(statement, profile)
    seconds = {
        canonical.partition("integer:")[2][1]: found[ordinal].seconds
        for ordinal in of_kind(statement, Kind.DERIVED_TABLE)
        if (canonical := statement.subexpressions[ordinal].canonical)
    }
    assert seconds == {"3": 1.0, "4": 2.0}


def siblings(filters: tuple[str, str]) -> tuple[CompiledStatement, Profile]:
    """Two groupings of one table, with a profile in which each has an operator."""
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE facts(shop INT, qty INT)")
        statement = compiled(
            connection,
            "SELECT a.n FROM (SELECT count(*) AS n FROM facts WHERE qty = 3 GROUP BY shop) a, "
            "(SELECT count(*) AS n FROM facts WHERE qty = 4 GROUP BY shop) b",
        )
    leaves = tuple(
        operator("HASH_GROUP_BY", seconds, ("facts",), (text,))
        for seconds, text in zip((1.0, 2.0), filters, strict=True)
    )
    root = operator("CROSS_PRODUCT", 0.5, ("facts", "facts"), filters, leaves)
    return statement, Profile(elapsed_seconds=3.5, cpu_seconds=3.5, rows=1, root=root)


def operator(
    name: str,
    seconds: float,
    scans: tuple[str, ...],
    filters: tuple[str, ...] = (),
    children: tuple[Operator, ...] = (),
) -> Operator:
    """An operator with one row."""
    return Operator(name=name, seconds=seconds, rows=1, scans=scans, filters=filters, children=children)


def test_an_operator_shared_by_two_equal_subexpressions_counts_once() -> None:
    """The engine computes a common subplan once, so its time is that of the first and not of both."""
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE facts(shop INT, qty INT)")
        part = "(SELECT max(qty) FROM facts WHERE shop = 1)"
        statement = compiled(connection, f"SELECT {part} AS a, {part} AS b")
    computed = operator("UNGROUPED_AGGREGATE", 2.0, ("facts",), ("shop=1",))
    root = operator("PROJECTION", 0.0, ("facts", "facts"), (), (computed,))
    profile = Profile(elapsed_seconds=2.0, cpu_seconds=2.0, rows=1, root=root)
    found = attribute(statement, profile)
    seconds = [found[ordinal].seconds for ordinal in of_kind(statement, Kind.SUBQUERY)]
    assert seconds == [2.0, 0.0]


def test_a_core_is_no_projection_above_it() -> None:
    """For a core only joins, filters and scans count: a projection above is the reader's own work."""
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE facts(shop INT, qty INT)")
        connection.execute("CREATE TABLE shops(id INT)")
        statement = compiled(connection, "SELECT f.qty + 1 AS q FROM facts f, shops s WHERE f.shop = s.id")
    join = operator("HASH_JOIN", 2.0, ("facts", "shops"))
    root = operator("PROJECTION", 5.0, ("facts", "shops"), (), (join,))
    profile = Profile(elapsed_seconds=7.0, cpu_seconds=7.0, rows=1, root=root)
    (core,) = of_kind(statement, Kind.CORE)
    assert attribute(statement, profile)[core].seconds == pytest.approx(2.0)
