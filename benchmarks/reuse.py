"""What the harness asks of reuse: open, run, analyze, list views.

``benchmarks.wrapped.Respool`` is what is measured. ``Plain`` runs the same connection without anything
around it, so that plain against plain shows how far two equal runs differ on this machine: no smaller
gain means anything.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import duckdb

from benchmarks.compare import Column, Table
from benchmarks.results import Analysis, Counter, Report, RunSettings, ViewFigures


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A result that was fetched to its end, and how long that took."""

    seconds: float
    table: Table


class Cursor(Protocol):
    """What a plain and a wrapped connection have in common as far as a measurement needs it."""

    @property
    def description(self) -> Any:
        """DB-API description of the last result."""
        ...

    def execute(self, query: str) -> Any:
        """Run one statement."""
        ...


def run_statement(connection: Cursor, sql: str) -> Answer:
    """Run a statement and fetch every row; only this is inside the clock."""
    started = time.perf_counter()
    rows = connection.execute(sql).fetchall()
    seconds = time.perf_counter() - started
    columns = tuple(Column(name=item[0], type=str(item[1])) for item in connection.description)
    return Answer(seconds=seconds, table=Table(columns=columns, rows=tuple(rows)))


class Reuse(Protocol):
    """A connection with reuse around it, and a store and a metastore that began empty."""

    def run(self, sql: str) -> Answer:
        """Run a statement and fetch every row."""
        ...

    def last(self) -> Report:
        """What reuse did for the last statement."""
        ...

    def analyze(self, recorded: Sequence[int], /) -> Analysis:
        """Select computations from the history of the queries ``recorded``, in the order they ran."""
        ...

    def views(self) -> tuple[ViewFigures, ...]:
        """Every view that exists now."""
        ...

    def counters(self) -> tuple[Counter, ...]:
        """The session's own counters."""
        ...

    def close(self) -> None:
        """End the session. The connection stays open: it is the caller's."""
        ...


class Backend(Protocol):
    """Puts reuse around a connection."""

    name: str

    def check(self, settings: RunSettings, /) -> None:
        """Raise, before anything is measured, what ``open`` would raise for these settings."""
        ...

    def open(
        self,
        connection: duckdb.DuckDBPyConnection,
        directory: Path,
        settings: RunSettings,
        /,
    ) -> Reuse:
        """Wrap a connection with an empty store and metastore of its own under ``directory``."""
        ...


class Plain:
    """No reuse at all: what two equal runs differ by."""

    name = "plain"

    def check(self, _settings: RunSettings, /) -> None:
        """Nothing can be wrong."""

    def open(
        self,
        connection: duckdb.DuckDBPyConnection,
        _directory: Path,
        _settings: RunSettings,
        /,
    ) -> Reuse:
        """Put nothing around the connection."""
        return PlainReuse(connection)


class PlainReuse:
    """A connection as it is, answering as if reuse had never found anything."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._queries = 0

    def run(self, sql: str) -> Answer:
        """Run a statement and fetch every row."""
        self._queries += 1
        return run_statement(self._connection, sql)

    def last(self) -> Report:
        """An empty report."""
        return Report()

    def analyze(self, _recorded: Sequence[int], /) -> Analysis:
        """Select nothing and keep the order."""
        return Analysis(seconds=0.0, order=(), selected=0)

    def views(self) -> tuple[ViewFigures, ...]:
        """No views."""
        return ()

    def counters(self) -> tuple[Counter, ...]:
        """How many queries ran."""
        return (Counter(name="queries", value=self._queries),)

    def close(self) -> None:
        """Nothing to end."""
