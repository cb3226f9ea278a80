"""SQL of jobs, their occurrences, and policies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, delete, func, select, text
from sqlalchemy.dialects.postgresql import insert as upsert

from metastore import codec, tables
from metastore.records import Job, Occurrence, OccurrenceMeasurement, PolicyVersion

_jobs: Final = tables.jobs
_occurrences: Final = tables.occurrences
_policies: Final = tables.policies


def record(connection: Connection, jobs: Sequence[Job], occurrences: Sequence[Occurrence]) -> None:
    """Insert a batch, leaving what is there."""
    # Losing the last moments of history in a crash is harmless, and no job should wait for a disk.
    connection.execute(_NO_WAIT)
    if jobs:
        connection.execute(upsert(_jobs).on_conflict_do_nothing(), codec.to_rows(jobs))
    if occurrences:
        connection.execute(upsert(_occurrences).on_conflict_do_nothing(), codec.to_rows(occurrences))


def update_occurrences(
    connection: Connection, tenant: str, measurements: Iterable[OccurrenceMeasurement]
) -> None:
    """Set the given values, in the order of the keys so that two writers cannot deadlock."""
    in_order = sorted(measurements, key=lambda it: (it.job_id, it.ordinal))
    batch = [{"tenant": tenant, **codec.to_row(measurement)} for measurement in in_order]
    if batch:
        connection.execute(_NO_WAIT)
        connection.execute(_UPDATE_OCCURRENCE, batch)


def job(connection: Connection, tenant: str, job_id: str) -> Job | None:
    """One job of the tenant."""
    query = select(_jobs).where(_jobs.c.tenant == tenant, _jobs.c.job_id == job_id)
    row = connection.execute(query).mappings().first()
    return None if row is None else codec.from_row(Job, row)


def jobs(connection: Connection, tenant: str, since: datetime, until: datetime) -> tuple[Job, ...]:
    """Jobs that started in the range."""
    rows = connection.execute(
        select(_jobs)
        .where(_jobs.c.tenant == tenant, _jobs.c.started_at >= since, _jobs.c.started_at < until)
        .order_by(_jobs.c.started_at, _jobs.c.job_id)
    )
    return codec.from_rows(Job, rows.mappings())


def occurrences(
    connection: Connection, tenant: str, since: datetime, until: datetime, job_id: str | None
) -> tuple[Occurrence, ...]:
    """Occurrences of jobs that started in the range."""
    query = (
        select(_occurrences)
        .join(_jobs, _jobs.c.job_id == _occurrences.c.job_id)
        .where(_jobs.c.tenant == tenant, _jobs.c.started_at >= since, _jobs.c.started_at < until)
        .order_by(_jobs.c.started_at, _jobs.c.job_id, _occurrences.c.ordinal)
    )
    if job_id is not None:
        query = query.where(_jobs.c.job_id == job_id)
    return codec.from_rows(Occurrence, connection.execute(query).mappings())


def forget(connection: Connection, tenant: str, before: datetime) -> int:
    """Delete old jobs; the foreign key takes their occurrences along."""
    removed = connection.execute(delete(_jobs).where(_jobs.c.tenant == tenant, _jobs.c.started_at < before))
    return removed.rowcount


def apply_policy(connection: Connection, tenant: str, body: str, author: str, comment: str) -> PolicyVersion:
    """Insert the next version; two admins take turns, so that no version is given twice."""
    connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"policy:{tenant}", 0))))
    latest = select(func.coalesce(func.max(_policies.c.version), 0)).where(_policies.c.tenant == tenant)
    row = (
        connection.execute(
            upsert(_policies)
            .values(
                tenant=tenant,
                version=latest.scalar_subquery() + 1,
                body=body,
                author=author,
                comment=comment,
                applied_at=func.clock_timestamp(),
            )
            .returning(*_policies.c)
        )
        .mappings()
        .one()
    )
    return codec.from_row(PolicyVersion, row)


def policies(connection: Connection, tenant: str, limit: int | None) -> tuple[PolicyVersion, ...]:
    """Versions of a policy, latest first."""
    rows = connection.execute(
        select(_policies)
        .where(_policies.c.tenant == tenant)
        .order_by(_policies.c.version.desc())
        .limit(limit)
    )
    return codec.from_rows(PolicyVersion, rows.mappings())


_NO_WAIT: Final = text("SET LOCAL synchronous_commit = off")

_UPDATE_OCCURRENCE: Final = text(f"""
    UPDATE {tables.SCHEMA}.occurrences AS it
    SET attributed_seconds = coalesce(:attributed_seconds, it.attributed_seconds),
        standalone_seconds = coalesce(:standalone_seconds, it.standalone_seconds),
        write_seconds = coalesce(:write_seconds, it.write_seconds),
        rows = coalesce(:rows, it.rows),
        size_bytes = coalesce(:size_bytes, it.size_bytes)
    FROM {tables.SCHEMA}.jobs AS job
    WHERE job.tenant = :tenant AND job.job_id = it.job_id
        AND it.job_id = :job_id AND it.ordinal = :ordinal
""")
