"""Binds query expressions: WITH, set operations, VALUES, and the blocks between them."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlglot import exp

from signatures import eligibility
from signatures.eligibility import NotUnderstood
from signatures.expressions import OrderKey
from signatures.orders import is_total
from signatures.parsing.blocks import BlockBinder
from signatures.parsing.clauses import limit_plan, ordinal, set_outputs
from signatures.parsing.context import Context, QueryRecord, anchor
from signatures.parsing.expressions import ExpressionBinder
from signatures.parsing.functions import FunctionNames
from signatures.parsing.relations import Ctes, RelationBinder, opaque_query
from signatures.parsing.scopes import Scope
from signatures.plan import BoundQuery, Output, Plan, SetOperation, Sort, ValuesList


@dataclass(slots=True)
class QueryBinder:
    """Binds every query expression of one statement, and records what was understood."""

    context: Context
    functions: FunctionNames
    _attempted: set[int] = field(default_factory=set)

    def bind(self, node: exp.Expr, parent: Scope | None, kind: str, ctes: Ctes) -> BoundQuery:
        """The plan and the outputs of a query expression.

        Raises:
            NotUnderstood: where part of it isn't; what was understood inside has been recorded.
        """
        self._attempted.add(id(node))
        inner = node
        known = dict(ctes)
        while isinstance(inner, exp.Subquery):
            if any(value for key, value in inner.args.items() if key not in ("this", "alias")):
                raise NotUnderstood("a parenthesized query with clauses of its own")
            inner = inner.this
        self._attempted.add(id(inner))
        try:
            if inner.args.get("with_"):
                self._with(inner.args["with_"], parent, known)
            query = self._body(inner, parent, kind, known)
        except NotUnderstood:
            if self.context.recording:
                self._salvage(inner, known)
            raise
        ordered = kind != "statement" and bool(inner.args.get("order")) and not _limited(inner)
        self.context.same_text_only = self.context.same_text_only or ordered
        if self.context.recording and kind != "view":
            block, levels = first_block(inner)
            record = QueryRecord(anchor(block), kind, query, "", ordered=ordered, levels=levels)
            self.context.queries.append(record)
        return query

    def expressions(
        self,
        scope: Scope,
        ctes: Ctes,
        *,
        aliases: str = "no",
        windows: tuple[tuple[str, exp.Window], ...] = (),
    ) -> ExpressionBinder:
        """A binder of expressions in a scope."""
        return ExpressionBinder(
            context=self.context,
            scope=scope,
            bind_query=lambda node, parent, kind: self.bind(node, parent, kind, ctes),
            functions=self.functions,
            aliases=aliases,
            windows=windows,
        )

    def relations(self) -> RelationBinder:
        """A binder of FROM items."""
        return RelationBinder(
            self.context,
            self.functions,
            self.bind,
            lambda node, scope, ctes: self.expressions(scope, ctes).bind(node),
        )

    def _body(self, node: exp.Expr, parent: Scope | None, kind: str, ctes: Ctes) -> BoundQuery:
        match node:
            case exp.Select():
                return BlockBinder(self, ctes).bind(node, parent, root=kind == "statement")
            case exp.SetOperation():
                return self._set_operation(node, parent, kind, ctes)
            case exp.Values():
                return self._values(node, parent, ctes)
            case _:
                raise NotUnderstood(f"{node.key} query")

    def _with(self, node: exp.With, parent: Scope | None, ctes: Ctes) -> None:
        for cte in node.expressions:
            name = cte.alias.lower()
            columns = [column.name for column in cte.args["alias"].args.get("columns") or []]
            if not isinstance(cte.this, exp.Query) or cte.args.get("key_expressions"):
                ctes[name] = NotUnderstood("a CTE that is not a query")
                continue
            try:
                if node.args.get("recursive") and _refers(cte.this, name):
                    ctes[name] = self._recursive(cte, parent, columns, ctes)
                    continue
                query = self.bind(cte.this, parent, "cte", ctes)
            except NotUnderstood as error:
                ctes[name] = error
                continue
            if self.context.recording and self.context.queries:
                self.context.queries[-1].label = name
            ctes[name] = _renamed(query, columns)

    def _recursive(
        self, cte: exp.CTE, parent: Scope | None, columns: list[str], ctes: Ctes
    ) -> BoundQuery | NotUnderstood:
        """A recursive CTE is opaque as a whole; its column names may be known."""
        reason = NotUnderstood(eligibility.recursive())
        if not columns and isinstance(cte.this, exp.SetOperation):
            try:
                first = self._silently(cte.this.this, parent, ctes)
            except NotUnderstood:
                return reason
            columns = [output.name for output in first.outputs]
        return opaque_query(self.context, tuple(columns), reason) if columns else reason

    def _silently(self, node: exp.Expr, parent: Scope | None, ctes: Ctes) -> BoundQuery:
        recording, self.context.recording = self.context.recording, False
        try:
            return self.bind(node, parent, "view", ctes)
        finally:
            self.context.recording = recording

    def _set_operation(
        self, node: exp.SetOperation, parent: Scope | None, kind: str, ctes: Ctes
    ) -> BoundQuery:
        allowed = {"this", "expression", "distinct", "by_name", "with_", "order", "limit", "offset"}
        unexpected = [key for key, value in node.args.items() if value and key not in allowed]
        if unexpected:
            raise NotUnderstood(f"{node.key} with {unexpected[0]}")
        left = self._operand(node.this, parent, ctes)
        right = self._operand(node.expression, parent, ctes)
        name = node.key
        plan, outputs = set_outputs(
            self.context.relation(),
            name,
            left,
            right,
            keep_all=not node.args.get("distinct"),
            by_name=bool(node.args.get("by_name")),
        )
        return self._modifiers(node, plan, outputs, root=kind == "statement")

    def _operand(self, node: exp.Expr, parent: Scope | None, ctes: Ctes) -> BoundQuery:
        """Operands of operands are operands of the text too; the middle ones have no text of their own."""
        if isinstance(node, exp.SetOperation) and not node.args.get("with_"):
            return self._set_operation(node, parent, "set_operand", ctes)
        return self.bind(node, parent, "set_operand", ctes)

    def _modifiers(
        self, node: exp.SetOperation, plan: SetOperation, outputs: tuple[Output, ...], *, root: bool
    ) -> BoundQuery:
        """ORDER BY and LIMIT behind a set operation see its output columns only."""
        keys: tuple[OrderKey, ...] = ()
        order = node.args.get("order")
        if order is not None:
            keys = tuple(self._output_key(key, outputs) for key in order.expressions)
        result: Plan = plan
        if node.args.get("limit") or node.args.get("offset"):
            seen = [output.expression for output in outputs]
            result = limit_plan(node, plan, keys, is_total(plan, [k.expression for k in keys], seen))
        elif keys and root:
            result = Sort(plan, keys)
        return BoundQuery(result, outputs)

    def _output_key(self, node: exp.Expr, outputs: tuple[Output, ...]) -> OrderKey:
        binder = self.expressions(Scope(0, None), {})
        inner = node.this
        number = ordinal(inner)
        if number is not None and 1 <= number <= len(outputs):
            return binder.order_key(node, outputs[number - 1].expression)
        if isinstance(inner, exp.Column) and not inner.table:
            found = [o.expression for o in outputs if o.name.lower() == inner.name.lower()]
            if len(found) == 1:
                return binder.order_key(node, found[0])
        raise NotUnderstood("ORDER BY of a set operation by something else than an output column")

    def _values(self, node: exp.Values, parent: Scope | None, ctes: Ctes) -> BoundQuery:
        if any(node.args.get(key) for key in ("order", "limit", "offset")):
            raise NotUnderstood("VALUES with ORDER BY or LIMIT")
        bound = self.relations().bind(node, parent or Scope(0, None), ctes)
        assert_values(bound.plan)
        outputs = tuple(Output(column.name, column.expression) for column in bound.source.columns)
        return BoundQuery(bound.plan, outputs)

    def _salvage(self, node: exp.Expr, ctes: Ctes) -> None:
        """Bind what lies inside a query that was not understood: it may still be shared by itself."""
        for query in _nested_queries(node):
            if id(query) in self._attempted:
                continue
            try:
                self.bind(query, None, "subquery", ctes)
            except NotUnderstood:
                continue


def assert_values(plan: Plan) -> None:
    """VALUES bind to a list of rows.

    Raises:
        NotUnderstood: where they don't.
    """
    if not isinstance(plan, ValuesList):
        raise NotUnderstood("VALUES")


def _limited(node: exp.Expr) -> bool:
    return bool(node.args.get("limit") or node.args.get("offset"))


def first_block(node: exp.Expr) -> tuple[exp.Expr, int]:
    """The leftmost block of a set operation, and how many levels of parentheses lie between."""
    levels = 0
    inside = False
    while isinstance(node, exp.SetOperation | exp.Subquery):
        if isinstance(node, exp.SetOperation) and not inside:
            levels += 1
        inside = isinstance(node, exp.SetOperation)
        node = node.this
    return node, levels


def _refers(node: exp.Expr, name: str) -> bool:
    return any(table.name.lower() == name and not table.db for table in node.find_all(exp.Table))


def _renamed(query: BoundQuery, names: list[str]) -> BoundQuery:
    if len(names) > len(query.outputs):
        raise NotUnderstood(f"{len(names)} column names for {len(query.outputs)} columns")
    outputs = tuple(
        Output(names[index], output.expression) if index < len(names) else output
        for index, output in enumerate(query.outputs)
    )
    return BoundQuery(query.plan, outputs)


def _nested_queries(node: exp.Expr) -> list[exp.Expr]:
    found: list[exp.Expr] = []
    stack = list(node.iter_expressions())
    while stack:
        current = stack.pop()
        if isinstance(current, exp.Select | exp.SetOperation):
            found.append(current)
        elif not isinstance(current, exp.With):
            stack.extend(current.iter_expressions())
    return found
