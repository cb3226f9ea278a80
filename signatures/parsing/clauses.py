"""Clauses that blocks and set operations share: outputs, ordinals, LIMIT."""

from __future__ import annotations

from sqlglot import exp

from signatures import eligibility
from signatures.eligibility import NotUnderstood
from signatures.expressions import ColumnRef, Expression, Literal, OrderKey, Parameter
from signatures.plan import BoundQuery, Limit, Output, Plan, SetOperation


def ordinal(node: exp.Expr) -> int | None:
    """The number of an output column in GROUP BY 1 or ORDER BY (1)."""
    while isinstance(node, exp.Paren):
        node = node.this
    if isinstance(node, exp.Literal) and not node.is_string and str(node.this).isdigit():
        return int(str(node.this))
    return None


def set_outputs(
    relation: int, kind: str, left: BoundQuery, right: BoundQuery, *, keep_all: bool, by_name: bool
) -> tuple[SetOperation, tuple[Output, ...]]:
    """A set operation and its output columns, which take the names of the left side."""
    if by_name:
        names = _names(left)
        names += tuple(name for name in _names(right) if name not in names)
        spelled = {o.name.lower(): o.name for o in (*right.outputs, *left.outputs)}
        plan = SetOperation(relation, kind, keep_all, left, right, (*_names(left), "/", *_names(right)))
        outputs = tuple(
            Output(spelled[name], ColumnRef(relation, f"o{index}")) for index, name in enumerate(names)
        )
        return plan, outputs
    if len(left.outputs) != len(right.outputs):
        raise NotUnderstood(f"{kind} of {len(left.outputs)} and {len(right.outputs)} columns")
    outputs = tuple(
        Output(output.name, ColumnRef(relation, f"o{index}")) for index, output in enumerate(left.outputs)
    )
    return SetOperation(relation, kind, keep_all, left, right), outputs


def _names(query: BoundQuery) -> tuple[str, ...]:
    names = tuple(output.name.lower() for output in query.outputs)
    if not all(names) or len(set(names)) != len(names):
        raise NotUnderstood("BY NAME over columns without names of their own")
    return names


def limit_plan(node: exp.Expr, plan: Plan, order: tuple[OrderKey, ...], total: bool) -> Plan:
    """LIMIT and OFFSET of a block or a set operation.

    ``total`` says that the order leaves no ties; where it may, only the very same statement can
    read the result, and without any order nobody can.
    """
    limit, percent = _limit(node.args.get("limit"))
    offset = node.args.get("offset")
    skip = None if offset is None else _constant(offset.expression)
    hazards = () if order or total else (eligibility.limit_without_order(),)
    return Limit(plan, order, limit, skip, percent, tie_sensitive=not total, hazards=hazards)


def _limit(node: exp.Expr | None) -> tuple[Expression | None, bool]:
    if node is None:
        return None, False
    if not isinstance(node, exp.Limit) or node.expressions:
        raise NotUnderstood("FETCH FIRST")
    options = node.args.get("limit_options")
    percent = bool(options and options.args.get("percent"))
    if options and (options.args.get("with_ties") or options.args.get("rows")):
        raise NotUnderstood("LIMIT WITH TIES")
    return _constant(node.expression), percent


def _constant(node: exp.Expr) -> Expression:
    if isinstance(node, exp.Literal) and not node.is_string:
        return Literal("integer" if str(node.this).isdigit() else "decimal", str(node.this))
    if isinstance(node, exp.Placeholder) and node.this is not None:
        return Parameter(str(node.this))
    raise NotUnderstood("LIMIT or OFFSET that is not a constant")
