"""Write a run down: a JSON document with everything measured, and the page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from benchmarks.errors import BenchmarkError
from benchmarks.report.page import render_page
from benchmarks.results import RunResult
from benchmarks.summary import Summary, summarize

DOCUMENT_VERSION = 1
"""Version of the JSON document's layout."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The JSON document: what was measured, and what it comes to."""

    version: int
    result: RunResult
    summary: Summary


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Where a run was written to."""

    json: Path
    page: Path


_DOCUMENT = TypeAdapter(Document)


def check_output(directory: Path) -> None:
    """Make sure, before anything is measured, that the directory can be written.

    Raises:
        BenchmarkError: it cannot.
    """
    probe = directory / ".respool-probe"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise BenchmarkError(
            f"found --output {directory} not usable ({error.strerror})",
            expected="a directory that can be written",
            remedy="name another one",
        ) from error


def write_report(result: RunResult, directory: Path) -> Written:
    """Write ``<protocol>.json`` and ``<protocol>.html`` into a directory.

    Raises:
        BenchmarkError: the directory cannot be written.
    """
    check_output(directory)
    name = result.settings.protocol.value
    written = Written(json=directory / f"{name}.json", page=directory / f"{name}.html")
    document = Document(version=DOCUMENT_VERSION, result=result, summary=summarize(result))
    written.json.write_bytes(_DOCUMENT.dump_json(document, indent=1))
    written.page.write_text(render_page(result), encoding="utf-8")
    return written


def read_report(path: Path) -> Document:
    """Read a JSON document back."""
    return _DOCUMENT.validate_json(path.read_bytes())
