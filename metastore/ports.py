"""What the other packages ask of a metastore. Postgres and memory implement it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from metastore.records import (
    Analysis,
    Annotation,
    BuildInProgress,
    Job,
    Lease,
    Lookup,
    Occurrence,
    OccurrenceMeasurement,
    Overlap,
    OverlapCriteria,
    PolicyVersion,
    Publication,
    Reproduction,
    View,
    ViewRead,
    ViewState,
)
from signatures.model import NormalizedSignature, PreciseSignature


class Metastore(Protocol):
    """Annotations, views, leases, history and policies of all tenants (CloudViews section 6.1).

    Methods are safe to call from several threads and raise nothing but ``MetastoreError``. Ranges of
    time hold their start and not their end. Expiry is judged by the metastore's own clock.
    """

    def lookup(self, tenant: str, tags: frozenset[str], environment: str) -> Lookup:
        """Annotations, and ready views of the environment, that share a tag with a job: one request.

        Source: CloudViews section 6.1 (one request per job, inverted index on tags).
        """
        ...

    def find_views(self, tenant: str, precises: Iterable[PreciseSignature]) -> tuple[View, ...]:
        """Those of the named views that may be read now: ready and not expired."""
        ...

    def views(self, tenant: str) -> tuple[View, ...]:
        """Every view in every state, oldest first."""
        ...

    def expired_views(self, tenant: str) -> tuple[View, ...]:
        """Views to purge. Quarantined ones stay, since their rows bar them from being built again."""
        ...

    def acquire_lease(self, tenant: str, precise: PreciseSignature, holder: str, seconds: float) -> bool:
        """Take the right to build a view, or renew it.

        False while another holder's lease runs, and when the view is published already, in whatever
        state (a ready one that has expired does not count).

        Source: CloudViews section 6.1 (exclusive lock with mined expiry).
        """
        ...

    def release_lease(self, tenant: str, precise: PreciseSignature, holder: str) -> bool:
        """Give the right back; False where the holder had it no longer."""
        ...

    def leases(self, tenant: str) -> tuple[Lease, ...]:
        """Leases that run now, oldest first."""
        ...

    def build_in_progress(self, tenant: str, precise: PreciseSignature) -> BuildInProgress | None:
        """The build of a view that runs now; None where nobody holds its lease."""
        ...

    def remove_dead_leases(self, tenant: str, dead_seconds: float) -> tuple[Lease, ...]:
        """Remove leases that ran out so long ago, and return them: their holders crashed or gave up."""
        ...

    def publish(
        self, view: View, tags: frozenset[str], holder: str, lifetime: timedelta | None = None
    ) -> Publication:
        """Make a written view visible and release its lease, as one transaction; the first one wins.

        With ``lifetime`` the metastore's clock says when the view was made and when it expires; without
        it the view's own times hold.
        """
        ...

    def set_view_state(self, tenant: str, precise: PreciseSignature, state: ViewState, reason: str) -> bool:
        """Change whether a view may be read; False where there is none to change.

        A quarantined view stays so whatever happens to its readers: only deleting it ends that.
        """
        ...

    def quarantine(self, views: Sequence[View], reason: str, reproduction: Reproduction) -> None:
        """Bar views from being read and from being built again, and keep the reproduction, atomically.

        A view that was purged meanwhile is barred as well: its signature is what gave wrong rows.
        """
        ...

    def is_quarantined(self, tenant: str, normalized: NormalizedSignature) -> bool:
        """Whether a view of this computation is quarantined, over whatever versions of its inputs."""
        ...

    def reproductions(self, tenant: str) -> tuple[Reproduction, ...]:
        """What verification found wrong, latest first. Only ``delete_reproductions`` removes any."""
        ...

    def delete_reproductions(self, tenant: str, reproduction_ids: Iterable[str]) -> int:
        """Delete reproductions; returns how many there were."""
        ...

    def note_reads(self, tenant: str, reads: Iterable[ViewRead]) -> None:
        """Add to the counters of views; unknown ones are skipped, since a purge may have been first."""
        ...

    def delete_views(self, tenant: str, precises: Iterable[PreciseSignature]) -> tuple[View, ...]:
        """Remove the rows and return them. The caller deletes the files after this, never before."""
        ...

    def replace_annotations(self, analysis: Analysis, annotations: Sequence[Annotation]) -> None:
        """Save the analysis and put its annotations in place of all others of its tenant, atomically."""
        ...

    def annotations(self, tenant: str) -> tuple[Annotation, ...]:
        """The annotations in force, highest utility first."""
        ...

    def save_analysis(self, analysis: Analysis) -> None:
        """Keep a run of the analyzer; the same id replaces what was kept."""
        ...

    def analyses(self, tenant: str) -> tuple[Analysis, ...]:
        """Runs of the analyzer, latest first."""
        ...

    def record(self, jobs: Sequence[Job], occurrences: Sequence[Occurrence]) -> None:
        """Add a batch of history. What is there already is left, so a batch may be sent again.

        Raises:
            InvalidRecord: an occurrence names a job that is not in the batch.
        """
        ...

    def update_occurrences(self, tenant: str, measurements: Iterable[OccurrenceMeasurement]) -> None:
        """Fill in what was measured after the fact; unknown occurrences are skipped."""
        ...

    def job(self, tenant: str, job_id: str) -> Job | None:
        """One job, or None where the tenant has none of that id."""
        ...

    def jobs(self, tenant: str, since: datetime, until: datetime) -> tuple[Job, ...]:
        """Jobs that started in the range, oldest first."""
        ...

    def occurrences(
        self, tenant: str, since: datetime, until: datetime, *, job_id: str | None = None
    ) -> tuple[Occurrence, ...]:
        """Occurrences of the jobs that started in the range (or of one of them), in order."""
        ...

    def overlaps(
        self, tenant: str, since: datetime, until: datetime, criteria: OverlapCriteria | None = None
    ) -> tuple[Overlap, ...]:
        """Subexpressions that recur, aggregated by normalized signature, highest total time first.

        Source: CloudViews section 5.1 (overlap analysis).
        """
        ...

    def forget_history(self, tenant: str, before: datetime) -> int:
        """Delete jobs that started earlier, with their occurrences; returns how many jobs."""
        ...

    def tenants(self) -> tuple[str, ...]:
        """Everybody who has views or history here, by name."""
        ...

    def known_inputs(self, tenant: str) -> tuple[str, ...]:
        """Every input that the tenant's history names, in order."""
        ...

    def forget_inputs(self, tenant: str, inputs: Iterable[str]) -> int:
        """Delete jobs that mention any of the inputs, with what is known of their statements.

        Annotations mined from them go too. Returns how many jobs.
        """
        ...

    def apply_policy(self, tenant: str, body: str, author: str, comment: str) -> PolicyVersion:
        """Put a policy in force as the tenant's next version. The body is not looked into."""
        ...

    def current_policy(self, tenant: str) -> PolicyVersion | None:
        """The policy in force, or None where none was ever applied."""
        ...

    def policy_history(self, tenant: str) -> tuple[PolicyVersion, ...]:
        """All versions, latest first."""
        ...

    def close(self) -> None:
        """Give connections back. A second call does nothing."""
        ...
