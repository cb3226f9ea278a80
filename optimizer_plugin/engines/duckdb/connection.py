"""The wrapped DuckDB connection: the plain one's API, with reuse behind ``execute``.

What isn't named here goes to the plain connection as it is. Relations (``sql``, ``query``, ``table`` ...) run
later and perhaps often, so they are the plain connection's too.
"""

from __future__ import annotations

import sys
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Any, Self

import duckdb

from metastore.ports import Metastore
from optimizer_plugin.engines.duckdb.engine import DuckDBEngine
from optimizer_plugin.engines.duckdb.profiling import SampledProfiling
from optimizer_plugin.engines.duckdb.statements import (
    Statement,
    StatementKind,
    statement_kinds,
    transaction_statement,
)
from optimizer_plugin.engines.ports import Interrupted, Parameters
from optimizer_plugin.handle import ReuseHandle
from optimizer_plugin.opening import new_session, opened_metastore, prepare_store
from optimizer_plugin.session import Report, Session
from optimizer_plugin.settings import Settings

STATEMENTS_KEPT = 2_000


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


@dataclass(frozen=True, slots=True)
class Pending:
    """A job that ran with profiling on and whose rows the program may still be fetching."""

    report: Report
    elapsed_seconds: float


class ReuseConnection:
    """A DuckDB connection whose SELECTs are answered from views where that gives the same rows."""

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
        self._pending: Pending | None = None
        self._kinds: OrderedDict[str, tuple[Statement, ...]] = OrderedDict()
        self.reuse = handle
        handle.before_flush = self._settle

    def execute(self, query: object, parameters: object = None) -> Self:
        """Run a statement, as ``DuckDBPyConnection.execute`` does."""
        frame = sys._getframe(1)
        if not isinstance(query, str):
            self._pass_on("execute", frame, (query, parameters), self._unknown())
            return self
        statements = self._statements(query)
        if len(statements) == 1 and statements[0].kind is StatementKind.SELECT and not statements[0].is_write:
            self._select(query, parameters, statements, frame)
        else:
            self._pass_on("execute", frame, (query, parameters), statements)
        return self

    def executemany(self, query: object, parameters: object = None) -> Self:
        """Run a statement once for each set of parameters; nothing of it is reused."""
        statements = self._statements(query) if isinstance(query, str) else self._unknown()
        self._pass_on("executemany", sys._getframe(1), (query, parameters), statements)
        return self

    def begin(self) -> Self:
        """Open a transaction; reuse waits until it ends."""
        self._pass_on("begin", sys._getframe(1), (), (transaction_statement(StatementKind.BEGIN),))
        return self

    def commit(self) -> Self:
        """End a transaction."""
        self._pass_on("commit", sys._getframe(1), (), (transaction_statement(StatementKind.COMMIT),))
        return self

    def rollback(self) -> Self:
        """Undo a transaction."""
        self._pass_on("rollback", sys._getframe(1), (), (transaction_statement(StatementKind.ROLLBACK),))
        return self

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

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plain, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self._plain)})

    def _statements(self, text: str) -> tuple[Statement, ...]:
        found = self._kinds.get(text)
        if found is None:
            found = self._kinds[text] = statement_kinds(text, self._plain)
            while len(self._kinds) > STATEMENTS_KEPT:
                self._kinds.popitem(last=False)
        return found

    def _unknown(self) -> tuple[Statement, ...]:
        return (Statement(kind=StatementKind.OTHER, text=""),)

    def _select(
        self, query: str, parameters: object, statements: tuple[Statement, ...], frame: FrameType
    ) -> None:
        self._settle()
        report = self._prepared(query, _parameters(parameters))
        profiled = self._session.wants_profile(report) and self._profiling.start()
        started = time.perf_counter()
        try:
            if report.rewritten:
                self._run_rewritten(report, parameters, statements, frame)
            else:
                self._pass_on("execute", frame, (query, parameters), statements, known=_resolved(report))
        except duckdb.Error:
            self._session.finish(report, time.perf_counter() - started, failed=True)
            raise
        elapsed = time.perf_counter() - started
        if profiled:
            self._pending = Pending(report, elapsed)
        else:
            self._session.finish(report, elapsed)

    def _prepared(self, query: str, parameters: Parameters) -> Report:
        """Who stops the statement while a view is built for it, or waited for, stops the statement."""
        stopped = self._session.builder.stopped
        stopped.clear()
        try:
            report = self._session.prepare(query, parameters)
        except Interrupted as interrupted:
            raise interrupted.error from interrupted.error.__cause__
        if stopped.is_set():
            raise duckdb.InterruptException("INTERRUPT Error: Interrupted!")
        return report

    def interrupt(self) -> None:
        """Stop the statement that runs, as ``DuckDBPyConnection.interrupt`` does."""
        self._session.builder.stopped.set()
        self._plain.interrupt()

    def _settle(self) -> None:
        """Hand over a job whose profile is complete only when its rows have been fetched."""
        pending, self._pending = self._pending, None
        if pending is not None:
            profile = self._profiling.take(pending.report.text)
            self._session.finish(pending.report, pending.elapsed_seconds, profile=profile)

    def _run_rewritten(
        self, report: Report, parameters: object, statements: tuple[Statement, ...], frame: FrameType
    ) -> None:
        """Where the rewritten statement fails, the original runs once and says what it says."""
        try:
            self._pass_on("execute", frame, (report.executed, None), statements, known=True)
        except duckdb.InterruptException:
            raise
        except duckdb.Error as error:
            reads = self._session.fall_back(report, error)
            self._pass_on("execute", frame, (report.text, parameters), statements)
            self._session.blame(report, reads, error)
            return
        if not self._session.is_consistent(report):
            self._session.overtaken(report)
            self._pass_on("execute", frame, (report.text, parameters), statements)

    def _pass_on(
        self,
        method: str,
        frame: FrameType,
        arguments: tuple[object, ...],
        statements: Sequence[Statement],
        *,
        known: bool = False,
    ) -> None:
        """Call the plain connection, where names of data frames may be looked up as if from ``frame``."""
        self._settle()
        given = arguments if len(arguments) < 2 or arguments[1] is not None else arguments[:1]
        target = getattr(self._plain, method)
        self._engine.observe_before(statements)
        if any(statement.is_write for statement in statements):
            self._session.staleness.forget()
        try:
            if known:
                target(*given)
            else:
                _call_from(frame, target, given)
        except BaseException as error:
            if isinstance(error, RuntimeError):
                # Ctrl-C. DuckDB 1.5 may leave the statement running, and the next one hangs on it.
                self._plain.interrupt()
            self._engine.observe_after(statements, error=error)
            raise
        self._engine.observe_after(statements)


_CALL = compile("__respool_target__(*__respool_arguments__)", "<respool>", "eval")


def _call_from(frame: FrameType, target: object, arguments: tuple[object, ...]) -> object:
    """Call with the caller's variables around: DuckDB finds data frames in the frame that calls it."""
    scope = {**frame.f_locals, "__respool_target__": target, "__respool_arguments__": arguments}
    return eval(_CALL, frame.f_globals, scope)  # noqa: S307 - a constant expression


def _resolved(report: Report) -> bool:
    """Whether every table of the statement is the database's own, so that no variable can be meant."""
    template = report.template
    if template is None or report.left_alone:
        return False
    return template.compiled.statement is not None


def _parameters(parameters: object) -> Parameters:
    if parameters is None or isinstance(parameters, Mapping):
        return parameters
    if isinstance(parameters, Sequence) and not isinstance(parameters, str | bytes):
        return parameters
    return [parameters]
