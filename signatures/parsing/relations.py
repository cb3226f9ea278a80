"""Binds the items of a FROM clause: tables, views, CTEs, derived tables, table functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlglot import exp

from signatures import eligibility
from signatures.catalog import TableFacts, ViewFacts
from signatures.eligibility import NotUnderstood
from signatures.expressions import ColumnRef, Expression, Literal
from signatures.model import InputIdentity
from signatures.parsing.context import Context
from signatures.parsing.functions import FunctionNames
from signatures.parsing.scopes import NamedColumn, Scope, Source
from signatures.parsing.statement import parse, tokens_of
from signatures.plan import (
    BoundQuery,
    Opaque,
    Output,
    Plan,
    Project,
    Sample,
    Scan,
    TableFunction,
    ValuesList,
    visible,
)
from signatures.rebuilding import clone

Ctes = dict[str, "BoundQuery | NotUnderstood"]
BindQuery = Callable[[exp.Expr, "Scope | None", str, Ctes], BoundQuery]
BindExpression = Callable[[exp.Expr, Scope, Ctes], Expression]

_TABLE_ARGS = frozenset({"this", "db", "catalog", "alias", "sample", "joins"})
_FILE_FORMATS = {
    "parquet": "parquet",
    "csv": "csv",
    "tsv": "csv",
    "json": "json",
    "jsonl": "json",
    "ndjson": "json",
}
_FILE_FUNCTIONS = {
    "read_parquet": "parquet",
    "parquet_scan": "parquet",
    "read_csv": "csv",
    "read_csv_auto": "csv",
    "read_json": "json",
    "read_json_auto": "json",
    "read_ndjson": "ndjson",
    "read_ndjson_auto": "ndjson",
}
_PURE_FUNCTIONS = frozenset({"range", "generate_series", "unnest"})


@dataclass(frozen=True, slots=True)
class Bound:
    """A FROM item after binding."""

    plan: Plan
    source: Source


@dataclass(frozen=True, slots=True)
class RelationBinder:
    """Binds single FROM items; joins between them are the block binder's."""

    context: Context
    functions: FunctionNames
    bind_query: BindQuery
    bind_expression: BindExpression

    def bind(self, node: exp.Expr, lateral: Scope, ctes: Ctes) -> Bound:
        """The plan and the named columns of one item; ``lateral`` is what stands to its left.

        Raises:
            NotUnderstood: where the item is of a form or a name that isn't known.
        """
        match node:
            case exp.Table():
                bound = self._table(node, lateral, ctes)
            case exp.Subquery():
                bound = self._derived(node, lateral, ctes)
            case exp.Lateral():
                if not isinstance(node.this, exp.Subquery | exp.Unnest) or node.args.get("outer"):
                    raise NotUnderstood("LATERAL over something else than a query")
                inner = node.this.copy() if isinstance(node.this, exp.Unnest) else node.this
                bound = self.bind(inner, lateral, ctes)
                bound = Bound(bound.plan, _aliased(bound.source, node.args.get("alias")))
            case exp.Unnest():
                bound = self._unnest(node, lateral, ctes)
            case exp.Values():
                bound = self._values(node, lateral, ctes)
            case _:
                raise NotUnderstood(f"{node.key} in FROM")
        return self._sampled(node, bound)

    def _sampled(self, node: exp.Expr, bound: Bound) -> Bound:
        sample = node.args.get("sample")
        if sample is None:
            return bound
        return Bound(sample_of(bound.plan, sample), bound.source)

    def _table(self, node: exp.Table, lateral: Scope, ctes: Ctes) -> Bound:
        unexpected = [key for key, value in node.args.items() if value and key not in _TABLE_ARGS]
        if unexpected:
            raise NotUnderstood(f"table with {unexpected[0]}")
        if isinstance(node.this, exp.Func):
            return self._function(node, node.this, lateral, ctes)
        identifiers = [node.args.get("catalog"), node.args.get("db"), node.this]
        parts = tuple(part.name for part in identifiers if part is not None)
        if not all(isinstance(part, exp.Identifier) for part in identifiers if part is not None):
            raise NotUnderstood("table name")
        alias = node.args.get("alias")
        name = parts[-1].lower()
        if len(parts) == 1 and name in ctes:
            found = ctes[name]
            if isinstance(found, NotUnderstood):
                raise found
            query = clone(found, self.context.relation)
            return Bound(query.plan, _aliased(_query_source(name, query), alias))
        return self._named(parts, name, alias)

    def _named(self, parts: tuple[str, ...], name: str, alias: exp.Expr | None) -> Bound:
        facts = self._look_up(parts)
        if isinstance(facts, TableFacts):
            hazards = (eligibility.temporary_object(facts.name),) if facts.temporary else ()
            plan: Plan = Scan(self.context.relation(), facts.identity, facts.name.lower(), hazards)
            columns = tuple(
                NamedColumn(column.name.lower(), column.name, ColumnRef(_number(plan), column.name.lower()))
                for column in facts.columns
            )
            if len({column.name for column in columns}) < len(columns):
                raise NotUnderstood(f"columns of {name} that differ in the case of letters such as É")
            qualifiers = (facts.catalog.lower(), facts.schema.lower(), name)
            return Bound(plan, _aliased(Source(name, columns, qualifiers), alias))
        if isinstance(facts, ViewFacts):
            return self._view(facts, name, alias)
        extension = parts[-1].rsplit(".", 1)[-1].lower() if "." in parts[-1] else ""
        if len(parts) == 1 and extension in _FILE_FORMATS:
            text = "'" + parts[-1].replace("'", "''") + "'"
            return self._files(_FILE_FORMATS[extension], text, (parts[-1],), (), alias)
        self.context.unresolved.append(".".join(parts))
        raise NotUnderstood(eligibility.unknown_input(".".join(parts)))

    def _look_up(self, parts: tuple[str, ...]) -> TableFacts | ViewFacts | None:
        here = self.context.catalog.relation(parts)
        if self.context.view_home is None or len(parts) > 1:
            return here
        home = self.context.catalog.relation((*self.context.view_home, parts[-1]))
        if home is not None and here is not None and home != here:
            raise NotUnderstood(f"table {parts[-1]} inside a view could be one of two")
        return home or here

    def _view(self, facts: ViewFacts, name: str, alias: exp.Expr | None) -> Bound:
        """A view of the engine's own stands for its text, bound where it was made."""
        context = self.context
        if context.view_depth > 16:
            raise NotUnderstood("views nested more than 16 deep")
        saved = (context.text, context.recording, context.view_home)
        try:
            tree = parse(facts.query, tokens_of(facts.query, context.dialect), context.dialect)
        except NotUnderstood:
            raise NotUnderstood(f"the text of view {facts.name}") from None
        context.text, context.recording = facts.query, False
        context.view_home = (facts.catalog, facts.schema)
        context.view_depth += 1
        try:
            query = self.bind_query(tree, None, "view", {})
        finally:
            context.text, context.recording, context.view_home = saved
            context.view_depth -= 1
        if len(query.outputs) != len(facts.columns):
            raise NotUnderstood(f"columns of view {facts.name}")
        columns = tuple(
            NamedColumn(column.name.lower(), column.name, output.expression)
            for column, output in zip(facts.columns, query.outputs, strict=True)
        )
        qualifiers = (facts.catalog.lower(), facts.schema.lower(), name)
        return Bound(query.plan, _aliased(Source(name, columns, qualifiers), alias))

    def _derived(self, node: exp.Subquery, lateral: Scope, ctes: Ctes) -> Bound:
        inner = node.this
        alias = node.args.get("alias")
        if any(node.args.get(key) for key in ("pivots", "order", "limit", "offset", "with_")):
            raise NotUnderstood("a parenthesized query with clauses of its own")
        if not isinstance(inner, exp.Query):
            raise NotUnderstood("parentheses in FROM")
        query = self.bind_query(inner, lateral, "derived_table", ctes)
        return Bound(query.plan, _aliased(_query_source("", query), alias))

    def _function(self, table: exp.Table, node: exp.Func, lateral: Scope, ctes: Ctes) -> Bound:
        name = _function_name(node, self.context.text)
        if node.find(exp.Lambda):
            raise NotUnderstood("a table function over a lambda")
        arguments, options = self._arguments(node, lateral, ctes)
        alias = table.args.get("alias")
        first = arguments[0] if arguments else None
        reads = self.context.view_reads
        if name == "read_parquet" and isinstance(first, Literal) and first.text in reads:
            query = clone(reads[first.text], self.context.relation)
            return Bound(query.plan, _aliased(_query_source("", query), alias))
        if name in _FILE_FUNCTIONS:
            if len(arguments) != 1:
                raise NotUnderstood(f"{name} with several arguments without a name")
            text = call_text(self.context.text, node.meta.get("start"))
            return self._files(_FILE_FUNCTIONS[name], text, _paths(node), options, alias)
        relation = self.context.relation()
        if name not in _PURE_FUNCTIONS:
            facts = self.functions.look_up(name)
            hazards = facts.hazards or (eligibility.not_understood(f"table function {name}"),)
            raise NotUnderstood(hazards[0])
        plan = TableFunction(relation, name, arguments, options)
        named = NamedColumn(name, name, ColumnRef(relation, "o0"))
        return Bound(plan, _aliased(Source(name, (named,)), alias))

    def _files(
        self,
        file_format: str,
        text: str,
        paths: tuple[str, ...],
        options: tuple[tuple[str, str], ...],
        alias: exp.Expr | None,
    ) -> Bound:
        """Files are tables whose identity is their paths; the engine tells the columns."""
        found = self.context.catalog.source_columns(text)
        if found is None:
            raise NotUnderstood(f"a {file_format} file whose columns the engine does not tell")
        relation = self.context.relation()
        inputs = tuple(InputIdentity(f"files:{file_format}:{path}") for path in paths)
        plan = TableFunction(relation, f"read_{file_format}", (), options, inputs)
        columns = tuple(
            NamedColumn(column.name.lower(), column.name, ColumnRef(relation, column.name.lower()))
            for column in found
        )
        name = paths[0].rsplit("/", 1)[-1].rsplit(".", 1)[0].lower()
        return Bound(plan, _aliased(Source(name, columns), alias))

    def _arguments(
        self, node: exp.Func, lateral: Scope, ctes: Ctes
    ) -> tuple[tuple[Expression, ...], tuple[tuple[str, str], ...]]:
        arguments: list[Expression] = []
        options: list[tuple[str, str]] = []
        for key, value in node.args.items():
            if value is None or value is False or (isinstance(node, exp.Anonymous) and key == "this"):
                continue
            for part in value if isinstance(value, list) else [value]:
                if (option := _option(part)) is not None:
                    setting = self.bind_expression(option[1], lateral, ctes)
                    options.append((option[0], repr(setting)))
                elif isinstance(part, exp.Expr):
                    options.append(("shape", key))
                    arguments.append(self.bind_expression(part, lateral, ctes))
                else:
                    options.append((key, str(part)))
        return tuple(arguments), tuple(options)

    def _unnest(self, node: exp.Unnest, lateral: Scope, ctes: Ctes) -> Bound:
        if node.args.get("offset") or len(node.expressions) != 1:
            raise NotUnderstood("UNNEST with an offset or several lists")
        argument = self.bind_expression(node.expressions[0], lateral, ctes)
        relation = self.context.relation()
        named = NamedColumn("unnest", "unnest", ColumnRef(relation, "o0"))
        plan = TableFunction(relation, "unnest", (argument,))
        return Bound(plan, _aliased(Source("unnest", (named,)), node.args.get("alias")))

    def _values(self, node: exp.Values, lateral: Scope, ctes: Ctes) -> Bound:
        rows = tuple(
            tuple(self.bind_expression(value, lateral, ctes) for value in _row(row))
            for row in node.expressions
        )
        relation = self.context.relation()
        columns = tuple(
            NamedColumn(f"col{index}", f"col{index}", ColumnRef(relation, f"o{index}"))
            for index in range(len(rows[0]))
        )
        return Bound(ValuesList(relation, rows), _aliased(Source("", columns), node.args.get("alias")))

    def null_side(self, plan: Plan, sources: list[Source]) -> tuple[Plan, list[Source]]:
        """Keep computed columns below an outer join that may fill them with NULLs.

        ``a LEFT JOIN (SELECT k, 1 AS one FROM b)``: ``one`` is NULL where no row of b matches, so it
        can't be replaced by ``1`` above the join.
        """
        seen = set(visible(plan))
        columns = [column for source in sources for column in source.columns]
        if all(isinstance(c.expression, ColumnRef) and c.expression.relation in seen for c in columns):
            return plan, sources
        relation = self.context.relation()
        numbers = iter(range(len(columns)))
        moved = [
            replace(
                source,
                columns=tuple(
                    replace(column, expression=ColumnRef(relation, f"o{next(numbers)}"))
                    for column in source.columns
                ),
            )
            for source in sources
        ]
        return Project(relation, plan, tuple(column.expression for column in columns)), moved


def opaque_query(context: Context, names: tuple[str, ...], reason: NotUnderstood) -> BoundQuery:
    """A query of known column names whose rows are not understood."""
    relation = context.relation()
    outputs = tuple(Output(name, ColumnRef(relation, f"o{index}")) for index, name in enumerate(names))
    return BoundQuery(Opaque(relation, (reason.reason,)), outputs)


def sample_of(plan: Plan, node: exp.Expr) -> Plan:
    """A sample is the same only for the same statement, and only with a seed."""
    options = []
    for key, value in node.args.items():
        if value is not None and value is not False:
            text = value.name if isinstance(value, exp.Expr) else str(value)
            options.append((key, text.lower()))
    hazards = () if isinstance(node.args.get("seed"), exp.Literal) else (eligibility.unseeded_sample(),)
    return Sample(plan, tuple(options), hazards)


def call_text(text: str, start: object) -> str:
    """The text of a function call that begins at an offset, up to its closing parenthesis."""
    if not isinstance(start, int):
        raise NotUnderstood("a table function without a place in the text")
    depth, quote = 0, ""
    for index in range(start, len(text)):
        letter = text[index]
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter == "(":
            depth += 1
        elif letter == ")":
            depth -= 1
            if depth == 0:
                return text[start : index + 1]
    raise NotUnderstood("a table function without an end")


def _paths(node: exp.Func) -> tuple[str, ...]:
    """Constant paths of a file function: one string or a list of strings."""
    first = node.this if not isinstance(node, exp.Anonymous) and node.this else None
    if first is None:
        first = node.expressions[0] if node.expressions else None
    members = first.expressions if isinstance(first, exp.Array) else [first]
    paths = [str(m.this) for m in members if isinstance(m, exp.Literal) and m.is_string]
    if not paths or len(paths) != len(members):
        raise NotUnderstood("files whose paths are not constants")
    return tuple(paths)


def _option(part: object) -> tuple[str, exp.Expr] | None:
    """Name and value of ``delim = ','``, ``delim := ','`` or ``delim => ','``; None for other arguments."""
    named = isinstance(part, exp.PropertyEQ | exp.Kwarg)
    if isinstance(part, exp.Binary) and (
        named or (type(part) is exp.EQ and isinstance(part.this, exp.Column))
    ):
        return part.this.name.lower(), part.expression
    return None


def _row(node: exp.Expr) -> list[exp.Expr]:
    return node.expressions if isinstance(node, exp.Tuple) else [node]


def _number(plan: Plan) -> int:
    return visible(plan)[0]


def _function_name(node: exp.Func, text: str) -> str:
    if isinstance(node, exp.Anonymous):
        return str(node.this).lower()
    start, end = node.meta.get("start"), node.meta.get("end")
    if isinstance(start, int) and isinstance(end, int):
        return text[start : end + 1].lower()
    return node.key


def _query_source(alias: str, query: BoundQuery) -> Source:
    columns = tuple(
        NamedColumn(output.name.lower(), output.name, output.expression) for output in query.outputs
    )
    return Source(alias, columns)


def _aliased(source: Source, node: exp.Expr | None) -> Source:
    """Give a source the alias and the column names of ``AS t(a, b)``."""
    if node is None:
        return source
    name = node.name.lower() or source.alias
    given = [column.name for column in node.args.get("columns") or []]
    if len(given) > len(source.columns):
        raise NotUnderstood(f"{len(given)} column names for {len(source.columns)} columns")
    columns = tuple(
        replace(column, name=given[index].lower(), display=given[index]) if index < len(given) else column
        for index, column in enumerate(source.columns)
    )
    return Source(name, columns, () if node.name else source.qualifiers)
