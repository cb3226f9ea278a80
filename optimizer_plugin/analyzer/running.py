"""The analyzer: mines the history, selects what is worth materializing, and annotates it.

Source: CloudViews section 5 (analyzer) and 7.1 (filters and top-k).
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from metastore.ports import Metastore
from metastore.records import Analysis, Annotation, Job
from optimizer_plugin.analyzer.candidates import Candidate, Rejected
from optimizer_plugin.analyzer.coordination import submission_order
from optimizer_plugin.analyzer.mining import mined
from optimizer_plugin.analyzer.selection.filters import FILTERS
from optimizer_plugin.analyzer.selection.strategies import select
from optimizer_plugin.policies import Policy

MINIMUM_LEASE_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisResult:
    """What one run of the analyzer found."""

    analysis: Analysis
    annotations: tuple[Annotation, ...]
    candidates: tuple[Candidate, ...]
    """The selected ones, best first."""
    rejected: tuple[Rejected, ...]
    order: tuple[str, ...]
    """Templates in the order in which their jobs are best submitted (CloudViews 6.5)."""


def analyze(
    metastore: Metastore,
    *,
    tenant: str,
    policy: Policy,
    since: datetime | None = None,
    until: datetime | None = None,
    dry_run: bool = False,
    probed: Sequence[Candidate] | None = None,
) -> AnalysisResult:
    """Select from the history of a tenant and put the annotations in force.

    Args:
        metastore: Where history lies and annotations go.
        tenant: Whose history.
        policy: Filters, strategy and limits.
        since: Start of the window; by the policy's ``window_hours`` without it.
        until: End of the window; now without it.
        probed: Candidates that were measured with and without their view; they stand in place of what
            profiles say. None where nothing was probed.
        dry_run: Select, and change nothing.

    Raises:
        PolicyError: where the selection strategy is unknown.
        MetastoreError: where the metastore does not answer.
    """
    now = datetime.now(UTC)
    until = until or now + timedelta(minutes=1)
    hours = policy.selection.window_hours
    since = since or (now - timedelta(hours=hours) if hours else datetime(1970, 1, 1, tzinfo=UTC))
    jobs = metastore.jobs(tenant, since, until)
    candidates = mined(metastore, tenant, since, until) if probed is None else list(probed)
    passed: list[Candidate] = []
    rejected: list[Rejected] = []
    for candidate in candidates:
        reasons = (check(candidate, policy) for check in FILTERS)
        reason = next((reason for reason in reasons if reason is not None), None)
        if reason is None:
            passed.append(candidate)
        else:
            rejected.append(Rejected(label=candidate.label, reason=reason))
    chosen, left_out = select(passed, policy.selection)
    analysis = Analysis(
        analysis_id=str(uuid.uuid4()),
        tenant=tenant,
        started_at=now,
        jobs_seen=len(jobs),
        candidates=len(candidates),
        selected=len(chosen),
        parameters=tuple((k, str(v)) for k, v in policy.selection.model_dump(mode="json").items()),
    )
    annotations = tuple(_annotation(c, analysis, policy, jobs) for c in chosen)
    if not dry_run:
        metastore.replace_annotations(analysis, annotations)
    return AnalysisResult(
        analysis=analysis,
        annotations=annotations,
        candidates=chosen,
        rejected=(*rejected, *left_out),
        order=submission_order(_run_seconds(jobs), [candidate.jobs for candidate in chosen]),
    )


def _run_seconds(jobs: Sequence[Job]) -> dict[str, float]:
    """Mean run time by template, in the order in which templates first came."""
    found: dict[str, list[float]] = {}
    for job in jobs:
        found.setdefault(job.template, []).append(job.elapsed_seconds)
    return {template: sum(seconds) / len(seconds) for template, seconds in found.items()}


def _annotation(candidate: Candidate, analysis: Analysis, policy: Policy, jobs: Sequence[Job]) -> Annotation:
    average = candidate.build_seconds / candidate.instances
    lease = max(MINIMUM_LEASE_SECONDS, average * policy.views.lease_margin)
    return Annotation(
        tenant=analysis.tenant,
        normalized=candidate.normalized,
        kind=candidate.kind,
        label=candidate.label,
        tags=candidate.tags,
        columns=candidate.columns,
        sort_columns=candidate.sort_columns,
        places=tuple(sorted(candidate.places)),
        utility_seconds=candidate.utility_seconds,
        frequency=candidate.occurrences,
        lease_seconds=lease,
        expires_after_seconds=_lifetime_seconds(candidate, policy, jobs),
        analysis_id=analysis.analysis_id,
        created_at=analysis.started_at,
    )


def _lifetime_seconds(candidate: Candidate, policy: Policy, jobs: Sequence[Job]) -> float:
    """From lineage: the longest interval at which a recurring job uses the view (CloudViews 5.4)."""
    longest = policy.views.expires_after_hours * 3600
    if not longest:
        return 0.0  # kept until space is reclaimed, whatever the lineage says
    last: dict[str, datetime] = {}
    for job in jobs:
        if job.template in candidate.jobs:
            if job.template in last:
                longest = max(longest, (job.started_at - last[job.template]).total_seconds())
            last[job.template] = job.started_at
    return longest
