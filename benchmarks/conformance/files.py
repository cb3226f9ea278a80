"""Compares plain and wrapped runs of one sqllogictest file, in a process of its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from benchmarks.conformance.runner import FileRun, Sent, Skipped
from benchmarks.conformance.sqllogic import FormatError
from benchmarks.conformance.wrapping import wrap_eagerly
from metastore.memory import MemoryMetastore

WRONG_BY_ITSELF = "SET disabled_optimizers = 'common_subplan'"
"""A rule of DuckDB 1.5 that gives wrong rows, with and without us."""

_PLAIN, _AGAIN, _WRAPPED = "plain", "plain again", "wrapped"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementDifference:
    """Where in a file two runs differ, and how."""

    line: int
    sql: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileResult:
    """What came of one file."""

    path: str
    skipped: str = ""
    """Why it was not compared."""
    statements: int = 0
    spooled: int = 0
    reused: int = 0
    errors: int = 0
    """Failures inside the wrapper, in each of which the program's own statement ran."""
    differences: tuple[StatementDifference, ...] = ()
    """Of the wrapped run from the plain one, where plain does not differ from itself."""
    noise: tuple[StatementDifference, ...] = ()
    """Of a second plain run from the first."""


@dataclass(frozen=True, slots=True)
class _Plain:
    """Opens plain connections."""

    def open(self, path: str, *, read_only: bool) -> Any:
        connection = duckdb.connect(path, read_only=read_only)
        connection.execute(WRONG_BY_ITSELF)
        return connection


@dataclass(slots=True)
class _Wrapped:
    """Opens wrapped connections, which share views across restarts of the database; counts what they do."""

    store: Path
    metastore: MemoryMetastore = field(default_factory=MemoryMetastore)
    counted: dict[str, int] = field(default_factory=dict)

    def open(self, path: str, *, read_only: bool) -> Any:
        return wrap_eagerly(_Plain().open(path, read_only=read_only), self.store, self.metastore)

    def note(self, connection: Any) -> None:
        """Add what the last statement did."""
        report = connection.reuse.last
        if report is not None and report.seconds is not None:
            self._count("spooled", len(report.builds))
            self._count("reused", len(report.reads))
            self._count("errors", int(bool(report.error)))
            connection.reuse.session.last = None

    def _count(self, name: str, number: int) -> None:
        self.counted[name] = self.counted.get(name, 0) + number


def compare_file(
    file: Path, root: Path, *, at_side: Callable[[str], None] = lambda _side: None
) -> FileResult:
    """Run a file plain, plain again and wrapped, each in an empty directory of the same name.

    Args:
        file: the file.
        root: the directory that its relative paths start from.
        at_side: called with the name of each run before it starts.
    """
    with TemporaryDirectory(prefix="respool-conformance-") as directory:
        base = Path(directory)
        wrapped = _Wrapped(base / "store")
        runs: dict[str, Sequence[Sent]] = {}
        for side in (_PLAIN, _AGAIN, _WRAPPED):
            at_side(side)
            place = base / "test"
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            opened = wrapped if side == _WRAPPED else _Plain()
            after = wrapped.note if side == _WRAPPED else lambda _connection: None
            run = FileRun(opened=opened, directories=_directories(place, root), after=after)
            try:
                run.play(file)
            except (Skipped, FormatError, UnicodeDecodeError, FileNotFoundError) as error:
                return FileResult(path=str(file), skipped=str(error))
            runs[side] = run.sent
    noise = _differences(runs[_PLAIN], runs[_AGAIN])
    noisy = {each.line for each in noise}
    differences = [each for each in _differences(runs[_PLAIN], runs[_WRAPPED]) if each.line not in noisy]
    return FileResult(
        path=str(file),
        statements=len(runs[_PLAIN]),
        differences=tuple(differences),
        noise=tuple(noise),
        spooled=wrapped.counted.get("spooled", 0),
        reused=wrapped.counted.get("reused", 0),
        errors=wrapped.counted.get("errors", 0),
    )


def _directories(place: Path, root: Path) -> dict[str, Path]:
    return {
        "TEST_DIR": place,
        "TEMP_DIR": place,
        "WORKING_DIRECTORY": root,
        "WORKING_DIR": root,
        "DATA_DIR": root / "data",
    }


def _differences(expected: Sequence[Sent], found: Sequence[Sent]) -> list[StatementDifference]:
    result = []
    for one, other in zip(expected, found, strict=False):
        problem = one.outcome.difference(other.outcome, ordered=one.ordered)
        if problem:
            result.append(StatementDifference(line=one.line, sql=one.sql, problem=problem))
    if len(expected) != len(found):
        problem = f"expected {len(expected)} statements, found {len(found)}"
        result.append(StatementDifference(line=0, sql="", problem=problem))
    return result


def compare_apart(file: Path, root: Path, *, seconds: float) -> FileResult:
    """The same in a process of its own, which may crash or hang."""
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(file, root, sending), daemon=True)
    process.start()
    sending.close()
    side, result = _PLAIN, None
    with suppress(EOFError):
        while receiving.poll(seconds) and result is None:
            message = receiving.recv()
            if isinstance(message, FileResult):
                result = message
            else:
                side = message
    if result is None and process.is_alive():
        process.kill()
        return _ended(file, side, f"nothing came for {seconds:g} s")
    process.join()
    receiving.close()
    return result or _ended(file, side, f"the process ended with {process.exitcode}")


def _ended(file: Path, side: str, how: str) -> FileResult:
    """What stops a plain run says nothing of ours; what stops a wrapped one is a difference."""
    if side != _WRAPPED:
        return FileResult(path=str(file), skipped=f"{side}: {how}")
    problem = StatementDifference(line=0, sql="", problem=f"wrapped: {how}")
    return FileResult(path=str(file), differences=(problem,))


def _child(file: Path, root: Path, sending: Connection) -> None:
    sending.send(compare_file(file, root, at_side=sending.send))
