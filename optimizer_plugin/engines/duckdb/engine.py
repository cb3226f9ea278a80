"""DuckDB as an engine: one user connection, with everything the session asks of it."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from optimizer_plugin.engines.duckdb import spooling
from optimizer_plugin.engines.duckdb.activity import ONE, InstanceActivity, Member, Sighting, Ticks
from optimizer_plugin.engines.duckdb.catalog_reader import CatalogReader
from optimizer_plugin.engines.duckdb.checking import DuckDBChecker
from optimizer_plugin.engines.duckdb.databases import DATABASES_QUERY
from optimizer_plugin.engines.duckdb.instances import PROCESS_INSTANCES, Instances
from optimizer_plugin.engines.duckdb.profiles import parse_profile
from optimizer_plugin.engines.duckdb.settings import SETTINGS_QUERY, environment_line
from optimizer_plugin.engines.duckdb.statements import Statement, StatementKind, statement_kinds
from optimizer_plugin.engines.duckdb.transactions import Transaction
from optimizer_plugin.engines.duckdb.types import TypeRefused
from optimizer_plugin.engines.duckdb.versions import InputVersions
from optimizer_plugin.engines.ports import (
    Interrupted,
    Moment,
    OutputColumn,
    Parameters,
    Profile,
    Spooled,
    SpoolRequest,
    StoredColumn,
)
from optimizer_plugin.errors import SpoolError
from signatures.model import InputIdentity, InputVersion

_TRANSACTION_ID = "SELECT current_transaction_id()"
_NO_COST = Ticks()
_ATTEMPTS = 3
_NO_LOG = re.compile("recovery_mode", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What a moment was seen by, and how often names had changed until then."""

    sighting: Sighting
    generation: int


class DuckDBEngine:
    """One wrapped DuckDB connection, as the session sees it.

    Describing, spooling and profiling use the connection itself, so that settings, temporary objects and
    snapshot are the user's: call them before the user's own statement runs, since they replace its
    pending result. Inside an explicit transaction nothing is run that may fail, because a failure would
    take the transaction with it.

    The session calls ``observe_before`` and ``observe_after`` around every statement that it passes on;
    see ``activity`` for what that is good for.

    Args:
        connection: The user's connection.
        instances: Where evidence of DuckDB instances is shared; the process's own by default.
        activity: The instance's evidence where it is known, as for a cursor of a wrapped connection.
    """

    name: str = "duckdb"
    dialect: str = "duckdb"

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        *,
        instances: Instances = PROCESS_INSTANCES,
        activity: InstanceActivity | None = None,
    ) -> None:
        self._connection = connection
        self._member = Member(connection)
        if activity is None:
            activity = instances.of(self._member)
        else:
            activity.join(self._member, fresh=True)
        self._activity = activity
        self._reader = CatalogReader(
            activity=activity,
            session=secrets.token_hex(16),
            run=self._run,
            inside=self._in_transaction,
        )
        self._versions = InputVersions(activity)
        self._environment: tuple[int, str] = (-1, "")
        self._transaction: Transaction | None = None
        self._unseen_transaction = False
        self._wrote_window = False
        self._ends_clean = False
        self._opens = False
        self._attaches: frozenset[object] | None = None

    def for_cursor(self, cursor: duckdb.DuckDBPyConnection) -> DuckDBEngine:
        """An engine for a cursor made from this connection, which shares what is known of the instance."""
        return DuckDBEngine(cursor, activity=self._activity)

    def close(self) -> None:
        """Forget the connection; it is not closed, that is its owner's to do."""
        self._activity.leave(self._member)

    # What the connection sees

    def look(self) -> Moment:
        """Names, settings and transaction, from one look at the instance.

        Inside an explicit transaction nothing is run on the connection: even ``SELECT 1`` with a catalog
        function in it would fix the transaction's snapshot sooner than the program's own statements do, and
        what fails there takes the transaction with it. Names are then those that were known before.
        """
        sighting = self._settled_sighting()
        if self._inside:
            return Moment(catalog=self._reader.last, environment="", in_transaction=True, evidence=None)
        snapshot = self._reader.current(sighting)
        return Moment(
            catalog=snapshot.catalog,
            environment=self._settings_line(sighting),
            in_transaction=False,
            evidence=_Evidence(sighting, snapshot.generation),
        )

    def _settings_line(self, sighting: Sighting) -> str:
        """Read again whenever somebody may have changed a setting, of this connection's or of all."""
        generation = self._activity.catalog_generation
        if self._environment[0] != generation or sighting.foreign:
            line = environment_line(duckdb.__version__, self._run(SETTINGS_QUERY))
            self._environment = (generation, line)
        return self._environment[1]

    def versions(
        self,
        inputs: Iterable[InputIdentity],
        *,
        since: Moment | None = None,
        rows_waiting: bool = False,
    ) -> Mapping[InputIdentity, InputVersion | None]:
        """The version of each input now, or at a time since a moment; None where it cannot be told.

        Ask again after spooling, and before handing on the rows of a rewritten statement that also reads
        base tables: only where nothing changed in between do rows and version belong together. With
        ``rows_waiting`` nothing runs on the connection itself, which would throw away rows not yet fetched.
        """
        wanted = tuple(dict.fromkeys(inputs))
        evidence = since.evidence if since else None
        known = evidence if isinstance(evidence, _Evidence) else None
        if known is not None and not rows_waiting:
            sighting = known.sighting
        else:
            sighting = self._activity.sight() if rows_waiting else self._settled_sighting()
        if self._inside:
            return dict.fromkeys(wanted)
        attached = self._reader.databases(sighting, aside=rows_waiting)
        found = self._versions.of(
            wanted, attached, sighting, self._activity.rows if rows_waiting else self._run
        )
        if known is not None and known.generation != self._activity.catalog_generation:
            return dict.fromkeys(found)
        return found

    def _settled_sighting(self) -> Sighting:
        """Look at the instance; what is unexplained may have begun a transaction on this very connection."""
        for _ in range(_ATTEMPTS):
            sighting = self._activity.sight()
            if sighting.unexplained == self._member.idle_at or self._transaction is not None:
                return sighting
            self._look_for_transaction()
            self._activity.idle(self._member, sighting.unexplained)
        return replace(self._activity.sight(), foreign=True)

    # Transactions and other statements of the user's

    def _in_transaction(self) -> bool:
        """Whether an explicit transaction is open, also one that was begun on the raw connection.

        What we saw begin and end is known; only where something unexplained ran is the connection asked.
        """
        self._settled_sighting()
        return self._inside

    @property
    def _inside(self) -> bool:
        """Whether a transaction was open when the instance was last looked at."""
        return self._transaction is not None or self._unseen_transaction

    def _look_for_transaction(self) -> None:
        """Two statements that get the same transaction number share a transaction.

        In one that has failed nothing runs any more, which says the same.
        """
        try:
            first, second = (self._run(_TRANSACTION_ID)[0][0] for _ in range(2))
        except duckdb.TransactionException:
            self._unseen_transaction = self._transaction is None
            return
        opened = first == second
        if opened != self._inside:
            # Begun or ended behind our back: our reckoning of ticks was wrong, so start over.
            self._transaction = None
            self._unseen_transaction = opened
            self.note_write()

    def statement_kinds(self, sql: str) -> tuple[Statement, ...]:
        """Cut what a program sent into statements; see ``statements.statement_kinds``."""
        return statement_kinds(sql, self._connection)

    def observe_before(self, statements: Sequence[Statement]) -> None:
        """Statements of the user's are about to run on this connection. Follow with ``observe_after``."""
        self._ends_clean = any(each.kind in _ENDS for each in statements) and self._clean_transaction()
        self._wrote_window = self._must_renew(statements)
        if self._wrote_window:
            self._activity.start_writing(len(statements))
        else:
            self._activity.start_reading(len(statements))
        begins = len(statements) == 1 and statements[0].kind is StatementKind.BEGIN
        self._opens = begins and not self._inside
        self._attaches = self._attached_numbers() if _attaches(statements) else None
        if self._opens:
            self._begin()

    def observe_after(self, statements: Sequence[Statement], *, error: BaseException | None = None) -> None:
        """They have run, or failed with ``error``."""
        cost = self._cost(statements, error)
        if self._wrote_window:
            self._activity.finish_writing(len(statements), cost)
        else:
            self._activity.finish_reading(len(statements), cost or _NO_COST)
            if cost is None:
                self._activity.renew()
        if self._attaches is not None and error is None:
            self._activity.opened.attached_in_sight(self._attaches, self._activity.rows(DATABASES_QUERY))
        self._follow_transaction(statements, error)
        if any(each.changes_catalog and not (self._ends_clean and each.kind in _ENDS) for each in statements):
            functions = any(statement.changes_functions for statement in statements)
            self._activity.renamed(functions=functions)

    def note_write(self) -> None:
        """Something of the user's may just have changed data: appenders, ``insert`` of a relation, ..."""
        self._activity.renew()

    def _begin(self) -> None:
        self._transaction = Transaction(unexplained=self._activity.sight().unexplained)

    def _attached_numbers(self) -> frozenset[object]:
        return frozenset(row[5] for row in self._activity.rows(DATABASES_QUERY))

    def _must_renew(self, statements: Sequence[Statement]) -> bool:
        """Whether statements may change what others see, or cost an unknown number of ticks."""
        if any(statement.kind is StatementKind.COMMIT for statement in statements):
            return len(statements) > 1 or not self._ends_clean
        if len(statements) > 1 and any(statement.kind in _TRANSACTION_KINDS for statement in statements):
            return True
        return any(statement.is_write for statement in statements)

    def _clean_transaction(self) -> bool:
        """Whether the open transaction was seen from its beginning and nothing was written in it."""
        transaction = self._transaction
        if transaction is None or transaction.wrote:
            return False
        return self._activity.sight().unexplained == transaction.unexplained

    def _cost(self, statements: Sequence[Statement], error: BaseException | None) -> Ticks | None:
        """What statements cost; None where that cannot be told."""
        if isinstance(error, duckdb.ParserException):
            return _NO_COST
        count = len(statements)
        if count == 1 and statements[0].kind is StatementKind.SELECT:
            return Ticks(queries=1, transactions=0) if self._inside else ONE
        kinds = {statement.kind for statement in statements}
        if StatementKind.OTHER in kinds or (count > 1 and (error or kinds & _TRANSACTION_KINDS)):
            return None
        inside = self._inside and not self._opens
        return Ticks(queries=count, transactions=0 if inside else count)

    def _follow_transaction(self, statements: Sequence[Statement], error: BaseException | None) -> None:
        for statement in statements:
            match statement.kind:
                case StatementKind.BEGIN if error is not None:
                    self._transaction = None if self._opens else self._transaction
                case StatementKind.BEGIN if self._transaction is None:
                    self._begin()
                case StatementKind.COMMIT | StatementKind.ROLLBACK:
                    self._transaction, self._unseen_transaction = None, False
                case _ if statement.is_write and self._transaction is not None:
                    self._transaction = self._transaction.written()

    # Running statements of our own on the user's connection

    def describe(self, sql: str, parameters: Parameters = None) -> tuple[OutputColumn, ...]:
        """Names and types of a SELECT's output, without running it."""
        rows = self._run(f"DESCRIBE {sql}", parameters)
        names = [str(row[0]) for row in rows]
        if not duckdb.__version__.startswith("1."):
            names = self._names(sql) if parameters is None else self._names_with(sql, parameters, names)
        return tuple(OutputColumn(name=name, type=str(row[1])) for name, row in zip(names, rows, strict=True))

    def _names(self, sql: str) -> list[str]:
        """Names of outputs as a result has them: of ``v AS "V"`` DuckDB 2.0's DESCRIBE says ``v``.

        Binding a relation costs a transaction and no query.
        """
        with self._reading() as cost_of:
            cost_of.append(Ticks(queries=0, transactions=0 if self._inside else 1))
            return list(self._connection.sql(sql).columns)

    def _names_with(self, sql: str, parameters: Parameters, described: Sequence[str]) -> list[str]:
        """The same for values of parameters, with which a relation would run; repeated names get numbers."""
        self._run(f"SELECT * FROM ({sql}\n) LIMIT 0", parameters)
        names = [str(column[0]) for column in self._connection.description or ()]
        if [name.lower() for name in names] != [name.lower() for name in described]:
            raise SpoolError(f"found output names {names}", expected="each name once beside parameters")
        return names

    def can_spool(self, columns: Sequence[OutputColumn]) -> str | None:
        """None where rows of these types survive a view exactly; else the type that does not."""
        try:
            spooling.stored_columns(columns)
        except TypeRefused as refused:
            return str(refused)
        return None

    def spool(self, request: SpoolRequest) -> Spooled:
        """Write a view's files; on any error nothing is left in ``request.directory``.

        Raises:
            SpoolError: where the view cannot be written exactly as asked.
            Interrupted: where the user stops it.
            duckdb.Error: where the statement itself fails.
        """
        started = time.perf_counter()
        sql = self._check_request(request)
        try:
            columns = spooling.stored_columns(
                self.describe(sql, request.parameters) if request.outputs is None else request.outputs
            )
        except TypeRefused as refused:
            raise SpoolError(f"found a column of type {refused}", expected="types that survive") from None
        asked = replace(request, sql=sql)
        with spooling.staged(request.directory) as staging:
            file = staging / spooling.PART
            copied = self._copy(spooling.copy_statement(asked, columns, file), request.parameters)
            rows = int(str(copied[0][0]))
            size_bytes, checksum = spooling.seal(file)
            self._check_file(staging, columns, rows)
        return Spooled(
            columns=columns,
            rows=rows,
            size_bytes=size_bytes,
            checksum=checksum,
            seconds=time.perf_counter() - started,
        )

    def _copy(self, sql: str, parameters: Parameters) -> list[tuple[object, ...]]:
        try:
            return self._run(sql, parameters)
        except duckdb.InterruptException as error:
            raise Interrupted(error) from error
        except RuntimeError as error:
            # Ctrl-C. DuckDB 1.5 leaves the COPY running, and the connection's next statement hangs on it.
            self._connection.interrupt()
            raise Interrupted(error) from error

    def scan(self, directory: Path, columns: Sequence[tuple[StoredColumn, str]], *, ordered: bool) -> str:
        """SQL of a SELECT that reads a view: (stored column, output name) pairs in order."""
        by_row_number = ordered and not self._preserves_order()
        return spooling.scan_statement(directory, columns, by_row_number=by_row_number)

    def profile(self, sql: str) -> Profile:
        """Run a SELECT to its end with profiling on, discard its rows, return what was measured."""
        if self._in_transaction():
            raise SpoolError("found an open transaction", expected="none while a profile is taken")
        text = spooling.single_statement(sql, self._connection)
        rows = self._run(f"EXPLAIN (ANALYZE, FORMAT json) {text}")
        return parse_profile(str(rows[0][1]))

    def run_own(self, sql: str, parameters: Parameters = None) -> list[tuple[object, ...]]:
        """Run a statement that the user did not write; it is accounted for as ours."""
        return self._run(sql, parameters)

    def checker(self) -> DuckDBChecker:
        """A cursor of our own beside the connection."""
        cursor = self._connection.cursor()
        return DuckDBChecker(self.for_cursor(cursor), cursor)

    def _preserves_order(self) -> bool:
        return "preserve_insertion_order='true'" in self._settings_line(self._settled_sighting())

    def _check_request(self, request: SpoolRequest) -> str:
        if self._in_transaction():
            raise SpoolError(
                "found an open transaction", expected="none while spooling: a failure would end it"
            )
        if request.ordered and not self._preserves_order():
            raise SpoolError("found preserve_insertion_order = false", expected="true for an ordered view")
        return spooling.single_statement(request.sql, self._connection)

    def _check_file(self, staging: Path, columns: Sequence[StoredColumn], rows: int) -> None:
        """What was written must read back with the same types and as many rows."""
        named = [(column, column.stored_name) for column in columns]
        scan = spooling.scan_statement(staging, named, by_row_number=False)
        spooling.check_types(columns, self.describe(scan))
        file = spooling.one_file(staging / spooling.PART)
        found = self._activity.rows("SELECT num_rows FROM parquet_file_metadata(?)", [file])[0][0]
        if found != rows:
            raise SpoolError(f"the file holds {found} rows", expected=f"{rows} as written")

    def _run(self, sql: str, parameters: object = None) -> list[tuple[object, ...]]:
        """Run a statement of ours on the user's connection, to its end, and account for it."""
        with self._reading() as cost_of:
            try:
                rows = self._connection.execute(sql, parameters).fetchall()
            except duckdb.ParserException:
                cost_of.append(_NO_COST)
                raise
        return rows

    @contextmanager
    def _reading(self) -> Iterator[list[Ticks]]:
        inside = self._inside
        costs: list[Ticks] = []
        self._activity.start_reading(1)
        try:
            yield costs
        finally:
            usual = Ticks(queries=1, transactions=0) if inside else ONE
            self._activity.finish_reading(1, costs[0] if costs else usual)


_ENDS = frozenset({StatementKind.COMMIT, StatementKind.ROLLBACK})
_TRANSACTION_KINDS = _ENDS | {StatementKind.BEGIN}


def _attaches(statements: Sequence[Statement]) -> bool:
    """Whether databases are attached, and in a way that has their commits logged."""
    kinds = {statement.kind for statement in statements}
    return StatementKind.ATTACH in kinds and not any(_NO_LOG.search(each.text) for each in statements)
