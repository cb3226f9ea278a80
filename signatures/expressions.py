"""Scalar expressions of the logical plan: immutable, with every name resolved.

A column is a pair of the number of the relation that produces it and its name there. Relations are
numbered per statement; the encoder replaces the numbers by canonical positions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from signatures.model import Reason

if TYPE_CHECKING:
    from signatures.plan import BoundQuery

__all__ = [
    "Call",
    "ColumnRef",
    "Expression",
    "LambdaExpression",
    "LambdaParameter",
    "Literal",
    "Node",
    "OrderKey",
    "Parameter",
    "SubqueryExpression",
    "children",
    "map_expression",
    "walk",
]


class Node:
    """Base of all plan and expression nodes: room for what ``plan.facts`` has worked out of one.

    It is no field, so equality, ``replace`` and ``repr`` leave it out.
    """

    __slots__ = ("_facts",)


@dataclass(frozen=True, slots=True)
class ColumnRef(Node):
    """Column ``column`` of relation ``relation``."""

    relation: int
    column: str


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """A constant as written: ``kind`` is string, integer, decimal, double or another literal form."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Parameter(Node):
    """A prepared parameter, positional (``1``) or named."""

    name: str


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A function, operator or special form.

    ``options`` hold everything that is not an expression (types, units, frames), so that two calls
    are equal only if all of it is. ``hazards`` say why a plan with this call is not eligible.
    """

    name: str
    arguments: tuple[Expression, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    order: tuple[OrderKey, ...] = ()
    hazards: tuple[Reason, ...] = ()
    tie_sensitive: bool = False


@dataclass(frozen=True, slots=True)
class OrderKey:
    """One key of an ORDER BY. ``nulls_first`` is resolved, never a default."""

    expression: Expression
    descending: bool
    nulls_first: bool


@dataclass(frozen=True, slots=True)
class SubqueryExpression(Node):
    """A subquery used as a value: ``form`` is scalar, exists, in, any, all or array."""

    form: str
    query: BoundQuery
    operand: Expression | None = None
    comparison: str = ""


@dataclass(frozen=True, slots=True)
class LambdaParameter(Node):
    """A parameter of an enclosing lambda, by nesting depth and index: names don't matter."""

    depth: int
    index: int


@dataclass(frozen=True, slots=True)
class LambdaExpression(Node):
    """An anonymous function of ``parameters`` parameters."""

    parameters: int
    body: Expression


Expression = ColumnRef | Literal | Parameter | Call | SubqueryExpression | LambdaParameter | LambdaExpression


def children(expression: Expression) -> tuple[Expression, ...]:
    """Direct operands, subquery plans not entered."""
    match expression:
        case Call(arguments=arguments, order=order):
            return (*arguments, *(key.expression for key in order)) if order else arguments
        case SubqueryExpression(operand=operand):
            return () if operand is None else (operand,)
        case LambdaExpression(body=body):
            return (body,)
        case _:
            return ()


def walk(expression: Expression) -> Iterator[Expression]:
    """The expression and everything below it, subquery plans not entered."""
    stack = [expression]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(children(node))


def map_expression(
    expression: Expression,
    change: Callable[[Expression], Expression | None],
    change_query: Callable[[BoundQuery], BoundQuery] | None = None,
) -> Expression:
    """Rebuild top-down: where ``change`` gives an expression, it stands in place of the old one.

    ``change_query`` is applied to the plans of subqueries; without it they stay as they are.
    """
    changed = change(expression)
    if changed is not None:
        return changed
    match expression:
        case Call(arguments=arguments, order=order) if arguments or order:
            return replace(
                expression,
                arguments=tuple(map_expression(part, change, change_query) for part in arguments),
                order=tuple(
                    replace(key, expression=map_expression(key.expression, change, change_query))
                    for key in order
                ),
            )
        case SubqueryExpression(query=query, operand=operand):
            return replace(
                expression,
                query=query if change_query is None else change_query(query),
                operand=None if operand is None else map_expression(operand, change, change_query),
            )
        case LambdaExpression(body=body):
            return replace(expression, body=map_expression(body, change, change_query))
        case _:
            return expression
