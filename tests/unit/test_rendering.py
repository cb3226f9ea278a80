"""What a rewritten statement looks like, each run against DuckDB and compared with its original."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from rewriter.model import Build
from rewriter.rendering import spool_query
from signatures.model import SubexpressionKind
from signatures.verification import fills
from tests.support.analyst_statements import SCHEMA
from tests.support.catalog import catalog_of
from tests.support.rewriting import compiled, described, multiset, rewriting

Kind = SubexpressionKind

JOIN = "sales s JOIN shops h ON s.shop = h.id"
FLAT_JOIN = "FROM sales s, shops h WHERE s.shop = h.id"


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """A shop in memory, without DuckDB's own sharing of subplans, which has given wrong rows."""
    opened = duckdb.connect()
    opened.execute(SCHEMA)
    opened.execute("SET disabled_optimizers = 'common_subplan'")
    yield opened
    opened.close()


# (what is shown, kinds, statement, what the rewritten text holds, what it no longer holds)
CASES = [
    (
        "a whole statement becomes a scan with the original's names",
        [Kind.STATEMENT],
        f"SELECT h.region, count(*), sum(s.qty) + 1 FROM {JOIN} GROUP BY h.region;",
        ['"region"', '"count_star()"', '"(sum(s.qty) + 1)"', "FROM view_0"],
        ["JOIN"],
    ),
    (
        "a CTE keeps its name and loses its body",
        [Kind.CTE],
        (
            "WITH a AS (SELECT shop, max(qty) m FROM sales GROUP BY shop) SELECT * FROM a JOIN "
            "shops h ON a.shop = h.id"
        ),
        ["WITH a AS (SELECT", "FROM view_0)", "JOIN shops"],
        ["FROM sales"],
    ),
    (
        "a CTE with a column list keeps the list",
        [Kind.CTE],
        "WITH a(x, y) AS (SELECT shop, max(qty) FROM sales GROUP BY shop) SELECT x, y FROM a WHERE y > 1",
        ["WITH a(x, y) AS (SELECT", "WHERE y > 1"],
        ["FROM sales"],
    ),
    (
        "a derived table keeps its alias",
        [Kind.DERIVED_TABLE],
        "SELECT t.m FROM (SELECT shop, max(qty) AS m FROM sales GROUP BY shop) t WHERE t.shop > 1",
        ["FROM (SELECT", "FROM view_0) t WHERE t.shop > 1"],
        ["FROM sales"],
    ),
    (
        "both operands of a UNION are scans, and the first one still names the outputs",
        [Kind.SET_OPERAND],
        (
            "SELECT shop, max(qty) FROM sales GROUP BY shop UNION ALL SELECT id, 0 FROM shops WHERE "
            "region = 'north'"
        ),
        ['"max(qty)"', "UNION ALL", "FROM view_0", "FROM view_1"],
        ["FROM sales", "FROM shops"],
    ),
    (
        "a subquery that is a value is a scan",
        [Kind.SUBQUERY],
        "SELECT id FROM sales WHERE qty >= (SELECT max(qty) FROM sales WHERE shop = 2)",
        ["qty >= (SELECT", "FROM view_0"],
        ["shop = 2"],
    ),
    (
        "a core goes with its WHERE, and uses of its columns name the view",
        [Kind.CORE],
        f"SELECT upper(h.region) AS u, s.qty + 1 AS q {FLAT_JOIN} AND s.amount > 10 ORDER BY s.amount, q, u",
        ["upper(reused_0.c", "FROM (SELECT", "AS reused_0", "ORDER BY reused_0.c"],
        ["shops", "WHERE"],
    ),
    (
        "conjuncts of ON go with the core",
        [Kind.CORE],
        "SELECT s.id FROM sales s JOIN shops h ON s.shop = h.id AND h.region = 'north' WHERE s.qty > 0",
        ["AS reused_0"],
        ["north", "qty"],
    ),
    (
        "count(*) over a core needs rows and no column",
        [Kind.CORE],
        f"SELECT count(*) {FLAT_JOIN}",
        ['SELECT count(*) AS "count_star()" FROM (SELECT', "FROM view_0) AS reused_0"],
        ["shops"],
    ),
    (
        "HAVING becomes a WHERE over the view of a grouping",
        [Kind.AGGREGATE],
        f"SELECT h.region, sum(s.qty) AS q FROM {JOIN} GROUP BY h.region HAVING count(*) > 3",
        ["WHERE reused_0.c", "> 3"],
        ["GROUP BY", "HAVING"],
    ),
    (
        "HAVING without GROUP BY becomes a WHERE as well",
        [Kind.AGGREGATE],
        "SELECT max(qty) AS q FROM sales HAVING count(*) > 1000",
        ["WHERE reused_0.c"],
        ["HAVING"],
    ),
    (
        "windows over aggregates stay, over the view's columns",
        [Kind.AGGREGATE],
        "SELECT shop, rank() OVER (ORDER BY sum(qty) DESC, shop) AS r FROM sales GROUP BY shop",
        ["rank() OVER (ORDER BY reused_0.c", "AS r"],
        ["sum("],
    ),
    (
        "a ROLLUP is in the view, GROUPING() and all",
        [Kind.AGGREGATE],
        (
            "SELECT shop, item, sum(qty) AS q, GROUPING(shop) AS g FROM sales WHERE shop < 3 "
            "GROUP BY ROLLUP (shop, item)"
        ),
        ["AS g", "FROM view_0"],
        ["ROLLUP", "GROUPING"],
    ),
    (
        "a bare column keeps the engine's spelling of its name",
        [Kind.CORE],
        'SELECT "GROUP", "Two Words" FROM ITEMS JOIN Sales S ON S.ITEM = items.Item WHERE SHOP = 2',
        ['AS "Group"', 'AS "two words"'],
        ["ITEMS"],
    ),
    (
        "quoted identifiers, also with quotes inside",
        [Kind.CORE],
        'SELECT o."a""b", o."select" FROM "Order" o JOIN "Order" AS "b c" ON o."select" = "b c"."select"',
        ['AS "a""b"', 'AS "select"'],
        ['"b c"'],
    ),
    (
        "a comment at the end of a line does not swallow what is put there",
        [Kind.CORE],
        (
            "SELECT h.region -- the region\n, s.qty -- how many\nFROM sales s -- facts\n"
            "JOIN shops h -- places\nON s.shop = h.id -- key\nWHERE s.qty > 1 -- many\nORDER BY 1, 2 -- so"
        ),
        ["-- the region\n", "-- how many\n", "ORDER BY 1, 2 -- so"],
        ["shops"],
    ),
    (
        "semicolons at the end stay",
        [Kind.CORE],
        f"SELECT s.id {FLAT_JOIN} ; ",
        ["AS reused_0"],
        ["shops"],
    ),
]


@pytest.mark.parametrize(
    ("kinds", "sql", "holds", "lacks"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_rewritten_text(
    connection: duckdb.DuckDBPyConnection,
    kinds: list[SubexpressionKind],
    sql: str,
    holds: list[str],
    lacks: list[str],
) -> None:
    """The text has the view in place of the subexpression, and gives the same rows, names and types."""
    plain = multiset(connection, sql), described(connection, sql.rstrip("; "))
    found = rewriting(connection, sql, kinds)
    assert [text for text in holds if text not in found.text] == []
    assert [text for text in lacks if text in found.text] == []
    assert (multiset(connection, found.text), described(connection, found.text.rstrip("; "))) == plain
    assert plain[0].total() >= 0


def test_join_subset_keeps_the_other_items_and_their_conjuncts(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """Of three joined tables two are replaced: the third stays, its ON conditions move to WHERE."""
    sql = (
        "SELECT h.region, i.price, s.id FROM sales s JOIN shops h ON s.shop = h.id "
        "JOIN items i ON s.item = i.item AND i.price > 2 WHERE s.qty > 0 AND (h.region = "
        "'north' OR i.price > 3)"
    )
    plain = multiset(connection, sql)
    found = rewriting(connection, sql, [Kind.JOIN_SUBSET])
    assert plain.total() > 0
    assert "FROM (SELECT" in found.text
    assert ", items i " in found.text
    assert "(reused_0.c0 = 'north' OR i.price > 3)" in found.text
    assert "AND (i.price > 2)" in found.text
    assert " JOIN " not in found.text
    assert multiset(connection, found.text) == plain


def test_every_join_subset_alone_gives_the_same_rows(connection: duckdb.DuckDBPyConnection) -> None:
    """Each of the subsets of a chain of joins can be the one that is replaced."""
    sql = (
        "SELECT count(*) AS n, sum(a.qty) AS q, max(i.price) AS p FROM sales a, shops h, items i, sales b "
        "WHERE a.shop = h.id AND a.item = i.item AND b.shop = h.id AND b.qty = 2 AND a.amount > 50"
    )
    plain = multiset(connection, sql)
    count = len(rewriting(connection, sql, [Kind.JOIN_SUBSET]).views)
    texts = [rewriting(connection, sql, [Kind.JOIN_SUBSET], only=number).text for number in range(count)]
    assert len(set(texts)) == count > 3
    assert sql not in texts
    assert [text for text in texts if multiset(connection, text) != plain] == []


def test_a_view_inside_what_another_block_keeps(connection: duckdb.DuckDBPyConnection) -> None:
    """A core and a subquery in its kept SELECT item are both replaced, one inside the other's block."""
    sql = f"SELECT s.id, (SELECT max(price) FROM items WHERE price < 5) AS p {FLAT_JOIN} AND s.qty = 1"
    plain = multiset(connection, sql)
    found = rewriting(connection, sql, [Kind.CORE, Kind.SUBQUERY])
    assert plain.total() > 0
    assert found.text.count("FROM view_") == 2
    assert multiset(connection, found.text) == plain


def test_spool_queries_bring_the_ctes_that_they_see(connection: duckdb.DuckDBPyConnection) -> None:
    """A derived table over a CTE is filled by a query with that CTE in front, and with no other."""
    sql = (
        "WITH a AS (SELECT shop, qty FROM sales WHERE qty > 0), b AS (SELECT shop, sum(qty) q "
        "FROM a GROUP BY shop), "
        "c AS (SELECT id FROM shops) "
        "SELECT t.q FROM (SELECT max(q) AS q FROM b) t, c WHERE c.id = 1"
    )
    plain = multiset(connection, sql)
    found = rewriting(connection, sql, [Kind.DERIVED_TABLE])
    (query,) = [query for kind, _, query in found.views if kind is Kind.DERIVED_TABLE]
    assert query.startswith("WITH a AS (")
    assert "b AS (" in query
    assert "c AS (" not in query
    assert multiset(connection, found.text) == plain


def test_spool_queries_keep_recursive(connection: duckdb.DuckDBPyConnection) -> None:
    """Under WITH RECURSIVE the query that fills a view says RECURSIVE too: names mean the same there."""
    sql = (
        "WITH RECURSIVE a AS (SELECT shop, qty FROM sales WHERE qty > 1) "
        "SELECT t.m FROM (SELECT shop, max(qty) AS m FROM a GROUP BY shop) t WHERE t.shop > 0"
    )
    plain = multiset(connection, sql)
    found = rewriting(connection, sql, [Kind.DERIVED_TABLE])
    assert [query for _, _, query in found.views if query.startswith("WITH RECURSIVE a AS (")]
    assert multiset(connection, found.text) == plain


def test_a_recursive_cte_is_left_alone(connection: duckdb.DuckDBPyConnection) -> None:
    """What recurses is not looked into: the text stays as it is."""
    sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT i FROM n"
    found = rewriting(connection, sql, list(Kind))
    assert found.text == sql
    assert found.views == ()


def test_nothing_to_replace_leaves_every_byte(connection: duckdb.DuckDBPyConnection) -> None:
    """Without a read the text is the user's own, odd spacing and all."""
    sql = "select   count( * )\t-- all\nfrom sales  ,  shops where\n shop=shops . id ;;"
    assert rewriting(connection, sql, []).text == sql


CAPTURED = (
    "SELECT s.id FROM sales s JOIN (SELECT 1 AS a) info ON s.shop = info.a "
    "JOIN shops h ON h.id = s.shop JOIN items i ON i.item = s.item"
)


def test_a_name_that_means_something_else_by_itself_is_noticed(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """Without the derived table ``info``, ``info.a`` is a field of a struct: that query fills no view."""
    statement = compiled(connection, CAPTURED)
    catalog = catalog_of(connection)
    filled = {}
    for subexpression in statement.subexpressions:
        if subexpression.kind is Kind.JOIN_SUBSET:
            keys = tuple(column.key for column in subexpression.columns)
            query, keys = spool_query(statement, Build(ordinal=subexpression.ordinal, keys=keys))
            filled[query] = fills(query, subexpression.canonical, keys, catalog, "duckdb")
    assert {holds for query, holds in filled.items() if "info.a" in query} == {False}
    assert {holds for query, holds in filled.items() if "info" not in query} <= {True}


@pytest.mark.parametrize(
    ("query", "keys", "holds"),
    [
        ("SELECT shop, qty FROM sales WHERE qty > 1", ("(column 0 'shop')", "(column 0 'qty')"), True),
        ("SELECT x.qty, x.shop FROM sales x WHERE 1 < qty", ("(column 0 'qty')", "(column 0 'shop')"), True),
        ("SELECT 1 FROM sales WHERE qty > 1", ("",), True),
        ("SELECT qty, shop FROM sales WHERE qty > 1", ("(column 0 'shop')", "(column 0 'qty')"), False),
        ("SELECT shop FROM sales WHERE qty > 1", ("(column 0 'shop')", "(column 0 'qty')"), False),
        ("SELECT shop, qty FROM sales WHERE qty > 2", ("(column 0 'shop')", "(column 0 'qty')"), False),
        ("SELECT shop, qty FROM sales WHERE no > 1", ("(column 0 'shop')", "(column 0 'qty')"), False),
    ],
)
def test_a_query_fills_a_view_only_with_its_plan_and_columns(
    connection: duckdb.DuckDBPyConnection, query: str, keys: tuple[str, ...], holds: bool
) -> None:
    """Another filter, another order of columns or a missing one is noticed; other names are not."""
    statement = compiled(connection, "SELECT shop, qty FROM sales WHERE qty > 1")
    canonical = statement.subexpressions[0].canonical
    assert fills(query, canonical, keys, catalog_of(connection), "duckdb") is holds
