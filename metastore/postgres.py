"""The metastore on Postgres: embedded or any server, the same SQL in both."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from threading import Lock
from typing import Final

from metastore.database import Database
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
    View,
    ViewRead,
    ViewState,
)
from metastore.statements import history, overlaps, views
from metastore.statements.lookup import NO_GENERATION, Answer, look_up
from signatures.model import PreciseSignature

LOOKUPS_KEPT: Final = 64
"""Answers of ``lookup`` that are kept. Each is re-validated with the server before it is used."""

_LookupKey = tuple[str, frozenset[str], str]


class PostgresMetastore:
    """See ``metastore.ports.Metastore``. The tables must be there: ``opening`` sees to that."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lookups = _LookupCache(LOOKUPS_KEPT)

    def lookup(self, tenant: str, tags: frozenset[str], environment: str) -> Lookup:
        """One round trip; where nothing changed since the last time, a few bytes."""
        key = (tenant, tags, environment)
        known = self._lookups.get(key)
        known_generation = NO_GENERATION if known is None else known[0]
        with self._database.reading() as connection:
            answer = look_up(connection, tenant, tags, environment, known_generation)
        return self._lookups.settle(key, known, answer)

    def find_views(self, tenant: str, precises: Iterable[PreciseSignature]) -> tuple[View, ...]:
        """Readable views among the named."""
        with self._database.reading() as connection:
            return views.find(connection, tenant, list(precises))

    def views(self, tenant: str) -> tuple[View, ...]:
        """Every view in every state."""
        with self._database.reading() as connection:
            return views.every(connection, tenant)

    def expired_views(self, tenant: str) -> tuple[View, ...]:
        """Views to purge."""
        with self._database.reading() as connection:
            return views.expired(connection, tenant)

    def acquire_lease(self, tenant: str, precise: PreciseSignature, holder: str, seconds: float) -> bool:
        """Take or renew the right to build a view."""
        with self._database.writing() as connection:
            return views.acquire_lease(connection, tenant, precise, holder, seconds)

    def release_lease(self, tenant: str, precise: PreciseSignature, holder: str) -> bool:
        """Give the right back."""
        with self._database.writing() as connection:
            return views.release_lease(connection, tenant, precise, holder)

    def leases(self, tenant: str) -> tuple[Lease, ...]:
        """Leases that run now."""
        with self._database.reading() as connection:
            return views.running_leases(connection, tenant)

    def build_in_progress(self, tenant: str, precise: PreciseSignature) -> BuildInProgress | None:
        """The build of a view that runs now."""
        with self._database.reading() as connection:
            return views.build_in_progress(connection, tenant, precise)

    def remove_dead_leases(self, tenant: str, dead_seconds: float) -> tuple[Lease, ...]:
        """Remove leases that ran out so long ago."""
        with self._database.writing() as connection:
            return views.remove_dead_leases(connection, tenant, dead_seconds)

    def publish(
        self, view: View, tags: frozenset[str], holder: str, lifetime: timedelta | None = None
    ) -> Publication:
        """Make a view visible and release its lease."""
        with self._database.writing() as connection:
            return views.publish(connection, view, tags, holder, lifetime)

    def set_view_state(self, tenant: str, precise: PreciseSignature, state: ViewState, reason: str) -> bool:
        """Change whether a view may be read."""
        with self._database.keeping() as connection:
            return views.set_state(connection, tenant, precise, state, reason)

    def note_reads(self, tenant: str, reads: Iterable[ViewRead]) -> None:
        """Add to the counters of views."""
        with self._database.writing() as connection:
            views.note_reads(connection, tenant, reads)

    def delete_views(self, tenant: str, precises: Iterable[PreciseSignature]) -> tuple[View, ...]:
        """Remove rows and return them."""
        with self._database.keeping() as connection:
            return views.remove(connection, tenant, list(precises))

    def replace_annotations(self, analysis: Analysis, annotations: Sequence[Annotation]) -> None:
        """Put a new set of annotations in force."""
        with self._database.keeping() as connection:
            views.replace_annotations(connection, analysis, annotations)

    def annotations(self, tenant: str) -> tuple[Annotation, ...]:
        """The annotations in force."""
        with self._database.reading() as connection:
            return views.annotations_in_force(connection, tenant)

    def save_analysis(self, analysis: Analysis) -> None:
        """Keep a run of the analyzer."""
        with self._database.keeping() as connection:
            views.save_analysis(connection, analysis)

    def analyses(self, tenant: str) -> tuple[Analysis, ...]:
        """Runs of the analyzer."""
        with self._database.reading() as connection:
            return views.analyses(connection, tenant)

    def record(self, jobs: Sequence[Job], occurrences: Sequence[Occurrence]) -> None:
        """Add a batch of history."""
        with self._database.writing() as connection:
            history.record(connection, jobs, occurrences)

    def update_occurrences(self, tenant: str, measurements: Iterable[OccurrenceMeasurement]) -> None:
        """Fill in what was measured after the fact."""
        with self._database.writing() as connection:
            history.update_occurrences(connection, tenant, measurements)

    def job(self, tenant: str, job_id: str) -> Job | None:
        """One job."""
        with self._database.reading() as connection:
            return history.job(connection, tenant, job_id)

    def jobs(self, tenant: str, since: datetime, until: datetime) -> tuple[Job, ...]:
        """Jobs of a range of time."""
        with self._database.reading() as connection:
            return history.jobs(connection, tenant, since, until)

    def occurrences(
        self, tenant: str, since: datetime, until: datetime, *, job_id: str | None = None
    ) -> tuple[Occurrence, ...]:
        """Occurrences of a range of time."""
        with self._database.reading() as connection:
            return history.occurrences(connection, tenant, since, until, job_id)

    def overlaps(
        self, tenant: str, since: datetime, until: datetime, criteria: OverlapCriteria | None = None
    ) -> tuple[Overlap, ...]:
        """Recurring subexpressions, mined in the server."""
        with self._database.working_long() as connection:
            return overlaps.mine(connection, tenant, since, until, criteria or OverlapCriteria())

    def forget_history(self, tenant: str, before: datetime) -> int:
        """Delete old jobs."""
        with self._database.working_long() as connection:
            return history.forget(connection, tenant, before)

    def apply_policy(self, tenant: str, body: str, author: str, comment: str) -> PolicyVersion:
        """Put a policy in force."""
        with self._database.keeping() as connection:
            return history.apply_policy(connection, tenant, body, author, comment)

    def current_policy(self, tenant: str) -> PolicyVersion | None:
        """The policy in force."""
        with self._database.reading() as connection:
            return next(iter(history.policies(connection, tenant, limit=1)), None)

    def policy_history(self, tenant: str) -> tuple[PolicyVersion, ...]:
        """All versions of the policy."""
        with self._database.reading() as connection:
            return history.policies(connection, tenant, limit=None)

    def close(self) -> None:
        """Close the connections."""
        self._database.close()


class _LookupCache:
    """Look-ups by their question, least recently used first, each with its generation."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[_LookupKey, tuple[int, Lookup]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: _LookupKey) -> tuple[int, Lookup] | None:
        """What is known, to be confirmed by the server."""
        with self._lock:
            known = self._kept.get(key)
            if known is not None:
                self._kept.move_to_end(key)
            return known

    def settle(self, key: _LookupKey, known: tuple[int, Lookup] | None, answer: Answer) -> Lookup:
        """The look-up that the answer means: its own, or the known one without expired views."""
        if answer.found is not None:
            with self._lock:
                self._kept[key] = (answer.generation, answer.found)
                self._kept.move_to_end(key)
                if len(self._kept) > self._size:
                    self._kept.popitem(last=False)
            return answer.found
        found = Lookup() if known is None else known[1]
        # Expiry is the one change that raises no generation.
        readable = tuple(
            view for view in found.views if view.expires_at is None or view.expires_at > answer.now
        )
        return Lookup(annotations=found.annotations, views=readable)
