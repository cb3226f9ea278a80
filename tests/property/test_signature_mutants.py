"""No semantic mutant of a TPC-DS query may keep the query's precise signature."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from multiprocessing import get_context

import pytest

from tests.support.mutation_run import Outcome, compare_mutants
from tests.support.tpcds import Tpcds, load_tpcds

PER_KIND = 3
"""Mutants of each kind of change in each query."""

FEWEST_MUTANTS = 5_000


@pytest.fixture(scope="module")
def tpcds() -> Tpcds:
    """The schema and the 99 queries."""
    return load_tpcds()


@pytest.fixture(scope="module")
def outcomes(tpcds: Tpcds) -> list[Outcome]:
    """What the mutants of all queries gave; two processes, since parsing is what takes the time."""
    catalog = tpcds.catalog.with_twins()
    numbers, texts = zip(*tpcds.queries, strict=True)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        return list(pool.map(compare_mutants, numbers, texts, repeat(catalog), repeat(PER_KIND)))


def test_no_mutant_keeps_the_signature(outcomes: list[Outcome], capsys: pytest.CaptureFixture[str]) -> None:
    """Neither the whole statement nor a query around the changed place stays what it was."""
    mutants = sum(outcome.understood for outcome in outcomes)
    queries = sum(outcome.subexpressions for outcome in outcomes)
    matches = [match for outcome in outcomes for match in outcome.false_matches]
    with capsys.disabled():
        print(  # noqa: T201 - the figures of docs/signatures.md
            f"\nmutants: {mutants} statements and {queries} queries around the changed places, "
            f"{len(matches)} false matches ({len(matches) / (mutants + queries):.4%}); "
            f"{sum(outcome.not_understood for outcome in outcomes)} more were not understood"
        )
    assert matches == []
    assert mutants >= FEWEST_MUTANTS


def test_every_kind_of_change_is_made(outcomes: list[Outcome]) -> None:
    """A kind of mutation that no query has room for would prove nothing."""
    kinds = Counter(kind for outcome in outcomes for kind in outcome.kinds)
    assert len(kinds) >= 40, sorted(kinds)
    assert min(kinds.values()) >= 1
