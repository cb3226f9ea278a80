"""Runs a scenario plain and wrapped, side by side, and says where the two differ."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.conformance.outcomes import Outcome, run
from benchmarks.conformance.wrapping import wrap_eagerly
from metastore.memory import MemoryMetastore
from optimizer_plugin.engines.duckdb.connection import ReuseConnection
from signatures.model import SubexpressionKind
from tests.support.fuzz_freedom import is_free
from tests.support.fuzz_steps import Scenario, Step

LONGEST_SECONDS = 5.0
_RUNS = 2
"""How often each query is sent: the second time it can read what the first one spooled."""

_WRONG_BY_ITSELF = "SET disabled_optimizers = 'common_subplan'; SET threads = 1"
"""A rule of DuckDB 1.5 gives wrong rows, with and without us."""


@dataclass(slots=True)
class Counts:
    """What a run of the fuzzer did."""

    scenarios: int = 0
    statements: int = 0
    queries: int = 0
    failing: int = 0
    unstable: int = 0
    """Differences in statements whose rows SQL leaves open, or that plain answers otherwise each time."""
    spooled: int = 0
    whole_reads: int = 0
    partial_reads: int = 0
    foreign_reads: int = 0
    """Reads of views that another statement built."""

    def add(self, other: Counts) -> None:
        """Add what another run did."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))

    def __str__(self) -> str:
        return ", ".join(f"{each.name} {getattr(self, each.name)}" for each in fields(self))


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference: the step, what differed, and what ran in the statement's place."""

    step: int
    sql: str
    problem: str
    executed: str = ""

    @property
    def sort(self) -> str:
        """What findings of one cause have in common: enough to shrink one without slipping to another."""
        words = self.problem.partition(": ")[2].split()[:3]
        return " ".join("#" if word.isdigit() else word for word in words)


@dataclass(slots=True)
class Pair:
    """A plain program and a wrapped one, each with two cursors of a database of its own."""

    plain: tuple[duckdb.DuckDBPyConnection, duckdb.DuckDBPyConnection]
    wrapped: tuple[ReuseConnection, ReuseConnection]
    raw: duckdb.DuckDBPyConnection
    directory: Path
    counts: Counts = field(default_factory=lambda: Counts(scenarios=1))
    builders: dict[str, str] = field(default_factory=dict)
    troubles: list[int] = field(default_factory=lambda: [0, 0])
    """Errors and fallbacks that each cursor has counted."""

    def close(self) -> None:
        """Close all connections and remove what they wrote."""
        for connection in (*self.plain, *self.wrapped):
            connection.close()
        shutil.rmtree(self.directory, ignore_errors=True)


def open_pair(kinds: Iterable[SubexpressionKind], *, in_file: bool) -> Pair:
    """Two empty databases, one behind the wrapper."""
    directory = Path(tempfile.mkdtemp(prefix="respool-fuzz-"))
    sides = []
    for side in ("plain", "wrapped"):
        place = directory / side
        place.mkdir()
        connection = duckdb.connect(str(place / "memory.duckdb") if in_file else ":memory:")
        connection.execute(_WRONG_BY_ITSELF)
        sides.append(connection)
    wrapped = wrap_eagerly(sides[1], directory / "store", MemoryMetastore(), kinds)
    return Pair((sides[0], sides[0].cursor()), (wrapped, wrapped.cursor()), sides[1], directory)


def play(program: Scenario) -> tuple[Finding | None, Counts]:
    """Run a scenario until the two sides differ."""
    pair = open_pair(program.kinds, in_file=program.in_file)
    try:
        for place, step in enumerate(program.steps):
            finding = _step(pair, place, step)
            if finding is not None:
                return finding, pair.counts
        return None, pair.counts
    except _TooLongError:
        return None, pair.counts
    finally:
        pair.close()


class _TooLongError(Exception):
    """A statement that plain does not finish either: a product of everything, say. The program ends there."""


def _bounded(connection: Any, sql: str, parameters: object) -> Outcome:
    watch = threading.Timer(LONGEST_SECONDS, connection.interrupt)
    watch.name = "respool-watch"  # not one of the program's threads
    watch.start()
    try:
        outcome = run(connection, sql, parameters)
    finally:
        watch.cancel()
    if outcome.error == "InterruptException":
        raise _TooLongError
    return outcome


def _step(pair: Pair, place: int, step: Step) -> Finding | None:
    parameters = list(step.parameters) if step.parameters is not None else None
    asked, sent = (step.sql.replace("__DIR__", str(pair.directory / side)) for side in ("plain", "wrapped"))
    plain: Any = pair.plain[0 if step.raw else step.cursor]
    wrapped: Any = pair.raw if step.raw else pair.wrapped[step.cursor]
    count = _RUNS if step.is_query else 1
    expected = [_bounded(plain, asked, parameters) for _ in range(count)]
    for number, one in enumerate(expected):
        found = run(wrapped, sent, parameters)
        pair.counts.statements += 1
        pair.counts.queries += int(step.is_query)
        pair.counts.failing += int(bool(one.error))
        executed, trouble = ("", "") if step.raw else _noted(pair, step.cursor, sent)
        difference = one.difference(found, ordered=step.ordered) or ("" if one.error else trouble)
        if difference:
            if _stable(expected) and not is_free(plain, lambda: run(plain, asked, parameters), one):
                return Finding(place, step.sql, f"run {number + 1}: {difference}", executed)
            pair.counts.unstable += 1
    return None


def _stable(outcomes: Sequence[Outcome]) -> bool:
    return all(not outcomes[0].difference(each, ordered=True) for each in outcomes)


def _noted(pair: Pair, cursor: int, sql: str) -> tuple[str, str]:
    """Count what the wrapper did for a query; what it ran in its place, and what failed inside."""
    connection = pair.wrapped[cursor]
    report = connection.reuse.last
    if report is None or report.text != sql:
        return "", ""
    counts = pair.counts
    counts.spooled += len(report.builds)
    counts.whole_reads += int(report.whole)
    counts.partial_reads += 0 if report.whole else len(report.reads)
    for signature in report.builds:
        pair.builders.setdefault(signature, sql)
    counts.foreign_reads += sum(pair.builders.get(signature) != sql for signature in report.reads)
    stats = connection.reuse.stats()
    troubles = int(stats["errors"] + stats["fallbacks"])
    trouble = f"inside: {connection.reuse.session.last_error}" if troubles > pair.troubles[cursor] else ""
    pair.troubles[cursor] = troubles
    return report.executed if report.rewritten else "", trouble
