"""Connections that give up on a server which has stopped answering.

A server cuts its statements off by itself, unless it hangs: its machine is gone, its disk blocks, its
process is stopped. Then no limit of its own runs, and nobody but the client can end the wait.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from sqlalchemy import Connection, Dialect
from sqlalchemy.pool import ConnectionPoolEntry

_WAKE_SECONDS = 0.1
_T = TypeVar("_T")

Connector = Callable[[Dialect, ConnectionPoolEntry, list[Any], dict[str, Any]], psycopg.Connection[Any]]


class AnsweringConnection(psycopg.Connection[Any]):
    """A connection that is closed where one statement gets no answer for ``patience`` seconds."""

    patience: float | None = None

    def wait(self, gen: PQGen[_T], interval: float = _WAKE_SECONDS, timeout: float | None = None) -> _T:
        """As psycopg waits, within our patience."""
        try:
            return super().wait(gen, interval, self.patience if timeout is None else timeout)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == psycopg.pq.TransactionStatus.ACTIVE:
                self.pgconn.finish()  # an answer that comes later would be taken for another statement's
            raise


def connect(patience: float) -> Connector:
    """What SQLAlchemy is to connect with."""

    def connected(
        _dialect: Dialect, _entry: ConnectionPoolEntry, arguments: list[Any], options: dict[str, Any]
    ) -> psycopg.Connection[Any]:
        connection = AnsweringConnection.connect(*arguments, **options)
        connection.patience = patience
        return connection

    return connected


@contextmanager
def with_patience(connection: Connection, seconds: float) -> Iterator[None]:
    """Wait longer for the answers to what is done inside."""
    driver = connection.connection.driver_connection
    if not isinstance(driver, AnsweringConnection):
        raise TypeError(f"found a connection of type {type(driver).__qualname__}")
    before, driver.patience = driver.patience, seconds
    try:
        yield
    finally:
        driver.patience = before
