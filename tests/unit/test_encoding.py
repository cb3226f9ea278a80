"""The canonical text: what may change places, and what keeps pieces apart."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import permutations

import pytest

from signatures.encoding import Encoder, both, form, glue, precise_signature, quoted, recurring_name
from signatures.expressions import Call, ColumnRef, Expression, Literal, SubqueryExpression
from signatures.model import InputIdentity, InputVersion
from signatures.plan import (
    Aggregate,
    BoundQuery,
    Core,
    Join,
    Opaque,
    Output,
    Plan,
    Scan,
    SetOperation,
    Sort,
    Window,
    make_core,
)

A, B = ColumnRef(1, "a"), ColumnRef(1, "b")


def scan(relation: int, name: str) -> Scan:
    """A table."""
    return Scan(relation, InputIdentity(f"table:db#main.{name}"), name)


def equal(one: Expression, other: Expression) -> Call:
    """A comparison."""
    return Call("eq", (one, other))


def text_of(plan: Plan) -> str:
    """The precise canonical text of a plan."""
    return Encoder().plan(plan)[0].precise


def query(plan: Plan, *columns: tuple[int, str]) -> BoundQuery:
    """A query that returns columns."""
    return BoundQuery(plan, tuple(Output("", ColumnRef(*column)) for column in columns))


def test_sources_and_predicates_of_a_core_have_no_order() -> None:
    """All orders of three tables and their conditions give one text."""
    predicates = (
        equal(ColumnRef(1, "x"), ColumnRef(2, "x")),
        equal(ColumnRef(3, "y"), ColumnRef(2, "y")),
        Call("gt", (ColumnRef(1, "z"), Literal("integer", "3"))),
    )
    tables = (scan(1, "a"), scan(2, "b"), scan(3, "c"))
    texts = {
        text_of(Core(sources, conditions))
        for sources in permutations(tables)
        for conditions in permutations(predicates)
    }
    assert len(texts) == 1


def test_numbers_of_relations_do_not_matter() -> None:
    """Relations are called by their places, so numbers may differ from statement to statement."""
    one = Core((scan(1, "a"), scan(2, "b")), (equal(ColumnRef(1, "x"), ColumnRef(2, "y")),))
    other = Core((scan(8, "a"), scan(5, "b")), (equal(ColumnRef(5, "y"), ColumnRef(8, "x")),))
    assert text_of(one) == text_of(other)


def test_chain_of_self_joins_is_found_again() -> None:
    """Five copies of one table in a chain have one text in all orders: places tell them apart."""
    chain = [equal(ColumnRef(i, "parent"), ColumnRef(i + 1, "key")) for i in range(1, 5)]
    tables = [scan(i, "tree") for i in range(1, 6)]
    texts = {text_of(Core(order, tuple(chain))) for order in permutations(tables)}
    assert len(texts) == 1


def test_self_join_crossed_is_another_plan() -> None:
    """``a.x = b.y AND a.z = 1`` is not ``a.x = b.y AND b.z = 1``."""
    tables = (scan(1, "t"), scan(2, "t"))
    join = equal(ColumnRef(1, "x"), ColumnRef(2, "y"))
    texts = {
        text_of(Core(tables, (join, equal(ColumnRef(relation, "z"), Literal("integer", "1")))))
        for relation in (1, 2)
    }
    assert len(texts) == 2


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (Call("gt", (A, B)), Call("lt", (B, A)), True),
        (Call("gt", (A, B)), Call("lt", (A, B)), False),
        (Call("neq", (A, B)), Call("neq", (B, A)), True),
        (Call("sub", (A, B)), Call("sub", (B, A)), False),
        (Call("add", (A, B)), Call("add", (B, A)), False),
        (Literal("integer", "1"), Literal("string", "1"), False),
        (Literal("integer", "1"), Literal("decimal", "1.0"), False),
        (Call("f", (), (("to", "int"),)), Call("f", (), (("to", "bigint"),)), False),
    ],
)
def test_operands(one: Expression, other: Expression, same: bool) -> None:
    """Sides change places only where the operator lets them."""
    scopes = (Encoder().labels([1]),)
    texts = [Encoder().expression(expression, scopes).precise for expression in (one, other)]
    assert (texts[0] == texts[1]) is same


def test_quotes_cannot_be_imitated() -> None:
    """A name or literal with quotes and brackets in it stays one name."""
    nasty = ("a' 'b", "a\\", "a\\' 'b", "') (scan 'x", "a", "a'")
    texts = {text_of(Sort(scan(1, name), ())) for name in nasty}
    assert len(texts) == len(nasty)
    assert len({quoted(one) + " " + quoted(other) for one in nasty for other in nasty}) == len(nasty) ** 2


def test_measures_do_not_decide_the_rows() -> None:
    """Groupings of different measures have one text; the measures' own names tell them apart."""
    key = (ColumnRef(1, "k"),)
    sums, counts = Call("aggregate:sum", (ColumnRef(1, "x"),)), Call("aggregate:count", (ColumnRef(1, "x"),))
    plans = [Aggregate(2, scan(1, "t"), key, None, (measure,)) for measure in (sums, counts)]
    encoders = [Encoder(), Encoder()]
    texts = [encoder.plan(plan)[0] for encoder, plan in zip(encoders, plans, strict=True)]
    keys = [encoder.expression(ColumnRef(2, "m0"), (encoder.labels([2]),)) for encoder in encoders]
    assert texts[0] == texts[1]
    assert keys[0] != keys[1]


def test_sides_that_matter() -> None:
    """LEFT JOIN and EXCEPT keep their sides; FULL JOIN and UNION have none."""
    condition = (equal(ColumnRef(1, "x"), ColumnRef(2, "x")),)

    def joined(kind: str, first: int, second: int) -> str:
        tables = {1: scan(1, "a"), 2: scan(2, "b")}
        return text_of(Join(kind, tables[first], tables[second], condition))

    def combined(kind: str, first: str, second: str) -> str:
        return text_of(
            SetOperation(3, kind, False, query(scan(1, first), (1, "x")), query(scan(2, second), (2, "x")))
        )

    assert joined("left", 1, 2) != joined("left", 2, 1)
    assert joined("full", 1, 2) == joined("full", 2, 1)
    assert combined("except", "a", "b") != combined("except", "b", "a")
    assert combined("union", "a", "b") == combined("union", "b", "a")


def test_correlation_levels_are_kept_apart() -> None:
    """A column of the query around is not the column of the same place inside."""
    texts = set()
    for relation in (1, 2):
        inner = make_core([scan(2, "t")], (equal(ColumnRef(relation, "a"), ColumnRef(2, "b")),))
        outer = make_core([scan(1, "t")], (SubqueryExpression("exists", query(inner)),))
        texts.add(text_of(outer))
    assert len(texts) == 2


def test_opaque_is_equal_to_nothing() -> None:
    """What was not understood never matches, not even itself."""
    opaque = Opaque(1, ())
    assert text_of(opaque) != text_of(opaque)


def test_relation_out_of_scope_is_an_error() -> None:
    """A plan that was built wrongly is noticed instead of signed."""
    with pytest.raises(ValueError, match="relation 9 is not in scope"):
        text_of(Core((scan(1, "t"),), (equal(ColumnRef(9, "x"), ColumnRef(1, "x")),)))


def test_windows_pass_rows_through() -> None:
    """A window adds columns; which ones is part of their own names only."""
    call = Call("window:rank")
    assert text_of(Window(2, scan(1, "t"), (call,))) == text_of(Window(2, scan(1, "t"), ()))


def test_precise_signature_covers_versions_and_environment() -> None:
    """Each of plan, version, identity and environment changes the digest; the order of inputs doesn't."""
    one, other = (InputIdentity("a"), InputVersion("1")), (InputIdentity("b"), InputVersion("1"))
    base = precise_signature("plan", [one, other], "duckdb 1")
    assert base == precise_signature("plan", [other, one], "duckdb 1")
    changed = {
        precise_signature("plan2", [one, other], "duckdb 1"),
        precise_signature("plan", [one, other], "duckdb 2"),
        precise_signature("plan", [one], "duckdb 1"),
        precise_signature("plan", [(InputIdentity("a"), InputVersion("2")), other], "duckdb 1"),
        precise_signature("plan", [(InputIdentity("a' '1"), InputVersion("")), other], "duckdb 1"),
    }
    assert base not in changed
    assert len(changed) == 5


def test_recurring_parts_of_names() -> None:
    """Dates and run numbers are taken out of names for the normalized signature."""
    assert recurring_name("sales_20240131") == recurring_name("sales_20240201")
    assert recurring_name("sales_20240131") != recurring_name("returns_20240131")


def test_texts_of_both_modes_are_built_together() -> None:
    """Forms nest in both modes."""
    assert form("f", both("a"), glue(",", [both("b"), both("c")])).precise == "(f a b,c)"


_PROGRAM = """
from tests.support.catalog import catalog_of
import duckdb
from signatures.compiler import compile_statement
with duckdb.connect() as connection:
    connection.execute("CREATE TABLE t(a INT, b INT); CREATE TABLE u(a INT, b INT)")
    catalog = catalog_of(connection)
sql = '''SELECT x.a, count(*) FROM t x, t y, u WHERE x.a = y.b AND u.a IN (3, 1, 2) AND (x.b = 1 OR y.b = 2)
GROUP BY CUBE (x.a, u.b) HAVING min(y.a) > 1'''
for part in compile_statement(sql, catalog, "duckdb").subexpressions:
    print(part.normalized, part.canonical, [column.key for column in part.columns], part.inputs)
"""


def test_texts_do_not_depend_on_the_process() -> None:
    """Processes that hash strings differently write the same texts and signatures."""
    outputs = set()
    for seed in ("0", "1", "4711"):
        environment = {
            **os.environ,
            "PYTHONHASHSEED": seed,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        }
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM], env=environment, capture_output=True, text=True, check=True
        )
        outputs.add(done.stdout)
    assert len(outputs) == 1
    assert "(aggregate (keys" in outputs.pop()
