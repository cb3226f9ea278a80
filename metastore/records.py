"""What the metastore keeps: jobs, occurrences, annotations, views, leases, policies, analyses.

All are frozen values; all datetimes are aware. Fields have the names of their columns in
``metastore.tables``, which is what makes one codec do for all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from metastore.errors import InvalidRecord
from signatures.model import (
    InputIdentity,
    InputVersion,
    NormalizedSignature,
    PreciseSignature,
    SubexpressionKind,
)


class JobStatus(StrEnum):
    """How a job ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"


class MaterializationMode(StrEnum):
    """When an annotated subexpression is materialized (CloudViews sections 6.2 and 6.4)."""

    ONLINE = "online"
    """While a job that contains it runs."""
    OFFLINE = "offline"
    """By a job of its own, ahead of its readers."""


class ViewState(StrEnum):
    """Whether a published view may be read. Only ``READY`` ones are handed to jobs."""

    READY = "ready"
    SUSPECT = "suspect"
    """A statement that read it failed; nobody knows yet whether the view is to blame."""
    WITHDRAWN = "withdrawn"
    """Sound, but its readers got slower."""
    QUARANTINED = "quarantined"
    """Gave other rows than its computation: never read, never built again until a person deletes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One execution of one statement (or script) by one user of one tenant.

    ``template_text`` is the SQL with its literals taken out: literals may be personal data and are
    never kept. ``tags`` are those of ``signatures.model.Tags.all``. Reads and builds name views.
    """

    job_id: str
    tenant: str
    user: str
    engine: str
    template: str
    template_text: str
    statement: str
    """Digest of everything about the statement's subexpressions that its runs share: in two jobs of a tenant
    with the same one, occurrences of an ordinal differ in nothing but what was measured and ``precise``."""
    script: str = ""
    tags: tuple[str, ...] = ()
    started_at: datetime
    elapsed_seconds: float
    cpu_seconds: float | None = None
    rows: int | None = None
    status: JobStatus = JobStatus.SUCCEEDED
    overhead: tuple[tuple[str, float], ...] = ()
    """(step of ours, seconds it took) pairs."""
    builds: tuple[PreciseSignature, ...] = ()
    reads: tuple[PreciseSignature, ...] = ()
    not_reused: tuple[tuple[str, str], ...] = ()
    """(code, sentence) of each reason."""
    profile_seconds: float | None = None
    """Total operator time of its profile; None where it was not profiled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """One subexpression in one job.

    ``attributed_seconds`` is its time inside the job, from the job's profile; ``standalone_seconds``
    what computing it alone took when it was spooled. The two differ several times, since pushdown
    and join filters make the embedded computation cheaper, so neither stands in for the other.
    """

    job_id: str
    ordinal: int
    kind: SubexpressionKind
    label: str
    normalized: NormalizedSignature
    precise: PreciseSignature | None = None
    canonical_digest: str
    tables: tuple[str, ...] = ()
    columns: tuple[tuple[str, str], ...] = ()
    """(key, expression) of each needed column, as in ``signatures.model.NeededColumn``."""
    sort_columns: tuple[tuple[str, str], ...] = ()
    """(column key, "asc" or "desc") pairs that its parent wants."""
    contains: tuple[int, ...] = ()
    source_count: int = 1
    ineligible: tuple[tuple[str, str], ...] = ()
    attributed_seconds: float | None = None
    standalone_seconds: float | None = None
    write_seconds: float | None = None
    rows: int | None = None
    size_bytes: int | None = None


def jobs_by_id(jobs: Sequence[Job], occurrences: Iterable[Occurrence]) -> dict[str, Job]:
    """The jobs of a batch by their ids.

    Raises:
        InvalidRecord: an occurrence names a job that is not among them.
    """
    owners = {job.job_id: job for job in jobs}
    for occurrence in occurrences:
        if occurrence.job_id not in owners:
            raise InvalidRecord(f"occurrence of unknown job {occurrence.job_id}; record the job with it")
    return owners


@dataclass(frozen=True, slots=True, kw_only=True)
class OccurrenceMeasurement:
    """What was measured of a recorded occurrence later. None leaves the kept value as it is."""

    job_id: str
    ordinal: int
    attributed_seconds: float | None = None
    standalone_seconds: float | None = None
    write_seconds: float | None = None
    rows: int | None = None
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """The analyzer's order: materialize this normalized signature, with this design.

    ``lease_seconds`` is the mined run time of the subexpression with its margin, after which another
    job may take over building it (CloudViews 6.1); ``expires_after_seconds`` comes from lineage (5.4).
    """

    tenant: str
    normalized: NormalizedSignature
    kind: SubexpressionKind
    label: str
    tags: tuple[str, ...]
    columns: tuple[tuple[str, str], ...] = ()
    sort_columns: tuple[tuple[str, str], ...] = ()
    places: tuple[tuple[str, int], ...] = ()
    """(template, ordinal) pairs where it was found to be shared. It is built there and nowhere else, though
    read anywhere: what differs in a literal has the same normalized signature and no reader."""
    mode: MaterializationMode = MaterializationMode.ONLINE
    utility_seconds: float
    frequency: int
    lease_seconds: float
    expires_after_seconds: float
    analysis_id: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The materialized result of a subexpression, found by its precise signature.

    ``canonical`` is the whole canonical plan, so that a reader compares it byte for byte and a hash
    collision cannot give a wrong answer. ``path`` is the directory of its files.
    """

    tenant: str
    precise: PreciseSignature
    normalized: NormalizedSignature
    canonical: str
    environment: str
    inputs: tuple[tuple[InputIdentity, InputVersion], ...]
    columns: tuple[tuple[str, str, str, str], ...]
    """(key, stored name, type, stored type) of each column."""
    ordered: bool = False
    path: str
    rows: int
    size_bytes: int
    checksum: str
    build_seconds: float
    write_seconds: float
    producer: str
    """Id of the job that built it."""
    created_at: datetime
    expires_at: datetime | None = None
    state: ViewState = ViewState.READY
    state_reason: str = ""
    reads: int = 0
    saved_seconds: float = 0.0
    last_read_at: datetime | None = None
    read_seconds: float = 0.0


class Difference(StrEnum):
    """In what a statement that read views differed from its original."""

    ROWS = "rows"
    ORDER = "order"
    SHAPE = "shape"
    """Names or types of the columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """What is kept of a statement that gave other rows with views than without them.

    Enough to look for the cause, and no value: texts have no literals, and of rows there are digests only.
    The plans, with their literals, are those of the quarantined views themselves and go with them.
    """

    tenant: str
    reproduction_id: str
    found_at: datetime
    engine: str
    """Name and exact release."""
    environment: str
    template: str
    template_text: str
    rewritten_text: str
    inputs: tuple[tuple[InputIdentity, InputVersion], ...]
    """Of everything that the views and the statement read, the same before and after the comparison."""
    views: tuple[PreciseSignature, ...]
    """Views that are quarantined for it: those whose own rows are wrong, or else all that were read."""
    normalized: tuple[NormalizedSignature, ...]
    """Normalized signatures of these views, in their order."""
    views_wrong: bool
    """Whether a view's rows differ from its computation; if not, the rewriting is to blame."""
    difference: Difference
    original_rows: int
    rewritten_rows: int
    missing_rows: int
    """Rows that only the original has, counted with their repetitions."""
    surplus_rows: int
    digests: tuple[tuple[str, str], ...] = ()
    """("missing" or "surplus", digest of the row's values) of the first rows that differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewRead:
    """One use of a view by a job: seconds spent reading it, and seconds of computation saved."""

    precise: PreciseSignature
    saved_seconds: float
    read_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """Everything that could be relevant for one job; it may hold false positives (CloudViews 6.1).

    The counters of reads and savings in ``views`` may lag behind; ``Metastore.views`` has them exact.
    """

    annotations: tuple[Annotation, ...] = ()
    views: tuple[View, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to build one view. Its times are the metastore's clock, not the holder's."""

    tenant: str
    precise: PreciseSignature
    holder: str
    acquired_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildInProgress:
    """A build that another job is at, as far as its lease tells, by the metastore's clock."""

    holder: str
    elapsed_seconds: float
    remaining_seconds: float
    """Until the lease runs out and anybody may take over."""


class PublicationOutcome(StrEnum):
    """What became of a publication."""

    PUBLISHED = "published"
    ALREADY_PUBLISHED = "already_published"
    """Another job was first, or this one has published before: its view stands."""
    LEASE_LOST = "lease_lost"
    """The lease expired and another job took over: delete what was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """The result of publishing a view.

    ``view`` is the one that stands now (None when the lease was lost and nothing stands yet).
    ``replaced`` is an expired view that gave way: its files are to be deleted by the caller.
    """

    outcome: PublicationOutcome
    view: View | None = None
    replaced: View | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyVersion:
    """One version of a tenant's policy document; ``body`` is its TOML text."""

    tenant: str
    version: int
    body: str
    author: str
    comment: str
    applied_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """One run of the analyzer over a tenant's history."""

    analysis_id: str
    tenant: str
    started_at: datetime
    jobs_seen: int
    candidates: int
    selected: int
    parameters: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlapCriteria:
    """Which overlaps to mine (the analyzer's filters of CloudViews section 5.1)."""

    minimum_frequency: int = 2
    """Distinct jobs."""
    minimum_seconds: float = 0.0
    """Average attributed time; what was never measured passes only at 0."""
    minimum_job_share: float = 0.0
    """Largest share of a job's elapsed time; what was never measured passes only at 0."""
    maximum_size_bytes: int | None = None
    eligible_only: bool = True
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """All occurrences of one normalized signature in a range of time, aggregated.

    Averages are over the occurrences that were measured, and None where none was.
    """

    normalized: NormalizedSignature
    kind: SubexpressionKind
    label: str
    frequency: int
    """Distinct jobs."""
    occurrences: int
    measured: int
    """Occurrences with an attributed time."""
    users: int
    distinct_precise: int
    total_attributed_seconds: float
    average_attributed_seconds: float | None
    average_standalone_seconds: float | None
    average_write_seconds: float | None
    average_rows: float | None
    average_size_bytes: float | None
    average_job_share: float | None
    maximum_job_share: float | None
    """Attributed time as a share of the job's elapsed time."""
    source_count: int
    tables: tuple[str, ...]
    tags: tuple[str, ...]
    """Union of the tags of its jobs: what an annotation has to be found by."""
    columns: tuple[tuple[str, str], ...]
    """Union of the needed columns, by key."""
    designs: tuple[tuple[tuple[tuple[str, str], ...], int], ...]
    """(sort columns, occurrences that want them) by falling popularity (CloudViews 5.3)."""
