from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from metastore.errors import InvalidRecord
from metastore.ports import Metastore
from metastore.records import Job, JobStatus, Occurrence, OccurrenceMeasurement, OverlapCriteria
from signatures.model import NormalizedSignature, PreciseSignature, SubexpressionKind

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
EVENING = NOON + timedelta(hours=6)
SHARED = NormalizedSignature("a" * 32)


def job(tenant: str, *, minutes: int = 0, user: str = "ada", elapsed: float = 10.0) -> Job:
    """A job with every field set."""
    return Job(
        job_id=str(uuid.uuid4()),
        tenant=tenant,
        user=user,
        engine="duckdb",
        template="f00d",
        template_text="SELECT ? FROM sales -- größer: %s",
        statement=str(uuid.uuid4()),
        script="daily.sql",
        tags=("table:sales", f"template:{user}"),
        started_at=NOON + timedelta(minutes=minutes),
        elapsed_seconds=elapsed,
        cpu_seconds=12.5,
        rows=3,
        status=JobStatus.FAILED,
        overhead=(("parse", 0.001), ("lookup", 0.0005)),
        builds=(PreciseSignature("1" * 32),),
        reads=(PreciseSignature("2" * 32), PreciseSignature("3" * 32)),
        not_reused=(("REUSE-101", "random() is volatile"),),
        profile_seconds=11.0,
    )


def occurrence(of: Job, ordinal: int = 0, *, attributed: float | None = None) -> Occurrence:
    """An occurrence of the shared subexpression."""
    return Occurrence(
        job_id=of.job_id,
        ordinal=ordinal,
        kind=SubexpressionKind.CORE,
        label="core of sales",
        normalized=SHARED,
        precise=PreciseSignature("1" * 32),
        canonical_digest="d" * 32,
        tables=("sales", "items"),
        columns=(("x", "{0.x}"),),
        sort_columns=(("x", "asc"),),
        contains=(4, 5),
        source_count=2,
        attributed_seconds=attributed,
    )


class TestRecording:
    def test_history_comes_back_as_it_was_recorded(self, metastore: Metastore, tenant: str) -> None:
        """Every field of a job and of its occurrences survives the way there and back."""
        recorded = job(tenant)
        parts = (
            occurrence(recorded, 0, attributed=1.5),
            replace(occurrence(recorded, 1), precise=None, ineligible=(("REUSE-101", "random()"),)),
        )
        metastore.record([recorded], parts)
        assert metastore.job(tenant, recorded.job_id) == recorded
        assert metastore.jobs(tenant, NOON, EVENING) == (recorded,)
        assert metastore.occurrences(tenant, NOON, EVENING) == parts

    def test_batch_may_be_sent_again(self, metastore: Metastore, tenant: str) -> None:
        """A batch whose first delivery got no answer is not counted twice."""
        recorded = job(tenant)
        for _ in range(2):
            metastore.record([recorded], [occurrence(recorded)])
        assert len(metastore.jobs(tenant, NOON, EVENING)) == 1
        assert len(metastore.occurrences(tenant, NOON, EVENING)) == 1

    def test_empty_batch(self, metastore: Metastore, tenant: str) -> None:
        """Nothing to record is no error."""
        metastore.record([], [])
        metastore.update_occurrences(tenant, [])
        assert metastore.jobs(tenant, NOON, EVENING) == ()

    def test_range_holds_its_start_and_not_its_end(self, metastore: Metastore, tenant: str) -> None:
        """Ranges that follow each other split history without gap or repetition."""
        early, late = job(tenant, minutes=0), job(tenant, minutes=60)
        metastore.record([late, early], [])
        at_late = late.started_at
        assert metastore.jobs(tenant, NOON, at_late) == (early,)
        assert metastore.jobs(tenant, at_late, EVENING) == (late,)
        assert metastore.jobs(tenant, NOON, EVENING) == (early, late)

    def test_tenants_do_not_see_each_other(self, metastore: Metastore, tenant: str) -> None:
        """History asked for by another tenant is empty, and cannot be changed by it."""
        recorded = job(tenant)
        metastore.record([recorded], [occurrence(recorded)])
        other = f"{tenant}-other"
        assert metastore.job(other, recorded.job_id) is None
        assert metastore.jobs(other, NOON, EVENING) == ()
        assert metastore.occurrences(other, NOON, EVENING) == ()
        assert metastore.forget_history(other, EVENING) == 0
        metastore.update_occurrences(
            other, [OccurrenceMeasurement(job_id=recorded.job_id, ordinal=0, rows=5)]
        )
        assert metastore.occurrences(tenant, NOON, EVENING)[0].rows is None

    def test_occurrence_of_an_unknown_job_is_refused(self, metastore: Metastore, tenant: str) -> None:
        """A batch with a loose occurrence is refused as a whole."""
        kept, never_recorded = job(tenant), job(tenant)
        with pytest.raises(InvalidRecord):
            metastore.record([kept], [occurrence(never_recorded)])
        assert metastore.jobs(tenant, NOON, EVENING) == ()

    def test_runs_of_one_statement_share_what_does_not_change(
        self, metastore: Metastore, tenant: str
    ) -> None:
        """Runs recorded together or later have the same parts, and each its own measurements."""
        one, two = job(tenant), job(tenant, minutes=1)
        three = replace(job(tenant, minutes=2), statement=one.statement)
        two = replace(two, statement=one.statement)
        parts = [occurrence(one, 0, attributed=1.0), occurrence(two, 0, attributed=2.0)]
        metastore.record([one, two], parts)
        metastore.record([three], [occurrence(three, 0, attributed=3.0)])
        assert metastore.occurrences(tenant, NOON, EVENING) == (
            *parts,
            occurrence(three, 0, attributed=3.0),
        )
        assert metastore.overlaps(tenant, NOON, EVENING)[0].total_attributed_seconds == 6.0

    def test_a_forgotten_statement_can_be_recorded_again(self, metastore: Metastore, tenant: str) -> None:
        """What its runs shared goes with the last of them, and comes back with the next."""
        old, new = job(tenant), job(tenant, minutes=60)
        new = replace(new, statement=old.statement)
        metastore.record([old], [occurrence(old)])
        assert metastore.forget_history(tenant, new.started_at) == 1
        metastore.record([new], [occurrence(new)])
        assert metastore.occurrences(tenant, NOON, EVENING) == (occurrence(new),)

    def test_measurements_fill_in(self, metastore: Metastore, tenant: str) -> None:
        """A later measurement sets what it has and leaves what it has not."""
        recorded = job(tenant)
        metastore.record([recorded], [occurrence(recorded, 0, attributed=1.5), occurrence(recorded, 1)])
        measured = OccurrenceMeasurement(
            job_id=recorded.job_id, ordinal=0, standalone_seconds=4.0, rows=7, size_bytes=2**40
        )
        unknown = OccurrenceMeasurement(job_id=recorded.job_id, ordinal=9, rows=1)
        metastore.update_occurrences(tenant, [unknown, measured])
        first, second = metastore.occurrences(tenant, NOON, EVENING)
        assert first == replace(
            occurrence(recorded, 0, attributed=1.5), standalone_seconds=4.0, rows=7, size_bytes=2**40
        )
        assert second == occurrence(recorded, 1)

    def test_occurrences_of_one_job(self, metastore: Metastore, tenant: str) -> None:
        """Occurrences can be had for one job alone."""
        one, two = job(tenant), job(tenant, minutes=1)
        metastore.record([one, two], [occurrence(one), occurrence(two)])
        assert metastore.occurrences(tenant, NOON, EVENING, job_id=two.job_id) == (occurrence(two),)

    def test_old_history_is_forgotten(self, metastore: Metastore, tenant: str) -> None:
        """Old jobs go with their occurrences, newer ones stay."""
        old, new = job(tenant), job(tenant, minutes=30)
        metastore.record([old, new], [occurrence(old), occurrence(new)])
        assert metastore.forget_history(tenant, NOON + timedelta(minutes=10)) == 1
        assert metastore.jobs(tenant, NOON, EVENING) == (new,)
        assert metastore.occurrences(tenant, NOON, EVENING) == (occurrence(new),)


class TestOverlaps:
    def test_recurring_subexpression_is_aggregated(self, metastore: Metastore, tenant: str) -> None:
        """Frequency counts jobs, averages run over what was measured, columns and tags are united."""
        one = job(tenant, user="ada", elapsed=10.0)
        two = job(tenant, user="bob", minutes=1, elapsed=4.0)
        three = job(tenant, user="bob", minutes=2)
        parts = [
            replace(occurrence(one, 0, attributed=1.0), standalone_seconds=8.0, rows=10, size_bytes=100),
            replace(occurrence(one, 1, attributed=2.0), columns=(("y", "{0.y}"), ("x", "{1.x}"))),
            replace(
                occurrence(two, 0, attributed=3.0),
                rows=20,
                precise=PreciseSignature("9" * 32),
                sort_columns=(("y", "desc"),),
                tables=("stores",),
                source_count=3,
            ),
            replace(occurrence(three, 0), label="another label", precise=None),
        ]
        metastore.record([one, two, three], parts)
        (found,) = metastore.overlaps(tenant, NOON, EVENING)
        assert (found.normalized, found.kind) == (SHARED, SubexpressionKind.CORE)
        assert found.label == "core of sales"
        assert (found.frequency, found.occurrences, found.measured, found.users) == (3, 4, 3, 2)
        assert (found.distinct_precise, found.source_count) == (2, 3)
        assert found.total_attributed_seconds == pytest.approx(6.0)
        assert found.average_attributed_seconds == pytest.approx(2.0)
        assert (found.average_standalone_seconds, found.average_write_seconds) == (8.0, None)
        assert (found.average_rows, found.average_size_bytes) == (15.0, 100.0)
        assert found.average_job_share == pytest.approx((0.1 + 0.2 + 0.75) / 3)
        assert found.maximum_job_share == pytest.approx(0.75)
        assert found.tables == ("items", "sales", "stores")
        assert found.tags == ("table:sales", "template:ada", "template:bob")
        assert found.columns == (("x", "{0.x}"), ("y", "{0.y}"))
        assert found.designs == (((("x", "asc"),), 3), ((("y", "desc"),), 1))

    def test_repetition_inside_one_job_is_no_overlap(self, metastore: Metastore, tenant: str) -> None:
        """Two occurrences in one job are one job's matter, not reuse across jobs."""
        single = job(tenant)
        metastore.record([single], [occurrence(single, 0), occurrence(single, 1)])
        assert metastore.overlaps(tenant, NOON, EVENING) == ()
        (found,) = metastore.overlaps(tenant, NOON, EVENING, OverlapCriteria(minimum_frequency=1))
        assert (found.frequency, found.total_attributed_seconds) == (1, 0.0)
        assert (found.average_attributed_seconds, found.maximum_job_share) == (None, None)

    def test_criteria_filter(self, metastore: Metastore, tenant: str) -> None:
        """Each criterion takes out what it names; the rest comes by falling total time."""
        one, two = job(tenant), job(tenant, minutes=1)
        cheap, dear, barred = (NormalizedSignature(name * 32) for name in "bcd")
        parts = []
        for of in (one, two):
            parts += [
                replace(occurrence(of, 0, attributed=1.0), normalized=cheap, size_bytes=10),
                replace(occurrence(of, 1, attributed=5.0), normalized=dear, size_bytes=99),
                replace(
                    occurrence(of, 2, attributed=9.0), normalized=barred, ineligible=(("REUSE-101", "why"),)
                ),
            ]
        metastore.record([one, two], parts)

        def names(**criteria: object) -> list[NormalizedSignature]:
            chosen = OverlapCriteria(**criteria)  # type: ignore[arg-type]
            return [it.normalized for it in metastore.overlaps(tenant, NOON, EVENING, chosen)]

        assert names() == [dear, cheap]
        assert names(eligible_only=False) == [barred, dear, cheap]
        assert names(minimum_seconds=2.0) == [dear]
        assert names(minimum_job_share=0.2) == [dear]
        assert names(maximum_size_bytes=50) == [cheap]
        assert names(limit=1) == [dear]
        assert names(minimum_frequency=3) == []
        assert metastore.overlaps(tenant, NOON, two.started_at) == ()
        assert metastore.overlaps(f"{tenant}-other", NOON, EVENING) == ()

    def test_subexpressions_without_columns_or_tables(self, metastore: Metastore, tenant: str) -> None:
        """Empty unions are empty tuples, also for jobs that took no time at all."""
        one, two = (replace(job(tenant, minutes=at, elapsed=0.0), tags=()) for at in (0, 1))
        bare = [
            replace(occurrence(of, attributed=0.0), tables=(), columns=(), sort_columns=(), contains=())
            for of in (one, two)
        ]
        metastore.record([one, two], bare)
        (found,) = metastore.overlaps(tenant, NOON, EVENING)
        assert (found.tables, found.tags, found.columns, found.designs) == ((), (), (), (((), 2),))
        assert found.maximum_job_share is None


class TestPolicies:
    def test_versions_count_up(self, metastore: Metastore, tenant: str) -> None:
        """Each applied policy is the next version and in force; the earlier ones stay."""
        assert metastore.current_policy(tenant) is None
        first = metastore.apply_policy(tenant, "k = 1\n", "ada", "start")
        second = metastore.apply_policy(tenant, "k = 2\n", "bob", "more")
        assert (first.version, second.version) == (1, 2)
        assert (first.body, first.author, first.comment) == ("k = 1\n", "ada", "start")
        assert metastore.current_policy(tenant) == second
        assert metastore.policy_history(tenant) == (second, first)
        assert metastore.policy_history(f"{tenant}-other") == ()
        assert second.applied_at >= first.applied_at

    def test_racing_admins_get_versions_of_their_own(self, metastore: Metastore, tenant: str) -> None:
        """Policies applied at the same time all arrive, each under its own number."""
        with ThreadPoolExecutor(8) as pool:
            applied = pool.map(lambda at: metastore.apply_policy(tenant, str(at), "ada", ""), range(16))
            versions = sorted(it.version for it in applied)
        assert versions == list(range(1, 17))
