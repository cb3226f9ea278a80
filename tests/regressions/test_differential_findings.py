"""Differences that the fuzzer found, each by the statements that it shrank to."""

from __future__ import annotations

import pytest

from signatures.model import SubexpressionKind
from tests.support.fuzz_oracle import play
from tests.support.fuzz_steps import Scenario, Step

EVERYTHING = tuple(SubexpressionKind)
PARTS = tuple(kind for kind in SubexpressionKind if kind is not SubexpressionKind.STATEMENT)

PROGRAMS: dict[str, tuple[tuple[str, ...], tuple[object, ...] | None]] = {
    # The dictionaries of DuckDB 1.5's Parquet files hold equal values once, and -0.0 equals 0.0.
    "a view keeps the sign of zero": (
        (
            "CREATE TABLE g(d DOUBLE, f FLOAT, l DOUBLE[])",
            "INSERT INTO g SELECT v, v, [v] FROM range(500), (VALUES (0.0::DOUBLE), ('-0.0'::DOUBLE)) x(v)",
            "SELECT m.d, r.f, r.l FROM g m JOIN g r ON m.rowid = r.rowid",
        ),
        None,
    ),
    # DuckDB has histogram() as an aggregate and as a table macro; taken for no aggregate, it stayed above a
    # view of groups, and its HAVING became a WHERE.
    "a name of an aggregate and of a table macro is an aggregate": (
        (
            "CREATE TABLE f(h HUGEINT)",
            "CREATE TABLE o(s VARCHAR)",
            "SELECT histogram(1) FROM (SELECT h FROM o, f) q HAVING count(*) > 0",
        ),
        None,
    ),
    # For DuckDB t.a and a are two keys of ROLLUP; read from a view both became one.
    "grouping sets tell the spellings of a key apart": (
        (
            "CREATE TABLE t(a INTEGER, b INTEGER)",
            "INSERT INTO t VALUES (1, 1), (2, 1), (NULL, 2)",
            "CREATE TABLE u(b INTEGER)",
            "INSERT INTO u VALUES (1), (2)",
            "SELECT a FROM t WHERE b = ANY (SELECT b FROM u WHERE a >= 0) GROUP BY ROLLUP (a, a)",
            "SELECT t.a FROM t WHERE b = ANY (SELECT b FROM u WHERE a >= 0) GROUP BY ROLLUP (t.a, a)",
        ),
        None,
    ),
    # Names and types of outputs were asked for once, and a setting had changed them since.
    "names of outputs follow the settings": (
        (
            "CREATE TABLE g(k INTEGER)",
            "CREATE TABLE o(k INTEGER)",
            'SELECT g.k AS "V" FROM g JOIN o ON g.k = o.k',
            "SET preserve_identifier_case = false",
            'SELECT g.k AS "V" FROM g JOIN o ON g.k = o.k',
            "RESET preserve_identifier_case",
            'SELECT g.k AS "V" FROM g JOIN o ON g.k = o.k',
        ),
        None,
    ),
    # LIMIT $1 was not counted as a parameter: parts were replaced, and the rewritten text lacked its value.
    "a parameter of LIMIT is a parameter": (
        (
            "CREATE TABLE f(k INTEGER)",
            "INSERT INTO f VALUES (1), (2), (2)",
            "SELECT c FROM (SELECT k, count(*) AS c FROM f GROUP BY k) q ORDER BY ALL LIMIT $1",
        ),
        (1,),
    ),
}


@pytest.mark.parametrize("kinds", [EVERYTHING, PARTS], ids=["everything", "parts"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_plain_and_wrapped_agree(name: str, kinds: tuple[SubexpressionKind, ...]) -> None:
    """The last statement is sent twice; nothing fails inside either."""
    (*before, query), parameters = PROGRAMS[name]
    steps = (
        *(Step(sql=sql, is_query=sql.startswith("SELECT")) for sql in before),
        Step(sql=query, parameters=parameters, is_query=True),
    )
    finding, counts = play(Scenario(seed=0, kinds=kinds, in_file=False, steps=steps))
    assert finding is None
    assert counts.queries >= 2
