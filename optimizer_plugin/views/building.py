"""Builds a view while a query runs: lease, spool, check, publish.

The view is published as soon as it is written, before the rest of the query runs; if the query fails
later, the view stays (early materialization).

Source: CloudViews sections 6.1 (lock with mined expiry), 6.2 and 6.4.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from metastore.ports import Metastore
from metastore.records import Annotation, Publication, PublicationOutcome, View
from optimizer_plugin.engines.ports import Engine, Parameters, Spooled, SpoolRequest, StoredColumn
from optimizer_plugin.policies import Policy
from optimizer_plugin.private_files import make_directories
from optimizer_plugin.templates import Template, Versions
from optimizer_plugin.views.offers import statement_tag
from optimizer_plugin.views.store import Store
from rewriter import rejections
from rewriter.model import Build
from rewriter.rendering import spool_query
from signatures.model import PreciseSignature, Reason
from signatures.plan import Sort
from signatures.verification import fills

FIRST_LEASE_SECONDS = 600.0
"""A lease where no run time was mined yet; afterwards it follows the measured one."""


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
    versions: Versions
    environment: str
    parameters: Parameters


@dataclass(frozen=True, slots=True)
class Builder:
    """Writes and publishes views of one connection."""

    engine: Engine
    metastore: Metastore
    store: Store
    policy: Policy
    tenant: str

    def build(
        self,
        template: Template,
        build: Build,
        precise: PreciseSignature,
        annotation: Annotation | None,
        job: BuildingJob,
    ) -> View | Reason:
        """The published view, or why there is none. Errors of the engine's own are reasons too."""
        seconds = FIRST_LEASE_SECONDS if annotation is None else annotation.lease_seconds
        if not self.metastore.acquire_lease(self.tenant, precise, job.job_id, seconds):
            return rejections.lease_held()
        directory = self.store.directory(precise, job.job_id)
        try:
            written = self._written(template, build, directory, job)
            if isinstance(written, Written):
                view = self._described(template, build, precise, annotation, job, written, directory)
                return self._published(view, job.job_id)
            refusal = written
        except Exception as error:  # noqa: BLE001 - whatever it is, the statement runs without the view
            shutil.rmtree(directory, ignore_errors=True)
            lines = str(error).splitlines()
            refusal = rejections.spool_failed(type(error).__name__, lines[0] if lines else "")
        self.metastore.release_lease(self.tenant, precise, job.job_id)
        return refusal

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
        outputs = template.outputs(self.engine, job.parameters) if whole else self.engine.describe(sql)
        refused = self.engine.can_spool(outputs)
        if refused is not None:
            return rejections.types_not_kept(refused)
        make_directories(directory.parent)
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
            )
        )
        seconds = time.perf_counter() - started
        known = {identity: job.versions[identity] for identity in subexpression.inputs}
        limit = self._too_large(spooled)
        if dict(self.engine.versions(subexpression.inputs)) != known:
            limit = rejections.inputs_changed_meanwhile()
        if limit is not None:
            shutil.rmtree(directory, ignore_errors=True)
            return limit
        return Written(spooled, keys, ordered, seconds)

    def _described(
        self,
        template: Template,
        build: Build,
        precise: PreciseSignature,
        annotation: Annotation | None,
        job: BuildingJob,
        written: Written,
        directory: Path,
    ) -> View:
        subexpression = template.compiled.subexpressions[build.ordinal]
        hours = self.policy.views.expires_after_hours
        lifetime = hours * 3600 if annotation is None else annotation.expires_after_seconds
        now = datetime.now(UTC)
        return View(
            tenant=self.tenant,
            precise=precise,
            normalized=subexpression.normalized,
            canonical=subexpression.canonical,
            environment=job.environment,
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
            created_at=now,
            expires_at=now + timedelta(seconds=lifetime) if lifetime else None,
        )

    def _too_large(self, spooled: Spooled) -> Reason | None:
        cost = self.policy.cost
        if cost.max_view_rows and spooled.rows > cost.max_view_rows:
            return rejections.too_many_rows(spooled.rows, cost.max_view_rows)
        if cost.max_view_bytes and spooled.size_bytes > cost.max_view_bytes:
            return rejections.too_many_bytes(spooled.size_bytes, cost.max_view_bytes)
        return None

    def _published(self, view: View, job_id: str) -> View | Reason:
        tags = frozenset({statement_tag(view.normalized)})
        publication: Publication = self.metastore.publish(view, tags, job_id)
        if publication.replaced is not None:
            self.store.remove([publication.replaced.path])
        if publication.outcome is PublicationOutcome.PUBLISHED:
            return view
        self.store.remove([view.path])
        if publication.view is not None:
            return publication.view
        return rejections.lease_held()

    def scan(self, view: View, pairs: Sequence[tuple[str, str]]) -> str:
        """SQL that reads columns of a view under the names asked for."""
        stored: dict[str, StoredColumn] = {}
        for key, name, type_name, stored_type in view.columns:
            stored.setdefault(key, StoredColumn(stored_name=name, type=type_name, stored_type=stored_type))
        columns = [(stored[key], name) for key, name in pairs]
        return self.engine.scan(Path(view.path), columns, ordered=view.ordered)
