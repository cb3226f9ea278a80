"""The 99 queries: which of them a run takes, and their texts, kept beside the data."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from benchmarks.errors import BenchmarkError

QUERY_COUNT = 99
"""How many queries TPC-DS has."""

_ITEM = re.compile(r"(\d+)(?:-(\d+))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One query of the benchmark."""

    number: int
    text: str


_QUERIES = TypeAdapter(tuple[Query, ...])


def parse_selection(text: str | None) -> tuple[int, ...]:
    """Read ``1,2,5-9`` into query numbers, in the order given and without repetition.

    Args:
        text: numbers and ranges with commas between them; None or ``all`` for all 99.

    Raises:
        BenchmarkError: an item is no number, no range, or not from 1 to 99.
    """
    if text is None or text.strip() in ("", "all"):
        return tuple(range(1, QUERY_COUNT + 1))
    numbers = [number for item in text.split(",") for number in _numbers(item.strip())]
    return tuple(dict.fromkeys(numbers))


def _numbers(item: str) -> range:
    matched = _ITEM.fullmatch(item)
    if matched is None:
        raise BenchmarkError(f"found {item!r} in --queries", expected="numbers and ranges such as 1,2,5-9")
    first = int(matched[1])
    last = int(matched[2] or first)
    for number in (first, last):
        if not 1 <= number <= QUERY_COUNT:
            raise BenchmarkError(
                f"found query {number} in --queries", expected=f"numbers from 1 to {QUERY_COUNT}"
            )
    if last < first:
        raise BenchmarkError(f"found the range {item} in --queries", expected=f"it as {last}-{first}")
    return range(first, last + 1)


def save_queries(path: Path, queries: tuple[Query, ...]) -> None:
    """Write the texts as JSON, in place of an earlier file in one step."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(_QUERIES.dump_json(queries, indent=1))
    temporary.replace(path)


def load_queries(path: Path) -> tuple[Query, ...]:
    """Read the texts that ``save_queries`` wrote.

    Raises:
        BenchmarkError: the file is not such a file.
    """
    try:
        return _QUERIES.validate_json(path.read_bytes())
    except ValidationError as error:
        raise BenchmarkError(
            f"found an unreadable list of queries, {path}", remedy="delete it and run again"
        ) from error


def choose(queries: tuple[Query, ...], numbers: tuple[int, ...]) -> tuple[Query, ...]:
    """The queries with these numbers, in the order of the numbers."""
    by_number = {query.number: query for query in queries}
    return tuple(by_number[number] for number in numbers)
