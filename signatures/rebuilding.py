"""Plans and expressions rebuilt with something changed in them: the originals are immutable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import assert_never

from signatures.expressions import ColumnRef, Expression, OrderKey, map_expression
from signatures.plan import (
    Aggregate,
    BoundQuery,
    Core,
    Distinct,
    DistinctOn,
    Join,
    Limit,
    Opaque,
    Output,
    Plan,
    Project,
    Sample,
    Scan,
    SetOperation,
    Sort,
    TableFunction,
    ValuesList,
    Window,
    defined_relations,
    facts,
)

Change = Callable[[Expression], Expression | None]
"""Gives what stands in place of an expression, or None to look inside it."""


def clone(query: BoundQuery, fresh: Callable[[], int]) -> BoundQuery:
    """The same query with relation numbers of its own, as another reference to a CTE needs them."""
    numbers = {old: fresh() for old in sorted(defined_relations(query.plan))}
    for output in query.outputs:
        inner = facts(output.expression).defined
        numbers |= {old: fresh() for old in sorted(inner) if old not in numbers}
    return renumber_query(query, numbers)


def renumber_query(query: BoundQuery, numbers: Mapping[int, int]) -> BoundQuery:
    """Replace relation numbers throughout."""

    def change(part: Expression) -> Expression | None:
        if isinstance(part, ColumnRef) and part.relation in numbers:
            return ColumnRef(numbers[part.relation], part.column)
        return None

    return rewrite_query(query, change, numbers)


def rewrite_query(query: BoundQuery, change: Change, numbers: Mapping[int, int]) -> BoundQuery:
    """Change expressions deeply, and the numbers that relations are defined under."""
    outputs = (
        Output(output.name, rewrite_expression(output.expression, change, numbers))
        for output in query.outputs
    )
    return BoundQuery(rewrite_plan(query.plan, change, numbers), tuple(outputs))


def rewrite_expression(expression: Expression, change: Change, numbers: Mapping[int, int]) -> Expression:
    """Change an expression and the plans of its subqueries."""
    return map_expression(expression, change, lambda query: rewrite_query(query, change, numbers))


def rewrite_plan(plan: Plan, change: Change, numbers: Mapping[int, int]) -> Plan:
    """Change all expressions at and below a plan."""
    if isinstance(plan, SetOperation):
        return replace(
            plan,
            relation=numbers.get(plan.relation, plan.relation),
            left=rewrite_query(plan.left, change, numbers),
            right=rewrite_query(plan.right, change, numbers),
        )
    changed = map_plan(
        plan,
        lambda part: rewrite_expression(part, change, numbers),
        lambda below: rewrite_plan(below, change, numbers),
    )
    if isinstance(changed, Core | Join | DistinctOn | Limit | Sort | Sample):
        return changed
    return replace(changed, relation=numbers.get(changed.relation, changed.relation))


def map_plan(
    plan: Plan, change: Callable[[Expression], Expression], change_input: Callable[[Plan], Plan]
) -> Plan:
    """Rebuild one node with changed expressions and inputs (set operations keep theirs)."""

    def keys(order: tuple[OrderKey, ...]) -> tuple[OrderKey, ...]:
        return tuple(replace(key, expression=change(key.expression)) for key in order)

    def each(parts: tuple[Expression, ...]) -> tuple[Expression, ...]:
        return tuple(change(part) for part in parts)

    match plan:
        case Scan() | Opaque() | SetOperation():
            return plan
        case TableFunction():
            return replace(plan, arguments=each(plan.arguments))
        case ValuesList():
            return replace(plan, rows=tuple(each(row) for row in plan.rows))
        case Core():
            return Core(tuple(change_input(source) for source in plan.sources), each(plan.predicates))
        case Join():
            return replace(
                plan,
                left=change_input(plan.left),
                right=change_input(plan.right),
                condition=each(plan.condition),
            )
        case Aggregate():
            return replace(
                plan, input=change_input(plan.input), keys=each(plan.keys), measures=each(plan.measures)
            )
        case Window():
            return replace(plan, input=change_input(plan.input), calls=each(plan.calls))
        case Project() | Distinct():
            return replace(plan, input=change_input(plan.input), outputs=each(plan.outputs))
        case DistinctOn():
            return replace(plan, input=change_input(plan.input), keys=each(plan.keys), order=keys(plan.order))
        case Limit():
            return replace(
                plan,
                input=change_input(plan.input),
                order=keys(plan.order),
                limit=None if plan.limit is None else change(plan.limit),
                offset=None if plan.offset is None else change(plan.offset),
            )
        case Sort():
            return replace(plan, input=change_input(plan.input), order=keys(plan.order))
        case Sample():
            return replace(plan, input=change_input(plan.input))
        case _:
            assert_never(plan)
