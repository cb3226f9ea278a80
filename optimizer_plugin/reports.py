"""What a tenant's history says: jobs, savings, overlaps, and what keeps computations from being reused.

``tenant_report`` is a pure function of history and views, so that every interface shows the same figures.

Sources: CloudViews sections 2.2 and 2.3 (overlap by user, input and operator); design, section 9.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from metastore.ports import Metastore
from metastore.records import Job, JobStatus, Occurrence, View
from optimizer_plugin.session import STEPS
from signatures.model import NormalizedSignature, SubexpressionKind

BUILDING_STEPS = frozenset({"spool"})
OVERHEAD_STEPS = frozenset(STEPS) - BUILDING_STEPS
"""Of the steps that jobs name; the statement's own time is among them too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonCount:
    """How often one reason code kept a subexpression from being eligible.

    ``text`` is the most frequent sentence under the code.
    """

    code: str
    text: str
    occurrences: int
    jobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InputOverlap:
    """Recurring subexpressions over one input.

    ``recurring`` counts those that stand in two jobs or more; ``seconds`` is measured time in them, for
    each job that of its longest one, since one lies inside another.
    """

    input: str
    recurring: int
    jobs: int
    users: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class UserOverlap:
    """One user's jobs, and how many share a subexpression with another job."""

    user: str
    jobs: int
    overlapping_jobs: int
    elapsed_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KindOverlap:
    """Subexpressions of one kind: how many there are, and how many of them recur."""

    kind: SubexpressionKind
    distinct: int
    recurring: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantReport:
    """One tenant over a range of time.

    ``reads`` and ``builds`` count views in jobs of the range. ``overhead_seconds`` is time of ours before
    statements ran, ``building_seconds`` the time in which jobs waited for their views. ``saved_seconds`` is
    what reads of the views that exist now have saved since they were built; the views' figures are of now.
    """

    tenant: str
    since: datetime
    until: datetime
    jobs: int
    failed_jobs: int
    users: int
    elapsed_seconds: float
    overhead_seconds: float
    building_seconds: float
    reading_jobs: int
    reads: int
    builds: int
    saved_seconds: float
    views: int
    view_bytes: int
    overlapping_jobs: int
    not_eligible: tuple[ReasonCount, ...] = ()
    by_input: tuple[InputOverlap, ...] = ()
    by_user: tuple[UserOverlap, ...] = ()
    by_kind: tuple[KindOverlap, ...] = ()


def report(metastore: Metastore, *, tenant: str, since: datetime, until: datetime) -> TenantReport:
    """Read a tenant's history and views, and sum them up.

    Raises:
        MetastoreError: where the metastore does not answer.
    """
    return tenant_report(
        metastore.jobs(tenant, since, until),
        metastore.occurrences(tenant, since, until),
        metastore.views(tenant),
        tenant=tenant,
        since=since,
        until=until,
    )


def tenant_report(
    jobs: Sequence[Job],
    occurrences: Sequence[Occurrence],
    views: Iterable[View],
    *,
    tenant: str,
    since: datetime,
    until: datetime,
) -> TenantReport:
    """Sum up jobs, the occurrences in them, and views."""
    recurring = _recurring(occurrences)
    overlapping = frozenset[str]().union(*recurring.values())
    kept = tuple(views)
    return TenantReport(
        tenant=tenant,
        since=since,
        until=until,
        jobs=len(jobs),
        failed_jobs=sum(job.status is JobStatus.FAILED for job in jobs),
        users=len({job.user for job in jobs}),
        elapsed_seconds=sum(job.elapsed_seconds for job in jobs),
        overhead_seconds=sum(_seconds(job, OVERHEAD_STEPS) for job in jobs),
        building_seconds=sum(_seconds(job, BUILDING_STEPS) for job in jobs),
        reading_jobs=sum(bool(job.reads) for job in jobs),
        reads=sum(len(job.reads) for job in jobs),
        builds=sum(len(job.builds) for job in jobs),
        saved_seconds=sum(view.saved_seconds for view in kept),
        views=len(kept),
        view_bytes=sum(view.size_bytes for view in kept),
        overlapping_jobs=len(overlapping),
        not_eligible=_not_eligible(occurrences),
        by_input=_by_input(jobs, occurrences, recurring),
        by_user=_by_user(jobs, overlapping),
        by_kind=_by_kind(occurrences, recurring),
    )


def _recurring(occurrences: Iterable[Occurrence]) -> dict[NormalizedSignature, frozenset[str]]:
    """Jobs of each normalized signature that stands in two or more."""
    jobs: defaultdict[NormalizedSignature, set[str]] = defaultdict(set)
    for occurrence in occurrences:
        jobs[occurrence.normalized].add(occurrence.job_id)
    return {normalized: frozenset(found) for normalized, found in jobs.items() if len(found) > 1}


def _seconds(job: Job, steps: frozenset[str]) -> float:
    return sum(seconds for step, seconds in job.overhead if step in steps)


def _not_eligible(occurrences: Iterable[Occurrence]) -> tuple[ReasonCount, ...]:
    sentences: defaultdict[str, Counter[str]] = defaultdict(Counter)
    jobs: defaultdict[str, set[str]] = defaultdict(set)
    for occurrence in occurrences:
        for code, text in occurrence.ineligible:
            sentences[code][text] += 1
            jobs[code].add(occurrence.job_id)
    counts = [
        ReasonCount(
            code=code, text=texts.most_common(1)[0][0], occurrences=texts.total(), jobs=len(jobs[code])
        )
        for code, texts in sentences.items()
    ]
    return tuple(sorted(counts, key=lambda count: (-count.occurrences, count.code)))


def _by_input(
    jobs: Iterable[Job],
    occurrences: Iterable[Occurrence],
    recurring: Mapping[NormalizedSignature, frozenset[str]],
) -> tuple[InputOverlap, ...]:
    users = {job.job_id: job.user for job in jobs}
    signatures: defaultdict[str, set[NormalizedSignature]] = defaultdict(set)
    seconds: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for occurrence in occurrences:
        if occurrence.normalized not in recurring:
            continue
        for table in occurrence.tables:
            signatures[table].add(occurrence.normalized)
            longest = seconds[table].get(occurrence.job_id, 0.0)
            seconds[table][occurrence.job_id] = max(longest, occurrence.attributed_seconds or 0.0)
    found = [
        InputOverlap(
            input=table,
            recurring=len(signatures[table]),
            jobs=len(by_job),
            users=len({users[job] for job in by_job if job in users}),
            seconds=sum(by_job.values()),
        )
        for table, by_job in seconds.items()
    ]
    return tuple(sorted(found, key=lambda each: (-each.seconds, -each.recurring, each.input)))


def _by_user(jobs: Iterable[Job], overlapping: frozenset[str]) -> tuple[UserOverlap, ...]:
    of_user: defaultdict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        of_user[job.user].append(job)
    found = [
        UserOverlap(
            user=user,
            jobs=len(theirs),
            overlapping_jobs=sum(job.job_id in overlapping for job in theirs),
            elapsed_seconds=sum(job.elapsed_seconds for job in theirs),
        )
        for user, theirs in of_user.items()
    ]
    return tuple(sorted(found, key=lambda each: (-each.overlapping_jobs, each.user)))


def _by_kind(
    occurrences: Iterable[Occurrence], recurring: Mapping[NormalizedSignature, frozenset[str]]
) -> tuple[KindOverlap, ...]:
    distinct: defaultdict[SubexpressionKind, set[NormalizedSignature]] = defaultdict(set)
    for occurrence in occurrences:
        distinct[occurrence.kind].add(occurrence.normalized)
    return tuple(
        KindOverlap(kind=kind, distinct=len(found), recurring=sum(each in recurring for each in found))
        for kind in SubexpressionKind
        if (found := distinct.get(kind))
    )
