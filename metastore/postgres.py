"""The metastore on Postgres: embedded or any server, the same SQL in both."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Final

from metastore.database import Database
from metastore.listening import Mark, join_listener, leave_listener
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
from metastore.statements import forgetting, history, overlaps, reproductions, views
from metastore.statements.lookup import NO_GENERATION, Answer, look_up
from signatures.model import NormalizedSignature, PreciseSignature

LOOKUPS_KEPT: Final = 512
"""Answers of ``lookup`` that are kept, each as long as nothing is heard of a change."""

_LookupKey = tuple[str, frozenset[str], str]


class PostgresMetastore:
    """See ``metastore.ports.Metastore``. The tables must be there: ``opening`` sees to that."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._listener = join_listener(database.address, database.own_connection)
        self._lookups = _LookupCache(LOOKUPS_KEPT)

    def lookup(self, tenant: str, tags: frozenset[str], environment: str) -> Lookup:
        """From what is known where nothing has changed; else one round trip."""
        key = (tenant, tags, environment)
        known = self._lookups.get(key)
        if known is not None and self._listener.holds(tenant, known.mark):
            return known.readable()
        mark = self._listener.mark(tenant)
        known_generation = NO_GENERATION if known is None else known.generation
        with self._database.reading() as connection:
            answer = look_up(connection, tenant, tags, environment, known_generation)
        return self._lookups.settle(key, known, answer, mark).readable()

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
        with self._changing(view.tenant), self._database.writing() as connection:
            return views.publish(connection, view, tags, holder, lifetime)

    def set_view_state(self, tenant: str, precise: PreciseSignature, state: ViewState, reason: str) -> bool:
        """Change whether a view may be read."""
        with self._changing(tenant), self._database.keeping() as connection:
            return views.set_state(connection, tenant, precise, state, reason)

    def quarantine(self, views: Sequence[View], reason: str, reproduction: Reproduction) -> None:
        """Bar views and keep the reproduction."""
        with self._changing(reproduction.tenant), self._database.keeping() as connection:
            reproductions.quarantine(connection, views, reason, reproduction)

    def is_quarantined(self, tenant: str, normalized: NormalizedSignature) -> bool:
        """Whether a view of this computation is quarantined."""
        with self._database.reading() as connection:
            return reproductions.is_quarantined(connection, tenant, normalized)

    def reproductions(self, tenant: str) -> tuple[Reproduction, ...]:
        """What verification found wrong."""
        with self._database.reading() as connection:
            return reproductions.every(connection, tenant)

    def delete_reproductions(self, tenant: str, reproduction_ids: Iterable[str]) -> int:
        """Delete reproductions."""
        with self._database.keeping() as connection:
            return reproductions.remove(connection, tenant, list(reproduction_ids))

    def note_reads(self, tenant: str, reads: Iterable[ViewRead]) -> None:
        """Add to the counters of views."""
        with self._database.writing() as connection:
            views.note_reads(connection, tenant, reads)

    def delete_views(self, tenant: str, precises: Iterable[PreciseSignature]) -> tuple[View, ...]:
        """Remove rows and return them."""
        with self._changing(tenant), self._database.keeping() as connection:
            return views.remove(connection, tenant, list(precises))

    def replace_annotations(self, analysis: Analysis, annotations: Sequence[Annotation]) -> None:
        """Put a new set of annotations in force."""
        with self._changing(analysis.tenant), self._database.keeping() as connection:
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

    def tenants(self) -> tuple[str, ...]:
        """Everybody who has views or history."""
        with self._database.reading() as connection:
            return forgetting.tenants(connection)

    def known_inputs(self, tenant: str) -> tuple[str, ...]:
        """Every input that the history names."""
        with self._database.working_long() as connection:
            return forgetting.known_inputs(connection, tenant)

    def forget_inputs(self, tenant: str, inputs: Iterable[str]) -> int:
        """Delete what mentions the inputs."""
        with self._changing(tenant), self._database.working_long() as connection:
            return forgetting.forget_inputs(connection, tenant, list(inputs))

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
        leave_listener(self._database.address, self._listener)
        self._database.close()

    @contextmanager
    def _changing(self, tenant: str) -> Iterator[None]:
        """This process sees its own changes at once, also where nobody knows whether they were committed."""
        try:
            yield
        finally:
            self._listener.changed(tenant)


@dataclass(frozen=True, slots=True)
class _Known:
    """A look-up with the generation and the time that the server gave it."""

    generation: int
    found: Lookup
    now: datetime
    asked_at: float
    mark: Mark | None

    def readable(self) -> Lookup:
        """Without views that have expired meanwhile: expiry is the one change that nobody tells of."""
        now = self.now + timedelta(seconds=time.monotonic() - self.asked_at)
        views = self.found.views
        if all(view.expires_at is None or view.expires_at > now for view in views):
            return self.found
        kept = tuple(view for view in views if view.expires_at is None or view.expires_at > now)
        return Lookup(annotations=self.found.annotations, views=kept)


class _LookupCache:
    """Look-ups by their question, least recently used first."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[_LookupKey, _Known] = OrderedDict()
        self._lock = Lock()

    def get(self, key: _LookupKey) -> _Known | None:
        """What is known."""
        with self._lock:
            known = self._kept.get(key)
            if known is not None:
                self._kept.move_to_end(key)
            return known

    def settle(self, key: _LookupKey, known: _Known | None, answer: Answer, mark: Mark | None) -> _Known:
        """What is known now: the answer's own, or what was known before, confirmed."""
        found = answer.found
        if found is None:
            found = Lookup() if known is None else known.found
        settled = _Known(answer.generation, found, answer.now, time.monotonic(), mark)
        with self._lock:
            self._kept[key] = settled
            self._kept.move_to_end(key)
            if len(self._kept) > self._size:
                self._kept.popitem(last=False)
        return settled
