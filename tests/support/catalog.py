"""Names of a DuckDB database as the binder wants them, without the engine's wrapper around them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import duckdb
from hypothesis.vendor.pretty import RepresentationPrinter

from signatures.catalog import (
    ColumnFacts,
    FunctionFacts,
    FunctionKind,
    Stability,
    TableFacts,
    ViewFacts,
)
from signatures.model import InputIdentity

TWIN = "_twin"
"""What the name of a table with the same columns as another one ends with."""

_KINDS = {kind.value: kind for kind in FunctionKind}
_STABILITIES = {
    "VOLATILE": Stability.VOLATILE,
    "CONSISTENT_WITHIN_QUERY": Stability.WITHIN_QUERY,
}
_VIEW_TEXT = re.compile(r"\bAS\b\s*(.*?);?\s*$", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True, repr=False)
class FixedCatalog:
    """A snapshot of names in one schema ``db.main``, put together by a test.

    It holds plain values only, so that it can be handed to other processes.
    """

    tables: Mapping[str, TableFacts] = field(default_factory=dict)
    views: Mapping[str, ViewFacts] = field(default_factory=dict)
    functions: Mapping[str, FunctionFacts] = field(default_factory=dict)
    files: Mapping[str, tuple[ColumnFacts, ...]] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"FixedCatalog({', '.join((*self.tables, *self.views))})"

    def _repr_pretty_(self, printer: RepresentationPrinter, cycle: bool) -> None:
        """Hypothesis would print every function of the engine."""
        printer.text(repr(self))

    def relation(self, parts: tuple[str, ...]) -> TableFacts | ViewFacts | None:
        """A table or a view by its name, with or without schema and database."""
        *qualifiers, name = (part.lower() for part in parts)
        if tuple(qualifiers) not in ((), ("main",), ("db",), ("db", "main")):
            return None
        return self.tables.get(name) or self.views.get(name)

    def function(self, name: str) -> FunctionFacts | None:
        """Facts of a function or macro."""
        return self.functions.get(name.lower())

    def source_columns(self, text: str) -> tuple[ColumnFacts, ...] | None:
        """Columns of files that the test has named."""
        return self.files.get(text)

    def with_twins(self) -> FixedCatalog:
        """The same with a second table of the same columns beside each table."""
        twins = {
            name + TWIN: replace(table, name=name + TWIN, identity=_identity(name + TWIN))
            for name, table in self.tables.items()
        }
        return replace(self, tables={**self.tables, **twins})

    def with_view(self, name: str, query: str, columns: Iterable[str]) -> FixedCatalog:
        """The same with one more view, of columns whose types nobody asks for."""
        view = ViewFacts(
            catalog="db",
            schema="main",
            name=name,
            query=query,
            columns=tuple(ColumnFacts(name=column, type="") for column in columns),
        )
        return replace(self, views={**self.views, name.lower(): view})


def _identity(name: str) -> InputIdentity:
    return InputIdentity(f"table:db#main.{name}")


def catalog_of(connection: duckdb.DuckDBPyConnection) -> FixedCatalog:
    """Read the names of a database; tables, views and functions of its own and the engine's."""
    columns: dict[str, list[ColumnFacts]] = {}
    for table, column, data_type in connection.execute(
        "SELECT table_name, column_name, data_type FROM duckdb_columns() "
        "WHERE NOT internal ORDER BY table_name, column_index"
    ).fetchall():
        columns.setdefault(table, []).append(ColumnFacts(name=column, type=data_type))
    tables = {
        name.lower(): TableFacts(
            identity=_identity(name),
            catalog="db",
            schema="main",
            name=name,
            columns=tuple(columns[name]),
            temporary=temporary,
        )
        for name, temporary in connection.execute(
            "SELECT table_name, temporary FROM duckdb_tables() WHERE NOT internal"
        ).fetchall()
    }
    views = {
        name.lower(): ViewFacts(
            catalog="db", schema="main", name=name, query=_select(sql), columns=tuple(columns[name])
        )
        for name, sql in connection.execute(
            "SELECT view_name, sql FROM duckdb_views() WHERE NOT internal"
        ).fetchall()
    }
    return FixedCatalog(tables=tables, views=views, functions=_functions(connection))


def _select(sql: str) -> str:
    found = _VIEW_TEXT.search(sql)
    assert found is not None, sql
    return found[1]


def _functions(connection: duckdb.DuckDBPyConnection) -> dict[str, FunctionFacts]:
    """The worst of the overloads of each name; a macro of the program hides what it is named after."""
    found: dict[str, FunctionFacts] = {}
    for name, kind, stability, parameters, definition, internal in connection.execute(
        "SELECT lower(function_name), function_type, stability, parameters, macro_definition, internal "
        "FROM duckdb_functions() ORDER BY internal DESC, function_name, function_type, stability"
    ).fetchall():
        if kind not in _KINDS:
            continue
        facts = FunctionFacts(
            name=name,
            kind=_KINDS[kind],
            stability=_STABILITIES.get(stability, Stability.CONSISTENT),
            parameters=tuple(str(parameter) for parameter in parameters or ()) if definition else (),
            definition=definition,
        )
        known = found.get(name)
        if known is None or not internal or _worse(facts, known):
            found[name] = facts
    return found


def _worse(new: FunctionFacts, known: FunctionFacts) -> bool:
    order = [Stability.CONSISTENT, Stability.WITHIN_QUERY, Stability.VOLATILE]
    if (new.kind is FunctionKind.AGGREGATE) != (known.kind is FunctionKind.AGGREGATE):
        return new.kind is FunctionKind.AGGREGATE
    return order.index(new.stability) > order.index(known.stability)
