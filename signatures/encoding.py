"""Canonical text of a plan, and the signatures over it.

The text is a complete definition of the plan's rows and of every column that is named in it: equal
texts with equal input versions mean equal rows. Where two orders of the same set are possible (sources
of an inner join, conjuncts, operands of a symmetric operator) one is chosen by content; where content
cannot tell, any choice is sound and only costs a match.

Each piece has two texts, computed together: the precise one, and the normalized one without literals,
recurring parts of names and versions. Sources are ordered by their normalized text first, so that a column
keeps its canonical name from one instance of a recurring job to the next.

Source: CloudViews section 3 (precise and normalized signatures).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import permutations
from secrets import token_hex
from typing import NamedTuple, assert_never

from xxhash import xxh3_128_hexdigest

from signatures import plan as plans
from signatures.expressions import (
    Call,
    ColumnRef,
    Expression,
    LambdaExpression,
    LambdaParameter,
    Literal,
    OrderKey,
    Parameter,
    SubqueryExpression,
)
from signatures.model import (
    SIGNATURE_VERSION,
    InputIdentity,
    InputVersion,
    NormalizedSignature,
    PreciseSignature,
)

MAX_TIE_ORDERS = 24
"""Orders tried for sources that content alone cannot tell apart (self-joins)."""

REFINEMENT_ROUNDS = 3

SYMMETRIC = frozenset({"eq", "neq", "nullsafeeq", "nullsafeneq"})
SET_LIKE = frozenset({"and", "or"})

_RECURRING = re.compile(r"\d+")

Scopes = tuple[Mapping[int, str], ...]


class Text(NamedTuple):
    """A canonical text in both modes. Tuples compare by the normalized text first."""

    normalized: str
    precise: str


Color = tuple[Text, Text]
"""A source's text, and what refinement has learnt of its place among the predicates."""


def both(text: str) -> Text:
    """The same text in both modes."""
    return Text(text, text)


def glue(separator: str, parts: Iterable[Text]) -> Text:
    """Join texts, mode by mode."""
    listed = list(parts)
    return Text(
        separator.join([part.normalized for part in listed]),
        separator.join([part.precise for part in listed]),
    )


def form(name: str, *parts: Text) -> Text:
    """``(name part part ...)``."""
    normalized = " ".join([part.normalized for part in parts])
    precise = " ".join([part.precise for part in parts])
    return Text(f"({name} {normalized})", f"({name} {precise})") if parts else both(f"({name})")


def bag(parts: Iterable[Text], *, unique: bool = True) -> Text:
    """A set in canonical order: each mode sorted by itself, so that literals can't disturb the other."""
    listed = sorted(set(parts) if unique else parts)
    normalized = sorted([part.normalized for part in listed])
    return Text("[" + " ".join(normalized) + "]", "[" + " ".join([part.precise for part in listed]) + "]")


def quoted(text: str) -> str:
    """A string in the canonical text, with an end that nothing inside can imitate."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def recurring_name(name: str) -> str:
    """A table name or path without dates and run numbers."""
    return _RECURRING.sub("#", name)


class Encoder:
    """Encodes plans and expressions of one statement. Numbers of relations must be unique in it."""

    def __init__(self) -> None:
        self._columns: dict[tuple[int, str], Text] = {}
        self._plans: dict[int, tuple[plans.Plan, Text, tuple[int, ...]]] = {}

    def plan(self, plan: plans.Plan, outer: Scopes = ()) -> tuple[Text, tuple[int, ...]]:
        """Canonical text of a plan and its visible relations in canonical order."""
        known = self._plans.get(id(plan))
        if known is not None:
            return known[1], known[2]
        text, order = self._plan(plan, outer)
        if not outer or not plans.free_relations(plan):
            self._plans[id(plan)] = (plan, text, order)
        return text, order

    def labels(self, order: Sequence[int]) -> Mapping[int, str]:
        """Canonical positions of visible relations."""
        return {relation: str(index) for index, relation in enumerate(order)}

    def expression(self, expression: Expression, scopes: Scopes) -> Text:
        """Canonical text of an expression over the innermost scope and the ones around it."""
        match expression:
            case ColumnRef():
                return self._reference(expression, scopes)
            case Literal(kind=kind, text=text):
                return Text(f"?{kind}", f"{kind}:{quoted(text)}")
            case Parameter(name=name):
                return Text("?parameter", f"parameter:{quoted(name)}")
            case Call():
                return self._call(expression, scopes)
            case SubqueryExpression():
                return self._subquery(expression, scopes)
            case LambdaParameter(depth=depth, index=index):
                return both(f"(lambda-parameter {depth} {index})")
            case LambdaExpression(parameters=parameters, body=body):
                return form("lambda", both(str(parameters)), self.expression(body, scopes))
            case _:
                assert_never(expression)

    def _reference(self, reference: ColumnRef, scopes: Scopes) -> Text:
        for level, labels in enumerate(reversed(scopes)):
            label = labels.get(reference.relation)
            if label is not None:
                column = self._columns.get((reference.relation, reference.column))
                if column is None:
                    column = both(quoted(reference.column))
                prefix = f"(column {'^' * level}{label} "
                return Text(f"{prefix}{column.normalized})", f"{prefix}{column.precise})")
        message = f"relation {reference.relation} is not in scope: the plan was built wrongly"
        raise ValueError(message)

    def _call(self, call: Call, scopes: Scopes) -> Text:
        arguments = [self.expression(argument, scopes) for argument in call.arguments]
        name = call.name
        if name in ("gt", "gte"):
            name = "lt" if name == "gt" else "lte"
            arguments.reverse()
        elif name in SYMMETRIC:
            arguments.sort()
        elif name in SET_LIKE:
            return form(name, bag(arguments))
        elif name == "in_list":
            return form(name, arguments[0], bag_of_members(arguments[1:]))
        parts = [*arguments]
        parts += [both(f"{key}={quoted(value)}") for key, value in call.options]
        if call.order:
            parts.append(self._order(call.order, scopes))
        return form(name, *parts)

    def _order(self, order: Sequence[OrderKey], scopes: Scopes) -> Text:
        keys = [
            form(
                ("desc" if key.descending else "asc")
                + ("-nulls-first" if key.nulls_first else "-nulls-last"),
                self.expression(key.expression, scopes),
            )
            for key in order
        ]
        return form("order", *keys)

    def _subquery(self, subquery: SubqueryExpression, scopes: Scopes) -> Text:
        text, order = self.plan(subquery.query.plan, scopes)
        inner = (*scopes, self.labels(order))
        parts = [text]
        if subquery.form != "exists":
            outputs = [self.expression(output.expression, inner) for output in subquery.query.outputs]
            parts.append(form("outputs", *outputs))
        if subquery.operand is not None:
            parts.append(form("operand", self.expression(subquery.operand, scopes)))
        return form(f"subquery-{subquery.form}{subquery.comparison}", *parts)

    def _plan(self, plan: plans.Plan, outer: Scopes) -> tuple[Text, tuple[int, ...]]:
        match plan:
            case plans.Scan(identity=identity):
                return Text(f"(scan {quoted(recurring_name(identity))})", f"(scan {quoted(identity)})"), (
                    plan.relation,
                )
            case plans.TableFunction():
                return self._table_function(plan, outer), (plan.relation,)
            case plans.ValuesList(rows=rows):
                scopes = (*outer, {})
                texts = [form("row", *(self.expression(value, scopes) for value in row)) for row in rows]
                return form("values", *texts), (plan.relation,)
            case plans.Core():
                return self._core(plan, outer)
            case plans.Join():
                return self._join(plan, outer)
            case plans.Aggregate():
                return self._aggregate(plan, outer), (plan.relation,)
            case plans.Window(input=below, calls=calls):
                text, order = self.plan(below, outer)
                scopes = (*outer, self.labels(order))
                self._name(plan.relation, "w", calls, scopes)
                return form("window", text), (*order, plan.relation)
            case plans.Project(input=below, outputs=outputs):
                text, order = self.plan(below, outer)
                self._name(plan.relation, "o", outputs, (*outer, self.labels(order)))
                return form("project", text), (plan.relation,)
            case plans.Distinct():
                return self._distinct(plan, outer), (plan.relation,)
            case plans.DistinctOn(input=below, keys=keys, order=sort):
                text, order = self.plan(below, outer)
                scopes = (*outer, self.labels(order))
                keyed = bag(self.expression(key, scopes) for key in keys)
                return form("distinct-on", keyed, self._order(sort, scopes), text), order
            case plans.SetOperation():
                return self._set_operation(plan, outer), (plan.relation,)
            case plans.Limit():
                return self._limit(plan, outer)
            case plans.Sort(input=below, order=sort):
                text, order = self.plan(below, outer)
                return form("sort", self._order(sort, (*outer, self.labels(order))), text), order
            case plans.Sample(input=below, options=options):
                text, order = self.plan(below, outer)
                return form(
                    "sample", *(both(f"{key}={quoted(value)}") for key, value in options), text
                ), order
            case plans.Opaque(relation=relation):
                return both(f"(opaque {token_hex(8)})"), (relation,)
            case _:
                assert_never(plan)

    def _name(self, relation: int, prefix: str, parts: Iterable[Expression], scopes: Scopes) -> None:
        """Columns that don't decide rows are called by what they compute."""
        for index, part in enumerate(parts):
            self._columns[relation, f"{prefix}{index}"] = self.expression(part, scopes)

    def _table_function(self, function: plans.TableFunction, outer: Scopes) -> Text:
        scopes = (*outer, {})
        parts = [self.expression(argument, scopes) for argument in function.arguments]
        parts += [both(f"{key}={quoted(value)}") for key, value in function.options]
        parts += [Text(quoted(recurring_name(identity)), quoted(identity)) for identity in function.inputs]
        return form("table-function", both(quoted(function.name)), *parts)

    def _aggregate(self, aggregate: plans.Aggregate, outer: Scopes) -> Text:
        text, order = self.plan(aggregate.input, outer)
        scopes = (*outer, self.labels(order))
        texts = [self.expression(key, scopes) for key in aggregate.keys]
        ranked = sorted(set(texts))
        places = [ranked.index(key) for key in texts]
        for index, place in enumerate(places):
            self._columns[aggregate.relation, f"k{index}"] = both(f"key{place}")
        self._name(aggregate.relation, "m", aggregate.measures, scopes)
        parts = [form("keys", *ranked)]
        if aggregate.sets is not None:
            named = sorted(sorted({places[index] for index in chosen}) for chosen in aggregate.sets)
            parts.append(both("(sets " + " ".join(str(chosen) for chosen in named) + ")"))
        return form("aggregate", *parts, text)

    def _distinct(self, distinct: plans.Distinct, outer: Scopes) -> Text:
        text, order = self.plan(distinct.input, outer)
        scopes = (*outer, self.labels(order))
        texts = [self.expression(output, scopes) for output in distinct.outputs]
        ranked = sorted(set(texts))
        for index, output in enumerate(texts):
            self._columns[distinct.relation, f"o{index}"] = both(f"out{ranked.index(output)}")
        return form("distinct", *ranked, text)

    def _set_operation(self, operation: plans.SetOperation, outer: Scopes) -> Text:
        sides = []
        for side in (operation.left, operation.right):
            text, order = self.plan(side.plan, outer)
            scopes = (*outer, self.labels(order))
            outputs = [self.expression(output.expression, scopes) for output in side.outputs]
            sides.append(form("operand", form("outputs", *outputs), text))
        if operation.kind != "except" and not operation.names:
            sides.sort()
        names = [both("names=" + " ".join(quoted(name) for name in operation.names))]
        names = names if operation.names else []
        return form(operation.kind + ("-all" if operation.all else ""), *names, *sides)

    def _limit(self, limit: plans.Limit, outer: Scopes) -> tuple[Text, tuple[int, ...]]:
        text, order = self.plan(limit.input, outer)
        scopes = (*outer, self.labels(order))
        none = both("none")
        parts = [
            self._order(limit.order, scopes),
            none if limit.limit is None else self.expression(limit.limit, (*outer, {})),
            none if limit.offset is None else self.expression(limit.offset, (*outer, {})),
        ]
        return form("limit-percent" if limit.percent else "limit", *parts, text), order

    def _join(self, join: plans.Join, outer: Scopes) -> tuple[Text, tuple[int, ...]]:
        left, left_order = self.plan(join.left, outer)
        around = (*outer, self.labels(left_order)) if join.kind.startswith("apply") else outer
        right, right_order = self.plan(join.right, around)
        if join.kind == "full" and right < left:
            left, right, left_order, right_order = right, left, right_order, left_order
        order = (*left_order, *right_order)
        scopes = (*outer, self.labels(order))
        condition = bag(self.expression(part, scopes) for part in join.condition)
        shown = left_order if join.kind in ("semi", "anti") else order
        return form(f"join-{join.kind}", left, right, condition), shown

    def _core(self, core: plans.Core, outer: Scopes) -> tuple[Text, tuple[int, ...]]:
        texts, orders = [], []
        for source in core.sources:
            text, order = self.plan(source, outer)
            texts.append(text)
            orders.append(order)
        best = self._best_order(core, texts, orders, outer)
        order = tuple(relation for index in best for relation in orders[index])
        predicates = self._predicates(core, order, outer)
        return form("core", form("from", *(texts[index] for index in best)), predicates), order

    def _predicates(self, core: plans.Core, order: Sequence[int], outer: Scopes) -> Text:
        scopes = (*outer, self.labels(order))
        return bag(self.expression(part, scopes) for part in core.predicates)

    def _best_order(
        self, core: plans.Core, texts: Sequence[Text], orders: Sequence[tuple[int, ...]], outer: Scopes
    ) -> tuple[int, ...]:
        """Sources in canonical order, by text and then by how the predicates use them."""
        colors: list[Color] = [(text, Text("", "")) for text in texts]
        for _ in range(REFINEMENT_ROUNDS):
            if len(set(colors)) == len(colors):
                break
            colors = self._refine(core, colors, orders, outer)
        ranked = sorted(range(len(texts)), key=lambda index: (colors[index], index))
        groups: list[list[int]] = []
        for index in ranked:
            if groups and colors[groups[-1][0]] == colors[index]:
                groups[-1].append(index)
            else:
                groups.append([index])
        choices: list[tuple[int, ...]] = [()]
        for group in groups:
            orderings = list(permutations(group)) if len(group) <= 4 else [tuple(group)]
            if len(choices) * len(orderings) > MAX_TIE_ORDERS:
                orderings = orderings[:1]
            choices = [(*choice, *ordering) for choice in choices for ordering in orderings]
        if len(choices) == 1:
            return choices[0]

        def text_of(choice: tuple[int, ...]) -> Text:
            return self._predicates(core, [r for index in choice for r in orders[index]], outer)

        return min(choices, key=text_of)

    def _refine(
        self,
        core: plans.Core,
        colors: Sequence[Color],
        orders: Sequence[tuple[int, ...]],
        outer: Scopes,
    ) -> list[Color]:
        """One round of colour refinement (Weisfeiler-Leman) over the predicates."""
        ranks = {color: rank for rank, color in enumerate(sorted(set(colors)))}
        owner = {relation: index for index, order in enumerate(orders) for relation in order}
        shared = {
            relation: f"c{ranks[colors[index]]}.{place}"
            for index, order in enumerate(orders)
            for place, relation in enumerate(order)
        }
        seen: list[list[Text]] = [[] for _ in colors]
        for predicate in core.predicates:
            for index in {owner[r] for r in plans.references(predicate) if r in owner}:
                own = {relation: f"self.{place}" for place, relation in enumerate(orders[index])}
                seen[index].append(self.expression(predicate, (*outer, {**shared, **own})))
        return [
            (color[0], glue(" ", (both(str(ranks[color])), bag(uses, unique=False))))
            for color, uses in zip(colors, seen, strict=True)
        ]


def bag_of_members(members: Sequence[Text]) -> Text:
    """An IN-list: its length does not matter to the normalized text, only its types."""
    return Text(
        "[" + " ".join(sorted({member.normalized for member in members})) + "]",
        "[" + " ".join(sorted({member.precise for member in members})) + "]",
    )


def normalized_signature(text: Text) -> NormalizedSignature:
    """Digest of a normalized canonical text."""
    return NormalizedSignature(_digest(f"{SIGNATURE_VERSION}\n{text.normalized}"))


def precise_signature(
    canonical: str, versions: Iterable[tuple[InputIdentity, InputVersion]], environment: str
) -> PreciseSignature:
    """Digest of a canonical text, the versions of its inputs, and the engine's environment.

    Source: CloudViews section 3: input GUIDs are part of the precise signature.
    """
    lines = [str(SIGNATURE_VERSION), environment, canonical]
    lines += [f"{quoted(identity)} {quoted(version)}" for identity, version in sorted(versions)]
    return PreciseSignature(_digest("\n".join(lines)))


def _digest(text: str) -> str:
    return xxh3_128_hexdigest(text.encode())
