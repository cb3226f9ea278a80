"""Binds the joins of a FROM clause into a plan, and the names that they leave in scope."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sqlglot import exp

from signatures import eligibility
from signatures.eligibility import NotUnderstood
from signatures.expressions import Call, Expression
from signatures.parsing.context import BlockRecord, FromItem
from signatures.parsing.expressions import conjuncts_of
from signatures.parsing.relations import Bound, Ctes
from signatures.parsing.scopes import NamedColumn, Scope, Source
from signatures.plan import Join, Plan, ValuesList, conjuncts, free_relations, make_core, visible

if TYPE_CHECKING:
    from signatures.parsing.queries import QueryBinder

NO_ROWS = ValuesList(0, ())
"""Stands for the plan before the first item is bound."""

_SHAPE = (("shape", "this expressions*1"),)
"""What the binder of expressions notes of a call with two arguments of coalesce."""

_KNOWN = frozenset({"this", "side", "kind", "method", "on", "using"})


@dataclass(slots=True)
class JoinBinder:
    """Builds the join tree of one FROM clause from left to right."""

    queries: QueryBinder
    ctes: Ctes
    scope: Scope
    record: BlockRecord
    plan: Plan = field(default=NO_ROWS)
    after_comma: bool = False

    def bind(self, first: exp.Expr, joins: list[exp.Join]) -> Plan:
        """The plan of the whole clause; its sources are in scope afterwards.

        Raises:
            NotUnderstood: where an item or a kind of join isn't.
        """
        joins = [*(first.args.get("joins") or []), *joins]
        inner = _joined(first)
        if inner is not None:
            # Joins go from left to right, so parentheses around the first of them change nothing.
            self.record.bracketed = True
            return self.bind(inner, joins)
        bound = self._item(first)
        self.scope.sources.append(bound.source)
        self.plan = bound.plan
        self._note(bound)
        for join in joins:
            self._join(join)
            for further in join.this.args.get("joins") or []:
                self._join(further)
        return self.plan

    def _item(self, node: exp.Expr) -> Bound:
        if _joined(node) is not None:
            raise NotUnderstood("a join in parentheses")
        return self.queries.relations().bind(node, self.scope, self.ctes)

    def _note(self, bound: Bound, on: tuple[Expression, ...] = (), *, using: bool = False) -> None:
        self.record.items.append(
            FromItem(bound.plan, bound.source.alias, bound.source.columns, on=on, using=using)
        )

    def _join(self, node: exp.Join) -> None:
        unexpected = [key for key, value in node.args.items() if value and key not in _KNOWN]
        if unexpected:
            raise NotUnderstood(f"JOIN with {unexpected[0]}")
        method, side = (node.args.get("method") or "").upper(), (node.args.get("side") or "").upper()
        kind = (node.args.get("kind") or "").upper()
        if method == "POSITIONAL":
            raise NotUnderstood(eligibility.unordered_rows("POSITIONAL JOIN"))
        self._check_comma(node, method, side)
        bound = self._item(node.this)
        left_sources = list(self.scope.sources)
        lateral = bool(free_relations(bound.plan) & set(visible(self.plan)))
        plan, right = self._null_sides(bound, side, left_sources, lateral=lateral)
        using = self._using(node, method, right)
        self._check_merged(using, kind, right)
        self.scope.sources.append(right)
        condition = self._condition(node, using, left_sources, right)
        self._merge(using, side, kind, left_sources, right)
        self._note(Bound(plan, right), condition, using=bool(using))
        self.plan = self._combined(self.plan, plan, method, side, kind, condition, lateral=lateral)

    def _check_comma(self, node: exp.Join, method: str, side: str) -> None:
        """A comma binds weaker than JOIN, which matters to what looks at everything on its left.

        ``a, b RIGHT JOIN c`` is ``a CROSS JOIN (b RIGHT JOIN c)``, and ``a, b JOIN c USING (k)`` does
        not compare ``a.k``; ON and LEFT JOIN give the same rows either way.
        """
        if not any(node.args.get(key) for key in ("method", "side", "kind", "on", "using")):
            self.after_comma = True
        elif self.after_comma and (
            side in ("RIGHT", "FULL") or method == "NATURAL" or node.args.get("using")
        ):
            raise NotUnderstood("RIGHT, FULL, NATURAL JOIN or USING after a comma")

    def _check_merged(self, using: tuple[str, ...], kind: str, right: Source) -> None:
        """``a JOIN b USING (k), c``: beside the merged column there is a ``c.k`` of its own."""
        beside = {column.name for column in right.columns} & set(self.scope.merged) - set(using)
        if beside and kind not in ("SEMI", "ANTI"):
            raise NotUnderstood(f"column {min(beside)} beside one that USING merged")

    def _null_sides(
        self, bound: Bound, side: str, left_sources: list[Source], *, lateral: bool
    ) -> tuple[Plan, Source]:
        """Wrap the sides that an outer join may fill with NULLs."""
        relations = self.queries.relations()
        plan, right = bound.plan, bound.source
        if side in ("LEFT", "FULL"):
            plan, moved = relations.null_side(plan, [right])
            right = moved[0]
        if side in ("RIGHT", "FULL"):
            if lateral or self.scope.merged:
                raise NotUnderstood("RIGHT or FULL JOIN after USING or LATERAL")
            self.plan, moved_left = relations.null_side(self.plan, left_sources)
            self.scope.sources = list(moved_left)
            left_sources[:] = self.scope.sources
        return plan, right

    def _using(self, node: exp.Join, method: str, right: Source) -> tuple[str, ...]:
        if method == "NATURAL":
            left = {column.name for column in self.scope.star()}
            common = tuple(column.name for column in right.columns if column.name in left)
            if not common:
                raise NotUnderstood("NATURAL JOIN without common columns")
            return common
        if method == "ASOF" and node.args.get("using"):
            raise NotUnderstood("ASOF JOIN with USING, whose last column is compared by >=")
        return tuple(part.name.lower() for part in node.args.get("using") or [])

    def _condition(
        self, node: exp.Join, using: tuple[str, ...], left: list[Source], right: Source
    ) -> tuple[Expression, ...]:
        on = node.args.get("on")
        if on is not None:
            if using:
                raise NotUnderstood("ON and USING together")
            binder = self.queries.expressions(self.scope, self.ctes)
            return tuple(binder.bind(part) for part in conjuncts_of(on))
        before = replace(self.scope, sources=left)
        found = []
        for name in using:
            column, other = before.column(name), right.find(name)
            if column is None or other is None:
                raise NotUnderstood(f"USING column {name}")
            found.append(Call("eq", (column, other.expression)))
        return tuple(found)

    def _merge(self, using: tuple[str, ...], side: str, kind: str, left: list[Source], right: Source) -> None:
        """USING leaves one column in place of two: the one that is not filled with NULLs."""
        if kind in ("SEMI", "ANTI"):
            self.scope.sources[-1] = replace(right, shown=False)
            return
        before = replace(self.scope, sources=left)
        for name in using:
            column, other = before.column(name), right.find(name)
            if column is None or other is None:
                raise NotUnderstood(f"USING column {name}")
            expression = column
            if side == "RIGHT":
                expression = other.expression
            elif side == "FULL":
                expression = Call("coalesce", (column, other.expression), _SHAPE)
            self.scope.merged[name] = NamedColumn(name, other.display, expression)

    def _combined(
        self,
        left: Plan,
        right: Plan,
        method: str,
        side: str,
        kind: str,
        condition: tuple[Expression, ...],
        *,
        lateral: bool,
    ) -> Plan:
        flat = tuple(part for predicate in condition for part in conjuncts(predicate))
        if method == "ASOF":
            self.record.plain_joins = False
            if side not in ("", "LEFT") or kind not in ("", "INNER", "OUTER"):
                raise NotUnderstood(f"ASOF {side} JOIN")
            return Join("asof_left" if side else "asof", left, right, flat)
        if kind in ("SEMI", "ANTI"):
            self.record.plain_joins = False
            return Join(kind.lower(), left, right, flat)
        if side in ("LEFT", "RIGHT", "FULL"):
            self.record.plain_joins = False
            if side == "RIGHT":
                return Join("left", right, left, flat)
            return Join("apply_left" if lateral else side.lower(), left, right, flat)
        if kind not in ("", "INNER", "CROSS"):
            raise NotUnderstood(f"{kind} JOIN")
        if lateral:
            self.record.plain_joins = False
            return make_core([Join("apply", left, right, ())], flat)
        return make_core([left, right], flat)


def _joined(node: exp.Expr) -> exp.Expr | None:
    """What stands in parentheses that hold joins or a table, and no query."""
    if not isinstance(node, exp.Subquery) or not isinstance(node.this, exp.Table | exp.Subquery):
        return None
    inner: exp.Expr = node.this
    while isinstance(inner, exp.Subquery) and not isinstance(inner.this, exp.Query):
        inner = inner.this
    return node.this if isinstance(inner, exp.Table) or inner.args.get("joins") else None
