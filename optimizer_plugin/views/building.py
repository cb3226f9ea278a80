"""Builds a view while a query runs: lease, spool, check, publish.

The view is published as soon as it is written, before the rest of the query runs; if the query fails
later, the view stays (early materialization).

Source: CloudViews sections 6.1 (lock with mined expiry), 6.2 and 6.4.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from metastore.errors import MetastoreError
from metastore.ports import Metastore
from metastore.records import Annotation, Publication, PublicationOutcome, View, ViewState
from optimizer_plugin.engines.ports import Engine, Moment, Parameters, Spooled, SpoolRequest, StoredColumn
from optimizer_plugin.policies import Policy
from optimizer_plugin.templates import Template, Versions
from optimizer_plugin.views.integrity import PROCESS_INTEGRITY, Integrity, Soundness
from optimizer_plugin.views.offers import statement_tag
from optimizer_plugin.views.setbacks import Setbacks
from optimizer_plugin.views.store import Store
from optimizer_plugin.views.waiting import Forecast, forecast, wait_or_compute
from rewriter import rejections
from rewriter.model import Build
from rewriter.rendering import spool_query
from signatures.model import PreciseSignature, Reason, Subexpression
from signatures.plan import Sort
from signatures.verification import fills

FIRST_LEASE_SECONDS = 600.0
"""A lease where no run time was mined yet; afterwards it follows the measured one."""
SHORTEST_LEASE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Written:
    """A view's files before anybody knows of them."""

    spooled: Spooled
    keys: tuple[str, ...]
    ordered: bool
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildingJob:
    """The job on whose way a view is built, and the state of the world that it saw."""

    job_id: str
    moment: Moment
    versions: Versions
    parameters: Parameters
    views: Mapping[PreciseSignature, View] = field(default_factory=dict)
    """What its look-up brought: views of earlier inputs tell how long building takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a view that was wanted: it is there, or there is a reason why not."""

    view: View | None = None
    reason: Reason | None = None
    waited_seconds: float = 0.0
    """For another job that was building it."""


@dataclass(frozen=True, slots=True)
class Builder:
    """Writes and publishes views of one connection, and looks after those that it is to read."""

    engine: Engine
    metastore: Metastore
    store: Store
    policy: Policy
    tenant: str
    integrity: Integrity = PROCESS_INTEGRITY
    setbacks: Setbacks = field(default_factory=Setbacks)
    stopped: threading.Event = field(default_factory=threading.Event)
    """Set while the user interrupts the statement that a job is prepared for."""

    def build(
        self,
        template: Template,
        build: Build,
        precise: PreciseSignature,
        annotation: Annotation | None,
        job: BuildingJob,
    ) -> Outcome:
        """The published view, or why there is none. Errors of the engine's own are reasons too.

        Where another job is building it, this one waits if that is predicted to gain, and takes over where
        the other gave up.

        Raises:
            MetastoreError: where the metastore does not answer before anything was written.
            Interrupted: where the user stops it.
        """
        normalized = template.compiled.subexpressions[build.ordinal].normalized
        pause = self.setbacks.wait_seconds(normalized)
        if pause:
            return Outcome(reason=rejections.build_failed_before(pause))
        # One over other versions of the inputs counts too: what made it wrong may still be there.
        if self.metastore.is_quarantined(self.tenant, normalized):
            return Outcome(reason=rejections.quarantined())
        whole = build.ordinal == template.compiled.statement
        last_seconds = template.last_seconds if whole else None
        margin = self.policy.views.lease_margin
        expected = forecast(normalized, job.views, annotation, margin, last_seconds)
        seconds = self._lease_seconds(annotation, expected)
        waited = 0.0
        if not self.metastore.acquire_lease(self.tenant, precise, job.job_id, seconds):
            found = wait_or_compute(self.metastore, self.tenant, precise, expected, self.stopped)
            waited = found.seconds
            if found.view is not None or found.reason is not None:
                return Outcome(view=found.view, reason=found.reason, waited_seconds=waited)
            if not self.metastore.acquire_lease(self.tenant, precise, job.job_id, seconds):
                return Outcome(reason=rejections.lease_held(), waited_seconds=waited)
        built = self._built(template, build, precise, annotation, job)
        if isinstance(built, View):
            return Outcome(view=built, waited_seconds=waited)
        return Outcome(reason=built, waited_seconds=waited)

    def _lease_seconds(self, annotation: Annotation | None, expected: Forecast) -> float:
        """Long enough for what building took before, with the policy's margin."""
        if annotation is None and expected.build_seconds is None:
            return FIRST_LEASE_SECONDS
        mined = 0.0 if annotation is None else annotation.lease_seconds
        measured = self.policy.views.lease_margin * (expected.build_seconds or 0.0)
        return max(SHORTEST_LEASE_SECONDS, mined, measured)

    def _built(
        self,
        template: Template,
        build: Build,
        precise: PreciseSignature,
        annotation: Annotation | None,
        job: BuildingJob,
    ) -> View | Reason:
        """Write and publish under the lease, which is given back however that ends."""
        normalized = template.compiled.subexpressions[build.ordinal].normalized
        directory = self.store.directory(precise, job.job_id)
        try:
            written = self._written(template, build, directory, job)
            if isinstance(written, Written):
                view = self._described(template, build, precise, job, written, directory)
                outcome = self._published(view, job.job_id, self._lifetime(annotation))
                self.setbacks.succeeded(normalized)
                return outcome
            refusal = written
        except BaseException as error:
            # If the row got through before the connection broke, its first reader finds the files gone.
            shutil.rmtree(directory, ignore_errors=True)
            self._release(precise, job)
            if not isinstance(error, Exception):
                raise
            if not isinstance(error, MetastoreError):
                self.setbacks.failed(normalized)
            lines = str(error).splitlines()
            return rejections.spool_failed(type(error).__name__, lines[0] if lines else "")
        self._release(precise, job)
        return refusal

    def _release(self, precise: PreciseSignature, job: BuildingJob) -> None:
        with suppress(MetastoreError):  # it runs out by itself
            self.metastore.release_lease(self.tenant, precise, job.job_id)

    def _written(
        self, template: Template, build: Build, directory: Path, job: BuildingJob
    ) -> Written | Reason:
        """Spool, and make sure that the inputs are still those that the signature names."""
        compiled = template.compiled
        subexpression = compiled.subexpressions[build.ordinal]
        sql, keys = spool_query(compiled, build)
        whole = build.ordinal == compiled.statement
        if not whole and not fills(
            sql, subexpression.canonical, keys, self.engine.look().catalog, self.engine.dialect
        ):
            return rejections.other_query()
        outputs = (
            template.outputs(self.engine, job.parameters, job.moment.environment)
            if whole
            else self.engine.describe(sql)
        )
        refused = self.engine.can_spool(outputs)
        if refused is not None:
            return rejections.types_not_kept(refused)
        self.store.make_room(directory)
        ordered = isinstance(compiled.definitions[build.ordinal].plan, Sort) or (
            whole and subexpression.same_text_only
        )
        started = time.perf_counter()
        spooled = self.engine.spool(
            SpoolRequest(
                sql=sql,
                directory=directory,
                outputs=outputs,
                ordered=ordered,
                parameters=job.parameters if whole else None,
                compression=self.policy.views.compression,
                row_group_rows=self.policy.views.row_group_rows,
            )
        )
        seconds = time.perf_counter() - started
        limit = self._too_large(spooled)
        if not self._still_holds(subexpression, job):
            limit = rejections.inputs_changed_meanwhile()
        if limit is not None:
            shutil.rmtree(directory, ignore_errors=True)
            return limit
        return Written(spooled, keys, ordered, seconds)

    def _still_holds(self, subexpression: Subexpression, job: BuildingJob) -> bool:
        """Whether names, settings and inputs are after the spool what they were before it."""
        now = self.engine.look()
        if (now.catalog, now.environment) != (job.moment.catalog, job.moment.environment):
            return False
        known = {identity: job.versions[identity] for identity in subexpression.inputs}
        return dict(self.engine.versions(subexpression.inputs, since=now)) == known

    def _described(
        self,
        template: Template,
        build: Build,
        precise: PreciseSignature,
        job: BuildingJob,
        written: Written,
        directory: Path,
    ) -> View:
        subexpression = template.compiled.subexpressions[build.ordinal]
        return View(
            tenant=self.tenant,
            precise=precise,
            normalized=subexpression.normalized,
            canonical=subexpression.canonical,
            environment=job.moment.environment,
            inputs=tuple(
                (identity, version)
                for identity in subexpression.inputs
                if (version := job.versions[identity]) is not None
            ),
            columns=tuple(
                (key, column.stored_name, column.type, column.stored_type)
                for key, column in zip(written.keys, written.spooled.columns, strict=True)
            ),
            ordered=written.ordered,
            path=str(directory),
            rows=written.spooled.rows,
            size_bytes=written.spooled.size_bytes,
            checksum=written.spooled.checksum,
            build_seconds=written.seconds,
            write_seconds=0.0,
            producer=job.job_id,
            created_at=datetime.now(UTC),
        )

    def _lifetime(self, annotation: Annotation | None) -> timedelta | None:
        """Until the view expires by the metastore's clock; None where it never does."""
        hours = self.policy.views.expires_after_hours
        seconds = hours * 3600 if annotation is None else annotation.expires_after_seconds
        return timedelta(seconds=seconds) if seconds else None

    def _too_large(self, spooled: Spooled) -> Reason | None:
        cost = self.policy.cost
        if cost.max_view_rows and spooled.rows > cost.max_view_rows:
            return rejections.too_many_rows(spooled.rows, cost.max_view_rows)
        if cost.max_view_bytes and spooled.size_bytes > cost.max_view_bytes:
            return rejections.too_many_bytes(spooled.size_bytes, cost.max_view_bytes)
        return None

    def _published(self, view: View, job_id: str, lifetime: timedelta | None) -> View | Reason:
        tags = frozenset({statement_tag(view.normalized)})
        publication: Publication = self.metastore.publish(view, tags, job_id, lifetime)
        if publication.replaced is not None:
            self.store.remove([publication.replaced.path])
        if publication.outcome is PublicationOutcome.PUBLISHED:
            self.integrity.trust(view)
            return publication.view or view
        self.store.remove([view.path])
        if publication.view is not None:
            return publication.view
        return rejections.lease_held()

    def unsound(self, view: View) -> Reason | None:
        """Why a view that was offered can't be read after all; what follows for the others is done.

        Raises:
            MetastoreError: where the metastore does not answer.
        """
        match self.integrity.check(view):
            case Soundness.SOUND:
                return None
            case Soundness.GONE:
                if self.store.holds(view.path):
                    self.metastore.delete_views(self.tenant, [view.precise])
                return rejections.files_gone()
            case Soundness.DAMAGED:
                reason = rejections.files_damaged()
                self.metastore.set_view_state(self.tenant, view.precise, ViewState.SUSPECT, reason.text)
                return reason

    def scan(self, view: View, pairs: Sequence[tuple[str, str]]) -> str:
        """SQL that reads columns of a view under the names asked for."""
        stored: dict[str, StoredColumn] = {}
        for key, name, type_name, stored_type in view.columns:
            stored.setdefault(key, StoredColumn(stored_name=name, type=type_name, stored_type=stored_type))
        columns = [(stored[key], name) for key, name in pairs]
        return self.engine.scan(Path(view.path), columns, ordered=view.ordered)
