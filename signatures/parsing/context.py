"""What the parts of the binder share while one statement is bound."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlglot import exp

from signatures.catalog import Catalog
from signatures.eligibility import NotUnderstood, too_large
from signatures.expressions import Expression
from signatures.parsing.scopes import NamedColumn, Scope
from signatures.plan import BoundQuery, Plan

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_RELATIONS = 4_000
"""Relations in one statement after CTEs and views are expanded; more is not looked into."""


@dataclass(frozen=True, slots=True)
class ColumnUse:
    """One place in the text where a column of block ``block`` is named.

    ``start`` and ``end`` are half-open offsets of the name alone, without the fields of a struct behind it.
    ``bare`` is the output name that the engine gives where the place is a whole SELECT item.
    """

    start: int
    end: int
    block: int
    expression: Expression
    bare: str = ""


@dataclass(frozen=True, slots=True)
class CallUse:
    """One place in the text where a block computes an aggregate: from the function's name on."""

    start: int
    block: int
    expression: Expression


@dataclass(slots=True)
class BlockRecord:
    """What was understood of one SELECT block of the text, by the offset of a token inside it."""

    number: int
    anchor: int
    scope: Scope
    items: list[FromItem] = field(default_factory=list)
    plain_joins: bool = True
    """Only inner, cross and comma joins: FROM items may be regrouped."""
    core: Plan | None = None
    conjuncts: tuple[Expression, ...] = ()
    """Of WHERE, in the order of the text."""
    aggregate: Plan | None = None
    has_star: bool = False
    complete: bool = False
    bracketed: bool = False
    """Some of its joins stand in parentheses, so that its items are not those of the text."""
    """Every clause was understood, so that all uses of columns are known."""


@dataclass(frozen=True, slots=True)
class FromItem:
    """One FROM item of the text: its plan, its columns, and the conjuncts of its ON clause."""

    plan: Plan
    alias: str
    columns: tuple[NamedColumn, ...]
    on: tuple[Expression, ...] = ()
    using: bool = False


@dataclass(slots=True)
class QueryRecord:
    """A query expression of the text that was bound whole."""

    anchor: int
    kind: str
    query: BoundQuery
    label: str
    ordered: bool = False
    """It has an ORDER BY that is not part of its plan: whoever counts on the order can't read a view."""
    levels: int = 0
    """Set operations between it and the block of ``anchor``, parentheses apart; 0 for a block."""


@dataclass(slots=True)
class Context:
    """Shared state of one statement's binding: numbers, names, and what was found in the text.

    ``view_reads`` maps a table function's file path to the query that it stands for: set only when a
    rewritten statement is bound again for the check that it still means the same.
    """

    text: str
    catalog: Catalog
    dialect: str
    view_reads: Mapping[str, BoundQuery] = field(default_factory=dict)
    next_relation: int = 0
    next_block: int = 0
    recording: bool = True
    uses: list[ColumnUse] = field(default_factory=list)
    calls: list[CallUse] = field(default_factory=list)
    blocks: list[BlockRecord] = field(default_factory=list)
    queries: list[QueryRecord] = field(default_factory=list)
    view_depth: int = 0
    same_text_only: bool = False
    """Something can only be told by the text itself, such as the order of parameters without names, or
    the order of rows that an inner query asks for."""
    parameters: int = 0
    view_home: tuple[str, str] | None = None
    """Catalog and schema of the view whose text is being bound."""
    unresolved: list[str] = field(default_factory=list)
    """Table names that the catalog did not know: perhaps objects of the program."""

    def relation(self) -> int:
        """A new relation number."""
        self.next_relation += 1
        if self.next_relation > MAX_RELATIONS:
            raise NotUnderstood(too_large(MAX_RELATIONS))
        return self.next_relation

    def block(self) -> int:
        """A new block number."""
        self.next_block += 1
        return self.next_block


def anchor(node: exp.Expr) -> int:
    """Offset of the first token of the node's own level that has a position, or -1.

    Levels are query expressions: what lies in a subquery does not count.
    """
    best = -1
    stack: list[exp.Expr] = [node]
    while stack:
        current = stack.pop()
        start = current.meta.get("start") if current.meta else None
        if isinstance(start, int) and (best < 0 or start < best):
            best = start
        stack += [c for c in current.iter_expressions() if not isinstance(c, exp.Query | exp.With)]
    return best
