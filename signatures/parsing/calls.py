"""Binds calls: functions and operators, aggregates with FILTER, windows.

Functions keep the name that the text gives them, because the parser maps several functions to one class.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlglot import exp
from sqlglot.tokenizer_core import TokenType

from signatures import eligibility
from signatures.eligibility import NotUnderstood
from signatures.expressions import Call, Expression, OrderKey
from signatures.model import Reason
from signatures.parsing.context import CallUse, anchor
from signatures.parsing.relations import call_text
from signatures.parsing.statement import tokens_of
from signatures.parsing.types import type_text
from signatures.plan import references

if TYPE_CHECKING:
    from signatures.parsing.expressions import ExpressionBinder

_BEFORE_ARGUMENT = r"\s*\((?:\s|\(|\bDISTINCT\b|\bCASE\b|\bWHEN\b)*$"
_WORD = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")
_SPELLINGS: dict[type[exp.Expr], str] = {
    exp.Max: "max",
    exp.Min: "min",
    exp.ArgMax: "arg_max|argmax|max_by",
    exp.ArgMin: "arg_min|argmin|min_by",
    exp.GroupConcat: "string_agg|group_concat|listagg",
    exp.PercentileCont: "quantile_cont",
    exp.PercentileDisc: "quantile_disc",
}
"""How calls are spelled of which the parser does not say where they begin."""

_KEYWORDS: dict[type[exp.Expr], str] = {
    exp.CurrentDate: "current_date",
    exp.CurrentTime: "current_time",
    exp.CurrentTimestamp: "current_timestamp",
}
WINDOW = "window:"
AGGREGATE = "aggregate:"


def is_aggregate(expression: Expression) -> bool:
    """Whether an expression is a call of an aggregate, not of a window."""
    return isinstance(expression, Call) and expression.name.startswith(AGGREGATE)


def is_window(expression: Expression) -> bool:
    """Whether an expression is a window call."""
    return isinstance(expression, Call) and expression.name.startswith(WINDOW)


@dataclass(frozen=True, slots=True)
class CallBinder:
    """Binds the calls of one clause; what they are made of is the expression binder's."""

    binder: ExpressionBinder

    def plain(self, node: exp.Expr) -> Expression:
        """A function or operator with nothing special to it: every argument is kept, in order."""
        name = self._name(node)
        if isinstance(node, exp.TimeUnit) and not isinstance(node, exp.Interval):
            self._check_unit(node)
        arguments: list[Expression] = []
        shape: list[str] = []
        options: list[tuple[str, str]] = []
        order: tuple[OrderKey, ...] = ()
        for key, value in node.args.items():
            if value is None or value is False or value == []:
                continue
            if key == "this" and isinstance(value, exp.Order):
                order = self.binder.order(value)
                value = value.this
            if key == "this" and isinstance(value, exp.Distinct) and not value.args.get("on"):
                options.append(("distinct", "true"))
                value = value.expressions
            if isinstance(value, exp.Star) and isinstance(node, exp.Count):
                options.append(("star", "true"))
            elif isinstance(value, list):
                arguments += [self.binder.bind(part) for part in value]
                shape.append(f"{key}*{len(value)}")
            elif isinstance(value, exp.Var):
                options.append((key, value.name.lower()))
            elif isinstance(value, exp.DataType):
                options.append((key, type_text(value)))
            elif isinstance(value, exp.Identifier) and isinstance(node, exp.PropertyEQ):
                options.append((key, value.name))
            elif isinstance(value, exp.Expr):
                arguments.append(self.binder.bind(value))
                shape.append(key)
            elif isinstance(value, str | bool | int):
                if not (isinstance(node, exp.Anonymous) and key == "this"):
                    options.append((key, str(value)))
            else:
                raise NotUnderstood(f"argument {key} of {node.key}")
        if shape not in ([], ["this"], ["this", "expression"]):
            options.append(("shape", " ".join(shape)))
        call = Call(name, tuple(arguments), tuple(options), order)
        return self._function(node, call) if isinstance(node, exp.Func) else call

    def _name(self, node: exp.Expr) -> str:
        """The function's name as the text has it; of operators, the name of the class."""
        if isinstance(node, exp.Anonymous):
            return str(node.this).lower()
        start, end = node.meta.get("start"), node.meta.get("end")
        if isinstance(node, exp.Func) and isinstance(start, int) and isinstance(end, int):
            word = self.binder.context.text[start : end + 1].strip('"')
            if _WORD.fullmatch(word):
                return word.lower()
        spelled = self._spelled(node)
        return _KEYWORDS.get(type(node), node.key) if spelled is None else spelled.group().lower()

    def _function(self, node: exp.Func, call: Call) -> Expression:
        branch = isinstance(node, exp.If) and isinstance(node.parent, exp.Case)
        if branch or isinstance(node, exp.Case):
            return call  # grammar, whatever functions or macros are called so
        facts = self.binder.functions.look_up(call.name, grammar=isinstance(node, exp.Connector | exp.If))
        renamed = isinstance(node, exp.ArgMax | exp.ArgMin) or (
            facts.options and not isinstance(node, exp.If)
        )
        if renamed and self._start(node) is None:
            # The name is the class's, not the text's: a macro may have taken one of the two.
            raise NotUnderstood(f"function {call.name} under another name")
        hazards = facts.hazards
        if facts.is_aggregate:
            self._check_level(call)
            distinct = ("distinct", "true") in call.options
            hazards += _aggregate_hazards(call, distinct=distinct)
        named = replace(
            call,
            name=AGGREGATE + call.name if facts.is_aggregate else call.name,
            hazards=hazards,
            options=call.options + facts.options,
        )
        if facts.is_aggregate:
            self._note_call(node, named)
        return named

    def _check_unit(self, node: exp.Expr) -> None:
        """The parser turns any name in the place of a unit into that unit, also that of a column.

        ``date_trunc(month, d)`` truncates to what the column ``month`` says.
        """
        unit = node.args.get("unit")
        if not isinstance(unit, exp.Var):
            return
        text = call_text(self.binder.context.text, node.meta.get("start"))
        tokens = tokens_of(text[text.index("(") + 1 : -1], self.binder.context.dialect)
        written = tokens[0].text.upper() if tokens and tokens[0].token_type == TokenType.STRING else ""
        if unit.name != exp.TimeUnit.UNABBREVIATED_UNIT_NAME.get(written, written):
            raise NotUnderstood(f"unit of {node.key} that is not a string")

    def _check_level(self, call: Call) -> None:
        """An aggregate over columns of the query around it alone is computed there, not here.

        ``SELECT (SELECT sum(t.a)) FROM t`` has one row, with the sum over all of t.
        """
        over: frozenset[int] = references(call) if self.binder.scope.parent is not None else frozenset()
        around: set[int] = set()
        scope = self.binder.scope.parent
        while over and scope is not None:
            for column in (column for source in scope.sources for column in source.columns):
                around |= references(column.expression)
            scope = scope.parent
        if over and over <= around:
            raise NotUnderstood(f"{call.name}() over columns of the query around it")

    def _note_call(self, node: exp.Expr, call: Expression) -> None:
        start = self._start(node)
        if self.binder.context.recording and start is not None:
            self.binder.context.calls.append(CallUse(start, self.binder.scope.block, call))

    def _start(self, node: exp.Expr) -> int | None:
        """Where a call begins in the text."""
        start = node.meta.get("start")
        if isinstance(start, int):
            return start
        spelled = self._spelled(node)
        return None if spelled is None else spelled.start()

    def _spelled(self, node: exp.Expr) -> re.Match[str] | None:
        """The name of a call where the parser does not tell its place: right before its first argument."""
        names, first = _SPELLINGS.get(type(node)), anchor(node)
        if names is None or first < 0:
            return None
        before = self.binder.context.text[:first]
        return re.search(rf"\b(?:{names})(?={_BEFORE_ARGUMENT})", before, re.IGNORECASE)

    def filtered(self, node: exp.Filter) -> Expression:
        """An aggregate over the rows that a condition lets through; the condition is its last argument."""
        context = self.binder.context
        call = self.binder.bind(node.this)
        if not isinstance(call, Call) or not is_aggregate(call):
            raise NotUnderstood("FILTER on something else than an aggregate")
        condition = self.binder.bind(node.expression.this)
        filtered = replace(
            call, arguments=(*call.arguments, condition), options=(*call.options, ("filter", "true"))
        )
        if context.recording and context.calls and context.calls[-1].expression is call:
            context.calls[-1] = replace(context.calls[-1], expression=filtered)
        elif context.recording and self._start(node.this) is not None:
            raise NotUnderstood("FILTER with nested aggregates")
        return filtered

    def window(self, node: exp.Window) -> Expression:
        """A call over a window; what it partitions by comes behind its own arguments."""
        context = self.binder.context
        noted = len(context.calls)
        call = self.binder.bind(node.this)
        context.calls[noted:] = [use for use in context.calls[noted:] if use.expression is not call]
        while isinstance(call, Call) and call.name in ("ignorenulls", "respectnulls"):
            inner = call.arguments[0]
            if not isinstance(inner, Call):
                raise NotUnderstood("window function")
            call = replace(inner, options=(*inner.options, ("nulls", call.name)))
        if not isinstance(call, Call):
            raise NotUnderstood("window function")
        return self._over(node, call)

    def _over(self, node: exp.Window, call: Call) -> Expression:
        partition, order, frame = self._specification(node, ())
        name = call.name.removeprefix(AGGREGATE)
        framed = replace(
            call,
            name=WINDOW + name,
            arguments=(*call.arguments, *(self.binder.bind(part) for part in partition)),
            options=(*call.options, ("partition", str(len(partition))), *frame),
            hazards=tuple(h for h in call.hazards if h.code != "REUSE-103"),
        )
        keys = tuple(self.binder.order_key(key, self.binder.bind(key.this)) for key in order)
        rows_frame = any(value == "rows" for key, value in frame if key == "kind")
        sensitive = name in eligibility.ROW_WINDOW_FUNCTIONS or (
            name not in eligibility.PEER_WINDOW_FUNCTIONS
            and (rows_frame or name in eligibility.ORDER_DEPENDENT_AGGREGATES)
        )
        if sensitive and not keys:
            framed = replace(framed, hazards=(*framed.hazards, eligibility.unordered_rows(f"{name}() OVER")))
        inner_order = call.order
        if inner_order:
            raise NotUnderstood("ORDER BY inside a window call")
        return replace(framed, order=keys, tie_sensitive=sensitive)

    def _specification(
        self, node: exp.Window, seen: tuple[str, ...]
    ) -> tuple[list[exp.Expr], list[exp.Expr], tuple[tuple[str, str], ...]]:
        """PARTITION BY, ORDER BY and frame, with a named window looked up."""
        partition = list(node.args.get("partition_by") or [])
        order = node.args.get("order")
        keys = list(order.expressions) if order else []
        frame = self._frame(node.args.get("spec"))
        alias = node.args.get("alias")
        if alias is not None and node.args.get("over"):
            name = alias.name.lower()
            base = dict(self.binder.windows).get(name)
            if base is None or name in seen:
                raise NotUnderstood(f"window {name}")
            base_partition, base_keys, base_frame = self._specification(base, (*seen, name))
            partition = partition or base_partition
            keys = keys or base_keys
            frame = frame or base_frame
        if node.args.get("first") is not None:
            raise NotUnderstood("KEEP FIRST")
        return partition, keys, frame

    def _frame(self, spec: exp.Expr | None) -> tuple[tuple[str, str], ...]:
        if spec is None:
            return ()
        found = []
        for key, value in spec.args.items():
            if value is None:
                continue
            if isinstance(value, exp.Literal):
                found.append((key, f"{value.this}"))
            elif isinstance(value, str):
                found.append((key, value.lower()))
            elif isinstance(value, exp.Var):
                found.append((key, value.name.lower()))
            elif isinstance(value, exp.Interval) and isinstance(value.this, exp.Literal):
                found.append((key, f"interval {value.this.this} {value.args.get('unit')}".lower()))
            else:
                raise NotUnderstood("window frame")
        return tuple(found)


def _aggregate_hazards(call: Call, *, distinct: bool) -> tuple[Reason, ...]:
    if call.name not in eligibility.ORDER_DEPENDENT_AGGREGATES:
        return ()
    keys = {key.expression for key in call.order}
    fixed = call.name in eligibility.ORDER_FIXES and bool(keys) and call.arguments[0] in keys
    return () if fixed and not distinct else (eligibility.order_dependent(call.name),)
