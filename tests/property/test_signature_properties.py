"""What holds of the signatures of all statements, on random ones."""

from __future__ import annotations

import re
from random import Random

import duckdb
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from signatures.compiler import compile_statement
from signatures.model import NormalizedSignature
from signatures.parsing.statement import template_of, tokens_of
from signatures.sites import CompiledStatement, QuerySite
from signatures.verification import meaning, same_meaning
from tests.support.catalog import FixedCatalog, catalog_of
from tests.support.random_sql import SCHEMA, Choices, statement

seeds = st.integers(min_value=0, max_value=2**32)


@pytest.fixture(scope="module")
def catalog() -> FixedCatalog:
    """Tables of random statements, and one table for each day and run."""
    with duckdb.connect() as connection:
        for part in SCHEMA:
            connection.execute(part)
        for day in ("20240131", "20240201", "20231231_run7"):
            connection.execute(f"CREATE TABLE sales_{day}(item INT, day DATE, price DECIMAL(8, 2))")
        return catalog_of(connection)


def random_statement(seed: int) -> str:
    """A random statement."""
    return statement(Choices(Random(seed)))


def normalized(compiled: CompiledStatement) -> list[NormalizedSignature]:
    """Normalized signatures of all subexpressions."""
    return [part.normalized for part in compiled.subexpressions]


@given(seed=seeds)
def test_every_statement_means_itself(seed: int, catalog: FixedCatalog) -> None:
    """Binding the same text twice gives the same meaning, so that the check never refuses for nothing."""
    sql = random_statement(seed)
    compiled = compile_statement(sql, catalog, "duckdb")
    assume(compiled.statement is not None)
    assert same_meaning(compiled, sql, catalog, "duckdb", {})


@given(seed=seeds)
def test_compiling_twice_gives_the_same(seed: int, catalog: FixedCatalog) -> None:
    """Compiling has no memory."""
    sql = random_statement(seed)
    one, other = (compile_statement(sql, catalog, "duckdb") for _ in range(2))
    assert one.subexpressions == other.subexpressions
    assert one.sites == other.sites


@given(seed=seeds, added=st.integers(min_value=1, max_value=9))
def test_literals_leave_the_normalized_signature(seed: int, added: int, catalog: FixedCatalog) -> None:
    """Other numbers in a statement leave its template and its normalized signatures."""
    sql = random_statement(seed)
    changed = re.sub(r"(?<![\w.])\d", lambda digit: f"{digit[0]}0{added}", sql)
    one, other = (compile_statement(text, catalog, "duckdb") for text in (sql, changed))
    assert one.template == other.template
    assert normalized(one) == normalized(other)


@given(seed=seeds)
def test_places_hold_the_text_of_their_query(seed: int, catalog: FixedCatalog) -> None:
    """The text at the place of a query expression is a query of as many columns."""
    compiled = compile_statement(random_statement(seed), catalog, "duckdb")
    for site, definition in zip(compiled.sites, compiled.definitions, strict=True):
        if isinstance(site, QuerySite):
            inner = site.place.of(compiled.text)
            alone = compile_statement(inner, catalog, "duckdb")
            if alone.statement is not None and not site.ctes:
                assert len(alone.definitions[alone.statement].outputs) == len(definition.outputs)


@given(
    low=st.integers(min_value=0, max_value=10**6),
    days=st.lists(st.dates(), min_size=1, max_size=5),
    name=st.sampled_from(("sales_20240131", "sales_20240201", "sales_20231231_run7")),
)
def test_instances_of_a_recurring_job(low: int, days: list[object], name: str, catalog: FixedCatalog) -> None:
    """Another day's table, other dates and another length of a list are the same recurring computation."""

    def instance(table: str, least: int, members: list[object]) -> CompiledStatement:
        listed = ", ".join(f"DATE '{day}'" for day in members)
        sql = (
            f"SELECT item, sum(price) FROM {table} WHERE price > {least} AND day IN ({listed}) GROUP BY item"
        )
        return compile_statement(sql, catalog, "duckdb")

    first, other = instance("sales_20240131", 5, ["2024-01-31"]), instance(name, low, days)
    same_run = name != "sales_20231231_run7"
    assert (normalized(first) == normalized(other)) is same_run
    assert (meaning(first) == meaning(other)) is (
        name == "sales_20240131" and low == 5 and {str(day) for day in days} == {"2024-01-31"}
    )


@given(text=st.text(max_size=40))
def test_any_text_is_compiled_without_an_error(text: str, catalog: FixedCatalog) -> None:
    """Whatever a user writes, compiling gives a result, with a reason where it is not understood."""
    compiled = compile_statement(text, catalog, "duckdb")
    assert compiled.subexpressions
    assert compiled.statement is not None or compiled.subexpressions[-1].ineligible


@given(seed=seeds, cut=st.integers(min_value=1, max_value=200))
def test_statement_cut_short_is_compiled_without_an_error(seed: int, cut: int, catalog: FixedCatalog) -> None:
    """Half a statement is not understood, or is one of its own."""
    sql = random_statement(seed)[:cut]
    assert compile_statement(sql, catalog, "duckdb").subexpressions


@given(value=st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20))
def test_strings_survive_in_the_canonical_text(value: str, catalog: FixedCatalog) -> None:
    """Two strings sign alike only if they are the same string."""
    literal = "'" + value.replace("'", "''") + "'"
    one = compile_statement(f"SELECT a FROM t WHERE b::VARCHAR = {literal}", catalog, "duckdb")
    other = compile_statement("SELECT a FROM t WHERE b::VARCHAR = 'plain'", catalog, "duckdb")
    if one.statement is not None:
        assert (meaning(one) == meaning(other)) is (value == "plain")


@given(number=st.integers(min_value=0, max_value=10**12), word=st.from_regex(r"[a-z]{1,8}", fullmatch=True))
def test_template_keeps_words_and_drops_literals(number: int, word: str) -> None:
    """Statements of one template differ in literals only."""
    texts = [
        f"SELECT a FROM t WHERE b = {number} AND c = '{word}'",
        "SELECT a FROM t WHERE b = 1 AND c = 'x'",
    ]
    digests = {template_of(tokens_of(text, "duckdb")).digest for text in texts}
    assert len(digests) == 1
