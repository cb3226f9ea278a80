"""The layout of generated statements: what was written comes back, and no text ends in a crash."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from signatures.parsing.layout import (
    BlockLayout,
    LayoutError,
    OperandKind,
    QueryLayout,
    Span,
    layout,
)


def _texts(sql: str, spans: tuple[Span, ...]) -> list[str]:
    return [span.text(sql) for span in spans]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A block written for a test, with the texts that its layout has to find."""

    text: str
    items: tuple[str, ...]
    tables: tuple[str, ...]
    where: tuple[str, ...]
    on: tuple[tuple[str, ...], ...]


GAPS = st.sampled_from([" ", "\n  ", " /* AND, FROM ( */ ", " -- WHERE ), 'x\n", "\t"])
TERMS = """
a = 1
x.from > 2
b BETWEEN 1 AND 2
CASE WHEN p AND q THEN r END
(c OR d AND e)
left(s, 2) = 'é'
k IS NOT DISTINCT FROM l
NOT m
n IN (1, 2)
EXTRACT(year FROM d) = 2000
s LIKE '%; AND %'
EXISTS (SELECT 1 FROM u WHERE v AND w)
[1, 2][1] = {'a': 1}.a
z = "or ""AND"" x"
d < $limit
""".strip().splitlines()
ITEMS = """
a
t.*
count(DISTINCT b) AS limit
sum(x) OVER (PARTITION BY a, b ORDER BY c)
CASE WHEN a THEN b END
(SELECT max(a), FROM u)
'x, FROM'
trim(BOTH FROM s)
list_filter(l, x -> x > 1 AND x < 3)
1.5
""".strip().splitlines()
TABLES = """
t
s.t AS x
"from" f
(SELECT a, b FROM t) AS q(a, b)
range(1, 2) r(i)
(t JOIN u USING (a, b))
(VALUES (1), (2)) v
'f,x.parquet' p
t TABLESAMPLE 10%
(FROM t) g
""".strip().splitlines()
JOINS = ("JOIN", "left join", "FULL OUTER JOIN", "SEMI JOIN", "ASOF LEFT JOIN", "INNER JOIN")


@st.composite
def written_blocks(draw: st.DrawFn) -> Written:
    """Blocks put together from texts that are hard to tell apart, with comments between them."""
    gap = draw(st.lists(GAPS, min_size=1, max_size=5))

    def joined(words: list[str]) -> str:
        return "".join(word + gap[place % len(gap)] for place, word in enumerate(words))

    def conjunction(terms: list[str]) -> list[str]:
        return [part for term in terms for part in ("AND", term)][1:]

    items = draw(st.lists(st.sampled_from(ITEMS), min_size=1, max_size=4))
    tables = [draw(st.sampled_from(TABLES))]
    words = ["SELECT", *[part for item in items for part in (",", item)][1:], "FROM", tables[0]]
    conditions: list[tuple[str, ...]] = [()]
    for table in draw(st.lists(st.sampled_from(TABLES), max_size=3)):
        terms = draw(st.lists(st.sampled_from(TERMS), max_size=3))
        tables.append(table)
        conditions.append(tuple(terms))
        words += [draw(st.sampled_from(JOINS)), table, "ON", *conjunction(terms)] if terms else [",", table]
    where = draw(st.lists(st.sampled_from(TERMS), max_size=4))
    words += ["where", *conjunction(where)] if where else []
    words += draw(st.sampled_from([[], ["GROUP BY", "a, b"], ["Group\nBy", "ALL", "HAVING", "a AND b"]]))
    return Written(
        text=joined(words),
        items=tuple(items),
        tables=tuple(tables),
        where=tuple(where),
        on=tuple(conditions),
    )


def _check(sql: str, block: BlockLayout | None, written: Written) -> None:
    assert block is not None
    assert _texts(sql, block.select_items) == list(written.items)
    assert [item.span.text(sql) for item in block.from_items] == list(written.tables)
    assert [tuple(_texts(sql, item.on_conjuncts)) for item in block.from_items] == list(written.on)
    assert _texts(sql, block.where_conjuncts) == list(written.where)


@given(
    blocks=st.lists(written_blocks(), min_size=1, max_size=3),
    tail=st.sampled_from(["", "ORDER BY 1", "LIMIT 2"]),
)
@settings(max_examples=150)
def test_what_was_written_is_found(blocks: list[Written], tail: str) -> None:
    """Texts put together to a set operation come back unchanged, alone and inside of another query."""
    inner = " UNION ALL\n".join(block.text for block in blocks) + tail
    for sql in (inner, f"SELECT * FROM ({inner}) AS y", f"WITH y AS ({inner}) SELECT 1"):
        query = layout(sql, "duckdb").query
        if sql is not inner:
            query = next(query.inside())
        assert [operand.kind for operand in query.operands] == [OperandKind.BLOCK] * len(blocks)
        for operand, written in zip(query.operands, blocks, strict=True):
            _check(sql, operand.block, written)


WORDS = """
SELECT FROM WHERE a b. , ( ) AND OR BETWEEN JOIN ON USING LEFT = CASE END UNION ALL WITH AS ORDER BY LIMIT 1
VALUES DISTINCT [ ] SAMPLE LATERAL WINDOW INSERT CREATE TABLE COPY RETURNING CONFLICT ; { } 'x' NOT
""".split()


def _spans_inside(query: QueryLayout) -> Iterator[tuple[Span, Span]]:
    for operand in query.operands:
        yield query.span, operand.span
        if operand.block is not None:
            yield operand.span, operand.block.span
            parts = (
                *operand.block.select_items,
                *operand.block.where_conjuncts,
                *operand.block.clauses.values(),
            )
            yield from ((operand.block.span, part) for part in parts)
            yield from ((operand.block.span, item.whole) for item in operand.block.from_items)
            yield from ((item.whole, item.span) for item in operand.block.from_items)
    for inner in query.inside():
        yield query.span, inner.span
        yield from _spans_inside(inner)


@given(words=st.lists(st.sampled_from(WORDS), max_size=25))
@settings(max_examples=400)
def test_any_text_is_laid_out_or_refused(words: list[str]) -> None:
    """No sequence of tokens ends in another error, and ranges lie inside of those around them."""
    sql = " ".join(words)
    try:
        query = layout(sql, "duckdb").query
    except LayoutError:
        return
    for outer, inner in _spans_inside(query):
        assert outer.start <= inner.start <= inner.end <= outer.end
