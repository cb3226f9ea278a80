"""Compare two results as multisets of rows, with names and types of columns.

Everything is compared exactly except floating-point numbers, whose last digits depend on the order in
which parallel workers add them up. A row becomes a *shape* (every value that has to be equal, with its
Python type, nested values flattened) and a vector of finite floats. Rows of one shape are matched with
each other: first equal ones, then the rest by a maximum bipartite matching, because sorting by noisy
floats can pair the wrong rows::

    expected (1.0, 5.0), (1.0 + 1e-12, 3.0)     found (1.0, 3.0), (1.0 + 1e-12, 5.0)

are the same multiset within 1e-9, and yet no pair of equal rank is equal.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from networkx import Graph
from networkx.algorithms.bipartite import hopcroft_karp_matching

SHOWN_ROWS = 5
"""Rows of each side that a difference quotes."""

Row = tuple[object, ...]
"""One row as the engine's Python client returns it."""

_Shape = tuple[Hashable, ...]
_Floats = tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a result: its name and the engine's own spelling of its type."""

    name: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A whole result in memory."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """How far two floats may be apart and still count as the same value.

    ``absolute`` only serves sums that cancel to nearly zero, where no relative distance is small.
    """

    relative: float = 1e-9
    absolute: float = 1e-12

    def same(self, left: float, right: float) -> bool:
        """Whether two finite floats count as the same value."""
        return math.isclose(left, right, rel_tol=self.relative, abs_tol=self.absolute)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How two results differ: a sentence, and the first rows that only one of them has."""

    problem: str
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()


def difference(expected: Table, found: Table, *, tolerance: Tolerance | None = None) -> Difference | None:
    """Compare two results; None where they are the same multiset with the same columns.

    Args:
        expected: the result of the statement as its author wrote it.
        found: the result to be judged.
        tolerance: for floats; 1e-9 relative where it is not given.
    """
    if expected.columns != found.columns:
        return _column_difference(expected.columns, found.columns)
    missing, unexpected = _unmatched(expected.rows, found.rows, tolerance or Tolerance())
    if not missing and not unexpected:
        return None
    return Difference(
        problem=f"expected {len(expected.rows)} rows, found {len(found.rows)}: "
        f"{len(missing)} missing, {len(unexpected)} unexpected",
        missing=tuple(repr(row) for row in missing[:SHOWN_ROWS]),
        unexpected=tuple(repr(row) for row in unexpected[:SHOWN_ROWS]),
    )


def _column_difference(expected: Sequence[Column], found: Sequence[Column]) -> Difference:
    if len(expected) != len(found):
        return Difference(problem=f"expected {len(expected)} columns, found {len(found)}")
    wrong = [(want, have) for want, have in zip(expected, found, strict=True) if want != have]
    return Difference(
        problem=f"{len(wrong)} columns with another name or type",
        missing=tuple(f"{want.name} {want.type}" for want, _ in wrong[:SHOWN_ROWS]),
        unexpected=tuple(f"{have.name} {have.type}" for _, have in wrong[:SHOWN_ROWS]),
    )


def _unmatched(
    expected: Iterable[Row], found: Iterable[Row], tolerance: Tolerance
) -> tuple[list[Row], list[Row]]:
    left, right = _by_shape(expected), _by_shape(found)
    missing: list[Row] = []
    unexpected: list[Row] = []
    for shape in dict.fromkeys((*left, *right)):
        lost, extra = _unmatched_of_shape(left.get(shape, []), right.get(shape, []), tolerance)
        missing += lost
        unexpected += extra
    return missing, unexpected


def _by_shape(rows: Iterable[Row]) -> Mapping[_Shape, list[tuple[_Floats, Row]]]:
    groups: defaultdict[_Shape, list[tuple[_Floats, Row]]] = defaultdict(list)
    for row in rows:
        floats: list[float] = []
        shape = tuple(_shape(value, floats) for value in row)
        groups[shape].append((tuple(floats), row))
    return groups


def _shape(value: object, floats: list[float]) -> Hashable:
    """What must be equal of a value; finite floats inside it are appended to ``floats``."""
    match value:
        case float() if math.isnan(value):
            return ("float", "nan")
        case float() if math.isinf(value):
            return ("float", "inf" if value > 0 else "-inf")
        case float():
            floats.append(value)
            return ("float",)
        case list() | tuple():
            return ("list", *(_shape(item, floats) for item in value))
        case dict():
            # Fields of a struct and entries of a map have an order that is part of the value.
            return ("dict", *((_shape(key, floats), _shape(item, floats)) for key, item in value.items()))
        case bytes() | bytearray() | memoryview():
            return ("bytes", bytes(value))
        case _:
            # The type keeps 1, True and Decimal(1) apart: Python holds them for equal.
            return (type(value).__name__, value)


def _unmatched_of_shape(
    expected: Sequence[tuple[_Floats, Row]], found: Sequence[tuple[_Floats, Row]], tolerance: Tolerance
) -> tuple[list[Row], list[Row]]:
    left, right = _without_equal(expected, found), _without_equal(found, expected)
    if not left or not right:
        return [row for _, row in left], [row for _, row in right]
    right.sort(key=lambda item: item[0])
    graph: Graph[tuple[str, int]] = Graph()
    graph.add_nodes_from(("left", rank) for rank in range(len(left)))
    graph.add_nodes_from(("right", rank) for rank in range(len(right)))
    firsts = [floats[0] for floats, _ in right]
    for rank, (floats, _) in enumerate(left):
        for other in _near(floats[0], firsts, tolerance):
            if all(map(tolerance.same, floats, right[other][0])):
                graph.add_edge(("left", rank), ("right", other))
    matched = hopcroft_karp_matching(graph, top_nodes=[("left", rank) for rank in range(len(left))])
    return (
        [row for rank, (_, row) in enumerate(left) if ("left", rank) not in matched],
        [row for rank, (_, row) in enumerate(right) if ("right", rank) not in matched],
    )


def _without_equal(
    rows: Sequence[tuple[_Floats, Row]], others: Sequence[tuple[_Floats, Row]]
) -> list[tuple[_Floats, Row]]:
    """The rows left over when each equal row of the other side takes one away."""
    present = Counter(floats for floats, _ in others)
    rest = []
    for floats, row in rows:
        if present[floats]:
            present[floats] -= 1
        else:
            rest.append((floats, row))
    return rest


def _near(value: float, ascending: Sequence[float], tolerance: Tolerance) -> Iterable[int]:
    """Indices of a superset of the numbers that count as the same as ``value``."""
    # isclose measures against the larger of both: twice the distance from ``value`` contains it.
    reach = 2 * max(tolerance.relative * abs(value), tolerance.absolute)
    start = bisect_left(ascending, value - reach)
    for index in range(start, len(ascending)):
        if ascending[index] > value + reach:
            return
        yield index
