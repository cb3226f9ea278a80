"""Random programs, plain and wrapped, give the same: twenty thousand statements in each CI run."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import duckdb
import pytest

from benchmarks.conformance.outcomes import run
from optimizer_plugin.engines.duckdb import spooling
from signatures.model import SubexpressionKind
from tests.support.fuzz import reproduction
from tests.support.fuzz_freedom import is_free
from tests.support.fuzz_oracle import Counts, Finding, play
from tests.support.fuzz_shrinking import shrunk
from tests.support.fuzz_steps import Scenario, Step, scenario, with_parameters

STATEMENTS = int(os.environ.get("RESPOOL_FUZZ_STATEMENTS", "20000"))
FIRST_SEED = int(os.environ.get("RESPOOL_FUZZ_SEED", "1"))
BATCH = 32


def seed_played(seed: int) -> tuple[int, Finding | None, Counts]:
    """One scenario, in whatever process."""
    finding, counts = play(scenario(seed))
    return seed, finding, counts


def test_programs_give_the_same_plain_and_wrapped(capsys: pytest.CaptureFixture[str]) -> None:
    """Queries are sent twice, and enough of them read what another statement built."""
    counts, seed = Counts(), FIRST_SEED
    with ProcessPoolExecutor(min(os.cpu_count() or 1, 4), mp_context=get_context("spawn")) as pool:
        while counts.statements < STATEMENTS:
            for played, finding, more in pool.map(seed_played, range(seed, seed + BATCH)):
                counts.add(more)
                if finding is not None:
                    pytest.fail(reproduction(*shrunk(scenario(played), finding)))
            seed += BATCH
    with capsys.disabled():
        sys.stdout.write(f"\nseeds {FIRST_SEED} to {seed - 1}, DuckDB {duckdb.__version__}: {counts}\n")
    assert counts.whole_reads >= counts.statements // 50
    assert counts.partial_reads >= counts.statements // 20
    assert counts.foreign_reads >= counts.statements // 20
    assert counts.failing <= counts.statements // 5


def test_a_seed_is_a_program() -> None:
    """What is printed of a difference is enough to see it again."""
    assert scenario(7) == scenario(7)
    assert scenario(7).steps != scenario(8).steps


def program(*steps: Step) -> Scenario:
    """A program whose every part may be reused."""
    return Scenario(seed=0, kinds=tuple(SubexpressionKind), in_file=False, steps=steps)


CREATED = (
    Step(sql="CREATE TABLE t AS SELECT i AS a, i % 3 AS b FROM range(9) r(i)"),
    Step(sql="CREATE TABLE u AS SELECT i AS a FROM range(5) r(i)"),
)


def test_a_wrong_row_is_found_and_made_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Views that lose their rows are noticed, and the program shrinks to what matters."""
    scan = spooling.scan_statement
    monkeypatch.setattr(
        spooling, "scan_statement", lambda *args, **options: f"{scan(*args, **options)} LIMIT 1"
    )
    whole = program(
        *CREATED,
        Step(sql="SELECT 1"),
        Step(sql="INSERT INTO u VALUES (8)"),
        Step(sql="SELECT t.b, u.a, 5 AS c FROM t JOIN u ON t.a = u.a WHERE t.b >= 0", is_query=True),
        Step(sql="DROP TABLE u"),
    )
    finding, _ = play(whole)
    assert finding is not None
    assert finding.step == 4
    small, same = shrunk(whole, finding)
    assert same.sort == finding.sort
    assert len(small.steps) == 2
    assert len(small.steps[-1].sql) < len(finding.sql)
    assert "read_parquet" in reproduction(small, same)


@pytest.mark.parametrize(
    ("sql", "free"),
    [
        ("SELECT a FROM t ORDER BY b LIMIT 2", True),
        ("SELECT first(a) FROM t", True),
        ("SELECT list(a) FROM t", True),
        ("SELECT a FROM t ORDER BY b, a LIMIT 2", False),
        ("SELECT b, count(*) FROM t GROUP BY b", False),
        ("SELECT a, row_number() OVER (ORDER BY a) FROM t", False),
    ],
)
def test_what_sql_leaves_open_is_told_apart(sql: str, free: bool) -> None:
    """Only what depends on how rows are stored may come out otherwise."""
    with duckdb.connect() as connection:
        for step in CREATED:
            connection.execute(step.sql)
        before = run(connection, "FROM t")
        assert is_free(connection, lambda: run(connection, sql), run(connection, sql)) == free
        assert not before.difference(run(connection, "FROM t"), ordered=True)


def test_numbers_become_parameters() -> None:
    """At most two, in order, and none of a type's."""
    step = with_parameters("SELECT i::DECIMAL(9,2) FROM g WHERE k = 3 AND i > 4 AND i < 5")
    assert step.sql == "SELECT i::DECIMAL(9,2) FROM g WHERE k = $1 AND i > $2 AND i < 5"
    assert step.parameters == (3, 4)
