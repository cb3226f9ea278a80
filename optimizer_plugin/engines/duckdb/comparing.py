"""Compares the rows of two statements inside DuckDB, as multisets, and says which rows differ.

Most comparisons end with two sums of row hashes, which take no memory and fetch nothing. Only where the sums
differ are the differing rows worked out and, where columns hold floating-point numbers, paired: sums of such
numbers come out otherwise in their last digits from one run to the next, whoever computes them.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from xxhash import xxh3_128_hexdigest

from metastore.records import Difference
from optimizer_plugin.engines.ports import Comparison, OutputColumn, Parameters

RELATIVE_TOLERANCE = 1e-9
SINGLE_PRECISION_TOLERANCE = 1e-6
"""For FLOAT, whose own last digit is worth more than the tolerance of DOUBLE."""
ABSOLUTE_TOLERANCE = 1e-12
"""What is left where a sum cancels out, as 0.1 + 0.2 - 0.3 does."""

ROWS_PAIRED = 10_000
"""Differing rows of each side that are fetched; of more, a share that is chosen by their exact columns."""
ROWS_IN_ORDER = 10_000
"""Rows from the start whose order is looked at."""
DIGESTS_KEPT = 10
_CANDIDATES = 200

_DOUBLE = re.compile(r"\bDOUBLE\b")
_SINGLE = re.compile(r"\bFLOAT\b")

Run = Callable[[str, Parameters], list[tuple[object, ...]]]
Row = tuple[object, ...]


class NotComparable(Exception):
    """The rows differ in more places than can be looked at, all of them in inexact numbers."""


@dataclass(frozen=True, slots=True)
class Statements:
    """Two statements with columns of the same types; only the original may have parameters."""

    original: str
    other: str
    parameters: Parameters
    columns: tuple[OutputColumn, ...]
    run: Run

    def compare(self, order: Sequence[int]) -> Comparison:
        """Compare rows and, in the columns at the given places, their order.

        Raises:
            NotComparable: where nobody can tell.
            duckdb.Error: where a statement fails.
        """
        counts = self._sum(self.original, self.parameters), self._sum(self.other, None)
        (rows, total), (other_rows, other_total) = counts
        if (rows, total) != (other_rows, other_total):
            missing, surplus = self._differing(rows == other_rows)
            if missing.total or surplus.total:
                return Comparison(
                    difference=Difference.ROWS,
                    original_rows=rows,
                    rewritten_rows=other_rows,
                    missing_rows=missing.total,
                    surplus_rows=surplus.total,
                    missing=missing.digests(),
                    surplus=surplus.digests(),
                )
        difference = None if self._same_order(order) else Difference.ORDER
        return Comparison(difference=difference, original_rows=rows, rewritten_rows=other_rows)

    @property
    def _names(self) -> str:
        return ", ".join(f"c{index}" for index in range(len(self.columns)))

    @property
    def _inexact(self) -> dict[int, float]:
        """Tolerances by the places of columns that hold floating-point numbers, also inside of others."""
        found = {}
        for index, column in enumerate(self.columns):
            if _SINGLE.search(column.type):
                found[index] = SINGLE_PRECISION_TOLERANCE
            elif _DOUBLE.search(column.type):
                found[index] = RELATIVE_TOLERANCE
        return found

    def _named(self, sql: str) -> str:
        # The line end keeps a comment at the end of the statement from swallowing the parenthesis.
        return f"(\n{sql}\n) AS q({self._names})"

    def _sum(self, sql: str, parameters: Parameters) -> tuple[int, object]:
        query = f"SELECT count(*), sum(hash({self._names})) FROM {self._named(sql)}"
        ((rows, total),) = self.run(query, parameters)
        return int(str(rows)), total

    def _differing(self, same_count: bool) -> tuple[_Leftover, _Leftover]:
        """Rows that only one of the two has, those left out that only rounding tells apart."""
        share = 1
        missing, surplus = self._only_in(self.original, share), self._only_in(self.other, share)
        if not self._inexact:
            return missing, surplus
        largest = max(missing.total, surplus.total)
        if largest > ROWS_PAIRED:
            if not same_count:
                return missing, surplus
            if len(self._inexact) == len(self.columns):
                raise NotComparable(f"{largest} rows of nothing but floating-point numbers")
            share = 2 * largest // ROWS_PAIRED + 1
            missing, surplus = self._only_in(self.original, share), self._only_in(self.other, share)
            if max(missing.total, surplus.total) > ROWS_PAIRED:
                raise NotComparable(f"{largest} rows with few different values beside their numbers")
        alone, rest = unpaired(missing.rows, surplus.rows, self._inexact)
        return _Leftover(len(alone), alone), _Leftover(len(rest), rest)

    def _only_in(self, side: str, share: int) -> _Leftover:
        """Rows of one statement that the other lacks; exact columns come as text, which any type has."""
        inexact = self._inexact
        exact = [f"c{index}" for index in range(len(self.columns)) if index not in inexact]
        shown = ", ".join(
            f"c{index}" if index in inexact else f"CAST(c{index} AS VARCHAR)"
            for index in range(len(self.columns))
        )
        chosen = f" WHERE hash({', '.join(exact)}) % {share} = 0" if share > 1 else ""
        other = self.other if side is self.original else self.original
        rows = self.run(
            f"SELECT count(*) OVER (), {shown} FROM (SELECT * FROM {self._named(side)} EXCEPT ALL "
            f"SELECT * FROM {self._named(other)}){chosen} LIMIT {ROWS_PAIRED}",
            self.parameters,
        )
        return _Leftover(int(str(rows[0][0])) if rows else 0, [row[1:] for row in rows])

    def _same_order(self, order: Sequence[int]) -> bool:
        if not order:
            return True
        first, second = self._keys(self.original, self.parameters, order), self._keys(self.other, None, order)
        tolerances = {
            place: self._inexact[index] for place, index in enumerate(order) if index in self._inexact
        }
        return len(first) == len(second) and all(
            _same_row(one, other, tolerances) for one, other in zip(first, second, strict=True)
        )

    def _keys(self, sql: str, parameters: Parameters, order: Sequence[int]) -> list[Row]:
        shown = ", ".join(
            f"c{index}" if index in self._inexact else f"CAST(c{index} AS VARCHAR)" for index in order
        )
        return self.run(f"SELECT {shown} FROM {self._named(sql)} LIMIT {ROWS_IN_ORDER}", parameters)


@dataclass(frozen=True, slots=True)
class _Leftover:
    """How many rows one side has alone, and the first of them."""

    total: int
    rows: list[Row]

    def digests(self) -> tuple[str, ...]:
        """Tell the first rows apart without keeping their values."""
        return tuple(xxh3_128_hexdigest(repr(row).encode()) for row in self.rows[:DIGESTS_KEPT])


def unpaired(
    missing: Iterable[Row], surplus: Iterable[Row], tolerances: dict[int, float]
) -> tuple[list[Row], list[Row]]:
    """Rows of two multisets that have no partner in the other one, within the tolerances by place."""
    ours, theirs = _by_exact(missing, tolerances), _by_exact(surplus, tolerances)
    alone: list[Row] = []
    left: list[Row] = []
    for key in dict.fromkeys((*ours, *theirs)):
        unmatched, rest = _pair(ours.get(key, []), theirs.get(key, []), tolerances)
        alone += unmatched
        left += rest
    return alone, left


def _by_exact(rows: Iterable[Row], tolerances: dict[int, float]) -> dict[Row, list[Row]]:
    found: dict[Row, list[Row]] = defaultdict(list)
    for row in rows:
        found[tuple(value for index, value in enumerate(row) if index not in tolerances)].append(row)
    for group in found.values():
        group.sort(key=lambda row: [_rank(row[index]) for index in tolerances])
    return found


def _pair(ours: list[Row], theirs: list[Row], tolerances: dict[int, float]) -> tuple[list[Row], list[Row]]:
    """Pair rows of equal exact values: each with the first of the next few that is near enough."""
    alone = []
    rest = list(theirs)
    for row in ours:
        near = (index for index, other in enumerate(rest[:_CANDIDATES]) if _same_row(row, other, tolerances))
        found = next(near, None)
        if found is None:
            alone.append(row)
        else:
            del rest[found]
    return alone, rest


def _rank(value: object) -> tuple[int, float, str]:
    """Sorts NULL before numbers, NaN after them, and whatever else by its text."""
    if value is None:
        return 0, 0.0, ""
    if isinstance(value, float):
        return (2, 0.0, "") if math.isnan(value) else (1, value, "")
    return 3, 0.0, repr(value)


def _same_row(one: Row, other: Row, tolerances: dict[int, float]) -> bool:
    return all(
        _same(value, partner, tolerances.get(index, 0.0))
        for index, (value, partner) in enumerate(zip(one, other, strict=True))
    )


def _same(one: object, other: object, tolerance: float) -> bool:
    """Equal, or near enough in every number inside; NaN equals NaN, as in SQL's grouping."""
    if isinstance(one, float) and isinstance(other, float):
        if math.isnan(one) or math.isnan(other):
            return math.isnan(one) and math.isnan(other)
        return math.isclose(one, other, rel_tol=tolerance, abs_tol=ABSOLUTE_TOLERANCE if tolerance else 0.0)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key], tolerance) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(lambda a, b: _same(a, b, tolerance), one, other))
    return one == other
