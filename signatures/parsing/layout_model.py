"""The text layout of a statement as values: which range of the user's text is what.

Every range is a half-open pair of character offsets into the statement's own text, from the first
character of its first token to behind the last character of its last one: blanks and comments around
it are left out, those inside it belong to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class LayoutError(ValueError):
    """The text cannot be laid out with certainty; the statement has to stay as it is."""


# A named tuple and not a dataclass: a statement has hundreds of them, and one is made in a third of the time.
class Span(NamedTuple):
    """A half-open range of characters."""

    start: int
    end: int

    def contains(self, offset: int) -> bool:
        """Whether the character at ``offset`` lies in the range."""
        return self.start <= offset < self.end

    def text(self, sql: str) -> str:
        """The range's own text in ``sql``, the statement that was laid out."""
        return sql[self.start : self.end]


class Clause(StrEnum):
    """The clauses of one SELECT; the keys of the mappings of spans."""

    SELECT = "select"
    DISTINCT = "distinct"
    FROM = "from"
    WHERE = "where"
    GROUP_BY = "group_by"
    HAVING = "having"
    QUALIFY = "qualify"
    WINDOW = "window"
    SAMPLE = "sample"
    ORDER_BY = "order_by"
    LIMIT = "limit"
    OFFSET = "offset"


class OperandKind(StrEnum):
    """What an operand of a query expression is."""

    BLOCK = "block"
    QUERY = "query"
    OTHER = "other"
    """VALUES, FROM-first, TABLE, PIVOT, DESCRIBE and the like: its span is sure, its inside unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FromItem:
    """One item of a FROM clause, as split at the commas and joins outside of parentheses.

    JOIN binds tighter than the comma: the left side of a join is what follows the last comma before it.
    """

    span: Span
    """The table expression with its alias; LATERAL included."""
    whole: Span
    """From the comma or join keywords before it to the end of its ON or USING."""
    joined_by: str = ""
    """Empty for the first item, ``comma``, or the keywords in upper case: ``LEFT OUTER JOIN``."""
    on: Span | None = None
    """The condition behind ON."""
    on_conjuncts: tuple[Span, ...] = ()
    using: Span | None = None
    """The list of columns behind USING, without the parentheses."""
    lateral: bool = False
    nested_join: bool = False
    """The table expression is a parenthesized join, which is not taken apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockLayout:
    """One SELECT with its clauses.

    ORDER BY, LIMIT and OFFSET belong to it only where it is the single operand of its query.
    """

    span: Span
    clauses: Mapping[str, Span]
    """The body of each clause present. DISTINCT: the list behind ON, or an empty range behind the keyword."""
    keyword_spans: Mapping[str, Span]
    """The same clauses with their keywords. SELECT reaches from SELECT to the end of its items."""
    select_items: tuple[Span, ...]
    from_items: tuple[FromItem, ...]
    where_conjuncts: tuple[Span, ...]
    subqueries: tuple[QueryLayout, ...]
    """The queries nested directly in its clauses, in the order of the text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperandLayout:
    """One operand of a query expression; exactly one unless there are set operations."""

    span: Span
    """Of a parenthesized query, with the parentheses."""
    kind: OperandKind
    set_operator: str = ""
    """The keywords that join it to the operand before it, in upper case: ``UNION ALL BY NAME``."""
    block: BlockLayout | None = None
    query: QueryLayout | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CteLayout:
    """One entry of a WITH clause."""

    name: str
    """As the tokenizer reads it: quotes taken off, letter case kept."""
    span: Span
    """From its name to the closing parenthesis."""
    name_span: Span
    column_aliases: tuple[str, ...]
    materialized: str
    """Empty, ``MATERIALIZED`` or ``NOT MATERIALIZED``."""
    body: QueryLayout


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryLayout:
    """One query expression: WITH, operands joined by set operations, ORDER BY and LIMIT.

    Of a parenthesized one, this is the inside of the parentheses.
    """

    span: Span
    with_span: Span | None
    recursive: bool
    ctes: tuple[CteLayout, ...]
    operands: tuple[OperandLayout, ...]
    modifiers_span: Span | None
    """ORDER BY, LIMIT and OFFSET behind the last operand, also where they are clauses of a single block."""
    clauses: Mapping[str, Span]
    """The bodies of these modifiers, by the names in ``Clause``."""
    keyword_spans: Mapping[str, Span]
    subqueries: tuple[QueryLayout, ...]
    """Queries directly in operands of kind other, and in modifiers that no block owns."""

    @property
    def single_block(self) -> BlockLayout | None:
        """The block where the query expression is one SELECT, else None."""
        return self.operands[0].block if len(self.operands) == 1 else None

    def blocks(self) -> Iterator[BlockLayout]:
        """All blocks in it at any depth: a block before those nested in it, CTEs first."""
        for cte in self.ctes:
            yield from cte.body.blocks()
        for operand in self.operands:
            if operand.query is not None:
                yield from operand.query.blocks()
            if operand.block is not None:
                yield operand.block
                for subquery in operand.block.subqueries:
                    yield from subquery.blocks()
        for subquery in self.subqueries:
            yield from subquery.blocks()

    def inside(self) -> Iterator[QueryLayout]:
        """The query expressions one level down."""
        for cte in self.ctes:
            yield cte.body
        for operand in self.operands:
            if operand.query is not None:
                yield operand.query
            if operand.block is not None:
                yield from operand.block.subqueries
        yield from self.subqueries


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementLayout:
    """A whole statement; a trailing semicolon lies outside of every span."""

    sql: str
    is_select: bool
    """False where the query feeds a CREATE TABLE AS, an INSERT or a COPY."""
    query: QueryLayout

    def innermost_query(self, offset: int) -> QueryLayout | None:
        """The smallest query expression whose text holds the character at ``offset``."""
        found = None
        candidate: QueryLayout | None = self.query
        while candidate is not None and candidate.span.contains(offset):
            found = candidate
            candidate = next((inner for inner in found.inside() if inner.span.contains(offset)), None)
        return found

    def innermost_block(self, offset: int) -> BlockLayout | None:
        """The smallest block whose text holds ``offset``.

        This goes by the text alone: in the ORDER BY of a nested set operation it is the block around it.
        """
        found = None
        query: QueryLayout | None = self.query
        while query is not None and query.span.contains(offset):
            blocks = (operand.block for operand in query.operands if operand.block is not None)
            found = next((block for block in blocks if block.span.contains(offset)), found)
            query = next((inner for inner in query.inside() if inner.span.contains(offset)), None)
        return found
