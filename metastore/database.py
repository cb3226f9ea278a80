"""The connection to Postgres: pool, timeouts, transactions, and errors in this package's words."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg.errors
from sqlalchemy import URL, Connection, create_engine, event, text
from sqlalchemy.exc import DBAPIError, DisconnectionError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from metastore.answering import connect, with_patience
from metastore.errors import AccessDenied, InvalidRecord, MetastoreError, Unreachable

CONNECT_SECONDS: Final = 3
STATEMENT_SECONDS: Final = 3
LONG_STATEMENT_SECONDS: Final = 120
GRACE_SECONDS: Final = 1.0
"""A server that is up cuts a statement off itself; so much later it is taken to be hanging."""
RETRY_AFTER_SECONDS: Final = 5.0
"""For so long after a failed connection every call fails at once instead of waiting again."""
LONGEST_RETRY_SECONDS: Final = 60.0
"""The pause doubles up to this while every attempt fails, so that a hanging server costs little in all."""

_POOL_SIZE: Final = 5
_POOL_OVERFLOW: Final = 15

_CONNECTION_LOST: Final = (
    psycopg.errors.AdminShutdown,
    psycopg.errors.CrashShutdown,
    psycopg.errors.CannotConnectNow,
    psycopg.errors.IdleInTransactionSessionTimeout,
)
_REFUSED: Final = (
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.InvalidAuthorizationSpecification,
    psycopg.errors.InvalidPassword,
)


class Database:
    """One Postgres database. Everything it raises is a ``MetastoreError``.

    Args:
        url: an address with the driver ``postgresql+psycopg``. Its own ``connect_timeout`` and
            ``options`` win over ours.
        clock: monotonic seconds; given in tests.
        prepare: what has to succeed once before the first use, such as migrating the tables.
        revive: called on a thread of its own when the connection has failed, to start the server again.
    """

    def __init__(
        self,
        url: URL,
        *,
        clock: Callable[[], float] = time.monotonic,
        prepare: Callable[[Database], None] | None = None,
        revive: Callable[[], object] | None = None,
    ) -> None:
        # Without the query, which may hold a password too.
        self.name: Final = url.set(query={}).render_as_string(hide_password=True)
        self.address: Final = url.render_as_string(hide_password=False)
        self._clock = clock
        self._prepare = prepare
        self._prepared = threading.Event()
        self._preparing = threading.RLock()
        self._revive = revive
        self._reviving: threading.Thread | None = None
        self._down_until: float | None = None
        self._pause = RETRY_AFTER_SECONDS
        self._engine = create_engine(
            url,
            pool_size=_POOL_SIZE,
            max_overflow=_POOL_OVERFLOW,
            pool_timeout=CONNECT_SECONDS,
            connect_args=_connect_arguments(url, statement_seconds=STATEMENT_SECONDS, durable=False),
        )
        event.listen(self._engine, "do_connect", connect(STATEMENT_SECONDS + GRACE_SECONDS))
        self._reading = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        _in_this_process.add(self)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection outside any transaction, so that one statement is one round trip."""
        self._prepare_once()
        with self._translated(), self._reading.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A connection in a transaction that commits at the end, or rolls back on any error.

        It does not wait for the disk, so that no job does: a crash of the server may undo the last moments
        of what can be had again, such as leases, views and history.
        """
        self._prepare_once()
        with self._translated(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def keeping(self) -> Iterator[Connection]:
        """Like ``writing``, for what has to outlive a crash: decisions of people, and distrust of views."""
        with self.writing() as connection:
            connection.execute(text("SET LOCAL synchronous_commit = on"))
            yield connection

    @contextmanager
    def working_long(self) -> Iterator[Connection]:
        """Like ``writing``, with a limit for work that no job waits for: mining, deleting history."""
        with self.writing() as connection:
            connection.execute(text(f"SET LOCAL statement_timeout = '{LONG_STATEMENT_SECONDS}s'"))
            with with_patience(connection, LONG_STATEMENT_SECONDS + GRACE_SECONDS):
                yield connection

    def own_connection(self) -> psycopg.Connection[Any]:
        """A connection of the caller's own, which is his to close."""
        with self._translated():
            pooled = self._engine.raw_connection()
            driver: psycopg.Connection[Any] | None = pooled.driver_connection
            pooled.detach()
        if driver is None:
            raise Unreachable(f"metastore {self.name}: no connection; check that the server runs")
        return driver

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        """Like ``writing``, on a connection of its own and with time enough to change large tables."""
        engine = create_engine(
            self._engine.url,
            pool_size=1,
            connect_args=_connect_arguments(self._engine.url, statement_seconds=0, durable=True),
        )
        try:
            with self._translated(), engine.begin() as connection:
                yield connection
        finally:
            engine.dispose()

    def close(self) -> None:
        """Close every connection that is not in use."""
        self._engine.dispose()

    def after_fork(self) -> None:
        """Leave the sockets to the process that this one was forked from; make new ones when needed."""
        self._engine.dispose(close=False)
        self._preparing = threading.RLock()

    def _prepare_once(self) -> None:
        """Callers on other threads wait for it; the connections that it uses itself do not."""
        if self._prepare is None or self._prepared.is_set():
            return
        with self._preparing:
            if self._prepared.is_set():
                return
            self._prepared.set()
            try:
                self._prepare(self)
            except BaseException:
                self._prepared.clear()
                raise

    @contextmanager
    def _translated(self) -> Iterator[None]:
        self._fail_fast()
        try:
            yield
        except MetastoreError:
            raise
        except PoolTimeoutError as error:
            raise Unreachable(
                f"metastore {self.name}: no free connection within {CONNECT_SECONDS} s; "
                "use fewer threads per metastore"
            ) from error
        except (DBAPIError, DisconnectionError) as error:
            raise self._in_our_words(error) from error
        except SQLAlchemyError as error:
            raise MetastoreError(f"metastore {self.name}: {_first_line(error)}; report this") from error
        else:
            self._down_until, self._pause = None, RETRY_AFTER_SECONDS

    def _fail_fast(self) -> None:
        if self._down_until is not None and self._clock() < self._down_until:
            raise Unreachable(
                f"metastore {self.name}: connection failed less than {self._pause:g} s ago; "
                "reuse resumes by itself once it answers"
            )

    def _note_down(self) -> None:
        """Calls fail at once for a while, which doubles as long as every attempt fails."""
        if self._down_until is not None:
            self._pause = min(2 * self._pause, LONGEST_RETRY_SECONDS)
        self._down_until = self._clock() + self._pause
        if self._revive is not None and (self._reviving is None or not self._reviving.is_alive()):
            self._reviving = threading.Thread(target=self._revive, name="respool-revive", daemon=True)
            self._reviving.start()

    def _in_our_words(self, error: DBAPIError | DisconnectionError) -> MetastoreError:
        cause = getattr(error, "orig", None)
        found = _first_line(cause or error)
        if isinstance(cause, psycopg.errors.QueryCanceled):
            return Unreachable(
                f"metastore {self.name}: no answer within the time limit ({found}); "
                "look for long transactions on the server"
            )
        if isinstance(cause, _REFUSED) or "authentication failed" in found:
            return AccessDenied(
                f"metastore {self.name}: {found}; "
                f"correct the credentials, or grant the user CREATE on the database"
            )
        if isinstance(cause, psycopg.DataError | psycopg.IntegrityError):
            return InvalidRecord(f"metastore {self.name} refused a record: {found}; correct the record")
        if _connection_failed(error, cause):
            self._note_down()
            return Unreachable(f"metastore {self.name}: {found}; check that the server runs and the address")
        if isinstance(cause, psycopg.OperationalError):
            return Unreachable(f"metastore {self.name}: {found}; try again")
        return MetastoreError(f"metastore {self.name}: {found}; report this")


def _after_fork() -> None:
    for database in tuple(_in_this_process):
        database.after_fork()


_in_this_process: Final = weakref.WeakSet[Database]()
os.register_at_fork(after_in_child=_after_fork)


def _connect_arguments(url: URL, *, statement_seconds: int, durable: bool) -> dict[str, object]:
    # A peer that has vanished is noticed within seconds, also by a connection that only listens.
    arguments: dict[str, object] = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3}
    if "connect_timeout" not in url.query:
        arguments["connect_timeout"] = CONNECT_SECONDS
    if "options" not in url.query:
        settings = {
            "statement_timeout": f"{statement_seconds}s",
            "timezone": "UTC",
            "synchronous_commit": "on" if durable else "off",
        }
        arguments["options"] = " ".join(f"-c {name}={value}" for name, value in settings.items())
    return arguments


def _connection_failed(error: Exception, cause: BaseException | None) -> bool:
    if isinstance(error, DisconnectionError) or getattr(error, "connection_invalidated", False):
        return True
    if isinstance(cause, _CONNECTION_LOST):
        return True
    # psycopg raises the bare class, without an SQL state, when no connection came about.
    return isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError) and cause.sqlstate is None


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    line = text.splitlines()[0]
    return line[:1].lower() + line[1:]
