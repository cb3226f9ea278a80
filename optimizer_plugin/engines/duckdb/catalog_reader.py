"""Reads DuckDB's catalog when it may have changed, and keeps the snapshot as long as it has not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import duckdb

from optimizer_plugin.engines.duckdb import catalog as names
from optimizer_plugin.engines.duckdb.activity import InstanceActivity, Sighting, Ticks
from optimizer_plugin.engines.duckdb.catalog import DuckDBCatalog, Names
from optimizer_plugin.engines.duckdb.databases import DATABASES_QUERY, AttachedDatabases, Database
from optimizer_plugin.engines.duckdb.functions import (
    FUNCTIONS_QUERY,
    Overload,
    candidates_in,
    function_facts,
    overloads,
)
from optimizer_plugin.engines.duckdb.spooling import quoted
from signatures.catalog import ColumnFacts, FunctionFacts, FunctionKind

Rows = list[tuple[object, ...]]

_ATTEMPTS = 3

_QUIET_SECONDS = 5.0
"""A foreign CREATE is counted when it starts and visible when it ends; after so long it has ended."""

_MACRO_SECONDS = 0.05
"""The same for a macro or a function, which is made in microseconds: facts read sooner are read once more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A catalog with the state of the instance that it was read in.

    ``generation`` is how often names had changed before: where it is another one now, they may have since.
    ``function_changes`` is how often functions had been found to be others.
    """

    catalog: DuckDBCatalog
    databases: tuple[Database, ...]
    generation: int
    function_changes: int
    trusted: bool


@dataclass(slots=True)
class _Functions:
    """Function facts, read on first use and kept while nothing that names functions has happened."""

    facts: Mapping[str, FunctionFacts] = field(default_factory=dict)
    generation: int = -1
    search_path: tuple[tuple[str, str], ...] = ()
    trusted: bool = False
    others: Ticks | None = None
    quiet_seconds: float = 0.0
    """How long nothing foreign had been seen when they were read."""


class CatalogReader:
    """Keeps the catalog of one connection.

    Args:
        activity: Evidence of changes.
        session: Random name of the connection, which its temporary tables carry.
        run: Runs a query on the user's connection; only there temporary objects are visible.
        inside: Whether a transaction of the user's is open, in which nothing of ours is run.
    """

    def __init__(
        self,
        *,
        activity: InstanceActivity,
        session: str,
        run: Callable[[str], Rows],
        inside: Callable[[], bool],
    ) -> None:
        self._activity = activity
        self._attached = AttachedDatabases(instance=activity.token, session=session)
        self._run = run
        self._inside = inside
        self._snapshot: Snapshot | None = None
        self._functions = _Functions()
        self._function_changes = 0

    def databases(self, sighting: Sighting, *, aside: bool = False) -> tuple[Database, ...]:
        """The databases that are attached, as of a sighting made just now.

        Where foreign connections keep names from being trusted, only the list of databases is read; with
        ``aside`` not on the user's connection, whose rows may still be waiting.
        """
        kept = self._snapshot
        if kept is not None and self._is_current(kept, sighting):
            return kept.databases
        if aside:
            return self._attached.read(self._activity.rows(DATABASES_QUERY), self._activity.opened)
        if kept is None:
            return self.current(sighting).databases
        return self._attached.read(self._run(DATABASES_QUERY), self._activity.opened)

    @property
    def last(self) -> DuckDBCatalog:
        """Names as they were read last, whether or not they still hold; without any where none were."""
        if self._snapshot is None:
            return DuckDBCatalog(names.NOTHING, dict, lambda _: None)
        return self._snapshot.catalog

    def current(self, sighting: Sighting) -> Snapshot:
        """Names as of a sighting made just now; the same catalog as long as every name means the same."""
        kept = self._snapshot
        if kept is not None and self._is_current(kept, sighting):
            if self._functions.facts and not self._functions.trusted:
                self._facts(kept.catalog.names)
            if kept.function_changes == self._function_changes:
                return kept
        self._snapshot = self._read(kept, sighting)
        return self._snapshot

    def _is_current(self, kept: Snapshot, sighting: Sighting) -> bool:
        current = kept.generation == self._activity.catalog_generation
        return kept.trusted and current and not sighting.foreign

    def _read(self, kept: Snapshot | None, before: Sighting) -> Snapshot:
        """Read names and databases; what changed while they were read is not trusted a second time."""
        for _ in range(_ATTEMPTS):
            generation = self._activity.catalog_generation
            attached = self._attached.read(self._run(DATABASES_QUERY), self._activity.opened)
            found = self._names(attached)
            after = self._activity.sight()
            if generation == self._activity.catalog_generation:
                break
        if self._functions.facts:
            self._facts(found)  # statements were compiled with them: they must not be others by now
        changes = self._function_changes
        settled = before.settled and after.settled and generation == self._activity.catalog_generation
        same = kept and kept.catalog.names == found and kept.function_changes == changes
        if kept and same and kept.databases == attached:
            catalog = kept.catalog
        else:
            catalog = DuckDBCatalog(found, lambda: self._facts(found), self._source_columns)
        return Snapshot(
            catalog=catalog,
            databases=attached,
            generation=generation,
            function_changes=changes,
            trusted=settled,
        )

    def _names(self, attached: tuple[Database, ...]) -> Names:
        return names.names_of(
            tables=self._run(names.TABLES_QUERY),
            views=self._run(names.VIEWS_QUERY),
            columns=self._run(names.COLUMNS_QUERY),
            schemas=self._run(names.SCHEMAS_QUERY),
            path=self._run(names.PATH_QUERY)[0],
            attached=attached,
        )

    def _facts(self, found: Names) -> Mapping[str, FunctionFacts]:
        kept = self._functions
        if (
            kept.trusted
            and kept.generation == self._activity.function_generation
            and kept.search_path == found.search_path
        ):
            return kept.facts
        now = self._activity.sight()
        settled = kept.quiet_seconds >= _MACRO_SECONDS or self._activity.quiet_seconds() < _MACRO_SECONDS
        if kept.others == now.others and kept.search_path == found.search_path and settled:
            return kept.facts
        quiet_seconds = self._activity.quiet_seconds()
        generation = self._activity.function_generation
        rows = overloads(self._run(FUNCTIONS_QUERY))
        facts = function_facts(rows, found.search_path, self._macro_candidates)
        self._function_changes += bool(kept.facts) and facts != kept.facts
        sighting = self._activity.sight()
        quiet = sighting.settled or self._activity.quiet_seconds() > _QUIET_SECONDS
        self._functions = _Functions(
            facts=facts,
            generation=generation,
            search_path=found.search_path,
            trusted=quiet and generation == self._activity.function_generation,
            others=sighting.others,
            quiet_seconds=quiet_seconds,
        )
        return facts

    def _macro_candidates(self, macro: Overload) -> tuple[str, ...] | None:
        """Full parameter lists, from the error of a call with too many arguments; None where not told."""
        if self._inside():
            return None
        count = max(len(macro.parameters), _MOST_PARAMETERS) + 1
        call = f"{quoted(macro.schema)}.{quoted(macro.name)}({', '.join(['NULL'] * count)})"
        if macro.catalog != "temp":
            call = f"{quoted(macro.catalog)}.{call}"
        select = f"SELECT * FROM {call}" if macro.kind is FunctionKind.TABLE_MACRO else f"SELECT {call}"
        try:
            self._run(f"DESCRIBE {select}")
        except duckdb.Error as error:
            return candidates_in(str(error), macro.name)
        return None

    def _source_columns(self, text: str) -> tuple[ColumnFacts, ...] | None:
        """Describe files under the connection's own settings, which say where they are looked for."""
        if self._inside():
            return None
        try:
            rows = self._run(f"DESCRIBE SELECT * FROM {text}")
        except duckdb.Error:
            return None
        return tuple(ColumnFacts(name=str(row[0]), type=str(row[1])) for row in rows)


_MOST_PARAMETERS = 64
"""More arguments than any overload of a macro takes, in all likelihood; a call that fits is not told."""
