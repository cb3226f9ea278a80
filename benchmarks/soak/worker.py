"""One process of the soak: threads that run statements and check every result against the plain one.

``python -m benchmarks.soak.worker`` with a ``Task`` as JSON for its argument; prints a ``Tally`` as JSON.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

import duckdb

import optimizer_plugin
from benchmarks.soak.workload import Versions, dated, digest, statements
from optimizer_plugin import policies
from optimizer_plugin.engines.duckdb.connection import ReuseConnection
from optimizer_plugin.policies import KindsPolicy
from signatures.model import SubexpressionKind

WRONG_KEPT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What one process is to do."""

    metastore: str
    directory: str
    threads: int
    seconds: float
    statements: int
    seed: int


@dataclass(slots=True)
class Tally:
    """What came of it; codes are those of reasons why statements did not read a view."""

    executed: int = 0
    hits: int = 0
    published: int = 0
    fallbacks: int = 0
    errors: int = 0
    waits: int = 0
    wait_seconds: float = 0.0
    mixed: int = 0
    """Results of a moment between two versions that ran as written: a statement reads the file twice."""
    engine_errors: int = 0
    """Statements that ran as written and failed, as they do on a plain connection: DuckDB 1.5 and 2.0 mix the
    footers of two files where one takes the other's place while several threads read it."""
    wrong: list[str] = field(default_factory=list)
    codes: dict[str, int] = field(default_factory=dict)
    last_error: str = ""


class Oracle:
    """Plain results, computed once for each statement and version."""

    def __init__(self, versions: Versions) -> None:
        self._versions = versions
        self._lock = threading.Lock()
        self._known: dict[tuple[str, int], str] = {}

    def expected(self, sql: str, version: int) -> str:
        """The digest of the plain result."""
        with self._lock:
            found = self._known.get((sql, version))
            if found is None:
                with self._versions.connect(version) as plain:
                    found = self._known[sql, version] = digest(plain.execute(sql).fetchall())
        return found


def work(task: Task) -> Tally:
    """Run the threads to their end."""
    versions = Versions(Path(task.directory) / "data")
    eager = policies.builtin("eager")
    kinds = KindsPolicy(enabled=(SubexpressionKind.STATEMENT,))
    connection = optimizer_plugin.wrap(
        versions.connect(),
        metastore=task.metastore,
        store=Path(task.directory) / "store",
        tenant="soak",
        policy=eager.model_copy(update={"kinds": kinds}),
    )
    oracle, texts = Oracle(versions), [dated(each) for each in statements(task.statements)]
    cursors = [connection.cursor() for _ in range(task.threads)]
    until = time.monotonic() + task.seconds
    with ThreadPoolExecutor(task.threads) as pool:
        tallies = list(
            pool.map(
                lambda at: _run(cursors[at], texts, oracle, until, random.Random(task.seed * 1000 + at)),
                range(task.threads),
            )
        )
    for each in (*cursors, connection):
        each.close()
    return summed(tallies)


def _run(
    cursor: ReuseConnection, texts: list[str], oracle: Oracle, until: float, random_: random.Random
) -> Tally:
    tally, codes = Tally(), Counter[str]()
    while time.monotonic() < until:
        sql = random_.choice(texts)
        tally.executed += 1
        try:
            rows = cursor.execute(sql).fetchall()
        except duckdb.Error as error:
            _note(tally, cursor, f"{sql}: {error}")
            continue
        report = cursor.reuse.last
        if report is not None:
            tally.hits += bool(report.reads)
            waited = report.seconds.get("wait", 0.0)
            tally.waits += waited > 0
            tally.wait_seconds += waited
            codes.update(reason.code for reason in report.not_reused if not report.reads)
        spans = {(row[-2], row[-1]) for row in rows}
        if not rows:
            continue  # of no version
        ((oldest, newest), *others) = spans
        if others or oldest != newest or not isinstance(newest, int):
            tally.wrong.append(f"{sql}: versions {sorted(map(str, spans))}")
        elif digest(rows) != oracle.expected(sql, newest):
            if report is not None and not report.reads:
                tally.mixed += 1
            else:
                tally.wrong.append(f"{sql}: other rows than plain at version {newest}")
    stats = cursor.reuse.stats()
    tally.published, tally.fallbacks = int(stats["spooled"]), int(stats["fallbacks"])
    tally.errors, tally.last_error = int(stats["errors"]), cursor.reuse.session.last_error
    tally.codes = dict(codes)
    return tally


def _note(tally: Tally, cursor: ReuseConnection, failure: str) -> None:
    """A failure of what we rewrote is ours; of what runs as written it is the engine's."""
    report = cursor.reuse.last
    if report is not None and report.rewritten:
        tally.wrong.append(failure)
    else:
        tally.engine_errors += 1


def summed(tallies: list[Tally]) -> Tally:
    """All of them as one."""
    total, codes = Tally(), Counter[str]()
    for each in tallies:
        total.executed += each.executed
        total.hits += each.hits
        total.published += each.published
        total.fallbacks += each.fallbacks
        total.errors += each.errors
        total.waits += each.waits
        total.wait_seconds += each.wait_seconds
        total.mixed += each.mixed
        total.engine_errors += each.engine_errors
        total.wrong = (total.wrong + each.wrong)[:WRONG_KEPT]
        total.last_error = each.last_error or total.last_error
        codes.update(each.codes)
    total.codes = dict(sorted(codes.items()))
    return total


if __name__ == "__main__":
    print(json.dumps(asdict(work(Task(**json.loads(sys.argv[1]))))))
