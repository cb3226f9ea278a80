"""Finds the place in the text of what the binder understood."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from signatures.parsing.context import BlockRecord, QueryRecord
from signatures.parsing.layout_model import BlockLayout, QueryLayout, Span, StatementLayout
from signatures.sites import CteText, TextRange


@dataclass(frozen=True, slots=True)
class Placed:
    """A place, with the common table expressions that it can see."""

    place: TextRange
    ctes: tuple[CteText, ...]
    recursive: bool


def text_range(span: Span) -> TextRange:
    """A layout's span as a range."""
    return TextRange(start=span.start, end=span.end)


def enclosing(layout: StatementLayout, offset: int) -> Iterator[QueryLayout]:
    """Query expressions around an offset, outermost first."""
    candidate: QueryLayout | None = layout.query
    while candidate is not None and candidate.span.contains(offset):
        yield candidate
        candidate = next((inner for inner in candidate.inside() if inner.span.contains(offset)), None)


def place_query(layout: StatementLayout, record: QueryRecord) -> Placed | None:
    """The range of a query expression, or None where the text does not show it clearly."""
    if record.kind == "statement":
        return Placed(text_range(layout.query.span), (), False)
    if record.anchor < 0:
        return None
    around = list(enclosing(layout, record.anchor))
    if record.levels:
        several = [query for query in around if len(query.operands) > 1]
        if len(several) < record.levels:
            return None
        chosen = several[-record.levels]
    elif around:
        chosen = around[-1]
    else:
        return None
    span = chosen.span
    if record.kind == "set_operand" and not record.levels:
        operands = [o.span for o in chosen.operands if o.span.contains(record.anchor)]
        if len(chosen.operands) < 2 or len(operands) != 1:
            return None
        span = operands[0]
    elif chosen is layout.query or (not record.levels and len(chosen.operands) > 1):
        return None
    place = text_range(span)
    ctes, recursive = visible_ctes(layout, place, chosen if record.kind != "set_operand" else None)
    return Placed(place, ctes, recursive)


def visible_ctes(
    layout: StatementLayout, place: TextRange, own: QueryLayout | None = None
) -> tuple[tuple[CteText, ...], bool]:
    """CTEs that end before a place in the queries around it; ``own`` brings its WITH in its own text."""
    found: list[CteText] = []
    recursive = False
    for query in enclosing(layout, place.start):
        if own is not None and query.span == own.span:
            break
        for cte in query.ctes:
            if cte.span.end <= place.start:
                found.append(CteText(name=cte.name.lower(), place=text_range(cte.span)))
                recursive = recursive or query.recursive
    return tuple(found), recursive


def place_block(layout: StatementLayout, record: BlockRecord) -> BlockLayout | None:
    """The layout of a block, or None where its items and conjuncts don't line up with the text."""
    if record.anchor < 0:
        return None
    block = layout.innermost_block(record.anchor)
    if block is None or "from" not in block.clauses:
        return None
    if len(block.from_items) != len(record.items) or len(block.where_conjuncts) != len(record.conjuncts):
        return None
    for item, bound in zip(block.from_items, record.items, strict=True):
        if not bound.using and len(item.on_conjuncts) != len(bound.on):
            return None
    return block
