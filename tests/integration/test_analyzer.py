"""The feedback loop on real parts: jobs are profiled, mined, annotated, built once and read by others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import duckdb
import pytest

import optimizer_plugin
from metastore.embedded import embedded_url
from metastore.memory import MemoryMetastore
from metastore.records import Job, Occurrence
from optimizer_plugin import policies
from optimizer_plugin.analyzer.mining import mined
from optimizer_plugin.analyzer.running import analyze
from optimizer_plugin.engines.duckdb.connection import ReuseConnection
from optimizer_plugin.policies import Policy
from signatures.model import NormalizedSignature, PreciseSignature, SubexpressionKind

CORE = "FROM orders o JOIN shops s ON o.shop = s.id WHERE o.amount > 10"
BY_REGION = f"SELECT s.region, count(*) AS n {CORE} GROUP BY s.region"
TOTAL = f"SELECT sum(o.amount) AS total {CORE}"
HIGHEST = f"SELECT o.shop, max(o.amount) AS highest {CORE} GROUP BY o.shop"
LONGEST_AGO = datetime(1970, 1, 1, tzinfo=UTC)

LOOP = """
name = "loop"
[reuse]
materialize = "annotated"
whole_results = false
[kinds]
enabled = ["core"]
[cost]
min_job_seconds = 0.0
max_overhead_share = 0.0
min_saving_seconds = 0.0
max_read_share = 0.0
[selection]
kinds = ["core"]
[history]
profile_share = 1.0
"""

Wrap = Callable[..., ReuseConnection]


@pytest.fixture(scope="module")
def url(module_server_directory: Path) -> str:
    """A metastore of this module."""
    return embedded_url(module_server_directory)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A small shop database, closed."""
    path = tmp_path / "shop.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "CREATE TABLE orders AS SELECT range AS id, "
            "CASE WHEN range % 11 = 0 THEN NULL ELSE range % 20 END AS shop, "
            "(range * 7919 % 1000)::DECIMAL(10, 2) AS amount FROM range(50000)"
        )
        connection.execute(
            "CREATE TABLE shops AS SELECT range AS id, CASE WHEN range % 3 = 0 THEN NULL "
            "ELSE 'region ' || range % 4 END AS region FROM range(20)"
        )
    return path


@pytest.fixture
def wrap(url: str, database: Path, tmp_path: Path) -> Iterator[Wrap]:
    """Opens wrapped connections to the shop; they share a tenant and a store."""
    tenant = f"test-{uuid4().hex}"
    opened: list[ReuseConnection] = []

    def open_wrapped(policy: Policy) -> ReuseConnection:
        connection = optimizer_plugin.wrap(
            duckdb.connect(str(database), read_only=True),
            metastore=url,
            store=tmp_path / "store",
            tenant=tenant,
            policy=policy,
            strict=True,
        )
        opened.append(connection)
        return connection

    yield open_wrapped
    for connection in opened:
        connection.close()


def rows_of(connection: object, sql: str) -> Counter[str]:
    """The rows of a statement without their order."""
    return Counter(map(repr, connection.execute(sql).fetchall()))  # type: ignore[attr-defined]


def plain(database: Path, sql: str) -> Counter[str]:
    """The rows without the wrapper."""
    with duckdb.connect(str(database), read_only=True) as connection:
        return rows_of(connection, sql)


def test_the_loop_closes_over_connections(wrap: Wrap, database: Path) -> None:
    """One connection's history is mined, a second one builds what was annotated, a third reads it."""
    policy = policies.parse(LOOP)
    first = wrap(policy)
    for sql in (BY_REGION, TOTAL):
        rows_of(first, sql)
    before = first.reuse.stats()
    result = first.reuse.analyze()
    first.close()
    second = wrap(policy)
    built = rows_of(second, BY_REGION)
    builder = second.reuse.stats()
    second.close()
    third = wrap(policy)
    read = rows_of(third, TOTAL)
    reader = third.reuse.stats()
    third.close()
    assert before["spooled"] == 0
    assert [annotation.kind for annotation in result.annotations] == [SubexpressionKind.CORE]
    assert builder["spooled"] == 1
    assert (reader["spooled"], reader["reused"]) == (0, 1)
    assert built == plain(database, BY_REGION)
    assert read == plain(database, TOTAL)


def test_an_annotated_view_has_the_columns_of_all_its_readers(wrap: Wrap, database: Path) -> None:
    """The first job writes columns that it does not use itself, so that the others find theirs."""
    policy = policies.parse(LOOP)
    connection = wrap(policy)
    statements = (BY_REGION, TOTAL, HIGHEST)
    for sql in statements:
        rows_of(connection, sql)
    connection.reuse.analyze()
    found = [rows_of(connection, sql) for sql in statements]
    stats = connection.reuse.stats()
    connection.close()
    assert stats["spooled"] == 1
    assert stats["reused"] == len(statements)
    assert found == [plain(database, sql) for sql in statements]


def test_occurrences_carry_times_from_the_profile(wrap: Wrap) -> None:
    """A profiled job records attributed seconds and rows; what it built, what building alone took."""
    connection = wrap(policies.parse(LOOP.replace('"annotated"', '"on_sight"')))
    rows_of(connection, BY_REGION)
    connection.reuse.flush()
    session = connection.reuse.session
    now = datetime.now(UTC)
    until = now + timedelta(minutes=1)
    built = session.metastore.occurrences(session.tenant, LONGEST_AGO, until)
    connection.reuse.use(policies.parse(LOOP))
    rows_of(connection, HIGHEST.replace("> 10", "> 20"))
    connection.reuse.flush()
    every = session.metastore.occurrences(session.tenant, LONGEST_AGO, until)
    connection.close()
    (core,) = [o for o in built if o.kind is SubexpressionKind.CORE]
    profiled = [o for o in every if o.job_id != core.job_id and o.kind is SubexpressionKind.CORE]
    assert core.standalone_seconds is not None
    assert core.size_bytes
    assert [o.attributed_seconds is not None for o in profiled] == [True]
    assert profiled[0].rows


def test_nothing_is_annotated_on_a_dry_run(wrap: Wrap) -> None:
    """A dry run tells what would be selected and leaves the annotations as they are."""
    policy = policies.parse(LOOP)
    connection = wrap(policy)
    for sql in (BY_REGION, TOTAL):
        rows_of(connection, sql)
    connection.reuse.flush()
    session = connection.reuse.session
    result = analyze(session.metastore, tenant=session.tenant, policy=policy, dry_run=True)
    rows_of(connection, BY_REGION)
    stats = connection.reuse.stats()
    connection.close()
    assert len(result.annotations) == 1
    assert stats["spooled"] == 0


def test_what_is_left_out_says_why(wrap: Wrap) -> None:
    """Candidates that the policy turns away come back with their reasons."""
    policy = policies.parse(
        LOOP.replace('kinds = ["core"]\n[history]', 'exclude_tables = ["shops"]\n[history]')
    )
    connection = wrap(policy)
    for sql in (BY_REGION, TOTAL):
        rows_of(connection, sql)
    result = connection.reuse.analyze()
    connection.close()
    assert result.annotations == ()
    assert "the policy leaves out one of its tables" in {rejected.reason for rejected in result.rejected}
    assert result.analysis.jobs_seen == 2


TENANT = "mining"
START = datetime(2024, 1, 1, tzinfo=UTC)


def job(number: int, template: str, *, seconds: float = 1.0) -> Job:
    """A job, one an hour."""
    return Job(
        job_id=f"job {number}",
        tenant=TENANT,
        user="ann",
        engine="duckdb",
        template=template,
        template_text=template,
        statement=f"statement {number}",
        started_at=START + timedelta(hours=number),
        elapsed_seconds=seconds,
    )


def occurrence(
    number: int, ordinal: int, *, seconds: float | None, precise: str = "p", contains: tuple[int, ...] = ()
) -> Occurrence:
    """A core in a job."""
    return Occurrence(
        job_id=f"job {number}",
        ordinal=ordinal,
        kind=SubexpressionKind.CORE,
        label="core",
        normalized=NormalizedSignature("n"),
        precise=PreciseSignature(precise),
        canonical_digest="d",
        tables=("table:shop#main.orders",),
        contains=contains,
        attributed_seconds=seconds,
    )


def history(jobs: list[Job], occurrences: list[Occurrence]) -> MemoryMetastore:
    """A metastore with a history."""
    metastore = MemoryMetastore()
    metastore.record(jobs, occurrences)
    return metastore


def test_jobs_without_a_profile_count_by_the_mean_of_their_template() -> None:
    """A sample of the jobs is profiled: the others saved as much, and the view keeps its worth in use."""
    metastore = history(
        [job(number, "a" if number < 3 else "b") for number in range(4)],
        [
            occurrence(0, 1, seconds=4.0),
            occurrence(1, 1, seconds=2.0),
            occurrence(2, 1, seconds=None),
            occurrence(3, 1, seconds=None),
        ],
    )
    (found,) = mined(metastore, TENANT, LONGEST_AGO, START + timedelta(days=9))
    assert found.saved_seconds == {"a": pytest.approx(9.0), "b": pytest.approx(3.0)}
    assert found.build_seconds == pytest.approx(3.0)
    assert found.utility_seconds == pytest.approx(9.0)


def test_every_instance_is_built_once() -> None:
    """Two days' instances of a recurring computation are two builds, and a lease is for one of them."""
    jobs = [job(number, "a") for number in range(4)]
    found = [occurrence(n, 1, seconds=40.0, precise=f"day {n // 2}") for n in range(4)]
    metastore = history(jobs, found)
    (candidate,) = mined(metastore, TENANT, LONGEST_AGO, START + timedelta(days=9))
    policy = policies.parse("[cost]\nmin_saving_seconds = 0.0\n[views]\nlease_margin = 2.0")
    result = analyze(
        metastore, tenant=TENANT, policy=policy, since=LONGEST_AGO, until=START + timedelta(days=9)
    )
    assert candidate.instances == 2
    assert candidate.build_seconds == pytest.approx(80.0)
    assert [annotation.lease_seconds for annotation in result.annotations] == [pytest.approx(80.0)]


def test_one_place_under_two_names_is_not_shared() -> None:
    """A derived table that is nothing but its grouping is one place: nobody else would read its view."""
    metastore = history(
        [job(0, "a")], [occurrence(0, 1, seconds=4.0, contains=(2,)), occurrence(0, 2, seconds=0.0)]
    )
    assert mined(metastore, TENANT, LONGEST_AGO, START + timedelta(days=9)) == []


def test_siblings_with_other_literals_are_not_shared() -> None:
    """Equal normalized signatures without an equal precise one have nothing to read from each other."""
    metastore = history(
        [job(0, "a"), job(1, "b")],
        [occurrence(0, 1, seconds=4.0, precise="x"), occurrence(1, 1, seconds=4.0, precise="y")],
    )
    assert mined(metastore, TENANT, LONGEST_AGO, START + timedelta(days=9)) == []


def test_measured_build_costs_feed_the_next_analysis() -> None:
    """Once a build was measured, its stand-alone time stands in place of the guess from profiles."""
    jobs = [job(0, "a"), job(1, "b")]
    cheap = [occurrence(0, 1, seconds=4.0), occurrence(1, 1, seconds=4.0)]
    dear = [replace(cheap[0], standalone_seconds=30.0), cheap[1]]
    policy = policies.parse("[cost]\nmin_saving_seconds = 0.0")
    until = START + timedelta(days=9)
    results = [
        analyze(history(jobs, found), tenant=TENANT, policy=policy, since=LONGEST_AGO, until=until)
        for found in (cheap, dear)
    ]
    assert [len(result.annotations) for result in results] == [1, 0]
    assert "it saves -22.000 s a round" in results[1].rejected[0].reason


@pytest.mark.parametrize(("kept_hours", "expected"), [(1.0, 5 * 3600.0), (24.0, 24 * 3600.0), (0.0, 0.0)])
def test_lifetimes_follow_the_longest_interval_between_jobs(kept_hours: float, expected: float) -> None:
    """A view lives until the slowest recurring job has come round; zero means until space is reclaimed."""
    jobs = [job(number, "a") for number in (0, 2, 7)] + [job(9, "other"), job(30, "other")]
    found = [occurrence(number, 1, seconds=1.0) for number in (0, 2, 7)]
    policy = policies.parse(f"[views]\nexpires_after_hours = {kept_hours}\n[cost]\nmin_saving_seconds = 0.0")
    result = analyze(
        history(jobs, found),
        tenant=TENANT,
        policy=policy,
        since=LONGEST_AGO,
        until=START + timedelta(days=9),
    )
    assert [annotation.expires_after_seconds for annotation in result.annotations] == [expected]


def test_the_submission_order_comes_with_the_result() -> None:
    """The shortest of the jobs that share a view is to be submitted first, so that it builds."""
    jobs = [job(0, "alone"), job(1, "long", seconds=9.0), job(2, "short", seconds=2.0)]
    found = [occurrence(1, 1, seconds=1.0), occurrence(2, 1, seconds=1.0)]
    result = analyze(
        history(jobs, found),
        tenant=TENANT,
        policy=policies.parse("[cost]\nmin_saving_seconds = 0.0"),
        since=LONGEST_AGO,
        until=START + timedelta(days=9),
    )
    assert result.order == ("short", "alone", "long")


def test_jobs_outside_the_window_are_not_mined() -> None:
    """A window that holds one of two occurrences finds nothing that recurs."""
    metastore = history(
        [job(0, "a"), job(5, "b")], [occurrence(0, 1, seconds=4.0), occurrence(5, 1, seconds=4.0)]
    )
    assert mined(metastore, TENANT, START + timedelta(hours=1), START + timedelta(days=9)) == []
    assert len(mined(metastore, TENANT, START, START + timedelta(days=9))) == 1
