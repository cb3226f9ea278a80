"""Evidence of everybody who uses a DuckDB instance, and the epoch that stands for its in-memory data.

A DuckDB instance numbers all its queries and all its transactions, whichever connection they come from
(``current_query_id()``, ``current_transaction_id()``), and counts its connections
(``duckdb_connection_count()``). A probe on a cursor of our own reads the three in one query. Measured on
1.5.5 and 2.0.0: a statement through ``execute`` costs exactly one query and one transaction (none of
the latter inside an explicit transaction), fetching costs nothing, and so does the parser. What our own
statements do not explain was somebody else's: a statement on the raw connection, on another cursor, an
appender, a relation.

Numbers alone cannot say that a foreign statement is *finished*: a long INSERT is counted when it starts
and visible when it ends. So as long as connections exist that nobody told us of, in-memory data has no
version at all. ``txid_current()`` would not do: on 2.0 a commit leaves no trace in it, and on 1.5 it
depends on the way rows are fetched.
"""

from __future__ import annotations

import secrets
import sys
import threading
import time
import weakref
from contextlib import suppress
from dataclasses import dataclass

import duckdb

from optimizer_plugin.engines.duckdb.databases import OpenedFiles

OWN_THREADS = "respool-"
"""How names of threads of ours begin."""

# As a prepared statement this would be folded into the numbers of the moment it was prepared.
_PROBE = "SELECT current_query_id(), current_transaction_id()"
_FULL_PROBE = "SELECT current_query_id(), current_transaction_id(), count FROM duckdb_connection_count()"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticks:
    """Queries and transactions that something costs."""

    queries: int = 0
    transactions: int = 0

    def __add__(self, other: Ticks) -> Ticks:
        return Ticks(
            queries=self.queries + other.queries, transactions=self.transactions + other.transactions
        )

    def __sub__(self, other: Ticks) -> Ticks:
        return Ticks(
            queries=self.queries - other.queries, transactions=self.transactions - other.transactions
        )

    def within(self, low: Ticks, high: Ticks) -> bool:
        """Whether both numbers lie between the bounds, which are included."""
        return (
            low.queries <= self.queries <= high.queries
            and low.transactions <= self.transactions <= high.transactions
        )


ONE = Ticks(queries=1, transactions=1)
"""What one statement outside a transaction costs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What one probe showed.

    ``ambiguous``: statements of ours are running, and whether what was counted is theirs cannot be told
    yet. ``foreign``: a write that was not told to us may be going on, on a connection that is not ours or on
    one of ours that another thread uses directly. ``others`` counts everything but our own probes: equal in
    two sightings means that nothing ran in between.
    """

    epoch: str
    unexplained: int
    ambiguous: bool
    foreign: bool
    writing: bool
    others: Ticks

    @property
    def settled(self) -> bool:
        """Whether everything that was counted is known to be finished and visible."""
        return not (self.ambiguous or self.foreign or self.writing)


class Member:
    """One connection that is known to belong to us; forgotten when its engine is.

    ``idle_at`` is the count of unexplained statements at which nothing was running on it any more.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self.idle_at = -1

    @property
    def alive(self) -> bool:
        """Whether the connection is still open."""
        try:
            self.connection.query_progress()
        except duckdb.Error:
            return False
        return True


class InstanceActivity:
    """What happens in one DuckDB instance, shared by all engines of this process that use it.

    Thread-safe. ``epoch`` is the version of everything in memory: random, and never given again after
    it was renewed. ``catalog_generation`` and ``function_generation`` move whenever names may have.
    """

    def __init__(self, member: Member) -> None:
        self.token = secrets.token_hex(16)
        self._lock = threading.RLock()
        self._members: weakref.WeakSet[Member] = weakref.WeakSet([member])
        self._cursor: duckdb.DuckDBPyConnection | None = None
        self._expected: Ticks | None = None
        self._running = Ticks()
        self._own = Ticks()
        self._others_present = True
        self._busy_elsewhere = False
        self._writers = 0
        self._epoch = secrets.token_hex(16)
        self._unexplained = 0
        self._last_unexplained = time.monotonic()
        self.opened = OpenedFiles()
        self.catalog_generation = 0
        self.function_generation = 0

    def after_fork(self) -> None:
        """A thread that held the lock is not there in a forked process, and never gives it back."""
        self._lock = threading.RLock()

    def join(self, member: Member, *, fresh: bool = False) -> None:
        """Count a connection as one of ours from now on; on a fresh one nothing can be running."""
        with self._lock:
            member.idle_at = self._unexplained if fresh else -1
            self._busy_elsewhere = self._busy_elsewhere or not fresh
            self._members.add(member)
            self._others_present = True  # until counted again

    def leave(self, member: Member) -> None:
        """Count a connection as somebody else's from now on; the last one closes the probe's cursor."""
        with self._lock:
            self._members.discard(member)
            self._others_present = True
            if self._cursor is not None and not any(each.alive for each in self._members):
                self._cursor.close()
                self._cursor = None

    @property
    def in_use(self) -> bool:
        """Whether any connection of ours is still open."""
        return any(member.alive for member in tuple(self._members))

    def quiet_seconds(self) -> float:
        """Seconds since something unexplained was last seen, by a clock that never jumps."""
        return time.monotonic() - self._last_unexplained

    def sight(self) -> Sighting:
        """Read the instance's counters and renew the epoch where something is unexplained.

        Connections are counted only where something unexplained ran: one that has been idle since we
        last counted has nothing half done.
        """
        with self._lock:
            seen, foreign = self._seen_or_none()
            if seen is None:
                seen, foreign = self._probe_in_full()
                expected = None if self._expected is None else self._expected + ONE
                if expected is None or not seen.within(expected, expected + self._running):
                    self._renew(seen)
                else:
                    self._expected = expected
            return Sighting(
                epoch=self._epoch,
                unexplained=self._unexplained,
                ambiguous=seen != self._expected,
                foreign=foreign or self._may_be_busy(),
                writing=self._writers > 0,
                others=seen - self._own,
            )

    def idle(self, member: Member, unexplained: int) -> None:
        """A statement ran to its end on a connection of ours after so much was unexplained.

        A connection runs one statement at a time: whatever had begun on it before has ended.
        """
        with self._lock:
            member.idle_at = max(member.idle_at, unexplained)

    def _may_be_busy(self) -> bool:
        """Whether a statement that we did not see begin may still be running on a connection of ours.

        That takes another thread. Of those that there are, nobody can tell what they are doing; so each
        connection has to be used once more after something unexplained, or be closed.
        """
        if self._busy_elsewhere:
            behind = any(each.idle_at != self._unexplained and each.alive for each in tuple(self._members))
            self._busy_elsewhere = behind and _other_threads()
        return self._busy_elsewhere

    def _seen_or_none(self) -> tuple[Ticks | None, bool]:
        """The short probe, where all is explained and nobody else was there when last counted."""
        if self._expected is None or self._others_present:
            return None, True
        row = self._read(_PROBE)
        seen, expected = Ticks(queries=row[0], transactions=row[1]), self._expected + ONE
        self._expected = expected
        return (seen, False) if seen == expected else (None, True)

    def _probe_in_full(self) -> tuple[Ticks, bool]:
        row = self._read(_FULL_PROBE)
        ours = len({id(member.connection) for member in self._members if member.alive})
        self._others_present = row[2] != ours + 1
        return Ticks(queries=row[0], transactions=row[1]), self._others_present

    def start_reading(self, statements: int) -> None:
        """Our own statements are about to run, one after the other, and change nothing."""
        with self._lock:
            self._running += Ticks(queries=statements, transactions=statements)

    def finish_reading(self, statements: int, cost: Ticks) -> None:
        """They have run; ``cost`` is what they must have cost exactly."""
        with self._lock:
            self._running -= Ticks(queries=statements, transactions=statements)
            if self._expected is not None:
                self._expected += cost

    def start_writing(self, statements: int) -> None:
        """Statements of ours that may change data are about to run: no version is current until they end."""
        with self._lock:
            self.start_reading(statements)
            self._writers += 1
            self._epoch = secrets.token_hex(16)

    def finish_writing(self, statements: int, cost: Ticks | None) -> None:
        """They have run, or failed; None for a cost that cannot be told."""
        with self._lock:
            self._writers -= 1
            self.finish_reading(statements, cost or Ticks())
            if cost is None:
                self.renew()
            else:
                self._epoch = secrets.token_hex(16)

    def renew(self) -> None:
        """Take everything counted so far for somebody's changes, of data and of names."""
        with self._lock:
            try:
                seen, _ = self._probe_in_full()
            except duckdb.ConnectionException:
                seen = Ticks(queries=-1, transactions=-1)  # closed: whatever is read next is unexplained
            self._renew(seen)

    def renamed(self, *, functions: bool) -> None:
        """Names may mean something else from now on."""
        with self._lock:
            self.catalog_generation += 1
            self.function_generation += int(functions)

    def counted(self, statements: int) -> None:
        """Statements of ours have run outside the windows of ``start_reading``."""
        with self._lock:
            self._count_own(statements)

    def rows(self, sql: str, parameters: list[object] | None = None) -> list[tuple[object, ...]]:
        """Run a query of ours on the probe's cursor, where a failure touches no transaction of the user's."""
        with self._lock:
            cursor = self._cursor or self._connect()
            try:
                found = cursor.execute(sql, parameters).fetchall()
            except duckdb.ParserException:
                raise  # what does not parse is not counted
            except duckdb.Error:
                self._count_own(1)
                raise
            self._count_own(1)
            return found

    def _count_own(self, statements: int) -> None:
        cost = Ticks(queries=statements, transactions=statements)
        self._own += cost
        if self._expected is not None:
            self._expected += cost

    def _renew(self, seen: Ticks) -> None:
        self._epoch = secrets.token_hex(16)
        self._expected = seen
        self._unexplained += 1
        self._busy_elsewhere = True
        self._last_unexplained = time.monotonic()
        self.renamed(functions=True)

    def _read(self, probe: str) -> tuple[int, ...]:
        try:
            row = (self._cursor or self._connect()).execute(probe).fetchall()[0]
        except duckdb.ConnectionException:
            # Closing a connection closes the cursors made from it, ours among them.
            self._cursor = None
            row = self._connect().execute(probe).fetchall()[0]
        self._own += ONE
        return tuple(row)

    def _connect(self) -> duckdb.DuckDBPyConnection:
        for member in tuple(self._members):
            with suppress(duckdb.ConnectionException):
                self._cursor = member.connection.cursor()
                return self._cursor
        raise duckdb.ConnectionException("Connection Error: Connection already closed!")


def _other_threads() -> bool:
    """Whether threads run besides this one and our own, which never use a connection of the program's."""
    ours = {thread.ident for thread in threading.enumerate() if thread.name.startswith(OWN_THREADS)}
    return bool(sys._current_frames().keys() - ours - {threading.get_ident()})
