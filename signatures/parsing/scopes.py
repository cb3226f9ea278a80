"""Names in scope while a query is bound, resolved as DuckDB and the SQL standard resolve them.

Where the engine's choice between two meanings of a name is not certain, the name is not resolved.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from signatures.eligibility import NotUnderstood
from signatures.expressions import Call, Expression


@dataclass(frozen=True, slots=True)
class NamedColumn:
    """A column that a source offers: ``name`` in lower case, ``display`` as the engine spells it."""

    name: str
    display: str
    expression: Expression


@dataclass(frozen=True, slots=True)
class Source:
    """One item of a FROM clause. ``qualifiers`` are the longer names of a table, innermost last."""

    alias: str
    columns: tuple[NamedColumn, ...]
    qualifiers: tuple[str, ...] = ()
    hidden: frozenset[str] = frozenset()
    """Columns merged away by USING: not found without a qualifier, left out by ``*``."""
    shown: bool = True
    """False for the right side of a semi or anti join."""

    def find(self, name: str) -> NamedColumn | None:
        """The column of that name; None where there is none or more than one."""
        found = [column for column in self.columns if column.name == name]
        return found[0] if len(found) == 1 else None


@dataclass(slots=True)
class Scope:
    """What one block can name: its sources, its SELECT aliases, and the block around it."""

    block: int
    parent: Scope | None
    sources: list[Source] = field(default_factory=list)
    merged: dict[str, NamedColumn] = field(default_factory=dict)
    """Columns made by USING and NATURAL, by name, in place of both sides' own."""
    aliases: dict[str, Expression | None] = field(default_factory=dict)
    """SELECT aliases; None where one name stands for two expressions."""
    complete: bool = True
    """False where a source's columns are not known, so that a name could be its."""

    def column(self, name: str) -> Expression | None:
        """An unqualified column of this scope's own sources, or None.

        Raises:
            NotUnderstood: where two sources have it, or a source is not known well enough.
        """
        if name in self.merged:
            return self.merged[name].expression
        found = [
            column
            for source in self.sources
            if source.shown and name not in source.hidden
            for column in source.columns
            if column.name == name
        ]
        if len(found) > 1:
            raise NotUnderstood(f"column {name} could be one of {len(found)}")
        if not found and not self.complete:
            raise NotUnderstood(f"column {name} could belong to a source that is not understood")
        return found[0].expression if found else None

    def source(self, qualifiers: tuple[str, ...]) -> Source | None:
        """The source that ``alias`` or ``schema.table`` names, or None."""
        found = [source for source in self.sources if source.shown and _names(source, qualifiers)]
        if len(found) > 1:
            raise NotUnderstood(f"table name {'.'.join(qualifiers)} is used twice")
        return found[0] if found else None

    def star(self) -> list[NamedColumn]:
        """What ``*`` stands for."""
        if not self.complete:
            raise NotUnderstood("* over a source that is not understood")
        columns: list[NamedColumn] = []
        given: set[str] = set()
        for source in self.sources:
            if not source.shown:
                continue
            for column in source.columns:
                if column.name in self.merged:
                    if column.name not in given:
                        given.add(column.name)
                        columns.append(self.merged[column.name])
                elif column.name not in source.hidden:
                    columns.append(column)
        return columns


def _names(source: Source, qualifiers: tuple[str, ...]) -> bool:
    if len(qualifiers) == 1:
        return source.alias == qualifiers[0]
    return source.qualifiers[-len(qualifiers) :] == qualifiers


@dataclass(frozen=True, slots=True)
class Resolved:
    """A resolved name: the expression, the scope it was found in, and how many parts it took."""

    expression: Expression
    scope: Scope
    parts: int
    is_alias: bool = False


def resolve(scope: Scope | None, parts: tuple[str, ...], *, aliases: str = "no") -> Resolved:
    """Resolve ``a``, ``t.a``, ``s.t.a``, ``t.a.field`` ... from the innermost scope outwards.

    ``aliases`` says what SELECT aliases of the innermost scope mean here: ``no``, ``last`` (a column of
    the sources comes first, as in WHERE and GROUP BY), ``equal`` (only where both readings agree), ``first``
    (as for a whole key of ORDER BY).

    Raises:
        NotUnderstood: where the name is unknown or could mean two things.
    """
    current = scope
    while current is not None:
        found = _resolve_here(current, parts, aliases if current is scope else "no")
        if found is not None:
            return found
        if current is not scope and parts[0] in current.aliases:
            # DuckDB lets a subquery name aliases of the query around it, before columns further out.
            raise NotUnderstood(f"{parts[0]} is an alias of the query around it")
        current = current.parent
    raise NotUnderstood(f"no column {'.'.join(parts)} is known")


def _resolve_here(scope: Scope, parts: tuple[str, ...], aliases: str) -> Resolved | None:
    for length in range(min(3, len(parts) - 1), 0, -1):
        source = scope.source(parts[:length])
        if source is not None:
            column = source.find(parts[length])
            if column is not None:
                return Resolved(column.expression, scope, length + 1)
            if length == 1 and scope.column(parts[0]) is None:
                raise NotUnderstood(f"no column {parts[1]} in {parts[0]}")
    name = parts[0]
    column_expression = scope.column(name)
    if aliases == "no" or name not in scope.aliases:
        return None if column_expression is None else Resolved(column_expression, scope, 1)
    alias = scope.aliases[name]
    if column_expression is not None and (aliases == "last" or alias == column_expression):
        return Resolved(column_expression, scope, 1)
    if alias is None or (column_expression is not None and aliases == "equal"):
        raise NotUnderstood(f"{name} is a column and also an alias")
    if scope.parent is not None and aliases != "first" and _in_parents(scope.parent, name):
        raise NotUnderstood(f"{name} is an alias and also a column of the query around it")
    return Resolved(alias, scope, 1, is_alias=True)


def _in_parents(scope: Scope | None, name: str) -> bool:
    while scope is not None:
        if scope.column(name) is not None:
            return True
        scope = scope.parent
    return False


def fields(expression: Expression, names: tuple[str, ...]) -> Expression:
    """Access to fields of a struct."""
    for name in names:
        expression = Call("field", (expression,), (("name", name),))
    return expression
