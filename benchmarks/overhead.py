"""What the wrapper itself costs a statement that can't use reuse: plain and wrapped in turns, in one process.

Each statement runs on both connections alternately, so that whatever else the machine does falls on both. The
cost is the median of the differences of neighbours, with the middle half of them as its spread.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import dataclass
from typing import Any

import duckdb
from rich.console import Console
from rich.table import Table

import optimizer_plugin

TABLES = (
    "CREATE TABLE numbers AS SELECT range AS a, range % 7 AS b FROM range(1000)",
    "CREATE TABLE kept (a INTEGER)",
)

STATEMENTS = {
    "INSERT": "INSERT INTO kept VALUES (1)",
    "SET": "SET threads = 2",
    "constant SELECT": "SELECT 42",
    "point SELECT": "SELECT b FROM numbers WHERE a = 5",
    "aggregate": "SELECT sum(a) FROM numbers",
}

WARM_UP = 100
"""Runs before measuring: afterwards it is known that these statements cannot gain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overhead:
    """Medians of one statement, in microseconds; ``added`` with the quartiles of the differences."""

    statement: str
    plain: float
    wrapped: float
    added: float
    low: float
    high: float


def measure_overhead(repeats: int, metastore: str) -> list[Overhead]:
    """Run every statement so many times on each of two connections."""
    with tempfile.TemporaryDirectory() as directory:
        plain = duckdb.connect()
        wrapped = optimizer_plugin.wrap(
            duckdb.connect(), metastore=metastore, store=directory, tenant="overhead"
        )
        with plain, wrapped:
            for each in TABLES:
                plain.execute(each)
                wrapped.execute(each)
            return [_overhead(plain, wrapped, name, text, repeats) for name, text in STATEMENTS.items()]


def _overhead(plain: Any, wrapped: Any, name: str, text: str, repeats: int) -> Overhead:
    pairs = [(_timed(plain, text), _timed(wrapped, text)) for _ in range(WARM_UP + repeats)][WARM_UP:]
    low, added, high = statistics.quantiles((after - before for before, after in pairs), n=4)
    return Overhead(
        statement=name,
        plain=statistics.median(before for before, _ in pairs),
        wrapped=statistics.median(after for _, after in pairs),
        added=added,
        low=low,
        high=high,
    )


def _timed(connection: Any, text: str) -> float:
    started = time.perf_counter_ns()
    connection.execute(text)
    return (time.perf_counter_ns() - started) / 1_000


def print_overhead(console: Console, found: list[Overhead]) -> None:
    """Print one row a statement."""
    table = Table(title="microseconds a statement, medians")
    table.add_column("statement")
    for name in ("plain", "wrapped", "added", "middle half"):
        table.add_column(name, justify="right")
    for each in found:
        spread = f"{each.low:.0f} to {each.high:.0f}"
        figures = (f"{value:.0f}" for value in (each.plain, each.wrapped, each.added))
        table.add_row(each.statement, *figures, spread)
    console.print(table)
