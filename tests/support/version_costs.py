"""Prints what telling versions costs: ``python -m tests.support.version_costs``."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

from optimizer_plugin.engines.duckdb.engine import DuckDBEngine
from optimizer_plugin.engines.duckdb.files import RACY_SECONDS
from optimizer_plugin.engines.duckdb.instances import Instances
from signatures.model import InputIdentity

ROUNDS = 500


def say(line: str) -> None:
    """One line of the answer."""
    sys.stdout.write(f"{line}\n")


def median_microseconds(work: Callable[[], object]) -> float:
    """Median time of one call."""
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1e6


def main() -> None:
    """Print one line for each kind of input."""
    with tempfile.TemporaryDirectory() as directory:
        base = Path(directory)
        for number in range(100):
            (base / f"{number}.csv").write_text("a\n1\n")
        time.sleep(2 * RACY_SECONDS)
        for name, path in (("in memory", ":memory:"), ("in a file", str(base / "x.duckdb"))):
            raw = duckdb.connect(path)
            raw.execute("CREATE TABLE t (a INTEGER)")
            engine = DuckDBEngine(raw, instances=Instances())
            table = engine.look().catalog.relation(("t",))
            inputs = [getattr(table, "identity")]  # noqa: B009 - a table, as it was just made
            say(f"look at a database {name}: {median_microseconds(engine.look):.0f} us")
            moment = engine.look()
            cost = median_microseconds(lambda e=engine, i=inputs, m=moment: e.versions(i, since=m))  # type: ignore[misc]
            say(f"version of a table {name}: {cost:.0f} us")
        for pattern, count in (("7.csv", 1), ("*.csv", 100)):
            glob = [InputIdentity(f"files:csv:{base}/{pattern}")]
            moment = engine.look()
            cost = median_microseconds(lambda e=engine, i=glob, m=moment: e.versions(i, since=m))  # type: ignore[misc]
            say(f"version of {count} files: {cost:.0f} us")


if __name__ == "__main__":
    main()
