from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest

from metastore.errors import InvalidRecord
from metastore.ports import Metastore
from metastore.records import (
    Analysis,
    Annotation,
    MaterializationMode,
    PublicationOutcome,
    View,
    ViewRead,
    ViewState,
)
from signatures.model import (
    InputIdentity,
    InputVersion,
    NormalizedSignature,
    PreciseSignature,
    SubexpressionKind,
)

LONG_AGO = datetime(2020, 1, 1, 12, 30, 15, 123456, tzinfo=UTC)
FAR_AHEAD = datetime(2100, 1, 1, tzinfo=UTC)
ENVIRONMENT = "duckdb 1; TimeZone=UTC"
SALES = frozenset({"table:sales"})


def precise(number: int) -> PreciseSignature:
    """A signature made of a number."""
    return PreciseSignature(f"{number:032x}")


def view(tenant: str, number: int = 1, *, expires_at: datetime | None = FAR_AHEAD) -> View:
    """A view with fields that are hard to keep: nested pairs, quotes, large and small numbers."""
    return View(
        tenant=tenant,
        precise=precise(number),
        normalized=NormalizedSignature("a" * 32),
        canonical="Aggregate(Scan('sales'), \"größer\", {})",
        environment=ENVIRONMENT,
        inputs=((InputIdentity("table:db#main.sales"), InputVersion("v-1")),),
        columns=(("0", "c0", "HUGEINT", "DECIMAL(38,0)"), ("1", "c1", "VARCHAR", "VARCHAR")),
        ordered=True,
        path=f"views/{number}",
        rows=2**40,
        size_bytes=123,
        checksum="xxh:1",
        build_seconds=0.1,
        write_seconds=1e-9,
        producer="job-1",
        created_at=LONG_AGO + timedelta(seconds=number),
        expires_at=expires_at,
    )


def analysis(tenant: str, identifier: str = "first") -> Analysis:
    """An analysis with every field set."""
    return Analysis(
        analysis_id=identifier,
        tenant=tenant,
        started_at=LONG_AGO,
        jobs_seen=10,
        candidates=3,
        selected=1,
        parameters=(("strategy", "top-k"), ("k", "5")),
    )


def annotation(tenant: str, name: str, *, tags: tuple[str, ...], utility: float = 1.0) -> Annotation:
    """An annotation with every field set."""
    return Annotation(
        tenant=tenant,
        normalized=NormalizedSignature(name * 32),
        kind=SubexpressionKind.AGGREGATE,
        label="aggregate of sales",
        tags=tags,
        columns=(("sum(x)", "SUM({0.x})"),),
        sort_columns=(("x", "desc"),),
        places=(("t1", 3),),
        mode=MaterializationMode.OFFLINE,
        utility_seconds=utility,
        frequency=4,
        lease_seconds=30.0,
        expires_after_seconds=3600.0,
        analysis_id="first",
        created_at=LONG_AGO,
    )


class TestLookup:
    def test_nothing_is_known_of_a_new_tenant(self, metastore: Metastore, tenant: str) -> None:
        """A tenant that never did anything gets an empty answer, not an error."""
        found = metastore.lookup(tenant, SALES, ENVIRONMENT)
        assert (found.annotations, found.views) == ((), ())

    def test_view_comes_back_as_it_was_published(self, metastore: Metastore, tenant: str) -> None:
        """Every field of a view survives the way there and back."""
        published = view(tenant)
        metastore.publish(published, SALES, "job-1")
        assert metastore.lookup(tenant, SALES, ENVIRONMENT).views == (published,)
        assert metastore.views(tenant) == (published,)

    def test_annotation_comes_back_as_it_was_saved(self, metastore: Metastore, tenant: str) -> None:
        """Every field of an annotation survives the way there and back."""
        saved = annotation(tenant, "b", tags=("table:sales", "script:daily"))
        metastore.replace_annotations(analysis(tenant), [saved])
        assert metastore.lookup(tenant, SALES, ENVIRONMENT).annotations == (saved,)
        assert metastore.annotations(tenant) == (saved,)

    def test_only_what_shares_a_tag_is_found(self, metastore: Metastore, tenant: str) -> None:
        """The inverted index leads to what has at least one of the job's tags, and to nothing else."""
        metastore.publish(view(tenant, 1), frozenset({"table:sales", "table:items"}), "job")
        metastore.publish(view(tenant, 2), frozenset({"table:stores"}), "job")
        near = annotation(tenant, "b", tags=("table:items",))
        far = annotation(tenant, "c", tags=("table:stores",))
        metastore.replace_annotations(analysis(tenant), [near, far])
        found = metastore.lookup(tenant, frozenset({"table:items", "template:f00"}), ENVIRONMENT)
        assert found.annotations == (near,)
        assert [it.precise for it in found.views] == [precise(1)]
        assert metastore.lookup(tenant, frozenset(), ENVIRONMENT).views == ()

    def test_other_tenants_and_environments_are_apart(self, metastore: Metastore, tenant: str) -> None:
        """Neither another tenant nor another environment sees a view."""
        metastore.publish(view(tenant), SALES, "job")
        assert metastore.lookup(f"{tenant}-other", SALES, ENVIRONMENT).views == ()
        assert metastore.lookup(tenant, SALES, "duckdb 2; TimeZone=UTC").views == ()

    def test_expired_view_is_not_found(self, metastore: Metastore, tenant: str) -> None:
        """Expiry ends reading, while the row stays until the purge."""
        expired = view(tenant, 1, expires_at=LONG_AGO + timedelta(days=1))
        metastore.publish(expired, SALES, "job")
        metastore.publish(view(tenant, 2, expires_at=None), SALES, "job")
        assert [it.precise for it in metastore.lookup(tenant, SALES, ENVIRONMENT).views] == [precise(2)]
        assert metastore.find_views(tenant, [precise(1)]) == ()
        assert metastore.expired_views(tenant) == (expired,)

    @pytest.mark.parametrize("state", [ViewState.SUSPECT, ViewState.WITHDRAWN, ViewState.QUARANTINED])
    def test_only_ready_views_are_found(self, metastore: Metastore, tenant: str, state: ViewState) -> None:
        """Each state but ready takes a view away from readers, at the very next look-up."""
        metastore.publish(view(tenant), SALES, "job")
        assert metastore.lookup(tenant, SALES, ENVIRONMENT).views != ()
        assert metastore.set_view_state(tenant, precise(1), state, "rows differ")
        assert metastore.lookup(tenant, SALES, ENVIRONMENT).views == ()
        assert metastore.find_views(tenant, [precise(1)]) == ()
        kept = metastore.views(tenant)[0]
        assert (kept.state, kept.state_reason) == (state, "rows differ")

    def test_repeated_lookup_sees_every_change(self, metastore: Metastore, tenant: str) -> None:
        """What is remembered of an earlier look-up never hides a later change."""

        def found() -> tuple[int, int]:
            answer = metastore.lookup(tenant, SALES, ENVIRONMENT)
            return len(answer.annotations), len(answer.views)

        seen = [found()]
        metastore.publish(view(tenant), SALES, "job")
        seen += [found(), found()]
        metastore.replace_annotations(analysis(tenant), [annotation(tenant, "b", tags=("table:sales",))])
        seen += [found(), found()]
        metastore.delete_views(tenant, [precise(1)])
        seen += [found(), found()]
        metastore.replace_annotations(analysis(tenant), [])
        seen += [found()]
        assert seen == [(0, 0), (0, 1), (0, 1), (1, 1), (1, 1), (1, 0), (1, 0), (0, 0)]

    def test_remembered_view_expires(self, metastore: Metastore, tenant: str) -> None:
        """A view that is looked up again and again is gone once it has expired, without any change."""
        start = datetime.now(UTC)
        metastore.publish(view(tenant, expires_at=start + timedelta(seconds=0.5)), SALES, "job")
        while metastore.lookup(tenant, SALES, ENVIRONMENT).views:
            assert datetime.now(UTC) < start + timedelta(minutes=1)
        assert len(metastore.expired_views(tenant)) == 1


class TestLeases:
    def test_one_of_eight_racing_builders_wins(self, metastore: Metastore, tenant: str) -> None:
        """Of builders that ask at the same moment exactly one gets the lease, again and again."""
        barrier = Barrier(8)

        def ask_for_all(holder: str) -> list[bool]:
            answers = []
            for number in range(20):
                barrier.wait()
                answers.append(metastore.acquire_lease(tenant, precise(number), holder, 60))
            return answers

        with ThreadPoolExecutor(8) as pool:
            answers = pool.map(ask_for_all, [f"job-{at}" for at in range(8)])
        assert [round_.count(True) for round_ in zip(*answers, strict=True)] == [1] * 20

    def test_lease_runs_until_released(self, metastore: Metastore, tenant: str) -> None:
        """Another builder waits for the release; the holder may renew; strangers cannot release."""
        assert metastore.acquire_lease(tenant, precise(1), "one", 60)
        assert not metastore.acquire_lease(tenant, precise(1), "two", 60)
        assert metastore.acquire_lease(tenant, precise(1), "one", 60)
        assert not metastore.release_lease(tenant, precise(1), "two")
        assert [it.holder for it in metastore.leases(tenant)] == ["one"]
        assert metastore.release_lease(tenant, precise(1), "one")
        assert metastore.leases(tenant) == ()
        assert metastore.acquire_lease(tenant, precise(1), "two", 60)

    def test_lease_spans_the_asked_seconds(self, metastore: Metastore, tenant: str) -> None:
        """Fractions of a second count, and so do leases of more than a day."""
        metastore.acquire_lease(tenant, precise(1), "one", 100_000.5)
        lease = metastore.leases(tenant)[0]
        assert lease.expires_at - lease.acquired_at == timedelta(seconds=100_000.5)

    def test_expired_lease_is_taken_over(self, metastore: Metastore, tenant: str) -> None:
        """A lease of no length expires at once: the next builder takes over, the first one lost it."""
        assert metastore.acquire_lease(tenant, precise(1), "crashed", 0)
        assert metastore.acquire_lease(tenant, precise(1), "heir", 60)
        assert not metastore.acquire_lease(tenant, precise(1), "crashed", 60)
        assert metastore.publish(view(tenant), SALES, "crashed").outcome is PublicationOutcome.LEASE_LOST
        assert metastore.views(tenant) == ()
        assert metastore.publish(view(tenant), SALES, "heir").outcome is PublicationOutcome.PUBLISHED

    def test_published_view_needs_no_builder(self, metastore: Metastore, tenant: str) -> None:
        """No lease is given for a view that stands, nor for one that is quarantined."""
        assert metastore.acquire_lease(tenant, precise(1), "one", 60)
        metastore.publish(view(tenant), SALES, "one")
        assert metastore.leases(tenant) == ()
        assert not metastore.acquire_lease(tenant, precise(1), "two", 60)
        metastore.set_view_state(tenant, precise(1), ViewState.QUARANTINED, "rows differ")
        assert not metastore.acquire_lease(tenant, precise(1), "two", 60)
        assert metastore.leases(tenant) == ()

    def test_build_in_progress_is_told_by_the_metastores_clock(
        self, metastore: Metastore, tenant: str
    ) -> None:
        """How long the lease has run and may run; nothing where it is free or has run out."""
        assert metastore.build_in_progress(tenant, precise(1)) is None
        metastore.acquire_lease(tenant, precise(1), "one", 60)
        found = metastore.build_in_progress(tenant, precise(1))
        assert found is not None
        assert found.holder == "one"
        assert found.elapsed_seconds >= 0
        assert found.elapsed_seconds + found.remaining_seconds == pytest.approx(60)
        metastore.acquire_lease(tenant, precise(1), "one", 0)
        assert metastore.build_in_progress(tenant, precise(1)) is None

    def test_dead_leases_are_removed(self, metastore: Metastore, tenant: str) -> None:
        """Those that ran out go and are handed back, once; those that run stay."""
        metastore.acquire_lease(tenant, precise(1), "crashed", 0)
        metastore.acquire_lease(tenant, precise(2), "busy", 60)
        assert metastore.remove_dead_leases(tenant, 3600.0) == ()
        assert [it.holder for it in metastore.remove_dead_leases(tenant, 0.0)] == ["crashed"]
        assert metastore.remove_dead_leases(tenant, 0.0) == ()
        assert [it.holder for it in metastore.leases(tenant)] == ["busy"]

    def test_late_but_unchallenged_builder_may_publish(self, metastore: Metastore, tenant: str) -> None:
        """A lease that ran out without another builder asking costs nobody anything."""
        metastore.acquire_lease(tenant, precise(1), "slow", 0)
        assert metastore.publish(view(tenant), SALES, "slow").outcome is PublicationOutcome.PUBLISHED


class TestPublication:
    def test_first_publication_wins(self, metastore: Metastore, tenant: str) -> None:
        """A second publication changes nothing and gives back the view that stands."""
        first = view(tenant)
        assert metastore.publish(first, SALES, "one").outcome is PublicationOutcome.PUBLISHED
        second = metastore.publish(replace(first, path="elsewhere"), SALES, "two")
        assert second.outcome is PublicationOutcome.ALREADY_PUBLISHED
        assert second.view == first
        assert metastore.views(tenant) == (first,)

    def test_lifetime_goes_by_the_metastores_clock(self, metastore: Metastore, tenant: str) -> None:
        """A view made long ago by its builder's clock is made now, and expires its lifetime later."""
        published = metastore.publish(view(tenant, expires_at=None), SALES, "one", timedelta(hours=2)).view
        assert published is not None
        assert published.created_at > LONG_AGO + timedelta(days=1)
        assert published.expires_at == published.created_at + timedelta(hours=2)
        assert metastore.views(tenant) == (published,)

    def test_one_of_eight_racing_publications_wins(self, metastore: Metastore, tenant: str) -> None:
        """Without any lease still just one of several publications stands."""
        barrier = Barrier(8)

        def publish(at: int) -> PublicationOutcome:
            barrier.wait()
            return metastore.publish(view(tenant), SALES, f"job-{at}").outcome

        with ThreadPoolExecutor(8) as pool:
            outcomes = list(pool.map(publish, range(8)))
        assert outcomes.count(PublicationOutcome.PUBLISHED) == 1
        assert outcomes.count(PublicationOutcome.ALREADY_PUBLISHED) == 7

    def test_expired_view_gives_way(self, metastore: Metastore, tenant: str) -> None:
        """An expired view is built anew, and its files are handed back for deletion."""
        old = view(tenant, expires_at=LONG_AGO + timedelta(days=1))
        new = replace(old, path="new", expires_at=FAR_AHEAD)
        metastore.publish(old, SALES, "one")
        assert metastore.acquire_lease(tenant, old.precise, "two", 60)
        published = metastore.publish(new, SALES, "two")
        assert (published.outcome, published.replaced) == (PublicationOutcome.PUBLISHED, old)
        assert metastore.views(tenant) == (new,)

    def test_quarantine_outlives_expiry(self, metastore: Metastore, tenant: str) -> None:
        """A signature that gave wrong rows is neither purged nor built again when it expires."""
        expired = view(tenant, expires_at=LONG_AGO + timedelta(days=1))
        metastore.publish(expired, SALES, "one")
        metastore.set_view_state(tenant, expired.precise, ViewState.QUARANTINED, "rows differ")
        assert metastore.expired_views(tenant) == ()
        assert not metastore.acquire_lease(tenant, expired.precise, "two", 60)
        outcome = metastore.publish(expired, SALES, "two").outcome
        assert outcome is PublicationOutcome.ALREADY_PUBLISHED

    def test_reads_add_up(self, metastore: Metastore, tenant: str) -> None:
        """Counters grow by each read of a batch; reads of purged views are skipped."""
        metastore.publish(view(tenant), SALES, "one")
        read = ViewRead(precise=precise(1), saved_seconds=2.0, read_seconds=0.25)
        metastore.note_reads(tenant, [read, replace(read, precise=precise(9)), read])
        metastore.note_reads(tenant, [])
        kept = metastore.views(tenant)[0]
        assert (kept.reads, kept.saved_seconds, kept.read_seconds) == (2, 4.0, 0.5)
        assert kept.last_read_at is not None
        assert kept.last_read_at.tzinfo is not None

    def test_deleted_views_are_handed_back(self, metastore: Metastore, tenant: str) -> None:
        """Deletion returns the rows whose files are to go, once, and lets the view be built again."""
        metastore.publish(view(tenant, 1), SALES, "one")
        metastore.publish(view(tenant, 2), SALES, "one")
        assert metastore.delete_views(tenant, [precise(1), precise(7)]) == (view(tenant, 1),)
        assert metastore.delete_views(tenant, [precise(1)]) == ()
        assert metastore.delete_views(f"{tenant}-other", [precise(2)]) == ()
        assert metastore.views(tenant) == (view(tenant, 2),)
        assert metastore.acquire_lease(tenant, precise(1), "two", 60)

    def test_state_of_an_unknown_view(self, metastore: Metastore, tenant: str) -> None:
        """Changing what is not there says so."""
        assert not metastore.set_view_state(tenant, precise(1), ViewState.SUSPECT, "")


class TestAnnotations:
    def test_new_analysis_replaces_the_old_one(self, metastore: Metastore, tenant: str) -> None:
        """After an analysis just its annotations are in force, highest utility first."""
        low = annotation(tenant, "b", tags=("table:sales",), utility=1.0)
        high = annotation(tenant, "c", tags=("table:sales",), utility=5.0)
        metastore.replace_annotations(
            analysis(tenant, "first"), [annotation(tenant, "a", tags=("table:sales",))]
        )
        metastore.replace_annotations(analysis(tenant, "second"), [low, high])
        assert metastore.annotations(tenant) == (high, low)
        assert {it.analysis_id for it in metastore.analyses(tenant)} == {"first", "second"}

    def test_refused_set_changes_nothing(self, metastore: Metastore, tenant: str) -> None:
        """A set with one signature twice is refused as a whole."""
        good = annotation(tenant, "b", tags=("table:sales",))
        metastore.replace_annotations(analysis(tenant), [good])
        twice = annotation(tenant, "c", tags=())
        with pytest.raises(InvalidRecord):
            metastore.replace_annotations(analysis(tenant, "second"), [twice, twice])
        assert metastore.annotations(tenant) == (good,)
        assert metastore.analyses(tenant) == (analysis(tenant),)

    def test_analyses_come_latest_first(self, metastore: Metastore, tenant: str) -> None:
        """Analyses are kept with every field, and saving one again replaces it."""
        first = analysis(tenant, "first")
        second = replace(analysis(tenant, "second"), started_at=LONG_AGO + timedelta(hours=1))
        metastore.save_analysis(second)
        metastore.save_analysis(first)
        metastore.save_analysis(replace(first, selected=2))
        assert metastore.analyses(tenant) == (second, replace(first, selected=2))
