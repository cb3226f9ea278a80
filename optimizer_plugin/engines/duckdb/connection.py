"""The wrapped DuckDB connection: the plain one's API, with reuse behind ``execute``.

What isn't named here goes to the plain connection as it is. Relations (``sql``, ``query``, ``table`` ...) run
later and perhaps often, so they are the plain connection's too: they read what is there when they run.
docs/conformance.md has a row for each method.
"""

from __future__ import annotations

import sys
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import FrameType, TracebackType
from typing import Any, Self, SupportsIndex

import duckdb

from metastore.ports import Metastore
from optimizer_plugin.engines.duckdb.engine import DuckDBEngine
from optimizer_plugin.engines.duckdb.frames import call_from
from optimizer_plugin.engines.duckdb.methods import add_noted_methods
from optimizer_plugin.engines.duckdb.profiling import SampledProfiling
from optimizer_plugin.engines.duckdb.statements import (
    Statement,
    StatementKind,
    statement_kinds,
    transaction_statement,
)
from optimizer_plugin.engines.ports import Interrupted, Parameters
from optimizer_plugin.errors import EngineMissingError, RowsWaitingError
from optimizer_plugin.handle import ReuseHandle
from optimizer_plugin.opening import new_session, opened_metastore, prepare_store
from optimizer_plugin.session import Report, Session
from optimizer_plugin.settings import Settings

STATEMENTS_KEPT = 2_000

_UNKNOWN = (Statement(kind=StatementKind.OTHER, text=""),)
_BEGIN = (transaction_statement(StatementKind.BEGIN),)
_COMMIT = (transaction_statement(StatementKind.COMMIT),)
_ROLLBACK = (transaction_statement(StatementKind.ROLLBACK),)
_INTERRUPTED = "INTERRUPT Error: Interrupted!"
_SCAN_ALL_FRAMES = "python_scan_all_frames"
_COUNTS = (("Count",), ("Success",), ())
"""Columns of results that say only that a statement ran."""


def open_connection(
    connection: duckdb.DuckDBPyConnection, settings: Settings, *, shared: Metastore | None = None
) -> ReuseConnection:
    """Wrap a connection with a session of its own.

    Args:
        connection: An open DuckDB connection.
        settings: Where things lie.
        shared: A metastore that stays open when the connection is closed; else the settings name one.

    Raises:
        ReuseError: as ``optimizer_plugin.wrap`` says.
    """
    if issubclass(type(connection), ReuseConnection):
        raise EngineMissingError(
            "a connection that is wrapped already",
            expected="one from duckdb.connect()",
            remedy="use it as it is",
        )
    prepare_store(settings)
    if shared is not None:
        return _wrapped(connection, DuckDBEngine(connection), shared, settings, owner=False)
    metastore = opened_metastore(settings)
    try:
        return _wrapped(connection, DuckDBEngine(connection), metastore, settings, owner=True)
    except BaseException:
        metastore.close()
        raise


def _wrapped(
    connection: duckdb.DuckDBPyConnection,
    engine: DuckDBEngine,
    metastore: Metastore,
    settings: Settings,
    *,
    owner: bool,
) -> ReuseConnection:
    session = new_session(engine, metastore, settings)
    handle = ReuseHandle(session, metastore.close if owner else lambda: None)
    return ReuseConnection(connection, engine, session, handle, settings)


@dataclass(slots=True)
class Unfinished:
    """A job whose rows the program may still be fetching."""

    report: Report
    elapsed_seconds: float
    profiled: bool
    """Handed over with its profile, complete when all rows were fetched or another statement runs."""


@add_noted_methods
class ReuseConnection:
    """A DuckDB connection whose SELECTs are answered from views where that gives the same rows."""

    # Clients choose how they read rows by the module of the connection's class: polars, for one.
    __module__ = duckdb.DuckDBPyConnection.__module__

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        engine: DuckDBEngine,
        session: Session,
        handle: ReuseHandle,
        settings: Settings,
    ) -> None:
        self._plain = connection
        self._engine = engine
        self._session = session
        self._settings = settings
        self._profiling = SampledProfiling(connection, engine)
        self._profiles = False
        self._open: Unfinished | None = None
        self._rows_waiting = connection.description is not None
        self._all_frames: bool | None = None
        self._switches_frames = False
        self._kinds: OrderedDict[str, tuple[Statement, ...]] = OrderedDict()
        self.reuse = handle
        handle.before_flush = self._hand_over
        handle.before_look = self._refuse_with_rows_waiting

    # Statements

    def execute(self, query: object, parameters: object = None) -> Any:
        """Run a statement, as ``DuckDBPyConnection.execute`` does: a text without any gives None."""
        frame = sys._getframe(1)
        statements = self._statements(query)
        if len(statements) == 1 and statements[0].kind is StatementKind.SELECT and not statements[0].is_write:
            return self._select(query, parameters, statements, frame)
        return self._pass_on("execute", frame, (query, parameters), statements)

    def executemany(self, query: object, parameters: object = None) -> Any:
        """Run a statement once for each set of parameters; nothing of it is reused."""
        return self._pass_on("executemany", sys._getframe(1), (query, parameters), self._statements(query))

    def begin(self) -> Any:
        """Open a transaction; reuse waits until it ends."""
        return self._pass_on("begin", sys._getframe(1), (), _BEGIN)

    def commit(self) -> Any:
        """End a transaction."""
        return self._pass_on("commit", sys._getframe(1), (), _COMMIT)

    def rollback(self) -> Any:
        """Undo a transaction."""
        return self._pass_on("rollback", sys._getframe(1), (), _ROLLBACK)

    def interrupt(self) -> None:
        """Stop the statement that runs, also where it is still being prepared."""
        self._session.builder.stopped.set()
        self._plain.interrupt()

    # Relations, which are the plain connection's

    def sql(self, *arguments: object, **named: object) -> Any:
        """As ``DuckDBPyConnection.sql``: a SELECT becomes a relation, anything else runs at once."""
        return self._relation("sql", sys._getframe(1), arguments, named)

    def query(self, *arguments: object, **named: object) -> Any:
        """The same as ``sql``."""
        return self._relation("query", sys._getframe(1), arguments, named)

    def from_query(self, *arguments: object, **named: object) -> Any:
        """The same as ``sql``."""
        return self._relation("from_query", sys._getframe(1), arguments, named)

    # Connections

    def cursor(self) -> ReuseConnection:
        """Another connection to the same database, wrapped alike."""
        cursor = self._plain.cursor()
        engine = self._engine.for_cursor(cursor)
        return _wrapped(cursor, engine, self._session.metastore, self._settings, owner=False)

    def duplicate(self) -> ReuseConnection:
        """The same as ``cursor``."""
        return self.cursor()

    def close(self) -> None:
        """Close the connection, and write what is left of the history."""
        self.reuse.close()
        self._engine.close()
        self._plain.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # Everything else

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        """Programs that ask ``isinstance`` get the answer of the plain connection."""
        return duckdb.DuckDBPyConnection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plain, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self._plain)})

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        return self._plain.__reduce_ex__(protocol)

    def _relation(
        self, method: str, frame: FrameType, arguments: tuple[object, ...], named: dict[str, object]
    ) -> Any:
        statements = self._statements(arguments[0] if arguments else named.get("query"))
        target = partial(getattr(self._plain, method), *arguments, **named)
        try:
            return call_from(frame, target, all_frames=self._scans_all_frames())
        finally:
            if (
                len(statements) != 1
                or statements[0].kind is not StatementKind.SELECT
                or statements[0].is_write
            ):
                self._changed()

    # Running

    def _statements(self, query: object) -> tuple[Statement, ...]:
        text = _text(query)
        if not text:
            return () if text == query else _UNKNOWN
        found = self._kinds.get(text)
        if found is None:
            if _SCAN_ALL_FRAMES in text.lower():  # not kept, so that it is noticed each time
                self._switches_frames = True
                return statement_kinds(text, self._plain)
            found = self._kinds[text] = statement_kinds(text, self._plain)
            while len(self._kinds) > STATEMENTS_KEPT:
                self._kinds.popitem(last=False)
        return found

    def _select(
        self, query: object, parameters: object, statements: tuple[Statement, ...], frame: FrameType
    ) -> Any:
        self._settle()
        report = self._prepared(_text(query), _parameters(parameters))
        profiled = self._session.wants_profile(report) and self._profiling.start()
        self._profiles = profiled
        started = time.perf_counter()
        try:
            if report.rewritten:
                found = self._run_rewritten(report, (query, parameters), statements, frame)
            else:
                found = self._run("execute", frame, (query, parameters), statements)
        except duckdb.Error:
            self._session.finish(report, time.perf_counter() - started, failed=True)
            raise
        elapsed = time.perf_counter() - started
        self._open = Unfinished(report, elapsed, profiled)
        if not profiled:
            self._session.finish(report, elapsed)
        return found

    def _prepared(self, query: str, parameters: Parameters) -> Report:
        """Who stops the statement while a view is built for it, or waited for, stops the statement."""
        stopped = self._session.builder.stopped
        stopped.clear()
        try:
            report = self._session.prepare(query, parameters)
            if stopped.is_set():
                raise duckdb.InterruptException(_INTERRUPTED)
        except Interrupted as interrupted:
            self._discard()
            raise interrupted.error from interrupted.error.__cause__
        except duckdb.InterruptException:
            self._discard()
            raise
        return report

    def _discard(self) -> None:
        """What ran last was ours: nothing of it is to be fetched."""
        with suppress(duckdb.Error):
            self._plain.execute("")

    def _run_rewritten(
        self,
        report: Report,
        given: tuple[object, object],
        statements: tuple[Statement, ...],
        frame: FrameType,
    ) -> Any:
        """Where the rewritten statement fails, the original runs once and says what it says."""
        try:
            found = self._run("execute", frame, (report.executed, None), statements)
        except duckdb.InterruptException:
            raise
        except duckdb.Error as error:
            reads = self._session.fall_back(report, error)
            found = self._run("execute", frame, given, statements)
            self._session.blame(report, reads, error)
            return found
        if not self._session.is_consistent(report):
            self._session.overtaken(report)
            return self._run("execute", frame, given, statements)
        return found

    def _pass_on(
        self, method: str, frame: FrameType, arguments: tuple[object, ...], statements: Sequence[Statement]
    ) -> Any:
        if self._open is not None or self._profiles:
            self._settle()
        return self._run(method, frame, arguments, statements)

    def _run(
        self, method: str, frame: FrameType, arguments: tuple[object, ...], statements: Sequence[Statement]
    ) -> Any:
        """Call the plain connection, where names of data frames are looked up as if from ``frame``."""
        all_frames = self._scans_all_frames()
        given = arguments if len(arguments) < 2 or arguments[1] is not None else arguments[:1]
        target = partial(getattr(self._plain, method), *given)
        self._engine.observe_before(statements)
        if any(statement.is_write for statement in statements):
            self._session.staleness.forget()
        try:
            found = call_from(frame, target, all_frames=all_frames)
        except BaseException as error:
            if isinstance(error, RuntimeError):
                # Ctrl-C. DuckDB 1.5 may leave the statement running, and the next one hangs on it.
                self._plain.interrupt()
            self._engine.observe_after(statements, error=error)
            raise
        self._engine.observe_after(statements)
        self._rows_waiting = True
        if self._switches_frames:
            self._all_frames, self._switches_frames = None, False
        return self if found is self._plain else found

    def _scans_all_frames(self) -> bool:
        """Whether variables are looked for in all frames; asked where no rows are lost by asking."""
        if self._all_frames is None and not self._rows_waiting:
            try:
                self._all_frames = bool(
                    self._engine.run_own(f"SELECT current_setting('{_SCAN_ALL_FRAMES}')")[0][0]
                )
            except duckdb.Error:
                return False
        return bool(self._all_frames)

    # What is noted

    def _fetched(self, seconds: float, *, all_rows: bool) -> None:
        unfinished = self._open
        if unfinished is not None:
            if unfinished.profiled:
                unfinished.elapsed_seconds += seconds
            else:
                self._session.fetched(unfinished.report, seconds)
        if all_rows:
            self._rows_waiting = False

    def _changed(self) -> None:
        self._engine.note_write()
        self._all_frames = None

    def _settle(self) -> None:
        """Another statement begins: hand over the last one, whose rows are gone now, and its profile."""
        self._rows_waiting = False
        self._hand_over()
        if self._profiles:
            self._profiles = False
            self._profiling.stop()

    def _hand_over(self) -> None:
        """Hand over a job with its profile, which is complete when all its rows were fetched."""
        unfinished, self._open = self._open, None
        if unfinished is not None and unfinished.profiled:
            report = unfinished.report
            profile = None if self._rows_waiting else self._profiling.read(report.text)
            self._session.finish(report, unfinished.elapsed_seconds, profile=profile)

    def _refuse_with_rows_waiting(self) -> None:
        """Asking DuckDB for names and types would throw away rows that the program has yet to fetch.

        Raises:
            RowsWaitingError: where there are such rows.
        """
        if self._rows_waiting:
            names = tuple(column[0] for column in self._plain.description or ())
            if names not in _COUNTS:
                raise RowsWaitingError("found rows of the last statement that were not fetched")


def _text(query: object) -> str:
    """The text of a statement, however it was given; empty where that is in no known way."""
    text = query.query if isinstance(query, duckdb.Statement) else query
    return text if isinstance(text, str) else ""


def _parameters(parameters: object) -> Parameters:
    """Parameters as the session takes them; an empty list of them is none."""
    if parameters is None or isinstance(parameters, Mapping):
        return parameters or None
    if isinstance(parameters, Sequence) and not isinstance(parameters, str | bytes):
        return parameters or None
    return [parameters]
