"""What a program sends: statements told apart by DuckDB's own parser, and whether they change anything.

Everything doubtful counts as a write: a write too many renews an input version and costs one reuse, a
write too few would be a wrong result.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import duckdb


class StatementKind(StrEnum):
    """What a statement does, as far as input versions, catalogs and transactions are concerned."""

    SELECT = "select"
    EXPLAIN = "explain"
    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"
    MERGE = "merge"
    COPY_TO = "copy_to"
    COPY_FROM = "copy_from"
    CREATE = "create"
    ALTER = "alter"
    DROP = "drop"
    SET = "set"
    BEGIN = "begin"
    COMMIT = "commit"
    ROLLBACK = "rollback"
    PREPARE = "prepare"
    EXPORT = "export"
    VACUUM = "vacuum"
    LOAD = "load"
    ATTACH = "attach"
    DETACH = "detach"
    OTHER = "other"
    """CALL, PRAGMA, EXECUTE and whatever this release of DuckDB adds: it may do anything."""


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One statement of what a program sent, with the text that DuckDB's parser cut out for it.

    Its properties are worked out once: they are asked for at every run.
    """

    kind: StatementKind
    text: str

    @cached_property
    def is_write(self) -> bool:
        """Whether it may change what a table holds, now or, for COMMIT, by becoming visible."""
        return self.kind not in _READING or (self.kind in _MAY_EMBED and _embeds_write(self.text))

    @cached_property
    def changes_catalog(self) -> bool:
        """Whether names may mean something else afterwards: tables, views, functions, search path."""
        return self.kind in _NAMING or (self.kind in _MAY_EMBED and _embeds_write(self.text))

    @cached_property
    def changes_functions(self) -> bool:
        """Whether functions or macros may be others afterwards."""
        if self.kind in (StatementKind.CREATE, StatementKind.DROP):
            return bool(_FUNCTION_DDL.search(self.text)) or not self.text.strip()
        return self.kind in _FUNCTIONS


_READING = frozenset(
    {
        StatementKind.SELECT,
        StatementKind.EXPLAIN,
        StatementKind.COPY_TO,
        StatementKind.SET,
        StatementKind.BEGIN,
        StatementKind.ROLLBACK,
        StatementKind.PREPARE,
        StatementKind.EXPORT,
        StatementKind.VACUUM,
        StatementKind.LOAD,
    }
)
# DuckDB 2.0 takes WITH x AS (INSERT ... RETURNING ...) SELECT and calls the whole a SELECT; EXPLAIN ANALYZE
# runs what it explains.
_MAY_EMBED = frozenset({StatementKind.SELECT, StatementKind.EXPLAIN, StatementKind.COPY_TO})
_NAMING = frozenset(
    {
        StatementKind.CREATE,
        StatementKind.ALTER,
        StatementKind.DROP,
        StatementKind.SET,
        StatementKind.COMMIT,
        StatementKind.ROLLBACK,
        StatementKind.LOAD,
        StatementKind.ATTACH,
        StatementKind.DETACH,
        StatementKind.OTHER,
    }
)
# Not SET: a search path of its own is compared where functions are kept.
_FUNCTIONS = frozenset(
    {
        StatementKind.LOAD,
        StatementKind.ATTACH,
        StatementKind.DETACH,
        StatementKind.OTHER,
    }
)
_FUNCTION_DDL = re.compile(r"\b(macro|function|schema)\b", re.IGNORECASE)
_WRITING_WORDS = re.compile(r"\b(insert|update|delete|merge|truncate|create)\b", re.IGNORECASE)
_WORD = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/|[A-Za-z_]+|[()]", re.DOTALL)

_KINDS = {
    "SELECT": StatementKind.SELECT,
    "EXPLAIN": StatementKind.EXPLAIN,
    "INSERT": StatementKind.INSERT,
    "UPDATE": StatementKind.UPDATE,
    "DELETE": StatementKind.DELETE,
    "MERGE_INTO": StatementKind.MERGE,
    "CREATE": StatementKind.CREATE,
    "ALTER": StatementKind.ALTER,
    "DROP": StatementKind.DROP,
    "SET": StatementKind.SET,
    "VARIABLE_SET": StatementKind.SET,
    "PREPARE": StatementKind.PREPARE,
    "EXPORT": StatementKind.EXPORT,
    "VACUUM": StatementKind.VACUUM,
    "ANALYZE": StatementKind.VACUUM,
    "LOAD": StatementKind.LOAD,
    "ATTACH": StatementKind.ATTACH,
    "DETACH": StatementKind.DETACH,
}


def statement_kinds(sql: str, connection: duckdb.DuckDBPyConnection) -> tuple[Statement, ...]:
    """Cut what a program sent into statements, by DuckDB's own parser.

    What does not parse, or what DuckDB does not cut (a PIVOT without IN is several statements with one
    text), comes back as one statement of kind OTHER.
    """
    try:
        found = [(_type_name(part), part.query) for part in connection.extract_statements(sql)]
    except duckdb.Error:
        return (Statement(kind=StatementKind.OTHER, text=sql),)
    if any(not text.strip() for _, text in found):
        return (Statement(kind=StatementKind.OTHER, text=sql),)
    return tuple(Statement(kind=_kind(name, text), text=text) for name, text in found)


def transaction_statement(kind: StatementKind) -> Statement:
    """The statement that ``begin()``, ``commit()`` and ``rollback()`` of a connection stand for."""
    return Statement(kind=kind, text=kind.value)


def _type_name(part: duckdb.Statement) -> str:
    try:
        return part.type.name
    except ValueError:  # a kind that the client's own enumeration lacks
        return "OTHER"


def _kind(name: str, text: str) -> StatementKind:
    if name == "TRANSACTION":
        return _transaction_kind(text)
    if name == "COPY":
        return _copy_direction(text)
    return _KINDS.get(name, StatementKind.OTHER)


def _words(text: str) -> list[str]:
    """Keywords, names and parentheses in lower case; literals, quoted names and comments left out."""
    found = (match.group(0) for match in _WORD.finditer(text))
    return [word.lower() for word in found if word[0] not in "'\"-/"]


def _transaction_kind(text: str) -> StatementKind:
    match next(iter(_words(text)), ""):
        case "begin" | "start":
            return StatementKind.BEGIN
        case "rollback" | "abort":
            return StatementKind.ROLLBACK
        case _:
            return StatementKind.COMMIT


def _copy_direction(text: str) -> StatementKind:
    depth = 0
    for word in _words(text):
        depth += {"(": 1, ")": -1}.get(word, 0)
        if depth == 0 and word == "to":
            return StatementKind.COPY_TO
        if depth == 0 and word == "from":
            break
    return StatementKind.COPY_FROM


def _embeds_write(text: str) -> bool:
    return bool(_WRITING_WORDS.search(" ".join(_words(text))))
