"""Results are compared as multisets, exactly except for the noise of floats."""

from __future__ import annotations

import math
import random
from datetime import date, timedelta
from decimal import Decimal

import pytest

from benchmarks.compare import Column, Row, Table, Tolerance, difference

NOISE = 1e-12


def table(*rows: Row, types: tuple[str, ...] | None = None) -> Table:
    """A table whose columns are called a, b, ... unless only types matter."""
    width = len(rows[0]) if rows else len(types or ())
    names = types or ("ANY",) * width
    columns = tuple(Column(name=chr(97 + place), type=type_) for place, type_ in enumerate(names))
    return Table(columns=columns, rows=rows)


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        ([(1, "x"), (2, "y")], [(2, "y"), (1, "x")]),
        ([(None,), (None,), (1,)], [(None,), (1,), (None,)]),
        ([(math.nan,)], [(float("nan"),)]),
        ([(math.inf,), (-math.inf,)], [(-math.inf,), (math.inf,)]),
        ([(1.0,)], [(1.0 + NOISE,)]),
        ([(0.0,)], [(-0.0,)]),
        ([(1e18,)], [(1e18 * (1 + NOISE),)]),
        ([([1.0, None],)], [([1.0 + NOISE, None],)]),
        ([({"a": 1.0, "b": [math.nan]},)], [({"a": 1.0 - NOISE, "b": [math.nan]},)]),
        ([(b"x", date(2001, 1, 1), timedelta(days=1))], [(b"x", date(2001, 1, 1), timedelta(days=1))]),
        ([(Decimal("1.50"),)], [(Decimal("1.50"),)]),
        ([], []),
    ],
)
def test_equal_multisets(expected: list[Row], found: list[Row]) -> None:
    """Order, NaN and the last digits of floats do not matter, at any depth."""
    columns = tuple("ANY" for _ in (expected or [()])[0])

    assert difference(table(*expected, types=columns), table(*found, types=columns)) is None


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        ([(1,)], [(2,)]),
        ([(1,), (1,), (2,)], [(1,), (2,), (2,)]),
        ([(1,)], [(1,), (1,)]),
        ([(None,)], [(0,)]),
        ([(None,)], [("",)]),
        ([(math.nan,)], [(None,)]),
        ([(math.nan,)], [(1.0,)]),
        ([(math.inf,)], [(-math.inf,)]),
        ([(1.0,)], [(1.0 + 1e-6,)]),
        ([(Decimal("1.000000000001"),)], [(Decimal("1.000000000002"),)]),
        ([(1,)], [(True,)]),
        ([(1,)], [(Decimal(1),)]),
        ([(1,)], [(1.0,)]),
        ([("1",)], [(1,)]),
        ([([1, 2],)], [([2, 1],)]),
        ([({"a": 1},)], [({"b": 1},)]),
        ([([1.0],)], [([1.0, 1.0],)]),
        ([([None, 1.0],)], [([1.0, None],)]),
        ([(b"x",)], [("x",)]),
    ],
)
def test_other_multisets(expected: list[Row], found: list[Row]) -> None:
    """Another value, another count, another type or another nesting is a difference, both ways."""
    assert difference(table(*expected), table(*found)) is not None
    assert difference(table(*found), table(*expected)) is not None


def test_noise_that_changes_the_sorted_order() -> None:
    """Rows are matched, not sorted: noise in the first float must not pair the wrong rows."""
    expected = table((1.0, 5.0), (1.0 + NOISE, 3.0))
    found = table((1.0, 3.0), (1.0 + NOISE, 5.0))

    assert difference(expected, found) is None


def test_every_row_is_matched_only_once() -> None:
    """A row near two others stands for one of them."""
    expected = table((1.0,), (1.0 + NOISE,), (7.0,))
    found = table((1.0 + 2 * NOISE,), (7.0,), (7.0,))

    found_difference = difference(expected, found)

    assert found_difference is not None
    assert found_difference.problem == "expected 3 rows, found 3: 1 missing, 1 unexpected"
    assert found_difference.unexpected == ("(7.0,)",)


def test_many_noisy_rows() -> None:
    """Ten thousand rows with noise, shuffled, are the same; with one value changed they are not."""
    generator = random.Random(7)
    rows = [(place % 13, generator.uniform(-1e6, 1e6), generator.random()) for place in range(10_000)]
    noisy = [(key, one * (1 + NOISE), other * (1 - NOISE)) for key, one, other in rows]
    generator.shuffle(noisy)
    wrong = [*noisy[:-1], (noisy[-1][0], noisy[-1][1], noisy[-1][2] + 0.001)]

    assert difference(table(*rows), table(*noisy)) is None
    assert difference(table(*rows), table(*wrong)) is not None


def test_names_and_types_of_columns() -> None:
    """A result with another name, type or number of columns differs, even without rows."""
    expected = table(types=("HUGEINT", "DATE"))

    assert difference(expected, table(types=("HUGEINT", "DATE"))) is None
    other_type = difference(expected, table(types=("DOUBLE", "DATE")))
    assert other_type is not None
    assert other_type.missing == ("a HUGEINT",)
    assert other_type.unexpected == ("a DOUBLE",)
    assert difference(expected, table(types=("HUGEINT",))) is not None
    renamed = Table(columns=(Column(name="x", type="HUGEINT"), Column(name="b", type="DATE")), rows=())
    assert difference(expected, renamed) is not None


def test_only_the_first_rows_are_quoted() -> None:
    """A large difference stays readable: the count is whole, the quoted rows are few."""
    found_difference = difference(table(*((place,) for place in range(100))), table((1000,)))

    assert found_difference is not None
    assert found_difference.problem == "expected 100 rows, found 1: 100 missing, 1 unexpected"
    assert found_difference.missing == ("(0,)", "(1,)", "(2,)", "(3,)", "(4,)")


def test_tolerance_is_an_argument() -> None:
    """A caller may ask for a closer or a wider match."""
    expected, found = table((100.0,)), table((101.0,))

    assert difference(expected, found) is not None
    assert difference(expected, found, tolerance=Tolerance(relative=0.02)) is None
