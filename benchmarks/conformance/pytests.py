"""Runs a folder of pytest files plain, plain again and with ``duckdb.connect`` wrapped, and compares them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree as ET

from rich.console import Console

from benchmarks.errors import BenchmarkError

SHOWN = 40
"""Differences that are printed."""

_PLUGIN = "benchmarks.conformance.plugin"
_ENDINGS = ("failure", "error", "skipped")


@dataclass(frozen=True, slots=True, kw_only=True)
class PytestResult:
    """Tests, those that differ between two plain runs, and those that differ with the wrapper."""

    tests: int
    passed: int
    noise: tuple[str, ...]
    differences: tuple[tuple[str, str, str], ...]
    """(test, how it ended plain, how it ended wrapped)"""


def compare_pytests(path: Path, *, seconds: float) -> PytestResult:
    """Run the tests below a path three times, each time in a process of its own.

    Raises:
        BenchmarkError: where pytest finds no tests or does not end.
    """
    plain, again = _run(path, (), seconds), _run(path, (), seconds)
    wrapped = _run(path, ("-p", _PLUGIN), seconds)
    noise = tuple(test for test, ending in plain.items() if again.get(test) != ending)
    differences = tuple(
        (test, ending, wrapped.get(test, "not run"))
        for test, ending in plain.items()
        if test not in noise and wrapped.get(test, "not run") != ending
    )
    passed = sum(ending == "passed" for ending in plain.values())
    return PytestResult(tests=len(plain), passed=passed, noise=noise, differences=differences)


def print_pytests(result: PytestResult, console: Console) -> None:
    """What was compared and what differed."""
    console.print(f"{result.tests} tests compared, {result.passed} of them pass plain")
    console.print(f"{len(result.noise)} tests in which plain differs from itself")
    console.print(f"{len(result.differences)} tests in which wrapped differs from plain")
    for test, plain, wrapped in result.differences[:SHOWN]:
        console.print(f"{test}: plain {plain}, wrapped {wrapped}", markup=False)


def _run(path: Path, options: tuple[str, ...], seconds: float) -> Mapping[str, str]:
    with TemporaryDirectory(prefix="respool-conformance-") as directory:
        report = Path(directory) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
        command += [f"--junitxml={report}", str(path)]
        try:
            ended = subprocess.run(  # noqa: S603 - our own interpreter
                command, capture_output=True, text=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired:
            raise BenchmarkError(f"pytest did not end in {seconds:g} s", remedy="raise --seconds") from None
        if not report.exists():
            last = (ended.stderr or ended.stdout).strip().splitlines()[-1:] or ["nothing"]
            raise BenchmarkError(f"pytest left no report and said: {last[0]}", expected="a folder of tests")
        return _endings(report)


def _endings(report: Path) -> Mapping[str, str]:
    found = {}
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - pytest has just written it
        ending = next((part for part in case if part.tag in _ENDINGS), None)
        # Texts of messages hold addresses and times; their first word is the exception's name.
        told = "passed" if ending is None else f"{ending.tag} {_kind(ending)}".strip()
        found[f"{case.get('classname')}::{case.get('name')}"] = told
    return found


def _kind(ending: ET.Element) -> str:
    words = (ending.get("message") or "").partition(":")[0].split()
    return words[0] if words else ""
