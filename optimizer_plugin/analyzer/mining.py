"""From recorded jobs to candidates: what recurs, what it took inside its jobs, where it is shared.

Sources: CloudViews 5.1 (mining over the history) and 5.2 (utility); design, section 6.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from metastore.ports import Metastore
from metastore.records import Occurrence, Overlap, OverlapCriteria
from optimizer_plugin.analyzer.candidates import Candidate
from signatures.model import NormalizedSignature, PreciseSignature


@dataclass(frozen=True, slots=True)
class _Use:
    """One job's occurrences of one normalized signature."""

    template: str
    occurrences: tuple[Occurrence, ...]
    places: tuple[Occurrence, ...]
    """Those that stand for themselves: a derived table that is nothing but its grouping is one place."""

    @property
    def seconds(self) -> float | None:
        """What they took together; None where the job was not profiled, or read a view of it."""
        measured = [o.attributed_seconds for o in self.occurrences if o.attributed_seconds is not None]
        return sum(measured) if measured else None


def mined(metastore: Metastore, tenant: str, since: datetime, until: datetime) -> list[Candidate]:
    """Candidates with attributed times, with the jobs and places they stand in.

    Raises:
        MetastoreError: where the metastore does not answer.
    """
    overlaps = metastore.overlaps(tenant, since, until, OverlapCriteria(minimum_frequency=1))
    recurring = {overlap.normalized: overlap for overlap in overlaps if overlap.occurrences > 1}
    templates = {job.job_id: job.template for job in metastore.jobs(tenant, since, until)}
    uses = _uses(metastore.occurrences(tenant, since, until), recurring, templates)
    instances = Counter(
        place.precise for found in uses.values() for use in found for place in use.places if place.precise
    )
    candidates = (_candidate(overlap, uses[key], instances) for key, overlap in recurring.items())
    return [candidate for candidate in candidates if candidate.places]


def _uses(
    occurrences: Iterable[Occurrence],
    recurring: Mapping[NormalizedSignature, Overlap],
    templates: Mapping[str, str],
) -> dict[NormalizedSignature, list[_Use]]:
    jobs: dict[tuple[NormalizedSignature, str], list[Occurrence]] = defaultdict(list)
    for occurrence in occurrences:
        if occurrence.normalized in recurring and occurrence.job_id in templates:
            jobs[occurrence.normalized, occurrence.job_id].append(occurrence)
    found: dict[NormalizedSignature, list[_Use]] = {key: [] for key in recurring}
    for (normalized, job_id), members in jobs.items():
        places = tuple(o for o in members if not _stands_in_another(o, members))
        found[normalized].append(_Use(templates[job_id], tuple(members), places))
    return found


def _stands_in_another(occurrence: Occurrence, members: Sequence[Occurrence]) -> bool:
    """Whether an equal subexpression around it is the same place, counted there."""
    return any(
        occurrence.ordinal in other.contains and occurrence.precise == other.precise for other in members
    )


def _candidate(overlap: Overlap, uses: Sequence[_Use], instances: Counter[PreciseSignature]) -> Candidate:
    """Every instance is built once; the job that builds it pays for that and reads it like the others."""
    seconds = _seconds_by_use(uses)
    saved: dict[str, float] = defaultdict(float)
    blocks: dict[str, frozenset[int]] = defaultdict(frozenset)
    places: set[tuple[str, int]] = set()
    for use, taken in zip(uses, seconds, strict=True):
        saved[use.template] += taken
        for occurrence in use.occurrences:
            blocks[use.template] |= {occurrence.ordinal, *occurrence.contains}
            if occurrence.precise is not None and instances[occurrence.precise] > 1:
                places.add((use.template, occurrence.ordinal))
    count = sum(len(use.places) for use in uses)
    distinct = len({place.precise for use in uses for place in use.places if place.precise}) or 1
    build = overlap.average_standalone_seconds or (sum(seconds) / count if count else 0.0)
    return Candidate(
        normalized=overlap.normalized,
        kind=overlap.kind,
        label=overlap.label,
        occurrences=count,
        saved_seconds=dict(saved),
        blocks=dict(blocks),
        places=frozenset(places),
        build_seconds=distinct * (build + (overlap.average_write_seconds or 0.0)),
        instances=distinct,
        rows=overlap.average_rows,
        size_bytes=overlap.average_size_bytes,
        job_share=overlap.maximum_job_share,
        tables=overlap.tables,
        tags=overlap.tags,
        columns=overlap.columns,
        sort_columns=overlap.designs[0][0] if overlap.designs else (),
    )


def _seconds_by_use(uses: Sequence[_Use]) -> list[float]:
    """Measured seconds; where a job was not profiled, the mean of its template, else of all that were.

    Only a sample of the jobs is profiled, and a job that reads a view has no operator for what the view
    replaced: taken as zero, either would make a view lose its worth as soon as it is in use.
    """
    by_template: dict[str, list[float]] = defaultdict(list)
    for use in uses:
        if use.seconds is not None:
            by_template[use.template].append(use.seconds)
    everything = [seconds for measured in by_template.values() for seconds in measured]
    result = []
    for use in uses:
        known = by_template.get(use.template) or everything or [0.0]
        result.append(use.seconds if use.seconds is not None else sum(known) / len(known))
    return result
