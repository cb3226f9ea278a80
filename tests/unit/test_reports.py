"""Reports are sums over history: small histories with sums done by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from metastore.memory import MemoryMetastore
from metastore.records import Job, JobStatus, Occurrence, View
from optimizer_plugin.reports import (
    InputOverlap,
    KindOverlap,
    ReasonCount,
    TenantReport,
    UserOverlap,
    report,
    tenant_report,
)
from signatures.model import NormalizedSignature, PreciseSignature, SubexpressionKind

START = datetime(2026, 1, 5, 8, tzinfo=UTC)
END = START + timedelta(days=1)


def job(job_id: str, user: str = "ada", **fields: object) -> Job:
    """A job that took two seconds."""
    plain = Job(
        job_id=job_id,
        tenant="t",
        user=user,
        engine="duckdb",
        template="x",
        template_text="SELECT ?",
        statement=job_id,
        started_at=START + timedelta(minutes=1),
        elapsed_seconds=2.0,
    )
    return replace(plain, **fields)  # type: ignore[arg-type]


def occurrence(
    job_id: str,
    ordinal: int,
    normalized: str,
    *,
    seconds: float | None = None,
    tables: tuple[str, ...] = ("table:d#main.a",),
    ineligible: tuple[tuple[str, str], ...] = (),
    kind: SubexpressionKind = SubexpressionKind.CORE,
) -> Occurrence:
    """A subexpression of a job."""
    return Occurrence(
        job_id=job_id,
        ordinal=ordinal,
        kind=kind,
        label="core",
        normalized=NormalizedSignature(normalized),
        canonical_digest="",
        tables=tables,
        attributed_seconds=seconds,
        ineligible=ineligible,
    )


def summed(jobs: list[Job], occurrences: list[Occurrence], views: tuple[View, ...] = ()) -> TenantReport:
    """The report of a history."""
    return tenant_report(jobs, occurrences, views, tenant="t", since=START, until=END)


def view(saved_seconds: float, size_bytes: int) -> View:
    """A view that has saved something."""
    return View(
        tenant="t",
        precise=PreciseSignature("p"),
        normalized=NormalizedSignature("n"),
        canonical="",
        environment="",
        inputs=(),
        columns=(),
        path="/nowhere",
        rows=1,
        size_bytes=size_bytes,
        checksum="",
        build_seconds=1.0,
        write_seconds=0.0,
        producer="j",
        created_at=START,
        saved_seconds=saved_seconds,
    )


def test_an_empty_history_gives_zeros() -> None:
    """Without jobs there is nothing to divide by and nothing to list."""
    found = summed([], [])
    assert (found.jobs, found.users, found.elapsed_seconds, found.overlapping_jobs) == (0, 0, 0, 0)
    assert (found.not_eligible, found.by_input, found.by_user, found.by_kind) == ((), (), (), ())


def test_time_of_ours_is_kept_apart_from_the_statements() -> None:
    """Steps before the statement count as overhead, spooling as building, the statement as neither."""
    steps = (
        ("sign", 0.25),
        ("look_up", 0.25),
        ("rewrite", 0.5),
        ("spool", 4.0),
        ("run", 8.0),
        ("read", 16.0),
    )
    found = summed([job("1", overhead=steps), job("2")], [])
    assert (found.overhead_seconds, found.building_seconds, found.elapsed_seconds) == (1.0, 4.0, 4.0)


def test_reads_builds_and_failures_are_counted() -> None:
    """Reads count views, reading jobs count jobs; views have their savings and sizes."""
    precise = PreciseSignature("p")
    jobs = [
        job("1", builds=(precise, precise)),
        job("2", reads=(precise, precise, precise)),
        job("3", user="bob", reads=(precise,), status=JobStatus.FAILED),
    ]
    found = summed(jobs, [], (view(1.5, 10), view(2.0, 20)))
    assert (found.builds, found.reads, found.reading_jobs) == (2, 4, 2)
    assert (found.users, found.failed_jobs) == (2, 1)
    assert (found.views, found.view_bytes, found.saved_seconds) == (2, 30, 3.5)


def test_reasons_are_counted_by_code() -> None:
    """A code has the sentence that came most often, its occurrences and its jobs, most frequent first."""
    volatile, clock = ("REUSE-101", "random() differs"), ("REUSE-102", "now() differs")
    occurrences = [
        occurrence("1", 0, "a", ineligible=(clock,)),
        occurrence("1", 1, "b", ineligible=(volatile,)),
        occurrence("1", 2, "c", ineligible=(volatile,)),
        occurrence("2", 0, "d", ineligible=(("REUSE-101", "uuid() differs"),)),
    ]
    assert summed([job("1"), job("2")], occurrences).not_eligible == (
        ReasonCount(code="REUSE-101", text="random() differs", occurrences=3, jobs=2),
        ReasonCount(code="REUSE-102", text="now() differs", occurrences=1, jobs=1),
    )


def test_a_subexpression_twice_in_one_job_is_no_overlap() -> None:
    """Only what stands in two jobs counts as shared."""
    found = summed([job("1")], [occurrence("1", 0, "same"), occurrence("1", 1, "same")])
    assert found.overlapping_jobs == 0
    assert found.by_input == ()


def test_inputs_have_the_longest_time_of_each_job() -> None:
    """Of recurring subexpressions inside each other, a job's longest counts; what does not recur, doesn't."""
    b = ("table:d#main.b",)
    occurrences = [
        occurrence("1", 0, "outer", seconds=4.0),
        occurrence("1", 1, "inner", seconds=1.0),
        occurrence("2", 0, "outer", seconds=2.0),
        occurrence("2", 1, "inner"),
        occurrence("2", 2, "lonely", seconds=100.0, tables=b),
        occurrence("3", 0, "inner", seconds=0.5, tables=b),
    ]
    jobs = [job("1"), job("2", user="bob"), job("3")]
    assert summed(jobs, occurrences).by_input == (
        InputOverlap(input="table:d#main.a", recurring=2, jobs=2, users=2, seconds=6.0),
        InputOverlap(input="table:d#main.b", recurring=1, jobs=1, users=1, seconds=0.5),
    )


def test_users_and_kinds_have_their_overlaps() -> None:
    """A user's overlapping jobs are those that share with any job; kinds count distinct signatures."""
    cte = SubexpressionKind.CTE
    occurrences = [
        occurrence("1", 0, "x"),
        occurrence("2", 0, "x"),
        occurrence("3", 0, "y"),
        occurrence("3", 1, "z", kind=cte),
    ]
    found = summed([job("1"), job("2", user="bob"), job("3")], occurrences)
    assert found.by_user == (
        UserOverlap(user="ada", jobs=2, overlapping_jobs=1, elapsed_seconds=4.0),
        UserOverlap(user="bob", jobs=1, overlapping_jobs=1, elapsed_seconds=2.0),
    )
    assert found.by_kind == (
        KindOverlap(kind=cte, distinct=1, recurring=0),
        KindOverlap(kind=SubexpressionKind.CORE, distinct=2, recurring=1),
    )


def test_a_report_reads_its_own_tenant_and_range_only() -> None:
    """Jobs of other tenants and other days are left out."""
    metastore = MemoryMetastore()
    jobs = [job("1"), job("2", tenant="other"), job("3", started_at=END)]
    metastore.record(jobs, [occurrence(each.job_id, 0, "x") for each in jobs])
    found = report(metastore, tenant="t", since=START, until=END)
    assert (found.jobs, found.overlapping_jobs) == (1, 0)
