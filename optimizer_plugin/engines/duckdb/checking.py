"""Repeats statements on a cursor beside the user's connection, to compare what they give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import duckdb

from metastore.records import Difference
from optimizer_plugin.engines.duckdb.comparing import Statements
from optimizer_plugin.engines.duckdb.spooling import single_statement
from optimizer_plugin.engines.ports import Comparison, Parameters

if TYPE_CHECKING:
    from optimizer_plugin.engines.duckdb.engine import DuckDBEngine


class DuckDBChecker:
    """See ``optimizer_plugin.engines.ports.Checker``.

    Args:
        engine: Of the cursor, sharing what the user's engine knows of the instance, so that what runs here is
            accounted for as ours.
        cursor: Belongs to the checker, which closes it.
    """

    def __init__(self, engine: DuckDBEngine, cursor: duckdb.DuckDBPyConnection) -> None:
        self.engine = engine
        self.release = duckdb.__version__
        self._cursor = cursor

    def compare(self, original: str, other: str, parameters: Parameters, order: Sequence[int]) -> Comparison:
        """Compare two statements; see the port."""
        first, second = (single_statement(text, self._cursor) for text in (original, other))
        columns = self.engine.describe(first, parameters)
        found = self.engine.describe(second)
        if [column.type for column in columns] != [column.type for column in found]:
            return Comparison(difference=Difference.SHAPE, original_rows=0, rewritten_rows=0)
        return Statements(first, second, parameters, columns, self.engine.run_own).compare(order)

    def interrupt(self) -> None:
        """End the statement that runs now, from another thread."""
        self._cursor.interrupt()

    def close(self) -> None:
        """Give the cursor back."""
        self.engine.close()
        self._cursor.close()
