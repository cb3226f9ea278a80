"""Where everything stands in a statement's text, from its tokens alone.

With the ranges found here a statement is changed by replacing parts of the user's own text; nothing
else of it is ever printed again. Where the tokens leave a doubt, the statement is refused: a missed
reuse costs time, a wrong range would cost the result.

Example:
    ``layout("SELECT a FROM t WHERE b = 1 AND c", "duckdb")`` has one block, whose ``where_conjuncts`` are
    the ranges of ``b = 1`` and ``c``.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from sqlglot import TokenType

from signatures.parsing.layout_blocks import (
    check_body,
    comma_split,
    conjuncts,
    from_items,
    mappings,
    sections,
    select_sections,
)
from signatures.parsing.layout_model import (
    BlockLayout,
    Clause,
    CteLayout,
    FromItem,
    LayoutError,
    OperandKind,
    OperandLayout,
    QueryLayout,
    Span,
    StatementLayout,
)
from signatures.parsing.layout_tokens import MODIFIERS, NAME, SET_OPERATORS, TOP, TokenRow

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "BlockLayout",
    "Clause",
    "CteLayout",
    "FromItem",
    "LayoutError",
    "OperandKind",
    "OperandLayout",
    "QueryLayout",
    "Span",
    "StatementLayout",
    "layout",
]

_NO_CLAUSES: Mapping[str, Span] = MappingProxyType({})
_NAMES = frozenset({NAME, TokenType.IDENTIFIER})


def layout(sql: str, dialect: str) -> StatementLayout:
    """Lay out one statement: a query, or the query of a CREATE TABLE AS, an INSERT or a COPY.

    Args:
        sql: the statement as the user wrote it, with or without a semicolon at its end.
        dialect: ``duckdb`` or ``spark``.

    Raises:
        LayoutError: for everything else, and wherever a token could mean two things.
    """
    row = TokenRow(sql, dialect)
    try:
        match row.types[0]:
            case TokenType.CREATE:
                query = _query(row, TOP, *_created_query(row))
            case TokenType.INSERT:
                query = _query(row, TOP, *_inserted_query(row))
            case TokenType.COPY if row.is_query(1):
                query = _enclosed(row, 1)
            case TokenType.COPY | TokenType.DESCRIBE | TokenType.SUMMARIZE | TokenType.SHOW:
                raise row.error(0, "a query")
            case _:
                return StatementLayout(sql=sql, is_select=True, query=_query(row, TOP, 0, len(row)))
        return StatementLayout(sql=sql, is_select=False, query=query)
    except RecursionError as error:
        raise LayoutError("found too many nested queries, expected fewer") from error


def _created_query(row: TokenRow) -> tuple[int, int]:
    first = row.created_as() + 1
    words = {row.types[index] for index in range(min(5, first))}
    if not first or TokenType.TABLE not in words or not _may_start(row, first):
        raise row.error(first, "CREATE TABLE ... AS with a query")
    for index in row.events_within(TOP, first + 1, len(row)):
        if row.types[index] == TokenType.WITH and row.upper(index + 1) in ("DATA", "NO"):
            return first, index
    return first, len(row)


def _inserted_query(row: TokenRow) -> tuple[int, int]:
    index = 1
    while index < len(row) and not _may_start(row, index, function_call=False):
        index = row.closing.get(index, index) + 1
    first = index
    if first >= len(row):
        raise row.error(first, "INSERT with a query")
    for index in row.events_within(TOP, first, len(row)):
        kind = row.types[index]
        if kind == TokenType.RETURNING:
            return first, index
        if kind == TokenType.ON and row.upper(index + 1) == "CONFLICT" and _has_do(row, index + 2):
            return first, index
    return first, len(row)


def _has_do(row: TokenRow, index: int) -> bool:
    while index < len(row):
        if row.upper(index) == "DO" and row.types[index] != TokenType.IDENTIFIER:
            return True
        index = row.closing.get(index, index) + 1
    return False


def _may_start(row: TokenRow, index: int, *, function_call: bool = True) -> bool:
    """Whether a query expression starts here, without or with parentheses."""
    if row.type_at(index) is None:
        return False
    if row.types[index] == TokenType.L_PAREN:
        return row.is_query(index)
    # INSERT INTO TABLE t is Spark's; TABLE t as the query comes behind a name.
    if not function_call and row.types[index] == TokenType.TABLE and index < 3:
        return False
    return row.starts_query(index, before=None)


def _enclosed(row: TokenRow, opening: int) -> QueryLayout:
    return _query(row, opening, opening + 1, row.closing[opening])


def _subqueries(row: TokenRow, first: int, behind: int) -> tuple[QueryLayout, ...]:
    return tuple(_enclosed(row, opening) for opening in row.queries_within(first, behind))


def _query(row: TokenRow, level: int, first: int, behind: int) -> QueryLayout:
    """The query expression between two tokens of one level."""
    ctes: tuple[CteLayout, ...] = ()
    with_span = None
    recursive = False
    start = first
    if row.type_at(first) == TokenType.WITH:
        recursive = row.type_at(first + 1) == TokenType.RECURSIVE
        ctes, start = _ctes(row, first + (2 if recursive else 1), behind)
        with_span = row.span(first, start)
    tail = _modifiers_start(row, level, start, behind)
    operands, loose = _operands(row, level, start, tail, behind)
    clauses = keyword_spans = _NO_CLAUSES
    if tail < behind:
        clauses, keyword_spans = mappings(row, sections(row, level, tail, behind))
        if len(operands) > 1 or operands[0].block is None:
            loose.extend(_subqueries(row, tail, behind))
    return QueryLayout(
        span=row.span(first, behind),
        with_span=with_span,
        recursive=recursive,
        ctes=ctes,
        operands=tuple(operands),
        modifiers_span=row.span(tail, behind) if tail < behind else None,
        clauses=clauses,
        keyword_spans=keyword_spans,
        subqueries=tuple(loose),
    )


def _ctes(row: TokenRow, first: int, behind: int) -> tuple[tuple[CteLayout, ...], int]:
    """The entries of a WITH clause and the index of the token behind it."""
    found = []
    index = first
    while True:
        cte, index = _cte(row, index)
        found.append(cte)
        if row.type_at(index) != TokenType.COMMA:
            break
        index += 1
    if index >= behind:
        raise row.error(index, "a query behind WITH")
    return tuple(found), index


def _cte(row: TokenRow, first: int) -> tuple[CteLayout, int]:
    if first >= len(row) or row.types[first] == TokenType.L_PAREN:
        raise row.error(first, "the name of a common table expression")
    index = first + 1
    columns: list[str] = []
    if row.type_at(index) == TokenType.L_PAREN:
        inside = range(index + 1, row.closing[index])
        columns = [row.text(column) for column in inside if row.types[column] != TokenType.COMMA]
        if len(columns) * 2 - 1 != len(inside):
            raise row.error(index, "a list of column names")
        index = row.closing[index] + 1
    if row.type_at(index) == TokenType.USING and row.upper(index + 1) == "KEY":
        index = row.closing.get(index + 2, index + 2) + 1
    if row.type_at(index) != TokenType.ALIAS:
        raise row.error(index, "AS")
    body = index + 1
    if row.type_at(body) == TokenType.NOT:
        body += 1
    if row.upper(body) == "MATERIALIZED":
        body += 1
    if not row.is_query(body):
        raise row.error(body, "a query in parentheses")
    behind = row.closing[body] + 1
    cte = CteLayout(
        name=row.text(first),
        span=row.span(first, behind),
        name_span=row.span(first, first + 1),
        column_aliases=tuple(columns),
        materialized=" ".join(row.upper(word) for word in range(index + 1, body)),
        body=_enclosed(row, body),
    )
    return cte, behind


def _modifiers_start(row: TokenRow, level: int, first: int, behind: int) -> int:
    """The index of the first ORDER BY, LIMIT or OFFSET; ``behind`` where there is none."""
    events = row.events_within(level, first, behind)
    return next((index for index in events if row.types[index] in MODIFIERS), behind)


def _operands(
    row: TokenRow, level: int, first: int, tail: int, behind: int
) -> tuple[list[OperandLayout], list[QueryLayout]]:
    """The operands, and the queries nested in those whose inside is not laid out."""
    events = row.events_within(level, first, tail)
    cuts = [index for index in events if row.types[index] in SET_OPERATORS]
    found: list[OperandLayout] = []
    loose: list[QueryLayout] = []
    operator = ""
    start = first
    for cut in [*cuts, tail]:
        # ORDER BY and LIMIT are a lone SELECT's own, and else the whole set operation's.
        end = behind if not cuts and row.type_at(start) == TokenType.SELECT else cut
        found.append(_operand(row, level, start, end, operator))
        if found[-1].kind is OperandKind.OTHER:
            loose.extend(_subqueries(row, start, end))
        start = cut + 1
        if row.type_at(start) in (TokenType.ALL, TokenType.DISTINCT):
            start += 1
        if cut < tail and row.upper(start) == "BY" and row.upper(start + 1) == "NAME":
            start += 2
        operator = " ".join(row.upper(word) for word in range(cut, min(start, tail)))
    return found, loose


def _operand(row: TokenRow, level: int, first: int, behind: int, operator: str) -> OperandLayout:
    span = row.span(first, behind)
    kind = row.types[first]
    if kind == TokenType.SELECT:
        block = _block(row, level, first, behind)
        return OperandLayout(span=span, kind=OperandKind.BLOCK, set_operator=operator, block=block)
    if kind == TokenType.L_PAREN:
        if not row.is_query(first) or row.closing[first] != behind - 1:
            raise row.error(first, "a query in parentheses")
        query = _enclosed(row, first)
        return OperandLayout(span=span, kind=OperandKind.QUERY, set_operator=operator, query=query)
    if kind == TokenType.WITH or not row.starts_query(first, before=None):
        raise row.error(first, "a query")
    check_body(row, first + 1, behind)
    return OperandLayout(span=span, kind=OperandKind.OTHER, set_operator=operator)


def _block(row: TokenRow, level: int, first: int, behind: int) -> BlockLayout:
    found, items_first, items_behind = select_sections(row, level, first, behind)
    clauses, keyword_spans = mappings(row, found)
    places = {section.clause: section for section in found}
    source = places.get(Clause.FROM)
    where = places.get(Clause.WHERE)
    return BlockLayout(
        span=row.span(first, behind),
        clauses=clauses,
        keyword_spans=keyword_spans,
        select_items=comma_split(row, level, items_first, items_behind),
        from_items=from_items(row, level, source.body, source.behind) if source else (),
        where_conjuncts=conjuncts(row, level, where.body, where.behind) if where else (),
        subqueries=_subqueries(row, first, behind),
    )
