"""Binds sqlglot's scalar expressions to our own: with ``queries`` the only reader of sqlglot's trees.

A node that is not known here is not understood, and what contains it is opaque.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TypeGuard

from sqlglot import exp

from signatures.eligibility import NotUnderstood
from signatures.expressions import (
    Call,
    Expression,
    LambdaExpression,
    LambdaParameter,
    Literal,
    OrderKey,
    Parameter,
    SubqueryExpression,
    walk,
)
from signatures.parsing.calls import CallBinder
from signatures.parsing.context import ColumnUse, Context
from signatures.parsing.functions import FunctionNames
from signatures.parsing.scopes import Scope, fields, resolve
from signatures.parsing.types import type_text
from signatures.plan import BoundQuery

BindQuery = Callable[[exp.Expr, "Scope | None", str], BoundQuery]

_PLAIN = (
    exp.Func,
    exp.Binary,
    exp.Unary,
    exp.Between,
    exp.Tuple,
    exp.Interval,
    exp.Bracket,
    exp.Slice,
    exp.AtTimeZone,
    exp.Null,
    exp.Boolean,
    exp.If,
    exp.IgnoreNulls,
    exp.RespectNulls,
    exp.PropertyEQ,
    exp.Is,
)
_DENIED = (
    exp.Unnest,
    exp.Explode,
    exp.Columns,
    exp.JSONExtract,
    exp.JSONExtractScalar,
    exp.Alias,
    exp.Collate,
    exp.Dot,
    exp.SessionParameter,
    exp.Distinct,
    exp.Star,
    exp.MatchAgainst,
)
_OTHER_STRINGS = (
    exp.RawString,
    exp.ByteString,
    exp.HexString,
    exp.BitString,
    exp.National,
    exp.UnicodeString,
)
_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)
_NEGATED = {"eq": "neq", "neq": "eq", "lt": "gte", "gte": "lt", "gt": "lte", "lte": "gt"}


def conjuncts_of(node: exp.Expr) -> list[exp.Expr]:
    """Operands of nested ANDs, parentheses taken off, in the order of the text."""
    plain = node
    while isinstance(plain, exp.Paren):
        plain = plain.this
    if isinstance(plain, exp.And):
        return [*conjuncts_of(plain.this), *conjuncts_of(plain.expression)]
    return [node]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpressionBinder:
    """Binds the expressions of one clause of one block."""

    context: Context
    scope: Scope
    bind_query: BindQuery
    functions: FunctionNames
    aliases: str = "no"
    lambdas: tuple[tuple[str, ...], ...] = ()
    windows: tuple[tuple[str, exp.Window], ...] = ()

    def bind(self, node: exp.Expr) -> Expression:
        """The expression of a node.

        Raises:
            NotUnderstood: where any part of it is not known here.
        """
        match node:
            case exp.Paren():
                return self.bind(node.this)
            case exp.Column():
                return self._column(node)
            case exp.Identifier():
                return self._lambda_parameter(node.name.lower())
            case exp.Literal():
                return _literal(node)
            case exp.Placeholder():
                return self._parameter(node)
            case exp.And() | exp.Or():
                return self._connector(node)
            case exp.Not():
                return _negate(self.bind(node.this))
            case exp.Between():
                return self._between(node)
            case exp.In():
                return self._in(node)
            case exp.Exists():
                return SubqueryExpression("exists", self._query(node.this))
            case exp.Subquery() | exp.Select() | exp.SetOperation():
                return SubqueryExpression("scalar", self._query(node))
            case exp.Cast():
                return self._cast(node)
            case exp.Window():
                return CallBinder(self).window(node)
            case exp.Filter():
                return CallBinder(self).filtered(node)
            case exp.Lambda():
                return self._lambda(node)
            case exp.Comprehension():
                return self._comprehension(node)
            case exp.Dot():
                return self._dot(node)
            case exp.Collate() if isinstance(node.expression, exp.Identifier | exp.Var):
                return Call("collate", (self.bind(node.this),), (("collation", node.expression.name),))
            case exp.Array() if node.expressions and isinstance(node.expressions[0], exp.Query):
                # ORDER BY of a subquery is dropped from its plan, and here it would decide the value.
                raise NotUnderstood("ARRAY over a query")
            case exp.Array() if len(node.expressions) == 1 and isinstance(
                node.expressions[0], exp.Comprehension
            ):
                return self.bind(node.expressions[0])
            case _ if isinstance(node, _OTHER_STRINGS):
                return Literal(node.key, str(node.this))
            case _ if isinstance(node, _COMPARISONS) and isinstance(node.expression, exp.Any | exp.All):
                return self._quantified(node)
            case _ if isinstance(node, _PLAIN) and not isinstance(node, _DENIED):
                return CallBinder(self).plain(node)
            case _:
                raise NotUnderstood(f"{node.key} expression")

    def order(self, node: exp.Expr) -> tuple[OrderKey, ...]:
        """Keys of an ORDER BY inside a call."""
        return tuple(self.order_key(key, self.bind(key.this)) for key in node.expressions)

    def order_key(self, node: exp.Expr, expression: Expression) -> OrderKey:
        """Direction and place of NULLs of one key."""
        if not isinstance(node, exp.Ordered) or node.args.get("with_fill"):
            raise NotUnderstood("ORDER BY key")
        nulls_first = node.args.get("nulls_first")
        return OrderKey(expression, bool(node.args.get("desc")), bool(nulls_first))

    def _query(self, node: exp.Expr) -> BoundQuery:
        return self.bind_query(node, self.scope, "subquery")

    def _column(self, node: exp.Column) -> Expression:
        if isinstance(node.this, exp.Star) or node.args.get("join_mark"):
            raise NotUnderstood("* inside an expression")
        identifiers = [part for part in node.parts if isinstance(part, exp.Identifier)]
        if len(identifiers) != len(node.parts):
            raise NotUnderstood("column name")
        parts = tuple(identifier.name.lower() for identifier in identifiers)
        parameter = self._find_lambda(parts[0])
        if parameter is not None:
            return fields(parameter, parts[1:])
        found = resolve(self.scope, parts, aliases=self.aliases)
        if not found.is_alias and self.context.recording:
            self._use(identifiers[: found.parts], found.scope.block, found.expression)
        return fields(found.expression, parts[found.parts :])

    def _use(self, identifiers: Sequence[exp.Identifier], block: int, expression: Expression) -> None:
        first, last = identifiers[0].meta.get("start"), identifiers[-1].meta.get("end")
        if not isinstance(first, int) or not isinstance(last, int):
            raise NotUnderstood("column without a place in the text")
        self.context.uses.append(ColumnUse(first, last + 1, block, expression))

    def _find_lambda(self, name: str) -> LambdaParameter | None:
        for depth, names in enumerate(reversed(self.lambdas)):
            if name in names:
                return LambdaParameter(depth, names.index(name))
        return None

    def _lambda_parameter(self, name: str) -> Expression:
        found = self._find_lambda(name)
        if found is None:
            raise NotUnderstood(f"name {name}")
        return found

    def _parameter(self, node: exp.Placeholder) -> Expression:
        """A prepared parameter. Those without a name are told apart by the statement's text."""
        self.context.parameters += 1
        if node.this is None:
            self.context.same_text_only = True
            return Parameter(f"?{self.context.parameters}")
        return Parameter(node.this.name if isinstance(node.this, exp.Expr) else str(node.this))

    def _connector(self, node: exp.Connector) -> Expression:
        """Flattened without recursion: chains of ORs can be thousands long."""
        kind: type[exp.Expr] = type(node)
        operands: list[exp.Expr] = []
        stack: list[exp.Expr] = [node]
        while stack:
            current = stack.pop()
            if isinstance(current, exp.Paren):
                stack.append(current.this)
            elif type(current) is kind:
                stack += [current.args["expression"], current.this]
            else:
                operands.append(current)
        bound = [self.bind(operand) for operand in operands]
        flat = [part.arguments if _is_call(part, node.key) else (part,) for part in bound]
        return Call(node.key, tuple(chain.from_iterable(flat)))

    def _between(self, node: exp.Between) -> Expression:
        if node.args.get("symmetric"):
            raise NotUnderstood("BETWEEN SYMMETRIC")
        value = self.bind(node.this)
        low, high = self.bind(node.args["low"]), self.bind(node.args["high"])
        if not _of_one_type(low, high):
            # The engine compares all three in one type: '10' BETWEEN 1 AND '5' is not two comparisons.
            return Call("between", (value, low, high))
        return Call("and", (Call("gte", (value, low)), Call("lte", (value, high))))

    def _in(self, node: exp.In) -> Expression:
        operand = self.bind(node.this)
        query = node.args.get("query")
        if query is not None:
            return SubqueryExpression("in", self._query(query), operand)
        if node.args.get("unnest") or node.args.get("field") or not node.expressions:
            raise NotUnderstood("IN without a list or a query")
        return Call("in_list", (operand, *(self.bind(member) for member in node.expressions)))

    def _quantified(self, node: exp.Binary) -> Expression:
        quantifier = node.expression
        query = quantifier.this
        while isinstance(query, exp.Paren):
            query = query.this
        if not isinstance(query, exp.Query):
            raise NotUnderstood("ANY or ALL over a list")
        return SubqueryExpression(
            quantifier.key, self._query(query), self.bind(node.this), comparison=f"-{node.key}"
        )

    def _cast(self, node: exp.Cast) -> Expression:
        if any(node.args.get(key) for key in ("format", "action", "default")):
            raise NotUnderstood("CAST with a format")
        return Call(node.key, (self.bind(node.this),), (("to", type_text(node.args["to"])),))

    def _dot(self, node: exp.Dot) -> Expression:
        if not isinstance(node.expression, exp.Identifier):
            raise NotUnderstood("call behind a dot")
        return fields(self.bind(node.this), (node.expression.name.lower(),))

    def _lambda(self, node: exp.Lambda) -> Expression:
        names = tuple(part.name.lower() for part in node.expressions)
        inner = replace(self, lambdas=(*self.lambdas, names))
        return LambdaExpression(len(names), inner.bind(node.this))

    def _comprehension(self, node: exp.Comprehension) -> Expression:
        if node.args.get("position"):
            raise NotUnderstood("list comprehension with a position")
        name = node.expression.name.lower()
        inner = replace(self, lambdas=(*self.lambdas, (name,)))
        parts: list[Expression] = [
            self.bind(node.args["iterator"]),
            LambdaExpression(1, inner.bind(node.this)),
        ]
        if node.args.get("condition"):
            parts.append(LambdaExpression(1, inner.bind(node.args["condition"])))
        return Call("comprehension", tuple(parts))


def _of_one_type(low: Expression, high: Expression) -> bool:
    """Whether two bounds have the same type for certain; digits are part of a decimal's."""
    if isinstance(low, Literal) and isinstance(high, Literal):
        shapes = [tuple(len(part) for part in bound.text.split(".")) for bound in (low, high)]
        return low.kind == high.kind and (low.kind != "decimal" or shapes[0] == shapes[1])
    if isinstance(low, Call) and isinstance(high, Call):
        return low.name == high.name == "cast" and low.options == high.options
    return False


def _is_call(expression: Expression, name: str) -> TypeGuard[Call]:
    return isinstance(expression, Call) and expression.name == name


def _negate(expression: Expression) -> Expression:
    """NOT over a comparison is the opposite comparison, also for NULL; else a plain NOT."""
    if isinstance(expression, Call) and expression.name in _NEGATED and len(expression.arguments) == 2:
        return replace(expression, name=_NEGATED[expression.name])
    return Call("not", (expression,))


def _literal(node: exp.Literal) -> Expression:
    text = str(node.this)
    if node.is_string:
        return Literal("string", text)
    if text.isdigit():
        return Literal("integer", text)
    if re.fullmatch(r"\d*\.\d*", text):
        return Literal("decimal", text)
    if re.fullmatch(r"[\d.]+[eE][+-]?\d+", text):
        return Literal("double", text)
    raise NotUnderstood("a number in an unknown form")


def contains(expression: Expression, test: Callable[[Expression], bool]) -> bool:
    """Whether a part of an expression passes a test; plans of subqueries are not entered."""
    return any(test(part) for part in walk(expression))
