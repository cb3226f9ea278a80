"""What the binder has to know of an engine: names, types, functions. Engines implement it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from signatures.model import InputIdentity


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnFacts:
    """A column of a relation, with the engine's own spelling of name and type."""

    name: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFacts:
    """A base table. ``identity`` tells it from every other table, also from one of equal layout."""

    identity: InputIdentity
    catalog: str
    schema: str
    name: str
    columns: tuple[ColumnFacts, ...]
    temporary: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewFacts:
    """A view of the engine's own, to be expanded for signing. ``query`` is its SELECT as text."""

    catalog: str
    schema: str
    name: str
    query: str
    columns: tuple[ColumnFacts, ...]
    temporary: bool = False


class FunctionKind(StrEnum):
    """What a function takes and gives."""

    SCALAR = "scalar"
    AGGREGATE = "aggregate"
    WINDOW = "window"
    TABLE = "table"
    MACRO = "macro"
    TABLE_MACRO = "table_macro"


class Stability(StrEnum):
    """Whether equal arguments give equal values."""

    CONSISTENT = "consistent"
    WITHIN_QUERY = "within_query"
    """Fixed in one statement, different in the next: clock functions, session variables."""
    VOLATILE = "volatile"


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionFacts:
    """What the engine says of one function name (the worst of its overloads).

    For macros ``parameters`` and ``definition`` (SQL text of the body) are set; for functions
    registered by the program ``definition`` is None and ``user_defined`` is True.
    """

    name: str
    kind: FunctionKind
    stability: Stability = Stability.CONSISTENT
    user_defined: bool = False
    parameters: tuple[str, ...] = ()
    definition: str | None = None


class Catalog(Protocol):
    """A snapshot of names. All look-ups are case-insensitive, as the engine's own are."""

    def relation(self, parts: tuple[str, ...]) -> TableFacts | ViewFacts | None:
        """Resolve ``(name,)``, ``(schema_or_catalog, name)`` or ``(catalog, schema, name)``.

        None where nothing of that name exists, or where more than one relation could be meant.
        """
        ...

    def function(self, name: str) -> FunctionFacts | None:
        """Facts of a function, or None where the engine does not know the name."""
        ...

    def source_columns(self, text: str) -> tuple[ColumnFacts, ...] | None:
        """Columns of ``SELECT * FROM <text>``, where text reads files; None where it fails."""
        ...
