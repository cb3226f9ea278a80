"""Methods that go to the plain connection and are noted on the way: fetches and changes.

DuckDB computes many rows only while they are fetched, so fetching is timed. Which methods a connection has
depends on the release: 2.0 dropped ``arrow`` and ``pl`` and added ``abort`` and ``complete``. The wrapped
connection has those that the plain one has.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, TypeVar

import duckdb

from optimizer_plugin.engines.duckdb.frames import call_from


class Noting(Protocol):
    """What a wrapped connection does with what was noted."""

    _plain: duckdb.DuckDBPyConnection

    def _fetched(self, seconds: float, *, all_rows: bool) -> None:
        """Rows were fetched in so many seconds; there are no more where ``all_rows``."""

    def _changed(self) -> None:
        """Names, functions, settings or rows may be others from now on."""


_Ends = Callable[[Any], bool]
_Connection = TypeVar("_Connection", bound=Noting)


def _always(_: Any) -> bool:
    return True


def _is_none(found: Any) -> bool:
    return found is None


def _is_empty(found: Any) -> bool:
    return len(found) == 0


def _is_table(found: Any) -> bool:
    """Whether rows were handed over, and not something that fetches them later."""
    return type(found).__name__ not in ("LazyFrame", "RecordBatchReader")


_ROWS = ("fetchall", "fetchmany", "fetchone")
"""Called once a row, perhaps, and warn of nothing: no frame is made for them."""

FETCHING: dict[str, _Ends] = {
    "abort": _always,
    "arrow": _is_table,
    "complete": _always,
    "df": _always,
    "fetch_arrow_table": _always,
    "fetch_df": _always,
    "fetch_df_chunk": _is_empty,
    "fetch_record_batch": _is_table,
    "fetchall": _always,
    "fetchdf": _always,
    "fetchmany": _is_empty,
    "fetchnumpy": _always,
    "fetchone": _is_none,
    "pl": _is_table,
    "tf": _always,
    "to_arrow_reader": _is_table,
    "to_arrow_table": _always,
    "torch": _always,
}
"""Methods that fetch, each with how to tell from what it returned that no row is left."""

CHANGING = (
    "append",
    "appender",
    "checkpoint",
    "create_function",
    "install_extension",
    "load_extension",
    "query_appender",
    "register",
    "register_filesystem",
    "remove_function",
    "unregister",
    "unregister_filesystem",
)
"""Methods after which names, functions, settings or rows may be others, without any statement."""


def add_noted_methods(kind: type[_Connection]) -> type[_Connection]:
    """Give a class those of these methods that DuckDB's connection has in this release."""
    for name, ends in FETCHING.items():
        if (plain := getattr(duckdb.DuckDBPyConnection, name, None)) is not None:
            method = _fetching_rows(plain, ends) if name in _ROWS else _fetching(plain, ends)
            setattr(kind, name, _named(method, name, plain))
    for name in CHANGING:
        if (plain := getattr(duckdb.DuckDBPyConnection, name, None)) is not None:
            setattr(kind, name, _named(_changing(plain), name, plain))
    return kind


def _fetching(plain: Callable[..., Any], ends: _Ends) -> Callable[..., Any]:
    """What DuckDB warns of, such as an old name, it says of the program's line."""

    def fetch(connection: Noting, /, *arguments: object, **named: object) -> Any:
        started = time.perf_counter()
        found = call_from(sys._getframe(1), partial(plain, connection._plain, *arguments, **named))
        connection._fetched(time.perf_counter() - started, all_rows=ends(found))
        return found

    return fetch


def _fetching_rows(plain: Callable[..., Any], ends: _Ends) -> Callable[..., Any]:
    clock = time.perf_counter

    def fetch(connection: Noting, /, *arguments: object, **named: object) -> Any:
        started = clock()
        found = plain(connection._plain, *arguments, **named)
        connection._fetched(clock() - started, all_rows=ends(found))
        return found

    return fetch


def _changing(plain: Callable[..., Any]) -> Callable[..., Any]:
    def change(connection: Noting, /, *arguments: object, **named: object) -> Any:
        try:
            found = call_from(sys._getframe(1), partial(plain, connection._plain, *arguments, **named))
        finally:
            connection._changed()
        return connection if found is connection._plain else found

    return change


def _named(method: Callable[..., Any], name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
    method.__name__, method.__qualname__ = name, f"DuckDBPyConnection.{name}"
    method.__doc__ = plain.__doc__
    return method
