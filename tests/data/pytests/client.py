"""Tests as a client's suite has them; one of them tells a wrapped connection from a plain one."""

from __future__ import annotations

import duckdb


def test_rows() -> None:
    """The same both ways."""
    with duckdb.connect() as connection:
        assert connection.execute("SELECT 1").fetchall() == [(1,)]


def test_exact_type() -> None:
    """Passes plain alone."""
    with duckdb.connect() as connection:
        assert type(connection).__name__ == "DuckDBPyConnection"


def test_that_fails() -> None:
    """Fails both ways."""
    raise AssertionError
