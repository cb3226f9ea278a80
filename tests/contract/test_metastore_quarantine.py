"""Quarantine, reproductions and forgetting: what both metastores promise."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from metastore.ports import Metastore
from metastore.records import Difference, Reproduction, View, ViewState
from signatures.model import InputIdentity, InputVersion, NormalizedSignature
from tests.contract.test_metastore_history import job, occurrence
from tests.contract.test_metastore_views import (
    ENVIRONMENT,
    LONG_AGO,
    SALES,
    analysis,
    annotation,
    view,
)


def reproduction(tenant: str, *views: View, name: str = "first") -> Reproduction:
    """A reproduction with every field set."""
    return Reproduction(
        tenant=tenant,
        reproduction_id=name,
        found_at=LONG_AGO,
        engine="duckdb 1.5.5",
        environment=ENVIRONMENT,
        template="t1",
        template_text="select sum ( x ) from sales where y = ?n",
        rewritten_text='select "sum(x)" from read_parquet ( ?s )',
        inputs=((InputIdentity("table:db#main.sales"), InputVersion("v-1")),),
        views=tuple(it.precise for it in views),
        normalized=tuple(it.normalized for it in views),
        views_wrong=True,
        difference=Difference.ROWS,
        original_rows=2**40,
        rewritten_rows=3,
        missing_rows=1,
        surplus_rows=2,
        digests=(("missing", "0f"), ("surplus", "1e")),
    )


def test_quarantined_view_is_neither_read_nor_built_nor_expired(metastore: Metastore, tenant: str) -> None:
    """Nothing but deleting it ends a quarantine, not even the end of its time."""
    wrong = view(tenant, expires_at=LONG_AGO + timedelta(days=1))
    metastore.publish(wrong, SALES, "job-1")
    metastore.quarantine([wrong], "other rows", reproduction(tenant, wrong))
    (kept,) = metastore.views(tenant)
    assert kept == replace(wrong, state=ViewState.QUARANTINED, state_reason="other rows")
    assert metastore.find_views(tenant, [wrong.precise]) == ()
    assert metastore.lookup(tenant, SALES, ENVIRONMENT).views == ()
    assert metastore.expired_views(tenant) == ()
    assert not metastore.acquire_lease(tenant, wrong.precise, "job-2", 10.0)
    assert metastore.delete_views(tenant, [wrong.precise]) == (kept,)
    assert metastore.acquire_lease(tenant, wrong.precise, "job-2", 10.0)


def test_quarantine_is_of_the_computation(metastore: Metastore, tenant: str) -> None:
    """Over whatever versions, of this tenant, until the view is deleted."""
    wrong = view(tenant)
    metastore.publish(wrong, SALES, "job-1")
    assert not metastore.is_quarantined(tenant, wrong.normalized)
    metastore.quarantine([wrong], "other rows", reproduction(tenant, wrong))
    assert metastore.is_quarantined(tenant, wrong.normalized)
    assert not metastore.is_quarantined(tenant, NormalizedSignature("b" * 32))
    assert not metastore.is_quarantined(f"{tenant}-other", wrong.normalized)
    metastore.delete_views(tenant, [wrong.precise])
    assert not metastore.is_quarantined(tenant, wrong.normalized)


def test_failing_reader_does_not_end_a_quarantine(metastore: Metastore, tenant: str) -> None:
    """A statement that fails makes a view suspect, which expires, so it must not take the bar away."""
    wrong = view(tenant)
    metastore.publish(wrong, SALES, "job-1")
    metastore.quarantine([wrong], "other rows", reproduction(tenant, wrong))
    assert not metastore.set_view_state(tenant, wrong.precise, ViewState.SUSPECT, "failed")
    assert metastore.views(tenant)[0].state is ViewState.QUARANTINED


def test_view_purged_meanwhile_is_barred_too(metastore: Metastore, tenant: str) -> None:
    """The signature gave wrong rows, so it is barred though its view is gone."""
    wrong = view(tenant)
    metastore.quarantine([wrong], "other rows", reproduction(tenant, wrong))
    assert not metastore.acquire_lease(tenant, wrong.precise, "job-2", 10.0)
    assert metastore.views(tenant)[0].state is ViewState.QUARANTINED


def test_lookup_notices_a_quarantine_at_once(metastore: Metastore, tenant: str) -> None:
    """A look-up that was answered before is not repeated from memory."""
    wrong, sound = view(tenant, 1), view(tenant, 2)
    for each in (wrong, sound):
        metastore.publish(each, SALES, "job-1")
    assert metastore.lookup(tenant, SALES, ENVIRONMENT).views == (wrong, sound)
    metastore.quarantine([wrong], "other rows", reproduction(tenant, wrong))
    assert metastore.lookup(tenant, SALES, ENVIRONMENT).views == (sound,)


def test_reproductions_outlive_their_views(metastore: Metastore, tenant: str) -> None:
    """They come back as they were kept, latest first, until somebody deletes them."""
    wrong = view(tenant)
    first = reproduction(tenant, wrong)
    second = replace(first, reproduction_id="second", found_at=LONG_AGO + timedelta(hours=1), digests=())
    metastore.quarantine([wrong], "other rows", first)
    metastore.quarantine([wrong], "other rows", second)
    metastore.delete_views(tenant, [wrong.precise])
    assert metastore.reproductions(tenant) == (second, first)
    assert metastore.reproductions(f"{tenant}-other") == ()
    assert metastore.delete_reproductions(f"{tenant}-other", ["first"]) == 0
    assert metastore.delete_reproductions(tenant, ["first", "unknown"]) == 1
    assert metastore.reproductions(tenant) == (second,)


def test_forgetting_an_input_takes_all_that_mentions_it(metastore: Metastore, tenant: str) -> None:
    """Jobs over it go with their occurrences, and annotations mined from them; the others stay."""
    mentioning, other = job(tenant, minutes=0), replace(job(tenant, minutes=1), statement="other")
    told = replace(occurrence(mentioning), tables=("table:db#main.people", "table:db#main.sales"))
    apart = replace(
        occurrence(other), tables=("table:db#main.sales",), normalized=NormalizedSignature("b" * 32)
    )
    metastore.record([mentioning, other], [told, apart])
    annotations = [
        replace(annotation(tenant, "a", tags=("x",)), normalized=told.normalized),
        replace(annotation(tenant, "b", tags=("x",)), normalized=apart.normalized),
    ]
    metastore.replace_annotations(analysis(tenant), annotations)
    assert metastore.known_inputs(tenant) == ("table:db#main.people", "table:db#main.sales")
    assert metastore.forget_inputs(f"{tenant}-other", ["table:db#main.people"]) == 0
    assert metastore.forget_inputs(tenant, ["table:db#main.people"]) == 1
    since, until = LONG_AGO - timedelta(days=9000), LONG_AGO + timedelta(days=9000)
    assert metastore.jobs(tenant, since, until) == (other,)
    assert metastore.occurrences(tenant, since, until) == (apart,)
    assert metastore.known_inputs(tenant) == ("table:db#main.sales",)
    assert [it.normalized for it in metastore.annotations(tenant)] == [apart.normalized]


def test_tenants_are_those_with_views_or_history(metastore: Metastore, tenant: str) -> None:
    """Both kinds of traces count, and one that only asked has none."""
    metastore.lookup(f"{tenant}-asked", SALES, ENVIRONMENT)
    metastore.publish(view(f"{tenant}-views", 3), SALES, "j")
    metastore.record([job(f"{tenant}-jobs")], [])
    found = [name for name in metastore.tenants() if name.startswith(tenant)]
    assert found == [f"{tenant}-jobs", f"{tenant}-views"]
