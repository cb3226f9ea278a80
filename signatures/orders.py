"""When does an ORDER BY leave no ties? Unique keys of plans, as far as they can be told."""

from __future__ import annotations

from collections.abc import Iterable

from signatures.expressions import ColumnRef, Expression, Literal
from signatures.plan import (
    Aggregate,
    Core,
    Distinct,
    Join,
    Limit,
    Plan,
    Sample,
    SetOperation,
    Sort,
    Window,
)

Key = frozenset[Expression]


def unique_keys(plan: Plan) -> tuple[Key, ...]:
    """Sets of columns no two rows agree on. Empty where nothing is known; a table's keys aren't."""
    match plan:
        case Aggregate(sets=None):
            return (frozenset(ColumnRef(plan.relation, f"k{i}") for i in range(len(plan.keys))),)
        case Distinct():
            return (frozenset(ColumnRef(plan.relation, f"o{i}") for i in range(len(plan.outputs))),)
        case SetOperation(all=False, names=()):
            return (frozenset(ColumnRef(plan.relation, f"o{i}") for i in range(len(plan.left.outputs))),)
        case Core(sources=sources):
            return _joined(sources)
        case Join(kind="semi" | "anti", left=left):
            return unique_keys(left)
        case Window(input=below) | Limit(input=below) | Sort(input=below) | Sample(input=below):
            return unique_keys(below)
        case _:
            return ()


def _joined(sources: tuple[Plan, ...]) -> tuple[Key, ...]:
    """Rows of an inner join differ in the key of at least one source."""
    together: set[Expression] = set()
    for source in sources:
        keys = unique_keys(source)
        if not keys:
            return ()
        together |= keys[0]
    return (frozenset(together),)


def is_total(plan: Plan, order: Iterable[Expression], outputs: Iterable[Expression] | None) -> bool:
    """Whether ordering the rows of a plan leaves no two different ones side by side as equals.

    ``outputs`` are the columns that can be seen afterwards, None where all can: rows that agree in
    everything that is seen may change places.
    """
    ordered = set(order)
    if outputs is not None and all(o in ordered or isinstance(o, Literal) for o in outputs):
        return True
    return any(key <= ordered for key in unique_keys(plan))
