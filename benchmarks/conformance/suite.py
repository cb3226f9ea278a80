"""Compares a folder of sqllogictest files, several at a time, and adds up what came of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from benchmarks.conformance.files import FileResult, compare_apart
from benchmarks.errors import BenchmarkError

SUFFIXES = (".test", ".test_slow", ".test_coverage")
SHOWN = 20
"""Differences and reasons that are printed; the output file has all."""


def files_below(path: Path) -> list[Path]:
    """The sqllogictest files of a folder, or the one file that is named.

    Raises:
        BenchmarkError: where there are none.
    """
    found = [path] if path.is_file() else sorted(it for it in path.rglob("*") if it.suffix in SUFFIXES)
    if not found:
        raise BenchmarkError(
            f"found no sqllogictest files in {path}", expected=f"files {', '.join(SUFFIXES)}"
        )
    return found


def compare_all(files: Sequence[Path], root: Path, *, workers: int, seconds: float) -> Iterator[FileResult]:
    """Compare files, each in a process of its own; results come in the order of the files."""
    with ThreadPoolExecutor(workers) as pool:
        yield from pool.map(lambda file: compare_apart(file, root, seconds=seconds), files)


def write_results(results: Sequence[FileResult], output: Path) -> None:
    """One JSON object a line and file."""
    output.write_text("".join(f"{json.dumps(asdict(result))}\n" for result in results))


def print_summary(results: Sequence[FileResult], console: Console) -> None:
    """What was compared, what was skipped and why, what differed."""
    compared = [result for result in results if not result.skipped]
    skipped = Counter(result.skipped for result in results if result.skipped)
    differing = [result for result in compared if result.differences]
    noisy = [result for result in compared if result.noise]
    console.print(
        f"{len(compared)} files compared, {sum(result.statements for result in compared)} statements, "
        f"{sum(result.spooled for result in compared)} views built, "
        f"{sum(result.reused for result in compared)} read, "
        f"{sum(result.errors for result in compared)} failures inside"
    )
    console.print(f"{len(results) - len(compared)} files skipped")
    for reason, count in skipped.most_common(SHOWN):
        console.print(f"  {count}: {reason}", markup=False)
    console.print(f"{len(noisy)} files in which plain differs from itself")
    console.print(f"{len(differing)} files in which wrapped differs from plain")
    for result in differing[:SHOWN]:
        for each in result.differences[:3]:
            console.print(f"{result.path}:{each.line}: {each.problem[:400]}", markup=False)
            console.print(f"  {' '.join(each.sql.split())[:400]}", markup=False)
