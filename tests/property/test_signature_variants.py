"""Equivalent rewritings of TPC-DS queries keep their signatures, nearly always."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
import sqlglot

from signatures.compiler import compile_statement
from signatures.verification import meaning
from tests.support.catalog import FixedCatalog
from tests.support.tpcds import Tpcds, load_tpcds
from tests.support.variants import VIEW, Variant, variants

FEWEST_VARIANTS = 1_000
LEAST_SHARE = 0.95

Meaning = tuple[str, tuple[str, ...]]


@pytest.fixture(scope="module")
def tpcds() -> Tpcds:
    """The schema and the 99 queries."""
    return load_tpcds()


def matches(variant: Variant, base: Meaning | None, catalog: FixedCatalog) -> bool:
    """Whether a variant means what the statement means; reordered outputs are compared as a set."""
    names = catalog.with_view(VIEW, variant.view, variant.columns) if variant.view else catalog
    found = meaning(compile_statement(variant.text, names, "duckdb"))
    if found is None or base is None or variant.same_outputs:
        return found is not None and found == base
    return (found[0], sorted(found[1])) == (base[0], sorted(base[1]))


def test_equivalent_variants_keep_the_signature(tpcds: Tpcds, capsys: pytest.CaptureFixture[str]) -> None:
    """More than 95 % of the rewritings are recognized; each kind of them is, at least once."""
    made: Counter[str] = Counter()
    kept: Counter[str] = Counter()
    for number, text in tpcds.queries:
        base = meaning(compile_statement(text, tpcds.catalog, "duckdb"))
        for variant in variants(sqlglot.parse_one(text, read="duckdb"), Random(number)):
            made[variant.kind] += 1
            kept[variant.kind] += matches(variant, base, tpcds.catalog)
    share = kept.total() / made.total()
    with capsys.disabled():
        print(f"\nvariants: {kept.total()} of {made.total()} match ({share:.2%})")  # noqa: T201 - a figure
        for kind, count in sorted(made.items()):
            print(f"  {kind}: {kept[kind]} of {count}")  # noqa: T201 - a figure
    assert made.total() >= FEWEST_VARIANTS
    assert share > LEAST_SHARE
    assert all(kept[kind] for kind in made)
