"""What names mean on one DuckDB connection: a snapshot of tables, views, functions and the search path."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import duckdb

from optimizer_plugin.engines.duckdb.databases import Database
from signatures.catalog import ColumnFacts, FunctionFacts, TableFacts, ViewFacts

TABLES_QUERY = (
    "SELECT database_name, schema_name, table_name, sql FROM duckdb_tables() WHERE NOT internal ORDER BY ALL"
)
VIEWS_QUERY = (
    "SELECT database_name, schema_name, view_name, sql FROM duckdb_views() WHERE NOT internal ORDER BY ALL"
)
COLUMNS_QUERY = (
    "SELECT database_name, schema_name, table_name, column_name, data_type FROM duckdb_columns() "
    "WHERE NOT internal ORDER BY database_name, schema_name, table_name, column_index"
)
SCHEMAS_QUERY = "SELECT DISTINCT database_name, schema_name FROM duckdb_schemas() ORDER BY ALL"
PATH_QUERY = "SELECT current_database(), current_schema(), current_setting('search_path')"

_DEFAULT_SCHEMA = "main"
_TEMPORARY = "temp"
_COLLATE = re.compile(r"\bcollate\b", re.IGNORECASE)
_PATH_PART = re.compile(r'\s*("(?:[^"]|"")*"|[^",.]+)\s*([.,]|$)')

Name = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The contents of a snapshot; two of them are equal where every name means the same.

    ``relations`` holds None for what shadows other names but cannot be described: a table with a column
    of its own collation, of which DuckDB's catalog tells nothing but the CREATE statement.
    """

    relations: Mapping[Name, TableFacts | ViewFacts | None]
    schemas: frozenset[tuple[str, str]]
    search_path: tuple[tuple[str, str], ...]


NOTHING = Names(relations={}, schemas=frozenset(), search_path=())


class DuckDBCatalog:
    """A snapshot of the names that a connection sees; functions are read when first asked for."""

    def __init__(
        self,
        names: Names,
        functions: Callable[[], Mapping[str, FunctionFacts]],
        source_columns: Callable[[str], tuple[ColumnFacts, ...] | None],
    ) -> None:
        self.names = names
        self._functions = functions
        self._source_columns = source_columns

    def relation(self, parts: tuple[str, ...]) -> TableFacts | ViewFacts | None:
        """Resolve a name of one to three parts; None where nothing or more than one thing could be meant."""
        lowered = tuple(part.lower() for part in parts)
        match lowered:
            case (name,):
                return self._in_search_path(name)
            case (qualifier, name):
                return self._qualified(qualifier, name)
            case (catalog, schema, name):
                return self.names.relations.get((catalog, schema, name))
        return None

    def function(self, name: str) -> FunctionFacts | None:
        """Facts of a function or macro that an unqualified call of this name means."""
        return self._functions().get(name.lower())

    def source_columns(self, text: str) -> tuple[ColumnFacts, ...] | None:
        """Columns of ``SELECT * FROM <text>``, where text reads files; None where that fails."""
        return self._source_columns(text)

    def _in_search_path(self, name: str) -> TableFacts | ViewFacts | None:
        for catalog, schema in self.names.search_path:
            key = (catalog, schema, name)
            if key in self.names.relations:
                return self.names.relations[key]
        return None

    def _qualified(self, qualifier: str, name: str) -> TableFacts | ViewFacts | None:
        """``a.b``: the first part may be a schema or a database; DuckDB refuses what could be both."""
        path = self.names.search_path
        in_catalog = {(qualifier, schema) for catalog, schema in path if catalog == qualifier}
        in_catalog.add((qualifier, _DEFAULT_SCHEMA))
        in_schema = {place for place in path if place[1] == qualifier} | {(path[:2][-1][0], qualifier)}
        keys = {(catalog, schema, name) for catalog, schema in in_catalog | in_schema}
        found = [self.names.relations[key] for key in keys if key in self.names.relations]
        return found[0] if len(found) == 1 else None


def names_of(
    *,
    tables: Sequence[tuple[object, ...]],
    views: Sequence[tuple[object, ...]],
    columns: Sequence[tuple[object, ...]],
    schemas: Sequence[tuple[object, ...]],
    path: tuple[object, ...],
    attached: Sequence[Database],
) -> Names:
    """Build the contents of a snapshot from the rows of the queries above."""
    by_name = {database.name.lower(): database for database in attached}
    by_relation: dict[Name, list[ColumnFacts]] = {}
    for catalog, schema, table, column, data_type in columns:
        by_relation.setdefault(_key(catalog, schema, table), []).append(
            ColumnFacts(name=str(column), type=str(data_type))
        )
    relations: dict[Name, TableFacts | ViewFacts | None] = {}
    for catalog, schema, name, sql in tables:
        key = _key(catalog, schema, name)
        relations[key] = _table(
            (str(catalog), str(schema), str(name)), str(sql or ""), tuple(by_relation.get(key, ())), by_name
        )
    for catalog, schema, name, sql in views:
        key = _key(catalog, schema, name)
        relations[key] = _view(
            (str(catalog), str(schema), str(name)), str(sql or ""), tuple(by_relation.get(key, ()))
        )
    known = frozenset((str(catalog).lower(), str(schema).lower()) for catalog, schema in schemas)
    return Names(relations=relations, schemas=known, search_path=search_path(path, known))


def search_path(row: tuple[object, ...], schemas: frozenset[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Where DuckDB looks for an unqualified name, in order: temporary objects, the path, the default."""
    current_database, current_schema, setting = (str(value or "").lower() for value in row)
    found = [(_TEMPORARY, _DEFAULT_SCHEMA)]
    for entry in _path_entries(setting):
        match entry:
            case (catalog, schema):
                found.append((catalog, schema))
            case (only,) if (current_database, only) in schemas:
                # DuckDB resolves entries when they are set and leaves out the only database there is.
                found.append((current_database, only))
            case (only,):
                found.append((only, _DEFAULT_SCHEMA))
    if len(found) == 1:
        found.append((current_database, current_schema))
    found.append((current_database, _DEFAULT_SCHEMA))
    return tuple(dict.fromkeys(found))


def view_query(sql: str, columns: Sequence[ColumnFacts], name: str) -> str | None:
    """The SELECT inside a CREATE VIEW statement, cut out by DuckDB's own tokens; None where there is none.

    A list of column names, ``CREATE VIEW v(a, b) AS ...``, becomes the alias list of a derived table.
    """
    encoded = sql.encode()  # offsets of tokens count bytes
    depth = 0
    listed = False
    for start, _ in duckdb.tokenize(sql):
        rest = encoded[start:]
        if rest[:1] == b"(":
            depth, listed = depth + 1, True
        elif rest[:1] == b")":
            depth -= 1
        elif depth == 0 and re.match(rb"as\b", rest, re.IGNORECASE):
            query = rest[2:].decode().strip().removesuffix(";").strip()
            if not listed:
                return query
            names = ", ".join(_quoted(column.name) for column in columns)
            return f"SELECT * FROM ({query}) AS {_quoted(name)}({names})"
    return None


def _table(
    parts: Name, sql: str, columns: tuple[ColumnFacts, ...], by_name: Mapping[str, Database]
) -> TableFacts | None:
    catalog, schema, name = parts
    database = by_name.get(catalog.lower())
    if database is None or _COLLATE.search(sql):
        return None
    return TableFacts(
        identity=database.table_identity(schema, name),
        catalog=catalog,
        schema=schema,
        name=name,
        columns=columns,
        temporary=database.temporary,
    )


def _view(parts: Name, sql: str, columns: tuple[ColumnFacts, ...]) -> ViewFacts | None:
    catalog, schema, name = parts
    query = view_query(sql, columns, name)
    if query is None:
        return None
    return ViewFacts(
        catalog=catalog,
        schema=schema,
        name=name,
        query=query,
        columns=columns,
        temporary=catalog.lower() == _TEMPORARY,
    )


def _path_entries(setting: str) -> list[tuple[str, ...]]:
    """``m."a,b",main`` as [("m", "a,b"), ("main",)]."""
    entries: list[tuple[str, ...]] = []
    current: list[str] = []
    for match in _PATH_PART.finditer(setting):
        text, separator = match.groups()
        quoted = text.startswith('"')
        current.append(text[1:-1].replace('""', '"') if quoted else text.strip())
        if separator != ".":
            entries.append(tuple(current))
            current = []
    return entries


def _key(catalog: object, schema: object, name: object) -> Name:
    return (str(catalog).lower(), str(schema).lower(), str(name).lower())


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
