"""Tells whether SQL fixes a statement's rows, by asking a plain database that holds the same rows otherwise.

``SELECT a, b ... ORDER BY a LIMIT 3`` may pick any of the rows that tie, ``first(x)`` any row: an engine
gives the same ones again and again until a table is written anew or a join is turned around. Where a
plain engine's answer depends on that, another answer of the wrapped one is not a wrong one.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import duckdb

from benchmarks.conformance.outcomes import Outcome

_ORDERS = ("rowid DESC", "hash(rowid)", "hash(rowid + 1)")
_OPTIMIZERS = (
    "common_subplan,join_order,build_side_probe_side",
    "common_subplan,top_n,late_materialization,cte_inlining,join_order",
)
_USUAL = "common_subplan"
_TABLES = """
SELECT format('"{}"."{}"', schema_name, replace(table_name, '"', '""')) FROM duckdb_tables()
WHERE NOT internal AND NOT temporary AND database_name = current_database()
"""


def is_free(connection: duckdb.DuckDBPyConnection, ask: Callable[[], Outcome], usual: Outcome) -> bool:
    """Whether the answer is another one with rows stored in another order or joins made otherwise."""
    for optimizers in _OPTIMIZERS:
        connection.execute(f"SET disabled_optimizers = '{optimizers}'")
        try:
            if usual.difference(ask()):
                return True
        finally:
            connection.execute(f"SET disabled_optimizers = '{_USUAL}'")
    return any(usual.difference(_reordered(connection, order, ask) or usual) for order in _ORDERS)


def _reordered(
    connection: duckdb.DuckDBPyConnection, order: str, ask: Callable[[], Outcome]
) -> Outcome | None:
    """The answer over tables written anew in an order; None inside a transaction of the program's."""
    try:
        connection.execute("BEGIN")
    except duckdb.Error:
        return None
    try:
        for (table,) in connection.execute(_TABLES).fetchall():
            connection.execute(f"CREATE OR REPLACE TEMP TABLE reordered AS FROM {table} ORDER BY {order}")
            connection.execute(f"DELETE FROM {table}")
            connection.execute(f"INSERT INTO {table} FROM reordered")
        return ask()
    except duckdb.Error:
        return None
    finally:
        with suppress(duckdb.Error):
            connection.execute("ROLLBACK")
