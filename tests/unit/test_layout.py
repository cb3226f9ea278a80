"""The layout of statements: every range is compared with the text it should hold, or with a parser's tree."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import pytest
import sqlglot
from sqlglot import exp

from signatures.parsing.layout import (
    BlockLayout,
    LayoutError,
    OperandKind,
    Span,
    layout,
)

STATEMENTS = (
    "SELECT a, sum(b) AS total FROM t WHERE c = 1 AND d BETWEEN 1 AND 2 GROUP BY a HAVING sum(b) > 1",
    """SELECT t.a FROM t, u LEFT OUTER JOIN v ON u.k = v.k AND v.x BETWEEN 1 AND 3
    WHERE t.k = u.k AND (t.a = 1 OR u.b = 2)""",
    """WITH x AS (SELECT a FROM t WHERE b > 1 AND c), y(k) AS (SELECT a FROM x UNION ALL SELECT b FROM u)
    SELECT x.a FROM x JOIN y ON x.a = y.k ORDER BY 1 LIMIT 10""",
    "SELECT a FROM t UNION SELECT b FROM u EXCEPT SELECT c FROM v WHERE c = 1 ORDER BY 1 LIMIT 5 OFFSET 2",
    """(SELECT a FROM t ORDER BY a LIMIT 1)
    UNION ALL (SELECT b FROM u WHERE EXISTS (SELECT 1 FROM v WHERE v.a = u.b))""",
    """SELECT CASE WHEN a AND b THEN 1 WHEN c THEN 2 ELSE 3 END AS k FROM t
    WHERE CASE WHEN a AND b THEN true END AND c IN (SELECT k FROM u WHERE m AND n)""",
    """SELECT EXTRACT(year FROM d), SUBSTRING(s FROM 1 FOR 2), row_number() OVER (PARTITION BY a ORDER BY b)
    FROM t WHERE a IS NOT DISTINCT FROM b AND c IS DISTINCT FROM d""",
    """SELECT sum(a) FILTER (WHERE b AND c), string_agg(s, ',' ORDER BY s) FROM (SELECT * FROM t) AS q
    QUALIFY rank() OVER (ORDER BY k) < 3""",
    """SELECT (SELECT max(a) FROM u WHERE u.k = t.k AND u.l = 2) AS m, [1, 2][1], {'a': 1} FROM t
    WHERE NOT (a AND b) AND NOT c BETWEEN 1 AND 2 AND d""",
    """SELECT * FROM (t JOIN u ON t.a = u.a AND t.b = u.b) CROSS JOIN v NATURAL JOIN w JOIN z USING (a, b)
    WHERE x = 1""",
    """SELECT DISTINCT ON (a, b) a, b FROM t
    WHERE a = 'it''s; from -- x' AND "where" = 1 OR c ORDER BY a, b""",
    """SELECT left(s, 2), first(v ORDER BY k) FROM t AS l
    WHERE l.filter > 1 AND left(s, 1) = 'x' /* AND no */ AND y""",
    """SELECT list_transform(l, x -> x + 1) FROM t SEMI JOIN u ON t.k = u.k AND t.m = u.m
    WHERE ((a = 1 AND b = 2)) AND c""",
)


def _parse(text: str) -> exp.Expr:
    return sqlglot.parse_one(text, dialect="duckdb")


def _shape(node: exp.Expr, *without: str) -> str:
    node = node.copy()
    for part in node.walk():
        part.comments = None
    for key in without:
        node.set(key, None)
    return repr(node)


def _operands_of_and(node: exp.Expr) -> Iterator[exp.Expr]:
    if isinstance(node, exp.And):
        yield from _operands_of_and(node.left)
        yield from _operands_of_and(node.right)
    else:
        yield node


def _conditions(select: exp.Select) -> Iterator[exp.Expr]:
    if select.args.get("where"):
        yield select.args["where"].this
    for join in select.args.get("joins") or ():
        if join.args.get("on") is not None:
            yield join.args["on"]


def _conjunct_spans(block: BlockLayout) -> Iterator[Span]:
    yield from block.where_conjuncts
    for item in block.from_items:
        yield from item.on_conjuncts


def _block(sql: str, dialect: str = "duckdb") -> BlockLayout:
    block = layout(sql, dialect).query.single_block
    assert block is not None
    return block


def _texts(sql: str, spans: tuple[Span, ...]) -> list[str]:
    return [span.text(sql) for span in spans]


@pytest.mark.parametrize("sql", STATEMENTS)
def test_blocks_are_those_of_the_parser(sql: str) -> None:
    """Each block's text parses to one of the SELECT nodes of the whole tree, and none is missing."""
    outside = ("order", "limit", "offset", "with_")
    expected = Counter(_shape(node, *outside) for node in _parse(sql).find_all(exp.Select))
    found = Counter(
        _shape(_parse(block.span.text(sql)), *outside) for block in layout(sql, "duckdb").query.blocks()
    )
    assert found == expected


@pytest.mark.parametrize("sql", STATEMENTS)
def test_conjuncts_are_those_of_the_parser(sql: str) -> None:
    """Each conjunct's text parses to one operand of the outermost AND of WHERE or ON."""
    expected = Counter(
        _shape(operand)
        for select in _parse(sql).find_all(exp.Select)
        for condition in _conditions(select)
        for operand in _operands_of_and(condition)
    )
    found = Counter(
        _shape(_parse(span.text(sql)))
        for block in layout(sql, "duckdb").query.blocks()
        for span in _conjunct_spans(block)
    )
    assert found == expected


def test_every_clause_has_its_body_and_its_keywords() -> None:
    """All clauses of one SELECT are found in a statement that has all of them, without the semicolon."""
    sql = (
        "select distinct a, b from t where c group  by all having d window w as (order by e) "
        "qualify f using sample 10% order by g limit 3 offset 2 ;"
    )
    block = _block(sql)
    assert {clause: span.text(sql) for clause, span in block.clauses.items()} == {
        "distinct": "",
        "select": "a, b",
        "from": "t",
        "where": "c",
        "group_by": "all",
        "having": "d",
        "window": "w as (order by e)",
        "qualify": "f",
        "sample": "10%",
        "order_by": "g",
        "limit": "3",
        "offset": "2",
    }
    assert block.keyword_spans["group_by"].text(sql) == "group  by all"
    assert block.keyword_spans["sample"].text(sql) == "using sample 10%"
    assert block.keyword_spans["select"].text(sql) == "select distinct a, b"
    assert block.span.text(sql) == sql.removesuffix(" ;")


def test_from_items_tell_how_they_are_joined() -> None:
    """Each table expression comes with its join keywords, condition and flags."""
    sql = (
        "SELECT 1 FROM a AS x, b y left /* outer */ join (c JOIN d ON c.i = d.i) ON y.k = c.k AND y.l = 1,"
        " LATERAL (SELECT 2) z ASOF JOIN e USING (k, l) POSITIONAL JOIN range(3) r(i)"
    )
    items = _block(sql).from_items
    assert [(item.span.text(sql), item.joined_by) for item in items] == [
        ("a AS x", ""),
        ("b y", "comma"),
        ("(c JOIN d ON c.i = d.i)", "LEFT JOIN"),
        ("LATERAL (SELECT 2) z", "comma"),
        ("e", "ASOF JOIN"),
        ("range(3) r(i)", "POSITIONAL JOIN"),
    ]
    assert _texts(sql, items[2].on_conjuncts) == ["y.k = c.k", "y.l = 1"]
    assert items[2].whole.text(sql).startswith("left /* outer */ join")
    assert [item.nested_join for item in items] == [False, False, True, False, False, False]
    assert [item.lateral for item in items] == [False, False, False, True, False, False]
    assert [item.using.text(sql) for item in items if item.using] == ["k, l"]


def test_modifiers_of_a_set_operation_belong_to_the_query() -> None:
    """ORDER BY and LIMIT behind the last operand are no clauses of its block."""
    sql = "SELECT a FROM t UNION ALL BY NAME SELECT b FROM u ORDER BY (SELECT 1) LIMIT 2"
    query = layout(sql, "duckdb").query
    first, second = query.operands
    assert second.set_operator == "UNION ALL BY NAME"
    assert (first.span.text(sql), second.span.text(sql)) == ("SELECT a FROM t", "SELECT b FROM u")
    assert second.block is not None
    assert set(second.block.clauses) == {"select", "from"}
    assert query.modifiers_span is not None
    assert query.modifiers_span.text(sql) == "ORDER BY (SELECT 1) LIMIT 2"
    assert query.clauses["limit"].text(sql) == "2"
    assert [inner.span.text(sql) for inner in query.subqueries] == ["SELECT 1"]


def test_common_table_expressions() -> None:
    """Names, column lists and materialization hints are read, bodies laid out."""
    sql = (
        'WITH RECURSIVE "A b"(x, y) AS MATERIALIZED (SELECT 1, 2), c AS NOT MATERIALIZED (VALUES (1), (2)),'
        " d AS ((SELECT 3) UNION (SELECT 4)) SELECT * FROM d"
    )
    query = layout(sql, "duckdb").query
    assert query.recursive
    assert [(cte.name, cte.column_aliases, cte.materialized) for cte in query.ctes] == [
        ("A b", ("x", "y"), "MATERIALIZED"),
        ("c", (), "NOT MATERIALIZED"),
        ("d", (), ""),
    ]
    assert [cte.body.span.text(sql) for cte in query.ctes] == [
        "SELECT 1, 2",
        "VALUES (1), (2)",
        "(SELECT 3) UNION (SELECT 4)",
    ]
    assert query.with_span is not None
    assert query.with_span.text(sql) == sql.removesuffix(" SELECT * FROM d")


@pytest.mark.parametrize(
    "sql",
    [
        "FROM t SELECT a WHERE b",
        "VALUES ((SELECT a FROM t))",
        "TABLE t",
        "PIVOT (SELECT a FROM t) ON a USING sum(b)",
    ],
)
def test_what_is_no_select_is_marked_as_other(sql: str) -> None:
    """Such an operand has its span and no block, and its nested queries are found."""
    query = layout(sql, "duckdb").query
    assert [(operand.kind, operand.span.text(sql)) for operand in query.operands] == [
        (OperandKind.OTHER, sql)
    ]
    nested = re.findall(r"\((SELECT a FROM t)\)", sql)
    assert [inner.span.text(sql) for inner in query.subqueries] == nested


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("a AND b OR c", ["a AND b OR c"]),
        ("(a OR b) AND ((c))", ["(a OR b)", "((c))"]),
        ("a NOT BETWEEN b AND c AND d", ["a NOT BETWEEN b AND c", "d"]),
        ("CASE WHEN a AND b THEN c END AND d", ["CASE WHEN a AND b THEN c END", "d"]),
        ("a ->> 'x' = 'y' AND b", ["a ->> 'x' = 'y' AND b"]),
        ("a = $end AND b = t.and AND c", ["a = $end", "b = t.and", "c"]),
        ("a IS DISTINCT FROM b AND x.between", ["a IS DISTINCT FROM b", "x.between"]),
        ("a -- AND b\n AND c /* AND d */", ["a", "c"]),
        ("f(x AND y) AND [z AND w] = e", ["f(x AND y)", "[z AND w] = e"]),
    ],
)
def test_conjuncts(condition: str, expected: list[str]) -> None:
    """Conditions are split at the outermost AND only, and not where DuckDB's precedence is another."""
    sql = f"SELECT 1 FROM t WHERE {condition}"
    assert _texts(sql, _block(sql).where_conjuncts) == expected


@pytest.mark.parametrize(
    ("sql", "items"),
    [
        ("SELECT 1 AS from, t.limit, x.y.union FROM t", ["1 AS from", "t.limit", "x.y.union"]),
        ("SELECT trim(FROM s), trim(BOTH FROM s) FROM t", ["trim(FROM s)", "trim(BOTH FROM s)"]),
        ("SELECT c::UNION(a INT, b TEXT), d, FROM t", ["c::UNION(a INT, b TEXT)", "d"]),
        ("SELECT ALL a::TIMESTAMP WITH TIME ZONE FROM t", ["a::TIMESTAMP WITH TIME ZONE"]),
        ("SELECT $$a, FROM b$$, E'\\', FROM', '😀,', x", ["$$a, FROM b$$", "E'\\', FROM'", "'😀,'", "x"]),
        (
            "SELECT * EXCLUDE (a), COLUMNS(x -> x), $select FROM t",
            ["* EXCLUDE (a)", "COLUMNS(x -> x)", "$select"],
        ),
    ],
)
def test_select_items(sql: str, items: list[str]) -> None:
    """Keywords that are names, types or text neither end the list, nor split it, nor start a query."""
    block = _block(sql)
    assert _texts(sql, block.select_items) == items
    assert block.subqueries == ()


@pytest.mark.parametrize(
    ("sql", "query"),
    [
        ("CREATE OR REPLACE TEMP TABLE t AS SELECT a AS select FROM b", "SELECT a AS select FROM b"),
        ("CREATE TABLE t AS (SELECT a FROM b) WITH NO DATA", "(SELECT a FROM b)"),
        ("CREATE TABLE t AS TABLE b", "TABLE b"),
        ("INSERT INTO t (a, b) BY NAME SELECT a FROM b RETURNING *", "SELECT a FROM b"),
        ("INSERT INTO d.pivot WITH x AS (SELECT 1) FROM x", "WITH x AS (SELECT 1) FROM x"),
        ("INSERT INTO t SELECT a FROM b JOIN c ON d ON CONFLICT DO NOTHING;", "SELECT a FROM b JOIN c ON d"),
        ("COPY (SELECT a FROM b) TO 'x.csv' (HEADER)", "SELECT a FROM b"),
    ],
)
def test_queries_of_other_statements(sql: str, query: str) -> None:
    """The query that feeds a table or a file is laid out and marked as not being the statement."""
    found = layout(sql, "duckdb")
    assert not found.is_select
    assert found.query.span.text(sql) == query


@pytest.mark.parametrize(
    "sql",
    [
        "",
        " -- nothing\n",
        "SELECT 1; SELECT 2",
        "EXPLAIN SELECT 1",
        "CREATE VIEW v AS SELECT 1",
        "DELETE FROM t",
        "SELECT (1",
        "SELECT 1)",
        "SELECT 'open",
        "SELECT FROM t",
        "SELECT a FROM t WHERE",
        "SELECT a FROM t WHERE a = LIMIT",
        "SELECT a FROM t GROUP BY a WHERE b",
        "SELECT a FROM t LIMIT 1 LIMIT 2",
        "SELECT a FROM t ORDER BY a UNION SELECT b",
        "SELECT a UNION WITH b AS (SELECT 1) SELECT 2",
        "SELECT a FROM t GROUP /* why */ BY a",
        "SELECT a FROM b JOIN c JOIN d ON e ON f",
        "SELECT a FROM b, c ON d",
        "SELECT a FROM VALUES (1), (2) t(a)",
        "SELECT a FROM t WHERE between = 1 AND b = 2",
        "SELECT a FROM t WHERE a AND AND b",
        "SELECT a,, b FROM t",
        "SELECT a INTO u FROM t",
        "WITH a AS (SELECT 1)",
        "WITH a AS (b) SELECT 1",
    ],
)
def test_doubt_is_refused(sql: str) -> None:
    """What is no single query, or could be read in two ways, is no layout."""
    with pytest.raises(LayoutError):
        layout(sql, "duckdb")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a FROM t LATERAL VIEW explode(b) x AS c",
        "SELECT a FROM t SORT BY a",
        "SELECT 1.from t",
        "SELECT limit, a FROM t WHERE limit > 3",
        "SELECT a FROM t WHERE b < :end AND c",
        "SELECT a, FROM t",
    ],
)
def test_doubt_is_refused_in_spark(sql: str) -> None:
    """Spark lets most keywords be names; such statements are no layout."""
    with pytest.raises(LayoutError):
        layout(sql, "spark")


def test_spark_names_hints_and_set_operations() -> None:
    """Back-quoted names, hints and MINUS are read as Spark does."""
    sql = "SELECT /*+ BROADCAST(t) */ `from, x`, 'it\\'s' FROM t LEFT ANTI JOIN u ON a = b MINUS SELECT 1, 2"
    query = layout(sql, "spark").query
    block = query.operands[0].block
    assert block is not None
    assert _texts(sql, block.select_items) == ["`from, x`", "'it\\'s'"]
    assert block.from_items[1].joined_by == "LEFT ANTI JOIN"
    assert query.operands[1].set_operator == "MINUS"


def test_other_dialects_are_refused() -> None:
    """Only dialects whose keywords were looked into are laid out."""
    with pytest.raises(LayoutError, match="postgres"):
        layout("SELECT 1", "postgres")


def test_very_deep_nesting_is_refused_and_not_a_crash() -> None:
    """Thousands of nested queries end in the error that callers know."""
    with pytest.raises(LayoutError):
        layout("(" * 5000 + "SELECT 1" + ")" * 5000, "duckdb")


def test_innermost_block_and_query() -> None:
    """An offset finds the smallest block and query around it, also inside of CTEs and operands."""
    nested = "SELECT 33 UNION (SELECT 44 FROM c) ORDER BY 55"
    sql = f"WITH x AS (SELECT 11 FROM a) SELECT 22 FROM x WHERE b IN ({nested})"
    statement = layout(sql, "duckdb")
    expected = {
        "11": ("SELECT 11 FROM a", "SELECT 11 FROM a"),
        "22": (sql[29:], sql),
        "33": ("SELECT 33", nested),
        "44": ("SELECT 44 FROM c", "SELECT 44 FROM c"),
        "55": (sql[29:], nested),
    }
    for text, (block_text, query_text) in expected.items():
        block = statement.innermost_block(sql.index(text))
        query = statement.innermost_query(sql.index(text))
        assert block is not None
        assert query is not None
        assert (block.span.text(sql), query.span.text(sql)) == (block_text, query_text)
    assert statement.innermost_block(2) is None
    assert statement.innermost_query(len(sql)) is None
