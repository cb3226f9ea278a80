"""Binds one SELECT block: FROM, SELECT, WHERE, GROUP BY, HAVING, windows, DISTINCT, ORDER BY, LIMIT."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sqlglot import exp

from signatures.eligibility import NotUnderstood
from signatures.expressions import Call, ColumnRef, Expression, OrderKey
from signatures.orders import is_total
from signatures.parsing.calls import is_aggregate, is_window
from signatures.parsing.clauses import limit_plan, ordinal
from signatures.parsing.context import BlockRecord, anchor
from signatures.parsing.expressions import conjuncts_of, contains
from signatures.parsing.grouping import Grouping, Lifting, Windowing, grouping_sets, nested_windows
from signatures.parsing.joins import JoinBinder
from signatures.parsing.relations import Ctes, sample_of
from signatures.parsing.scopes import NamedColumn, Scope
from signatures.plan import (
    Aggregate,
    BoundQuery,
    Distinct,
    DistinctOn,
    Output,
    Plan,
    Sort,
    ValuesList,
    Window,
    make_core,
    references,
    visible,
)

if TYPE_CHECKING:
    from signatures.parsing.queries import QueryBinder

_KNOWN = frozenset(
    """expressions from_ joins where group having qualify windows distinct order limit offset sample
    with_ kind hint""".split()
)


@dataclass(slots=True)
class Item:
    """One output of a block while its clauses are bound."""

    name: str
    expression: Expression


@dataclass(slots=True)
class BlockBinder:
    """Binds one block. A new one is made for each."""

    queries: QueryBinder
    ctes: Ctes
    items: list[Item] = field(default_factory=list)
    keys: list[OrderKey] = field(default_factory=list)
    key_is_all: bool = False

    def bind(self, node: exp.Select, parent: Scope | None, *, root: bool) -> BoundQuery:
        """The block's plan and outputs.

        Raises:
            NotUnderstood: where a clause isn't; the core may have been recorded nevertheless.
        """
        unexpected = [key for key, value in node.args.items() if value and key not in _KNOWN]
        if unexpected or node.args.get("kind") or node.args.get("hint"):
            raise NotUnderstood(f"SELECT with {(unexpected or ['a modifier'])[0]}")
        context = self.queries.context
        scope = Scope(context.block(), parent)
        record = BlockRecord(scope.block, anchor(node), scope)
        plan = self._from(node, scope, record)
        self._select(node, scope, record)
        plan = self._where(node, plan, scope, record)
        if context.recording:
            context.blocks.append(record)
        record.core = plan
        having, qualify = self._late_filters(node, scope)
        self._order(node, scope)
        result = self._rows(node, plan, scope, record, having, qualify)
        query = self._finish(node, result, scope, root=root, grouped=record.aggregate is not None)
        record.complete = True
        return query

    def _binder(self, scope: Scope, node: exp.Select, aliases: str) -> Callable[[exp.Expr], Expression]:
        windows = tuple((w.this.name.lower(), w) for w in node.args.get("windows") or [])
        return self.queries.expressions(scope, self.ctes, aliases=aliases, windows=windows).bind

    def _from(self, node: exp.Select, scope: Scope, record: BlockRecord) -> Plan:
        first = node.args.get("from_")
        if first is None:
            return ValuesList(self.queries.context.relation(), ((),))
        joins = JoinBinder(self.queries, self.ctes, scope, record)
        plan = joins.bind(first.this, node.args.get("joins") or [])
        sample = node.args.get("sample")
        return plan if sample is None else sample_of(plan, sample)

    def _select(self, node: exp.Select, scope: Scope, record: BlockRecord) -> None:
        bind = self._binder(scope, node, "last")
        context = self.queries.context
        for part in node.expressions:
            if isinstance(part, exp.Star) or (
                isinstance(part, exp.Column) and isinstance(part.this, exp.Star)
            ):
                record.has_star = True
                self.items += self._star(part, scope, bind)
                continue
            if isinstance(part, exp.Alias):
                name, expression = part.alias, bind(part.this)
                known = scope.aliases.get(name.lower(), expression)
                scope.aliases[name.lower()] = expression if known == expression else None
            elif isinstance(part, exp.Aliases):
                raise NotUnderstood("several aliases of one expression")
            else:
                uses = len(context.uses)
                expression = bind(part)
                name = part.name if isinstance(part, exp.Column | exp.Dot) else ""
                if isinstance(part, exp.Column) and len(context.uses) == uses + 1:
                    context.uses[-1] = replace(context.uses[-1], bare=name)
            self.items.append(Item(name, expression))

    def _star(self, node: exp.Expr, scope: Scope, bind: Callable[[exp.Expr], Expression]) -> list[Item]:
        star = node if isinstance(node, exp.Star) else node.this
        if isinstance(node, exp.Column):
            qualifiers = tuple(part.name.lower() for part in node.parts[:-1])
            source = scope.source(qualifiers)
            if source is None:
                raise NotUnderstood(f"{'.'.join(qualifiers)}.*")
            columns: Sequence[NamedColumn] = source.columns
        else:
            columns = scope.star()
        if star.args.get("rename") or star.args.get("ilike"):
            raise NotUnderstood("* with RENAME or LIKE")
        if any(isinstance(part, exp.Column) and part.table for part in star.args.get("except_") or []):
            raise NotUnderstood("* EXCLUDE of one table's column")
        left_out = {_column_name(part) for part in star.args.get("except_") or []}
        changed = {part.alias.lower(): bind(part.this) for part in star.args.get("replace") or []}
        if not left_out | set(changed) <= {column.name for column in columns}:
            raise NotUnderstood("* EXCLUDE or REPLACE of a column that is not there")
        return [
            Item(column.display, changed.get(column.name, column.expression))
            for column in columns
            if column.name not in left_out
        ]

    def _where(self, node: exp.Select, plan: Plan, scope: Scope, record: BlockRecord) -> Plan:
        where = node.args.get("where")
        if where is None:
            return plan
        bind = self._binder(scope, node, "last")
        record.conjuncts = tuple(bind(part) for part in conjuncts_of(where.this))
        return make_core([plan], record.conjuncts)

    def _late_filters(
        self, node: exp.Select, scope: Scope
    ) -> tuple[tuple[Expression, ...], tuple[Expression, ...]]:
        bind = self._binder(scope, node, "equal")
        found = [
            tuple(bind(part) for part in conjuncts_of(clause.this)) if clause is not None else ()
            for clause in (node.args.get("having"), node.args.get("qualify"))
        ]
        return found[0], found[1]

    def _order(self, node: exp.Select, scope: Scope) -> None:
        order = node.args.get("order")
        if order is None:
            return
        whole = self.queries.expressions(scope, self.ctes, aliases="first")
        part = replace(whole, aliases="equal")
        for key in order.expressions:
            inner = key.this
            number = ordinal(inner)
            if isinstance(inner, exp.Var) and inner.name.upper() == "ALL":
                self.key_is_all = True
                self.keys += [whole.order_key(key, item.expression) for item in self.items]
            elif number is not None:
                if not 1 <= number <= len(self.items):
                    raise NotUnderstood(f"ORDER BY {number}")
                self.keys.append(whole.order_key(key, self.items[number - 1].expression))
            elif isinstance(inner, exp.Column) and len(inner.parts) == 1:
                self.keys.append(whole.order_key(key, whole.bind(inner)))
            else:
                binder = replace(
                    part, windows=tuple((w.this.name.lower(), w) for w in node.args.get("windows") or [])
                )
                self.keys.append(whole.order_key(key, binder.bind(inner)))

    def _rows(
        self,
        node: exp.Select,
        plan: Plan,
        scope: Scope,
        record: BlockRecord,
        having: tuple[Expression, ...],
        qualify: tuple[Expression, ...],
    ) -> Plan:
        """Grouping, HAVING, windows, QUALIFY: what happens to rows between WHERE and the outputs."""
        late = [*having, *qualify, *(k.expression for k in self.keys), *(i.expression for i in self.items)]
        if node.args.get("group") is not None or any(contains(part, is_aggregate) for part in late):
            plan, having, qualify = self._group(node, plan, scope, record, having, qualify)
        elif having:
            raise NotUnderstood("HAVING without grouping")
        if having:
            plan = make_core([plan], having)
        windowing = Windowing(self.queries.context.relation())
        self._change_items(windowing.lift)
        qualify = tuple(windowing.lift(part) for part in qualify)
        if windowing.calls:
            if nested_windows(windowing.calls):
                raise NotUnderstood("a window call inside another")
            calls = tuple(_tie_checked(plan, call) for call in windowing.calls)
            plan = Window(windowing.relation, plan, calls)
        return make_core([plan], qualify) if qualify else plan

    def _change_items(self, change: Callable[[Expression], Expression]) -> None:
        for item in self.items:
            item.expression = change(item.expression)
        self.keys = [replace(key, expression=change(key.expression)) for key in self.keys]

    def _group(
        self,
        node: exp.Select,
        plan: Plan,
        scope: Scope,
        record: BlockRecord,
        having: tuple[Expression, ...],
        qualify: tuple[Expression, ...],
    ) -> tuple[Plan, tuple[Expression, ...], tuple[Expression, ...]]:
        grouping, sets = Grouping(), None
        group = node.args.get("group")
        if group is not None and group.args.get("all"):
            for item in self.items:
                if contains(item.expression, is_window):
                    raise NotUnderstood("GROUP BY ALL with windows")
                if not contains(item.expression, is_aggregate):
                    grouping.index(item.expression)
        elif group is not None:
            bind = self._binder(scope, node, "last")
            sets = grouping_sets(group, lambda part: self._group_key(part, bind), grouping)
        lifting = Lifting(self.queries.context.relation(), tuple(grouping.keys))
        self._change_items(lifting.lift)
        having = tuple(lifting.lift(part) for part in having)
        qualify = tuple(lifting.lift(part) for part in qualify)
        inside = set(visible(plan))
        late = [*having, *qualify, *(k.expression for k in self.keys), *(i.expression for i in self.items)]
        if any(references(part) & inside for part in late):
            raise NotUnderstood("a column that is neither grouped nor aggregated")
        result = Aggregate(lifting.relation, plan, tuple(grouping.keys), sets, tuple(lifting.measures))
        record.aggregate = result
        return result, having, qualify

    def _group_key(self, node: exp.Expr, bind: Callable[[exp.Expr], Expression]) -> Expression:
        number = ordinal(node)
        if number is not None:
            if not 1 <= number <= len(self.items):
                raise NotUnderstood(f"GROUP BY {number}")
            return self.items[number - 1].expression
        key = bind(node)
        if contains(key, is_aggregate) or contains(key, is_window):
            raise NotUnderstood("grouping by an aggregate or a window")
        return key

    def _finish(self, node: exp.Select, plan: Plan, scope: Scope, *, root: bool, grouped: bool) -> BoundQuery:
        distinct = node.args.get("distinct")
        if distinct is not None:
            on = distinct.args.get("on")
            if on is not None and grouped:
                raise NotUnderstood("DISTINCT ON over groups")
            plan = self._distinct(plan) if on is None else self._distinct_on(on, plan, scope, node)
        outputs = tuple(Output(item.name, item.expression) for item in self.items)
        keys = tuple(self.keys)
        if node.args.get("limit") or node.args.get("offset"):
            seen = [output.expression for output in outputs]
            plan = limit_plan(node, plan, keys, is_total(plan, [k.expression for k in keys], seen))
        elif keys and root:
            plan = Sort(plan, keys)
        return BoundQuery(plan, outputs)

    def _distinct(self, plan: Plan) -> Plan:
        """SELECT DISTINCT: above it only the outputs can be seen, also by ORDER BY."""
        relation = self.queries.context.relation()
        computed = tuple(item.expression for item in self.items)

        def change(expression: Expression) -> Expression:
            if expression not in computed:
                raise NotUnderstood("ORDER BY of something that SELECT DISTINCT does not return")
            return ColumnRef(relation, f"o{computed.index(expression)}")

        self.keys = [replace(key, expression=change(key.expression)) for key in self.keys]
        for index, item in enumerate(self.items):
            item.expression = ColumnRef(relation, f"o{index}")
        return Distinct(relation, plan, computed)

    def _distinct_on(self, on: exp.Expr, plan: Plan, scope: Scope, node: exp.Select) -> Plan:
        members = on.expressions if isinstance(on, exp.Tuple) else [on]
        bind = self._binder(scope, node, "equal")
        keys = tuple(self._group_key(member, bind) for member in members)
        if any(contains(key, is_window) for key in keys):
            raise NotUnderstood("DISTINCT ON a window")
        order = tuple(self.keys)
        total = is_total(plan, [key.expression for key in order], [item.expression for item in self.items])
        return DistinctOn(plan, keys, order, tie_sensitive=not total)


def _tie_checked(plan: Plan, call: Expression) -> Expression:
    """A row-based window call is not sensitive to ties where its order has none."""
    if not isinstance(call, Call) or not call.tie_sensitive:
        return call
    count = int(dict(call.options)["partition"])
    partition = call.arguments[len(call.arguments) - count :] if count else ()
    ordered = [*partition, *(key.expression for key in call.order)]
    return replace(call, tie_sensitive=not is_total(plan, ordered, None))


def _column_name(node: exp.Expr) -> str:
    return node.name.lower()
