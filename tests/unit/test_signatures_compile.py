"""Compiling statements: what is found in them, and what is refused instead of guessed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import duckdb
import pytest

from signatures.catalog import ColumnFacts, FunctionFacts, FunctionKind
from signatures.compiler import compile_statement
from signatures.model import SubexpressionKind
from signatures.sites import BlockSite, CompiledStatement, QuerySite
from signatures.verification import meaning
from tests.support.catalog import FixedCatalog, catalog_of

STATEMENT = """WITH w AS (SELECT a, sum(b) AS s FROM t GROUP BY a)
SELECT w.a, q.n, (SELECT max(d) FROM u) FROM w, (SELECT d, count(*) AS n FROM u GROUP BY d) q, t
WHERE w.a = q.d AND t.a = w.a AND t.b > 3"""


@pytest.fixture(scope="module")
def catalog() -> Iterator[FixedCatalog]:
    """Two tables, a struct, lists and dates."""
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t(a INT, b INT, l INT[], d DATE, c VARCHAR)")
        connection.execute("CREATE TABLE u(d INT, e INT)")
        yield catalog_of(connection)


def compiled(sql: str, catalog: FixedCatalog) -> CompiledStatement:
    """A statement compiled for DuckDB."""
    return compile_statement(sql, catalog, "duckdb")


def refusal(sql: str, catalog: FixedCatalog) -> str:
    """Why a statement is not understood."""
    statement = compiled(sql, catalog)
    assert statement.statement is None, statement.subexpressions[statement.statement or 0].canonical
    return str(statement.subexpressions[-1].ineligible[0])


def test_kinds_of_subexpressions(catalog: FixedCatalog) -> None:
    """A statement with one of each has each, with labels for people."""
    statement = compiled(STATEMENT, catalog)
    labels = {part.kind: part.label for part in statement.subexpressions}
    assert labels[SubexpressionKind.STATEMENT] == "statement"
    assert labels[SubexpressionKind.CTE] == "cte w"
    assert {SubexpressionKind.DERIVED_TABLE, SubexpressionKind.SUBQUERY, SubexpressionKind.CORE} <= set(
        labels
    )
    assert SubexpressionKind.JOIN_SUBSET in labels
    assert SubexpressionKind.AGGREGATE in labels


def test_places_are_those_of_the_text(catalog: FixedCatalog) -> None:
    """Query expressions stand where their text stands; a core where its FROM stands."""
    statement = compiled(STATEMENT, catalog)
    texts = {
        part.kind: site.place.of(STATEMENT)
        for part, site in zip(statement.subexpressions, statement.sites, strict=True)
        if isinstance(site, QuerySite)
    }
    assert texts[SubexpressionKind.CTE] == "SELECT a, sum(b) AS s FROM t GROUP BY a"
    assert texts[SubexpressionKind.DERIVED_TABLE] == "SELECT d, count(*) AS n FROM u GROUP BY d"
    assert texts[SubexpressionKind.SUBQUERY] == "SELECT max(d) FROM u"
    cores = [site for site in statement.sites if isinstance(site, BlockSite)]
    assert all(site.from_clause.of(STATEMENT).startswith("FROM") for site in cores)


def test_what_lies_inside_what(catalog: FixedCatalog) -> None:
    """The whole statement holds all others; a CTE holds none of the other queries."""
    statement = compiled(STATEMENT, catalog)
    assert statement.statement is not None
    whole = statement.subexpressions[statement.statement]
    queries = {part.ordinal for part in statement.subexpressions if part.kind.is_query}
    assert queries - {whole.ordinal} <= whole.contains
    cte = next(part for part in statement.subexpressions if part.kind is SubexpressionKind.CTE)
    assert not cte.contains & queries


def test_inputs_are_the_tables_below(catalog: FixedCatalog) -> None:
    """A subexpression names exactly the inputs that it reads."""
    statement = compiled(STATEMENT, catalog)
    inputs = {part.kind: part.inputs for part in statement.subexpressions}
    assert inputs[SubexpressionKind.CTE] == ("table:db#main.t",)
    assert inputs[SubexpressionKind.SUBQUERY] == ("table:db#main.u",)
    assert inputs[SubexpressionKind.STATEMENT] == ("table:db#main.t", "table:db#main.u")


def test_statement_that_is_not_a_query(catalog: FixedCatalog) -> None:
    """Statements with side effects have one reason and nothing to share."""
    statement = compiled("INSERT INTO t (a) VALUES (1)", catalog)
    assert not statement.is_query
    assert [reason.code for reason in statement.subexpressions[0].ineligible] == ["REUSE-106"]


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("SELECT 0x1F FROM t", "number"),
        ("SELECT a FROM t; SELECT b FROM t", "2 statements"),
        ("SELECT list_distinct(l, c) FROM t", "'c', which the parser left out"),
        ("SELECT list_sort(l, 'DESC', 'NULLS FIRST') FROM t", "which the parser left out"),
        ("SELECT date_trunc(c, d) FROM t", "unit"),
        ("SELECT date_trunc(month, d) FROM (SELECT d, c AS month FROM t)", "unit"),
        ("SELECT c COLLATE nocase.noaccent FROM t", "collate expression"),
        ("SELECT ~a + b FROM t", "bitwisenot inside add"),
        ("SELECT a FROM t WHERE c || 'x' | b = 1", "without parentheses"),
        ("SELECT a & b | 1 FROM t", "without parentheses"),
        ("SELECT a = b == 1 FROM t", "without parentheses"),
        ("SELECT (SELECT x) FROM (SELECT a AS y FROM t) WHERE y = 1", "no column x"),
        ("SELECT b AS x, (SELECT max(e) FROM u WHERE e = x) FROM t", "alias of the query around it"),
        ("SELECT arg_max(/* a */ a, b) OVER () FROM t", "under another name"),
        ("SELECT t.a FROM t JOIN (t x JOIN u ON x.d = u.d) ON t.a = x.a", "a join in parentheses"),
        ("SELECT a FROM t FOR UPDATE", "SELECT with"),
        ("SELECT rowid FROM t", "no column rowid"),
        ("SELECT nothing_known(a) FROM t", "function nothing_known"),
        ("SELECT t FROM t", "no column t"),
        ("SELECT x.a FROM t x, t x", "used twice"),
        ("SELECT a FROM t x, t y", "could be one of 2"),
        ("SELECT a FROM t ORDER BY 2", "ORDER BY 2"),
        ("SELECT a, sum(b) FROM t GROUP BY 3", "GROUP BY 3"),
        ("SELECT a FROM t HAVING a > 1", "HAVING without grouping"),
    ],
)
def test_what_is_not_certain_is_refused(sql: str, why: str, catalog: FixedCatalog) -> None:
    """Where parser or names leave a doubt, there is a reason and no signature."""
    assert why in refusal(sql, catalog)


@pytest.mark.parametrize(
    ("sql", "other"),
    [
        ("SELECT t.a, e FROM (t JOIN u ON t.a = u.e)", "SELECT t.a, e FROM t JOIN u ON t.a = u.e"),
        (
            "SELECT x.a FROM ((t JOIN u ON t.a = u.e) LEFT JOIN t x ON x.b = e) WHERE t.b > 1",
            "SELECT x.a FROM t JOIN u ON t.a = u.e LEFT JOIN t x ON x.b = e WHERE t.b > 1",
        ),
        ("SELECT c::varchar(10) FROM t", "SELECT CAST(c AS varchar(20)) FROM t"),
        ("SELECT string_agg(c, ',' ORDER BY c) FROM t", "SELECT string_agg(t.c, ',' ORDER BY t.c) FROM t"),
        ("SELECT quantile_cont((a), 0.5) FROM t", "SELECT quantile_cont(t.a, 0.5) FROM t"),
    ],
)
def test_other_spellings_of_the_same(sql: str, other: str, catalog: FixedCatalog) -> None:
    """Parentheses around the first joins, lengths of strings, and calls that the parser renames."""
    first, second = (
        compiled(text, catalog).subexpressions[compiled(text, catalog).statement or 0]
        for text in (sql, other)
    )
    assert first.eligible
    assert (first.canonical, first.columns) == (second.canonical, second.columns)


@pytest.mark.parametrize(
    ("sql", "other"),
    [
        ("SELECT quantile_cont(a, 0.5) FROM t", "SELECT quantile_disc(a, 0.5) FROM t"),
        ("SELECT string_agg(c, ',' ORDER BY c) FROM t", "SELECT string_agg(c, ';' ORDER BY c) FROM t"),
        ("SELECT string_agg(c ORDER BY c) FROM t", "SELECT string_agg(c ORDER BY c DESC) FROM t"),
        ("SELECT string_agg(c ORDER BY c) FROM t", "SELECT listagg(c ORDER BY c) FROM t"),
    ],
)
def test_calls_that_the_parser_renames_stay_apart(sql: str, other: str, catalog: FixedCatalog) -> None:
    """Calls are what the text calls them, with everything that is in them."""
    first, second = (
        compiled(text, catalog).subexpressions[compiled(text, catalog).statement or 0]
        for text in (sql, other)
    )
    assert first.columns != second.columns


def test_views_go_through_the_same_checks(catalog: FixedCatalog) -> None:
    """The text of a view is read as carefully as a statement's."""
    names = catalog.with_view("w", "SELECT list_distinct(l, c) AS a FROM t", ["a"])
    assert "the text of view w" in refusal("SELECT a FROM w", names)
    assert "columns of view w" in refusal(
        "SELECT a FROM w", catalog.with_view("w", "SELECT a, b FROM t", ["a"])
    )


def test_view_that_reads_itself_ends(catalog: FixedCatalog) -> None:
    """Nesting of views has a limit."""
    assert "nested more than" in refusal("SELECT a FROM w", catalog.with_view("w", "SELECT a FROM w", ["a"]))


def test_columns_that_differ_in_case_only(catalog: FixedCatalog) -> None:
    """DuckDB tells ``É`` from ``é``; lower case would not."""
    table = replace(
        catalog.tables["t"],
        columns=(ColumnFacts(name="É", type="INTEGER"), ColumnFacts(name="é", type="INTEGER")),
    )
    names = replace(catalog, tables={**catalog.tables, "t": table})
    assert "differ in the case" in refusal('SELECT "É" FROM t', names)


def test_functions_of_the_program_are_not_shared(catalog: FixedCatalog) -> None:
    """A registered function has code that nobody can compare."""
    own = FunctionFacts(name="score", kind=FunctionKind.SCALAR, user_defined=True)
    names = replace(catalog, functions={**catalog.functions, "score": own})
    statement = compiled("SELECT score(a) FROM t", names)
    assert statement.statement is not None
    assert [reason.code for reason in statement.subexpressions[statement.statement].ineligible] == [
        "REUSE-113"
    ]


def test_macro_is_its_definition(catalog: FixedCatalog) -> None:
    """The same call means something else once the macro was defined anew."""

    def named(definition: str) -> FixedCatalog:
        macro = FunctionFacts(name="f", kind=FunctionKind.MACRO, parameters=("x",), definition=definition)
        return replace(catalog, functions={**catalog.functions, "f": macro})

    one, other = (compiled("SELECT f(a) FROM t", named(text)) for text in ("(x + 1)", "(x + 2)"))
    assert meaning(one) is not None
    assert meaning(one) != meaning(other)
    volatile = compiled("SELECT f(a) FROM t", named("(x + random())"))
    assert volatile.statement is not None
    assert volatile.subexpressions[volatile.statement].ineligible[0].code == "REUSE-101"
    assert "calls itself" in refusal("SELECT f(a) FROM t", named("f(x)"))


def test_case_is_no_function(catalog: FixedCatalog) -> None:
    """DuckDB 2 has a macro called ``if``, which the branches of CASE have nothing to do with."""
    macro = FunctionFacts(name="if", kind=FunctionKind.MACRO, parameters=("a", "b", "c"), definition="a")
    names = replace(catalog, functions={**catalog.functions, "if": macro})
    sql = "SELECT CASE WHEN a > 1 THEN b ELSE 2 END FROM t"
    found = meaning(compiled(sql, names))
    assert found is not None
    assert found == meaning(compiled(sql, catalog))
    hazard = compiled("SELECT CASE WHEN a > 1 THEN random() ELSE uuid() END FROM t", catalog)
    assert {reason.code for reason in hazard.subexpressions[0].ineligible} == {"REUSE-101"}


def test_statement_that_is_nested_too_deeply(catalog: FixedCatalog) -> None:
    """Depth costs the signature, not the statement."""
    deep = "(" * 3_000 + "1" + ")" * 3_000
    assert refusal(f"SELECT {deep} FROM t", catalog)


def test_long_chains_are_no_deep_nesting(catalog: FixedCatalog) -> None:
    """Thousands of ORs are one operator."""
    chain = " OR ".join(f"a = {number}" for number in range(2_000))
    assert compiled(f"SELECT a FROM t WHERE {chain}", catalog).statement is not None


def test_ctes_that_multiply_are_stopped(catalog: FixedCatalog) -> None:
    """Twelve CTEs that each read the one before them twice would be thousands of tables."""
    ctes = ["c0 AS (SELECT a FROM t)"]
    ctes += [f"c{i} AS (SELECT x.a FROM c{i - 1} x, c{i - 1} y WHERE x.a = y.a)" for i in range(1, 14)]
    statement = compiled(f"WITH {', '.join(ctes)} SELECT a FROM c13", catalog)
    assert statement.statement is None
    assert any("REUSE-115" in str(part.ineligible) or not part.canonical for part in statement.subexpressions)
