"""The metastore in this process's memory: for tests and trials. Passes the same contract tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from threading import RLock

from metastore.errors import InvalidRecord
from metastore.memory_overlaps import mine
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
    PublicationOutcome,
    Reproduction,
    View,
    ViewRead,
    ViewState,
    jobs_by_id,
)
from signatures.model import NormalizedSignature, PreciseSignature

_ViewKey = tuple[str, PreciseSignature]


def _utc_now() -> datetime:
    return datetime.now(UTC)


class MemoryMetastore:
    """See ``metastore.ports.Metastore``. One lock guards everything, which makes each call atomic.

    Args:
        now: the clock that expiry is judged by.
    """

    def __init__(self, *, now: Callable[[], datetime] = _utc_now) -> None:
        self._now = now
        self._lock = RLock()
        self._views: dict[_ViewKey, View] = {}
        self._view_tags: dict[_ViewKey, frozenset[str]] = {}
        self._leases: dict[_ViewKey, Lease] = {}
        self._annotations: dict[str, tuple[Annotation, ...]] = {}
        self._analyses: dict[tuple[str, str], Analysis] = {}
        self._jobs: dict[str, Job] = {}
        self._occurrences: dict[tuple[str, int], Occurrence] = {}
        self._policies: dict[str, tuple[PolicyVersion, ...]] = {}
        self._reproductions: dict[tuple[str, str], Reproduction] = {}

    def lookup(self, tenant: str, tags: frozenset[str], environment: str) -> Lookup:
        """Annotations and readable views that share a tag."""
        with self._lock:
            return Lookup(
                annotations=tuple(it for it in self.annotations(tenant) if not tags.isdisjoint(it.tags)),
                views=tuple(
                    view
                    for view in self.views(tenant)
                    if view.environment == environment
                    and self._readable(view)
                    and not tags.isdisjoint(self._view_tags[_key(view)])
                ),
            )

    def find_views(self, tenant: str, precises: Iterable[PreciseSignature]) -> tuple[View, ...]:
        """Readable views among the named."""
        wanted = set(precises)
        return tuple(it for it in self.views(tenant) if it.precise in wanted and self._readable(it))

    def views(self, tenant: str) -> tuple[View, ...]:
        """Every view in every state."""
        with self._lock:
            mine_only = [view for view in self._views.values() if view.tenant == tenant]
        return tuple(sorted(mine_only, key=lambda it: (it.created_at, it.precise)))

    def expired_views(self, tenant: str) -> tuple[View, ...]:
        """Views to purge."""
        return tuple(
            it for it in self.views(tenant) if self._expired(it) and it.state is not ViewState.QUARANTINED
        )

    def acquire_lease(self, tenant: str, precise: PreciseSignature, holder: str, seconds: float) -> bool:
        """Take or renew the right to build a view."""
        key = (tenant, precise)
        with self._lock:
            now = self._now()
            lease = self._leases.get(key)
            if lease is not None and lease.holder != holder and lease.expires_at > now:
                return False
            if self._standing(key) is not None:
                return False
            self._leases[key] = Lease(
                tenant=tenant,
                precise=precise,
                holder=holder,
                acquired_at=now,
                expires_at=now + timedelta(seconds=seconds),
            )
            return True

    def release_lease(self, tenant: str, precise: PreciseSignature, holder: str) -> bool:
        """Give the right back."""
        key = (tenant, precise)
        with self._lock:
            lease = self._leases.get(key)
            if lease is None or lease.holder != holder:
                return False
            del self._leases[key]
            return True

    def leases(self, tenant: str) -> tuple[Lease, ...]:
        """Leases that run now."""
        with self._lock:
            now = self._now()
            running = [it for it in self._leases.values() if it.tenant == tenant and it.expires_at > now]
        return tuple(sorted(running, key=lambda it: (it.acquired_at, it.precise)))

    def build_in_progress(self, tenant: str, precise: PreciseSignature) -> BuildInProgress | None:
        """The build of a view that runs now."""
        with self._lock:
            now, lease = self._now(), self._leases.get((tenant, precise))
        if lease is None or lease.expires_at <= now:
            return None
        return BuildInProgress(
            holder=lease.holder,
            elapsed_seconds=(now - lease.acquired_at).total_seconds(),
            remaining_seconds=(lease.expires_at - now).total_seconds(),
        )

    def remove_dead_leases(self, tenant: str, dead_seconds: float) -> tuple[Lease, ...]:
        """Remove leases that ran out so long ago."""
        with self._lock:
            since = self._now() - timedelta(seconds=dead_seconds)
            dead = [it for it in self._leases.values() if it.tenant == tenant and it.expires_at <= since]
            for lease in dead:
                del self._leases[tenant, lease.precise]
        return tuple(dead)

    def publish(
        self, view: View, tags: frozenset[str], holder: str, lifetime: timedelta | None = None
    ) -> Publication:
        """Make a view visible and release its lease."""
        key = _key(view)
        with self._lock:
            if lifetime is not None:
                now = self._now()
                view = replace(view, created_at=now, expires_at=now + lifetime)
            standing = self._standing(key)
            lease = self._leases.get(key)
            if lease is not None and lease.holder != holder:
                return Publication(outcome=PublicationOutcome.LEASE_LOST, view=standing)
            self._leases.pop(key, None)
            if standing is not None:
                return Publication(outcome=PublicationOutcome.ALREADY_PUBLISHED, view=standing)
            replaced = self._views.get(key)
            self._views[key] = view
            self._view_tags[key] = tags
            return Publication(outcome=PublicationOutcome.PUBLISHED, view=view, replaced=replaced)

    def set_view_state(self, tenant: str, precise: PreciseSignature, state: ViewState, reason: str) -> bool:
        """Change whether a view may be read."""
        key = (tenant, precise)
        with self._lock:
            view = self._views.get(key)
            if view is None or view.state is ViewState.QUARANTINED:
                return False
            self._views[key] = replace(view, state=state, state_reason=reason)
            return True

    def quarantine(self, views: Sequence[View], reason: str, reproduction: Reproduction) -> None:
        """Bar views and keep the reproduction."""
        with self._lock:
            for view in views:
                kept = self._views.get(_key(view), view)
                self._views[_key(view)] = replace(kept, state=ViewState.QUARANTINED, state_reason=reason)
                self._view_tags.setdefault(_key(view), frozenset())
            self._reproductions[reproduction.tenant, reproduction.reproduction_id] = reproduction

    def is_quarantined(self, tenant: str, normalized: NormalizedSignature) -> bool:
        """Whether a view of this computation is quarantined."""
        return any(
            it.normalized == normalized and it.state is ViewState.QUARANTINED for it in self.views(tenant)
        )

    def reproductions(self, tenant: str) -> tuple[Reproduction, ...]:
        """What verification found wrong."""
        with self._lock:
            kept = [it for it in self._reproductions.values() if it.tenant == tenant]
        by_id = sorted(kept, key=lambda it: it.reproduction_id)
        return tuple(sorted(by_id, key=lambda it: it.found_at, reverse=True))

    def delete_reproductions(self, tenant: str, reproduction_ids: Iterable[str]) -> int:
        """Delete reproductions."""
        with self._lock:
            keys = [(tenant, each) for each in set(reproduction_ids)]
            return sum(self._reproductions.pop(key, None) is not None for key in keys)

    def note_reads(self, tenant: str, reads: Iterable[ViewRead]) -> None:
        """Add to the counters of views."""
        with self._lock:
            for read in reads:
                view = self._views.get((tenant, read.precise))
                if view is not None:
                    self._views[_key(view)] = replace(
                        view,
                        reads=view.reads + 1,
                        saved_seconds=view.saved_seconds + read.saved_seconds,
                        read_seconds=view.read_seconds + read.read_seconds,
                        last_read_at=self._now(),
                    )

    def delete_views(self, tenant: str, precises: Iterable[PreciseSignature]) -> tuple[View, ...]:
        """Remove rows and return them."""
        with self._lock:
            keys = [(tenant, precise) for precise in set(precises) if (tenant, precise) in self._views]
            for key in keys:
                del self._view_tags[key]
            return tuple(self._views.pop(key) for key in keys)

    def replace_annotations(self, analysis: Analysis, annotations: Sequence[Annotation]) -> None:
        """Put a new set of annotations in force."""
        names = {(it.tenant, it.normalized) for it in annotations}
        if len(names) < len(annotations):
            raise InvalidRecord("two annotations have the same normalized signature; give one of each")
        with self._lock:
            self.save_analysis(analysis)
            self._annotations[analysis.tenant] = tuple(
                sorted(annotations, key=lambda it: (-it.utility_seconds, it.normalized))
            )

    def annotations(self, tenant: str) -> tuple[Annotation, ...]:
        """The annotations in force."""
        with self._lock:
            return self._annotations.get(tenant, ())

    def save_analysis(self, analysis: Analysis) -> None:
        """Keep a run of the analyzer."""
        with self._lock:
            self._analyses[analysis.tenant, analysis.analysis_id] = analysis

    def analyses(self, tenant: str) -> tuple[Analysis, ...]:
        """Runs of the analyzer."""
        with self._lock:
            kept = [it for it in self._analyses.values() if it.tenant == tenant]
        by_id = sorted(kept, key=lambda it: it.analysis_id)
        return tuple(sorted(by_id, key=lambda it: it.started_at, reverse=True))

    def record(self, jobs: Sequence[Job], occurrences: Sequence[Occurrence]) -> None:
        """Add a batch of history."""
        with self._lock:
            jobs_by_id(jobs, occurrences)
            for job in jobs:
                self._jobs.setdefault(job.job_id, job)
            for it in occurrences:
                self._occurrences.setdefault((it.job_id, it.ordinal), it)

    def update_occurrences(self, tenant: str, measurements: Iterable[OccurrenceMeasurement]) -> None:
        """Fill in what was measured after the fact."""
        with self._lock:
            for measured in measurements:
                key = (measured.job_id, measured.ordinal)
                kept = self._occurrences.get(key)
                if kept is not None and self._jobs[measured.job_id].tenant == tenant:
                    self._occurrences[key] = _merge(kept, measured)

    def job(self, tenant: str, job_id: str) -> Job | None:
        """One job."""
        with self._lock:
            job = self._jobs.get(job_id)
        return job if job is not None and job.tenant == tenant else None

    def jobs(self, tenant: str, since: datetime, until: datetime) -> tuple[Job, ...]:
        """Jobs of a range of time."""
        with self._lock:
            kept = [
                it for it in self._jobs.values() if it.tenant == tenant and since <= it.started_at < until
            ]
        return tuple(sorted(kept, key=lambda it: (it.started_at, it.job_id)))

    def occurrences(
        self, tenant: str, since: datetime, until: datetime, *, job_id: str | None = None
    ) -> tuple[Occurrence, ...]:
        """Occurrences of a range of time."""
        with self._lock:
            in_order = {job.job_id: at for at, job in enumerate(self.jobs(tenant, since, until))}
            kept = [
                it
                for it in self._occurrences.values()
                if it.job_id in in_order and job_id in (None, it.job_id)
            ]
        return tuple(sorted(kept, key=lambda it: (in_order[it.job_id], it.ordinal)))

    def overlaps(
        self, tenant: str, since: datetime, until: datetime, criteria: OverlapCriteria | None = None
    ) -> tuple[Overlap, ...]:
        """Recurring subexpressions."""
        with self._lock:
            jobs = self.jobs(tenant, since, until)
            occurrences = self.occurrences(tenant, since, until)
        return mine(jobs, occurrences, criteria or OverlapCriteria())

    def forget_history(self, tenant: str, before: datetime) -> int:
        """Delete old jobs."""
        with self._lock:
            old = {it.job_id for it in self._jobs.values() if it.tenant == tenant and it.started_at < before}
            self._drop_jobs(old)
            return len(old)

    def tenants(self) -> tuple[str, ...]:
        """Everybody who has views or history."""
        with self._lock:
            viewers = {it.tenant for it in self._views.values()}
            workers = {it.tenant for it in self._jobs.values()}
            annotated = {tenant for tenant, found in self._annotations.items() if found}
            return tuple(sorted(viewers | workers | annotated))

    def known_inputs(self, tenant: str) -> tuple[str, ...]:
        """Every input that the history names."""
        with self._lock:
            return tuple(sorted({table for it in self._occurrences_of(tenant) for table in it.tables}))

    def forget_inputs(self, tenant: str, inputs: Iterable[str]) -> int:
        """Delete what mentions the inputs."""
        wanted = set(inputs)
        with self._lock:
            told = [it for it in self._occurrences_of(tenant) if not wanted.isdisjoint(it.tables)]
            statements = {self._jobs[it.job_id].statement for it in told}
            forgotten = {it.normalized for it in told}
            gone = {
                it.job_id for it in self._jobs.values() if it.tenant == tenant and it.statement in statements
            }
            self._drop_jobs(gone)
            self._annotations[tenant] = tuple(
                it for it in self.annotations(tenant) if it.normalized not in forgotten
            )
            return len(gone)

    def apply_policy(self, tenant: str, body: str, author: str, comment: str) -> PolicyVersion:
        """Put a policy in force."""
        with self._lock:
            earlier = self._policies.get(tenant, ())
            version = PolicyVersion(
                tenant=tenant,
                version=len(earlier) + 1,
                body=body,
                author=author,
                comment=comment,
                applied_at=self._now(),
            )
            self._policies[tenant] = (version, *earlier)
            return version

    def current_policy(self, tenant: str) -> PolicyVersion | None:
        """The policy in force."""
        return next(iter(self.policy_history(tenant)), None)

    def policy_history(self, tenant: str) -> tuple[PolicyVersion, ...]:
        """All versions of the policy."""
        with self._lock:
            return self._policies.get(tenant, ())

    def close(self) -> None:
        """Nothing to give back."""

    def _occurrences_of(self, tenant: str) -> list[Occurrence]:
        return [it for it in self._occurrences.values() if self._jobs[it.job_id].tenant == tenant]

    def _drop_jobs(self, gone: set[str]) -> None:
        self._jobs = {key: it for key, it in self._jobs.items() if key not in gone}
        self._occurrences = {key: it for key, it in self._occurrences.items() if key[0] not in gone}

    def _standing(self, key: _ViewKey) -> View | None:
        view = self._views.get(key)
        gives_way = view is not None and view.state is ViewState.READY and self._expired(view)
        return None if gives_way else view

    def _readable(self, view: View) -> bool:
        return view.state is ViewState.READY and not self._expired(view)

    def _expired(self, view: View) -> bool:
        return view.expires_at is not None and view.expires_at <= self._now()


def _key(view: View) -> _ViewKey:
    return view.tenant, view.precise


def _merge(kept: Occurrence, measured: OccurrenceMeasurement) -> Occurrence:
    given = {
        field.name: value
        for field in fields(measured)
        if (value := getattr(measured, field.name)) is not None
    }
    return replace(kept, **given)
