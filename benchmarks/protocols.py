"""Run queries plain and with reuse, side by side, and check every result.

Every measurement with reuse has a plain measurement of the same query right before or after it, on the
same database instance, so that a machine that slows down slows both. Which of the two goes first
alternates. A repeat starts with an empty store and an empty metastore.

``cloudviews``: a pass that records history, the analysis, a pass with reuse in the coordinated order; its
total includes building the views. ``repeat``: a pass that captures results, a pass that reads them.

Source: CloudViews sections 7.2 (protocol) and 6.5 (order).
"""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from benchmarks.compare import Difference, Table, difference
from benchmarks.machine import describe_machine
from benchmarks.results import (
    Analysis,
    Mismatch,
    Pair,
    Phase,
    Protocol,
    Repeat,
    Report,
    RunResult,
    RunSettings,
)
from benchmarks.reuse import Answer, Backend, Reuse, run_statement
from benchmarks.tpcds.data import Dataset
from benchmarks.tpcds.queries import Query, choose

FAULTY_RULES = "common_subplan"
"""Rules of DuckDB's optimizer with wrong-result defects, off where a result serves as the right one."""

Advance = Callable[[str], None]
"""Called with a short text whenever one query of one pass is done."""


def planned_steps(settings: RunSettings) -> int:
    """How often ``run_protocol`` will call ``advance``."""
    return len(settings.queries) * (2 + 2 * settings.repeats)


def run_protocol(
    settings: RunSettings,
    dataset: Dataset,
    backend: Backend,
    *,
    command: str = "",
    advance: Advance = lambda _: None,
) -> RunResult:
    """Measure one protocol and check every result on the way.

    Args:
        settings: what to run, how often.
        dataset: the database, opened for reading only, and the texts.
        backend: what puts reuse around a connection.
        command: the command line, kept in the result.
        advance: told after each query of each pass.
    """
    started_at = datetime.now(UTC)
    backend.check(settings)
    with _connect(_second_name(dataset.database), settings) as connection:
        run = _Run(settings, dataset, backend, connection, advance)
        run.warm_up()
        repeats = tuple(run.repeat(number) for number in range(1, settings.repeats + 1))
    return RunResult(
        settings=settings,
        command=command,
        machine=describe_machine(),
        backend=backend.name,
        database=dataset.database,
        started_at=started_at,
        finished_at=datetime.now(UTC),
        checked_results=run.checked,
        repeats=repeats,
        mismatches=tuple(run.mismatches),
    )


def _connect(database: Path, settings: RunSettings) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(database, read_only=True, config={"threads": settings.threads})


def _second_name(database: Path) -> Path:
    """The same file under another name, so that plain runs happen in an instance of their own.

    In one instance, statements that pass by the wrapper are those of somebody else, who may have
    changed any name: the wrapper would look again at each statement, which no lone program pays.
    """
    name = database.with_name(f"{database.stem}.plain{database.suffix}")
    with suppress(FileExistsError):
        os.link(database, name)
    return name


class _Run:
    """One run in progress: the right results, and what was found to differ from them."""

    def __init__(
        self,
        settings: RunSettings,
        dataset: Dataset,
        backend: Backend,
        connection: duckdb.DuckDBPyConnection,
        advance: Advance,
    ) -> None:
        self._settings = settings
        self._dataset = dataset
        self._backend = backend
        self._connection = connection
        self._control = connection.cursor()
        self._advance = advance
        self._queries = choose(dataset.queries, settings.queries)
        self._right: dict[int, Table] = {}
        self._plain_defects: dict[int, Table] = {}
        self.checked = 0
        self.mismatches: list[Mismatch] = []

    def warm_up(self) -> None:
        """Run everything twice, uncounted: without faulty rules for the right results, then as it is."""
        self._connection.execute(f"SET disabled_optimizers = '{FAULTY_RULES}'")
        for query in self._queries:
            self._right[query.number] = run_statement(self._connection, query.text).table
            self._advance(f"query {query.number} for reference")
        self._connection.execute("RESET disabled_optimizers")
        for query in self._queries:
            self._check_plain(query, run_statement(self._connection, query.text))
            self._advance(f"query {query.number} to warm up")
        # The results kept for comparison are the benchmark's own heap, which no program would have: the
        # collector leaves it out from here on, or it would stop whatever query it meets for 0.1 s.
        gc.collect()
        gc.freeze()

    def repeat(self, number: int) -> Repeat:
        """One round of the protocol from an empty store."""
        with (
            tempfile.TemporaryDirectory(prefix="respool-benchmark-") as directory,
            _connect(self._dataset.database, self._settings) as raw,
        ):
            for query in self._queries:
                run_statement(raw, query.text)
            reuse = self._backend.open(raw, Path(directory), self._settings)
            try:
                return self._rounds(number, reuse)
            finally:
                reuse.close()

    def _rounds(self, number: int, reuse: Reuse) -> Repeat:
        first, second = _phases(self._settings.protocol)
        pairs = self._pass(number, first, reuse, self._queries)
        analysis: Analysis | None = None
        order = self._queries
        if self._settings.protocol is Protocol.CLOUDVIEWS:
            analysis = reuse.analyze(tuple(query.number for query in self._queries))
            order = _coordinated(self._queries, analysis.order)
        pairs += self._pass(number, second, reuse, order)
        return Repeat(
            number=number,
            order=tuple(query.number for query in order),
            pairs=pairs,
            analysis=analysis,
            views=reuse.views(),
            counters=reuse.counters(),
        )

    def _pass(self, number: int, phase: Phase, reuse: Reuse, queries: Sequence[Query]) -> tuple[Pair, ...]:
        pairs = []
        for position, query in enumerate(queries):
            plain_first = (position + number) % 2 == 0
            pairs.append(self._pair(number, phase, reuse, query, plain_first=plain_first))
            self._advance(f"query {query.number}, {phase}, repeat {number}")
        return tuple(pairs)

    def _pair(self, number: int, phase: Phase, reuse: Reuse, query: Query, *, plain_first: bool) -> Pair:
        # Whatever is not part of a measurement happens before or after both: on a query of milliseconds,
        # the clean-up of one more small statement on one of the two connections already shows.
        self._restore_threads()
        plain = self._plain(query) if plain_first else None
        answer = self._with_reuse(reuse, query)
        if plain is None:
            self._restore_threads()
            plain = self._plain(query)
        self._check_reuse(number, phase, query, answer)
        return Pair(
            query=query.number,
            phase=phase,
            plain_seconds=plain.seconds,
            reuse_seconds=plain.seconds if isinstance(answer, Difference) else answer.seconds,
            plain_first=plain_first,
            report=Report() if isinstance(answer, Difference) else reuse.last(),
        )

    def _restore_threads(self) -> None:
        """Undo the degree of parallelism that reuse may have set the instance to for its statement."""
        found = self._control.execute("SELECT current_setting('threads')").fetchone()
        if found != (self._settings.threads,):
            self._control.execute(f"SET threads = {self._settings.threads}")

    def _plain(self, query: Query) -> Answer:
        return run_statement(self._connection, query.text)

    def _with_reuse(self, reuse: Reuse, query: Query) -> Answer | Difference:
        try:
            return reuse.run(query.text)
        except Exception as error:  # noqa: BLE001 - what fails only with reuse is a wrong result
            return Difference(problem=f"failed with reuse: {type(error).__name__}: {error}")

    def _check_reuse(self, number: int, phase: Phase, query: Query, answer: Answer | Difference) -> None:
        self.checked += 1
        if isinstance(answer, Difference):
            self._note(query, phase, number, answer)
            return
        found = difference(self._right[query.number], answer.table)
        if found is not None:
            defect = self._is_plain_defect(query, answer.table)
            self._note(query, phase, number, found, engine_defect=defect)

    def _check_plain(self, query: Query, answer: Answer) -> None:
        self.checked += 1
        found = difference(self._right[query.number], answer.table)
        if found is not None:
            self._plain_defects[query.number] = answer.table
            self._note(query, None, 0, found, engine_defect=True)

    def _is_plain_defect(self, query: Query, table: Table) -> bool:
        """Whether plain is wrong in the same way: with the faulty rules on, it may be."""
        plain = self._plain_defects.get(query.number)
        return plain is not None and difference(plain, table) is None

    def _note(
        self,
        query: Query,
        phase: Phase | None,
        number: int,
        found: Difference,
        *,
        engine_defect: bool = False,
    ) -> None:
        self.mismatches.append(
            Mismatch(
                query=query.number,
                phase=phase,
                repeat=number,
                difference=found,
                engine_defect=engine_defect,
            )
        )


def _phases(protocol: Protocol) -> tuple[Phase, Phase]:
    if protocol is Protocol.CLOUDVIEWS:
        return Phase.HISTORY, Phase.REUSE
    return Phase.CAPTURE, Phase.READ


def _coordinated(queries: Sequence[Query], first: Sequence[int]) -> tuple[Query, ...]:
    """Queries that the analyzer wants run first, in its order; the others after them in their own."""
    rank = {number: place for place, number in enumerate(first)}
    return tuple(sorted(queries, key=lambda query: rank.get(query.number, len(rank))))
