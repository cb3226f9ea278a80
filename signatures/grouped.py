"""How the text of a block uses its groups: where keys and aggregates are named outside of GROUP BY.

A view of the grouping takes the place of FROM, WHERE and GROUP BY; each aggregate call and each key that the
rest of the block names is then a column of the view.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from signatures.eligibility import NotUnderstood
from signatures.expressions import ColumnRef, Expression
from signatures.parsing.context import BlockRecord, ColumnUse, Context
from signatures.parsing.layout_model import BlockLayout, Span
from signatures.parsing.relations import call_text
from signatures.plan import Aggregate
from signatures.sites import Grouping, TextRange

_FILTER = re.compile(r"\s*FILTER\s*\(", re.IGNORECASE)
_WITHIN = re.compile(r"\s*WITHIN\s+GROUP\s*\(", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class GroupUse:
    """A place that names a key or computes an aggregate, as a column of the grouped rows."""

    start: int
    end: int
    expression: Expression
    bare: str
    inner: tuple[ColumnUse, ...] = ()
    """Columns of the block's sources inside an aggregate call, or the key itself."""

    def covers(self, offset: int) -> bool:
        """Whether an offset lies inside the place."""
        return self.start <= offset < self.end


@dataclass(frozen=True, slots=True)
class Grouped:
    """Uses of the groups, and the texts of all keys."""

    uses: tuple[GroupUse, ...]
    keys: tuple[tuple[Expression, str], ...]
    grouping: Grouping

    def template(self, use: GroupUse, positions: Mapping[int, str], text: str) -> str:
        """The place's text with columns of tables as ``{0.name}``; empty where one isn't a table's."""
        parts: list[str] = []
        position = use.start
        for column in sorted(use.inner, key=lambda inner: inner.start):
            expression = column.expression
            if not isinstance(expression, ColumnRef) or expression.relation not in positions:
                return ""
            parts.append(text[position : column.start])
            parts.append(f"{{{positions[expression.relation]}.{expression.column}}}")
            position = column.end
        parts.append(text[position : use.end])
        return "".join(parts)


def grouped_uses(
    context: Context, layout: BlockLayout, record: BlockRecord, plan: Aggregate
) -> Grouped | None:
    """All uses of a block's groups, None where one can't be replaced by a column of a view."""
    gone = [
        layout.keyword_spans[name] for name in ("from", "where", "group_by") if name in layout.keyword_spans
    ]
    own = {(use.start, use.end): use for use in context.uses if use.block == record.number}
    columns = [own[place] for place in sorted(own)]
    try:
        calls = _calls(context, record, plan, columns, gone)
    except NotUnderstood:
        return None
    if calls is None:
        return None
    uses = list(calls)
    for column in columns:
        inside_call = any(call.covers(column.start) for call in calls)
        if inside_call or any(span.contains(column.start) for span in gone):
            continue
        if column.expression not in plan.keys:
            return None
        key = ColumnRef(plan.relation, f"k{plan.keys.index(column.expression)}")
        uses.append(GroupUse(column.start, column.end, key, column.bare, (column,)))
    keys = _key_texts(context.text, plan, columns)
    if keys is None or not uses:
        return None
    return Grouped(tuple(sorted(uses, key=lambda use: use.start)), keys, _grouping(layout, plan))


def _calls(
    context: Context, record: BlockRecord, plan: Aggregate, columns: list[ColumnUse], gone: list[Span]
) -> list[GroupUse] | None:
    found: dict[int, GroupUse] = {}
    for call in context.calls:
        if call.block != record.number or any(span.contains(call.start) for span in gone):
            continue
        if call.expression not in plan.measures:
            return None
        end = call.start + len(call_text(context.text, call.start))
        for pattern in (_WITHIN, _FILTER):
            match = pattern.match(context.text, end)
            if match is not None:
                end += len(call_text(context.text, end))
        inner = tuple(column for column in columns if call.start <= column.start < end)
        measure = ColumnRef(plan.relation, f"m{plan.measures.index(call.expression)}")
        found[call.start] = GroupUse(call.start, end, measure, "", inner)
    ordered = [found[start] for start in sorted(found)]
    nested = any(a.covers(b.start) for a in ordered for b in ordered if a is not b)
    return None if nested else ordered


def _key_texts(
    text: str, plan: Aggregate, columns: list[ColumnUse]
) -> tuple[tuple[Expression, str], ...] | None:
    """How the text names each key; keys that are computed are not named by a column."""
    named = {column.expression: text[column.start : column.end] for column in reversed(columns)}
    if any(key not in named for key in plan.keys):
        return None
    return tuple((ColumnRef(plan.relation, f"k{index}"), named[key]) for index, key in enumerate(plan.keys))


def _grouping(layout: BlockLayout, plan: Aggregate) -> Grouping:
    group = layout.keyword_spans.get("group_by")
    having = layout.keyword_spans.get("having")
    return Grouping(
        group_clause=None if group is None else TextRange(start=group.start, end=group.end),
        having_keyword=None
        if having is None
        else TextRange(start=having.start, end=having.start + len("having")),
        keys=(),
        clause=None
        if plan.sets is None
        else TextRange(start=layout.clauses["group_by"].start, end=layout.clauses["group_by"].end),
    )
