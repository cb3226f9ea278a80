"""The aggregation of ``metastore.statements.overlaps``, for the metastore in memory."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import TypeVar

from metastore.records import Job, Occurrence, Overlap, OverlapCriteria
from signatures.model import NormalizedSignature

_Text = TypeVar("_Text", bound=str)
_Design = tuple[tuple[str, str], ...]


def mine(
    jobs: Sequence[Job], occurrences: Sequence[Occurrence], criteria: OverlapCriteria
) -> tuple[Overlap, ...]:
    """Aggregate occurrences of the given jobs by normalized signature."""
    by_id = {job.job_id: job for job in jobs}
    groups: defaultdict[NormalizedSignature, list[Occurrence]] = defaultdict(list)
    for it in occurrences:
        if not (criteria.eligible_only and it.ineligible):
            groups[it.normalized].append(it)
    overlaps = [_overlap(group, [by_id[it.job_id] for it in group]) for group in groups.values()]
    kept = [overlap for overlap in overlaps if _passes(overlap, criteria)]
    kept.sort(key=lambda it: (-it.total_attributed_seconds, -it.frequency, it.normalized))
    return tuple(kept[: criteria.limit])


def _overlap(group: Sequence[Occurrence], jobs: Sequence[Job]) -> Overlap:
    attributed = [it.attributed_seconds for it in group if it.attributed_seconds is not None]
    shares = [
        it.attributed_seconds / job.elapsed_seconds
        for it, job in zip(group, jobs, strict=True)
        if it.attributed_seconds is not None and job.elapsed_seconds != 0
    ]
    return Overlap(
        normalized=group[0].normalized,
        kind=_most_common(it.kind for it in group),
        label=_most_common(it.label for it in group),
        frequency=len({job.job_id for job in jobs}),
        occurrences=len(group),
        measured=len(attributed),
        users=len({job.user for job in jobs}),
        distinct_precise=len({it.precise for it in group} - {None}),
        total_attributed_seconds=sum(attributed),
        average_attributed_seconds=_average(attributed),
        average_standalone_seconds=_average(it.standalone_seconds for it in group),
        average_write_seconds=_average(it.write_seconds for it in group),
        average_rows=_average(it.rows for it in group),
        average_size_bytes=_average(it.size_bytes for it in group),
        average_job_share=_average(shares),
        maximum_job_share=max(shares, default=None),
        source_count=max(it.source_count for it in group),
        tables=tuple(sorted({table for it in group for table in it.tables})),
        tags=tuple(sorted({tag for job in jobs for tag in job.tags})),
        columns=_columns(group),
        designs=_designs(group),
    )


def _passes(overlap: Overlap, criteria: OverlapCriteria) -> bool:
    return (
        overlap.frequency >= criteria.minimum_frequency
        and (overlap.average_attributed_seconds or 0) >= criteria.minimum_seconds
        and (overlap.maximum_job_share or 0) >= criteria.minimum_job_share
        and (
            criteria.maximum_size_bytes is None
            or (overlap.average_size_bytes or 0) <= criteria.maximum_size_bytes
        )
    )


def _average(values: Iterable[float | None]) -> float | None:
    measured = [value for value in values if value is not None]
    return fmean(measured) if measured else None


def _most_common(values: Iterable[_Text]) -> _Text:
    counted = Counter(values)
    return min(counted, key=lambda value: (-counted[value], value))


def _columns(group: Sequence[Occurrence]) -> tuple[tuple[str, str], ...]:
    """One expression for each key, the first in the order of text where jobs differ."""
    pairs = sorted({pair for it in group for pair in it.columns}, reverse=True)
    return tuple(sorted(dict(pairs).items()))


def _designs(group: Sequence[Occurrence]) -> tuple[tuple[_Design, int], ...]:
    counted = Counter(it.sort_columns for it in group)
    return tuple(sorted(counted.items(), key=lambda it: (-it[1], json.dumps(it[0]))))
