"""Semantic mutants of a statement: each differs from it in one place that matters to its rows.

Mutants are made on sqlglot's tree and printed, with none of the code under test involved. A place is left out
where a change can't matter to anybody, for one of the reasons in ``unchangeable``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random

from sqlglot import exp
from sqlglot.optimizer.pushdown_projections import pushdown_projections
from sqlglot.optimizer.qualify import qualify

from tests.support.catalog import TWIN, FixedCatalog

Change = Callable[[exp.Expr, "Known"], Iterator[tuple[str, exp.Expr]]]
"""Gives (kind of mutation, what stands in place of the node)."""

_MARK = "mutant_place"


@dataclass(frozen=True, slots=True)
class Known:
    """What the changes look up: tables by name, with the columns of each; table of each column."""

    tables: Mapping[str, tuple[str, ...]]
    owner: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Mutant:
    """A changed statement."""

    kind: str
    text: str


def known_names(catalog: FixedCatalog) -> Known:
    """The tables of a catalog; TPC-DS calls no two columns of different tables the same."""
    tables = {
        name: tuple(column.name for column in table.columns)
        for name, table in catalog.tables.items()
        if not name.endswith(TWIN)
    }
    return Known(tables, {column: table for table, columns in tables.items() for column in columns})


def mutants(tree: exp.Expr, known: Known, random: Random, *, per_kind: int) -> Iterator[Mutant]:
    """Mutants of a statement, at most ``per_kind`` of each kind of change, places drawn at random."""
    left_out = unchangeable(tree, known)
    found: dict[str, list[tuple[exp.Expr, exp.Expr]]] = {}
    for node in list(tree.walk()):
        if id(node) not in left_out and node.parent is not None:
            for change in CHANGES:
                for kind, replacement in change(node, known):
                    found.setdefault(kind, []).append((node, replacement))
    for kind, places in sorted(found.items()):
        for node, replacement in random.sample(places, min(per_kind, len(places))):
            node.replace(replacement)
            text = tree.sql("duckdb")
            replacement.replace(node)
            yield Mutant(kind, text)


def unchangeable(tree: exp.Expr, known: Known) -> set[int]:
    """Nodes whose change can't matter to the statement's rows.

    1. SELECT items that the rest of the statement never names, found by sqlglot's own projection
       pushdown: ``WITH q AS (SELECT a, b ...) SELECT a FROM q`` has the same rows whatever ``b`` is.
    2. SELECT items of EXISTS, which looks at rows only.
    3. ORDER BY of a query that is neither the statement nor limited.
    4. CTEs that nobody names.
    """
    places: list[exp.Expr] = [*_unused_items(tree, known)]
    for select in tree.find_all(exp.Select):
        around = select.parent
        while isinstance(around, exp.Subquery):
            around = around.parent
        if isinstance(around, exp.Exists):
            places += select.expressions
        if select is not tree and select.args.get("order") and not select.args.get("limit"):
            places.append(select.args["order"])
    named = {table.name for table in tree.find_all(exp.Table)}
    places += [cte for cte in tree.find_all(exp.CTE) if cte.alias not in named]
    return {id(node) for place in places for node in place.walk()}


def _unused_items(tree: exp.Expr, known: Known) -> list[exp.Expr]:
    items = [item for select in tree.find_all(exp.Select) for item in select.expressions]
    for number, item in enumerate(items):
        for node in item.walk():
            node.meta[_MARK] = number
    schema: dict[str, object] = {
        table: dict.fromkeys(columns, "INT") for table, columns in known.tables.items()
    }
    schema |= {table + TWIN: columns for table, columns in schema.items()}
    pruned = pushdown_projections(qualify(tree.copy(), schema=schema, dialect="duckdb"))
    kept = {node.meta.get(_MARK) for node in pruned.walk()}
    for node in tree.walk():
        node.meta.pop(_MARK, None)
    return [item for number, item in enumerate(items) if number not in kept]


def _with(node: exp.Expr, **args: object) -> exp.Expr:
    copy = node.copy()
    for key, value in args.items():
        copy.set(key, value)
    return copy


def _as(node: exp.Expr, kind: type[exp.Expr]) -> exp.Expr:
    return kind(this=node.this.copy(), expression=node.expression.copy())


_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)


def _comparison(node: exp.Expr, known: Known) -> Iterator[tuple[str, exp.Expr]]:
    if isinstance(node, _COMPARISONS):
        for other in _COMPARISONS:
            if type(node) is not other:
                yield "comparison operator", _as(node, other)
        yield "comparison negated", exp.Not(this=exp.Paren(this=node.copy()))
        if not isinstance(node, exp.EQ | exp.NEQ) and node.this != node.expression:
            yield (
                "sides of a comparison",
                type(node)(this=node.expression.copy(), expression=node.this.copy()),
            )


def _arithmetic(node: exp.Expr, known: Known) -> Iterator[tuple[str, exp.Expr]]:
    others: dict[type[exp.Expr], type[exp.Expr]] = {
        exp.Add: exp.Sub,
        exp.Sub: exp.Add,
        exp.Mul: exp.Div,
        exp.Div: exp.Mul,
    }
    other = others.get(type(node))
    if other is not None:
        yield "arithmetic operator", _as(node, other)
    simple = not isinstance(node.this, exp.Binary) and not isinstance(node.expression, exp.Binary)
    if isinstance(node, exp.Sub | exp.Div) and simple and node.this != node.expression:
        yield "sides of - or /", type(node)(this=node.expression.copy(), expression=node.this.copy())


def _literal(node: exp.Expr, known: Known) -> Iterator[tuple[str, exp.Expr]]:
    if not isinstance(node, exp.Literal) or isinstance(node.parent, exp.DataTypeParam):
        return
    if isinstance(node.parent, exp.Limit | exp.Offset):
        yield "LIMIT", exp.Literal.number(int(node.this) + 1)
    elif not isinstance(node.parent, exp.Ordered | exp.Group):
        if not node.is_string:
            yield "number", exp.Literal.number(str(node.this) + "7")
        elif not isinstance(node.parent, exp.Interval):
            yield "string", exp.Literal.string(node.this + "x")


def _table(node: exp.Expr, known: Known) -> Iterator[tuple[str, exp.Expr]]:
    if isinstance(node, exp.Table) and node.name in known.tables and not _shadowed(node):
        alias = node.args.get("alias") or exp.TableAlias(this=exp.to_identifier(node.name))
        yield (
            "table of the same columns",
            _with(node, this=exp.to_identifier(node.name + TWIN), alias=alias.copy()),
        )


def _shadowed(node: exp.Expr) -> bool:
    return any(cte.alias == node.name for cte in node.root().find_all(exp.CTE))


def _column(node: exp.Expr, known: Known) -> Iterator[tuple[str, exp.Expr]]:
    """Another column of the same table: in outputs, conditions, keys, and where a subquery is correlated."""
    table = known.owner.get(node.name) if isinstance(node, exp.Column) else None
    if table is not None:
        names = known.tables[table]
        other = names[(names.index(node.name) + 1) % len(names)]
        kind = "correlation or condition" if node.find_ancestor(exp.Where) else "column"
        yield f"{kind} of the same table", _with(node, this=exp.to_identifier(other))


def _crossed(node: exp.Expr, known: Known) -> Iterator[tuple[str, exp.Expr]]:
    """The same column of another FROM item that has it, as in a self-join."""
    if not isinstance(node, exp.Column) or not node.table:
        return
    select = node.find_ancestor(exp.Select)
    if select is None or select.args.get("from_") is None:
        return
    sources = [select.args["from_"].this, *(join.this for join in select.args.get("joins") or [])]
    mine = [source for source in sources if source.alias_or_name == node.table]
    for source in sources:
        same = mine and isinstance(source, exp.Table) and isinstance(mine[0], exp.Table)
        if same and source.name == mine[0].name and source is not mine[0]:
            yield "columns of a self-join crossed", _with(node, table=exp.to_identifier(source.alias_or_name))


def _logic(node: exp.Expr, known: Known) -> Iterator[tuple[str, exp.Expr]]:
    if isinstance(node, exp.And | exp.Or):
        other = exp.Or if isinstance(node, exp.And) else exp.And
        if not isinstance(node.parent, exp.And | exp.Or) or type(node.parent) is not other:
            yield "AND for OR", exp.Paren(this=_as(node, other))
        texts = [part.sql() for part in node.root().find_all(exp.Predicate)]
        for kept, dropped in ((node.this, node.expression), (node.expression, node.this)):
            if texts.count(dropped.sql()) <= 1:
                yield "conjunct dropped", kept.copy()
    if isinstance(node, exp.Not):
        yield "NOT dropped", node.this.copy()
    if isinstance(node, exp.In | exp.Between | exp.Like | exp.Exists) and not isinstance(
        node.parent, exp.Not
    ):
        yield f"{node.key.upper()} negated", exp.Not(this=node.copy())
    if isinstance(node, exp.Like):
        yield "ILIKE for LIKE", _as(node, exp.ILike)
    if isinstance(node, exp.Is) and not isinstance(node.parent, exp.Not):
        yield "IS NULL negated", exp.Not(this=node.copy())
    if isinstance(node, exp.In) and node.expressions and node.expressions[0] not in node.expressions[1:]:
        yield "member of IN dropped", _with(node, expressions=[m.copy() for m in node.expressions[1:]])
    if isinstance(node, exp.In) and node.args.get("query"):
        subquery = node.args["query"].copy()
        negated = exp.NEQ(this=node.this.copy(), expression=exp.All(this=subquery))
        yield "<> ALL for IN", negated


def _select(node: exp.Expr, known: Known) -> Iterator[tuple[str, exp.Expr]]:
    if not isinstance(node, exp.Select):
        return
    if node.args.get("distinct"):
        yield "DISTINCT dropped", _with(node, distinct=None)
    elif not node.args.get("order"):
        yield "DISTINCT added", _with(node, distinct=exp.Distinct())
    if node.args.get("limit"):
        yield "OFFSET added", _with(node, offset=exp.Offset(expression=exp.Literal.number(1)))
        yield "LIMIT dropped", _with(node, limit=None)
        yield (
            "LIMIT in percent",
            _with(
                node,
                limit=exp.Limit(
                    expression=exp.Literal.number(100), limit_options=exp.LimitOptions(percent=True)
                ),
            ),
        )
    for clause in ("where", "having", "qualify"):
        if node.args.get(clause):
            yield f"{clause.upper()} dropped", _with(node, **{clause: None})


def _set_operation(node: exp.Expr, known: Known) -> Iterator[tuple[str, exp.Expr]]:
    if not isinstance(node, exp.SetOperation):
        return
    yield "ALL for DISTINCT", _with(node, distinct=not node.args.get("distinct"))
    for other in (exp.Union, exp.Except, exp.Intersect):
        if type(node) is not other:
            yield "set operation", other(**{key: _copied(value) for key, value in node.args.items()})
    if isinstance(node, exp.Except) and not node.args.get("with_"):
        yield "operands of EXCEPT", _with(node, this=node.expression.copy(), expression=node.this.copy())


def _copied(value: object) -> object:
    return value.copy() if isinstance(value, exp.Expr) else value


def _order(node: exp.Expr, known: Known) -> Iterator[tuple[str, exp.Expr]]:
    if isinstance(node, exp.Ordered):
        yield "ASC for DESC", _with(node, desc=not node.args.get("desc"))
        yield "NULLS FIRST for LAST", _with(node, nulls_first=not node.args.get("nulls_first"))
    if isinstance(node, exp.Order) and len(node.expressions) > 1:
        keys = [key.copy() for key in node.expressions]
        if keys[0].sql() != keys[1].sql():
            yield "ORDER BY keys swapped", _with(node, expressions=[keys[1], keys[0], *keys[2:]])
        if keys[-1].this not in [key.this for key in keys[:-1]]:
            yield "ORDER BY key dropped", _with(node, expressions=keys[:-1])


def _group(node: exp.Expr, known: Known) -> Iterator[tuple[str, exp.Expr]]:
    if isinstance(node, exp.Rollup):
        keys = [key.copy() for key in node.expressions]
        yield "CUBE for ROLLUP", exp.Cube(expressions=keys)
        if len(keys) > 1:
            yield "ROLLUP keys swapped", exp.Rollup(expressions=[*keys[1:], keys[0]])
    if not isinstance(node, exp.Group) or node.args.get("all"):
        return
    keys = [key.copy() for key in node.expressions]
    texts = [key.sql() for key in keys]
    if len(keys) > 1 and texts.count(texts[-1]) == 1:
        yield "grouping key dropped", _with(node, expressions=keys[:-1])
    if keys and not any(isinstance(key, exp.Rollup | exp.Cube | exp.GroupingSets) for key in keys):
        yield "ROLLUP for plain keys", _with(node, expressions=[exp.Rollup(expressions=keys)])
    if any(isinstance(key, exp.Rollup) for key in keys):
        flat = [part for key in keys for part in (key.expressions if isinstance(key, exp.Rollup) else [key])]
        yield "plain keys for ROLLUP", _with(node, expressions=[part.copy() for part in flat])
    used = {part.name for key in keys for part in key.find_all(exp.Column)}
    select = node.parent
    for column in select.find_all(exp.Column) if select is not None else ():
        if (
            column.name in known.owner
            and column.name not in used
            and column.find_ancestor(exp.Select) is select
        ):
            yield "grouping key added", _with(node, expressions=[*keys, column.copy()])
            return


def _aggregate(node: exp.Expr, known: Known) -> Iterator[tuple[str, exp.Expr]]:
    calls = (exp.Sum, exp.Avg, exp.Min, exp.Max, exp.StddevSamp)
    if isinstance(node, calls):
        for other in calls:
            if type(node) is not other:
                yield "aggregate function", other(this=node.this.copy())
    if isinstance(node, exp.Sum | exp.Avg | exp.Count) and not isinstance(node.this, exp.Star):
        if isinstance(node.this, exp.Distinct):
            yield "DISTINCT of an aggregate", _with(node, this=node.this.expressions[0].copy())
        elif node.this is not None:
            yield "DISTINCT of an aggregate", _with(node, this=exp.Distinct(expressions=[node.this.copy()]))
    plain = isinstance(node, exp.AggFunc) and not isinstance(node, exp.Grouping) and node.this is not None
    if plain and not isinstance(node.parent, exp.Window | exp.Filter):
        condition = exp.Where(this=exp.GT(this=exp.Literal.number(1), expression=exp.Literal.number(0)))
        yield "FILTER added", exp.Filter(this=node.copy(), expression=condition)
    if isinstance(node, exp.Filter):
        yield "FILTER dropped", node.this.copy()


def _join(node: exp.Expr, known: Known) -> Iterator[tuple[str, exp.Expr]]:
    if not isinstance(node, exp.Join) or not node.args.get("on"):
        return
    side = str(node.args.get("side") or "").upper()
    for other in ("", "LEFT", "RIGHT", "FULL"):
        if side != other:
            yield "side of a join", _with(node, side=other or None, kind=None)
    for kind in ("SEMI", "ANTI"):
        yield "kind of join", _with(node, side=None, kind=kind)
    yield "CROSS JOIN", _with(node, side=None, kind="CROSS", on=None)


def _case(node: exp.Expr, known: Known) -> Iterator[tuple[str, exp.Expr]]:
    if isinstance(node, exp.Case):
        first, default = node.args["ifs"][0], node.args.get("default")
        result = first.args["true"]
        if default is not None and default != result:
            changed = _with(first, true=default.copy())
            ifs = [changed, *(part.copy() for part in node.args["ifs"][1:])]
            yield "CASE branches swapped", _with(node, ifs=ifs, default=result.copy())
            yield "ELSE dropped", _with(node, default=None)


def _cast(node: exp.Expr, known: Known) -> Iterator[tuple[str, exp.Expr]]:
    if isinstance(node, exp.Cast):
        names = ("DATE", "TIMESTAMP", "DOUBLE", "DECIMAL(15, 4)", "INT", "BIGINT")
        for name in names:
            if exp.DataType.build(name, dialect="duckdb") != node.to:
                yield "type of a cast", _with(node, to=exp.DataType.build(name, dialect="duckdb"))
        yield "TRY_CAST for CAST", exp.TryCast(this=node.this.copy(), to=node.to.copy())


def _function(node: exp.Expr, known: Known) -> Iterator[tuple[str, exp.Expr]]:
    if isinstance(
        node, exp.Coalesce | exp.Substring | exp.Upper | exp.Lower | exp.Abs | exp.Round | exp.Concat
    ):
        arguments = [value.copy() for value in node.args.values() if isinstance(value, exp.Expr)]
        arguments += [part.copy() for part in node.expressions]
        yield "scalar function", exp.Anonymous(this="nullif", expressions=arguments)
        if len(arguments) > 1 and arguments[0] != arguments[1]:
            swapped = [arguments[1], arguments[0], *arguments[2:]]
            yield "arguments of a function", exp.Anonymous(this=node.sql_name(), expressions=swapped)
    if isinstance(node, exp.Interval) and isinstance(node.args.get("unit"), exp.Var):
        for unit in ("DAY", "MONTH", "YEAR"):
            if node.args["unit"].name.rstrip("S") != unit:
                yield "unit of an interval", _with(node, unit=exp.Var(this=unit))


def _window(node: exp.Expr, known: Known) -> Iterator[tuple[str, exp.Expr]]:
    if not isinstance(node, exp.Window):
        return
    partition, order = node.args.get("partition_by"), node.args.get("order")
    if partition:
        yield "PARTITION BY key dropped", _with(node, partition_by=[part.copy() for part in partition[1:]])
    if order:
        spec = node.args.get("spec")
        for kind, start in (("ROWS", "UNBOUNDED"), ("ROWS", "CURRENT ROW"), ("GROUPS", "UNBOUNDED")):
            changed = exp.WindowSpec(kind=kind, start=start, start_side="PRECEDING", end="CURRENT ROW")
            if start == "CURRENT ROW":
                changed.set("start_side", None)
            if spec is None or spec.sql().upper() != changed.sql().upper():
                yield "frame of a window", _with(node, spec=changed)
    if isinstance(node.this, exp.Sum | exp.Avg):
        other = exp.Avg if isinstance(node.this, exp.Sum) else exp.Sum
        yield "window function", _with(node, this=other(this=node.this.this.copy()))


CHANGES: tuple[Change, ...] = (
    _comparison,
    _arithmetic,
    _literal,
    _table,
    _column,
    _crossed,
    _logic,
    _select,
    _set_operation,
    _order,
    _group,
    _aggregate,
    _join,
    _case,
    _cast,
    _function,
    _window,
)
