"""SQL of jobs, their occurrences, and policies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, delete, func, select, text
from sqlalchemy.dialects.postgresql import insert as upsert

from metastore import codec, tables
from metastore.records import Job, Occurrence, OccurrenceMeasurement, PolicyVersion, jobs_by_id

_jobs: Final = tables.jobs
_occurrences: Final = tables.occurrences
_subexpressions: Final = tables.subexpressions
_policies: Final = tables.policies


def record(connection: Connection, jobs: Sequence[Job], occurrences: Sequence[Occurrence]) -> None:
    """Insert a batch, leaving what is there."""
    owners = jobs_by_id(jobs, occurrences)
    if not jobs:
        return
    connection.execute(upsert(_jobs).on_conflict_do_nothing(), codec.to_rows(jobs))
    if occurrences:
        _record_shared(connection, occurrences, owners)
        connection.execute(_ADD_OCCURRENCES, _columns_of(occurrences))


def _record_shared(
    connection: Connection, occurrences: Iterable[Occurrence], owners: Mapping[str, Job]
) -> None:
    """What all runs of a statement share is sent once, with the first job that has it.

    The lock on what is there already keeps ``forget`` from deleting it under this batch.
    """
    wanted = sorted({(job.tenant, job.statement) for job in owners.values()})
    known = {(row.tenant, row.statement) for row in connection.execute(_KNOWN, _pairs_of(wanted))}
    batch = {}
    for occurrence in occurrences:
        job = owners[occurrence.job_id]
        key = (job.tenant, job.statement, occurrence.ordinal)
        if key[:2] not in known and key not in batch:
            row = codec.to_row(occurrence)
            shared = {name: row[name] for name in _SHARED}
            batch[key] = {"tenant": job.tenant, "statement": job.statement, **shared}
    if batch:
        rows = [batch[key] for key in sorted(batch)]
        connection.execute(upsert(_subexpressions).on_conflict_do_nothing(), rows)


def _pairs_of(wanted: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    return {"tenants": [tenant for tenant, _ in wanted], "statements": [name for _, name in wanted]}


def _columns_of(occurrences: Sequence[Occurrence]) -> dict[str, list[object]]:
    return {name: [getattr(occurrence, name) for occurrence in occurrences] for name in _OWN}


def update_occurrences(
    connection: Connection, tenant: str, measurements: Iterable[OccurrenceMeasurement]
) -> None:
    """Set the given values, in the order of the keys so that two writers cannot deadlock."""
    in_order = sorted(measurements, key=lambda it: (it.job_id, it.ordinal))
    batch = [{"tenant": tenant, **codec.to_row(measurement)} for measurement in in_order]
    if batch:
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
        select(*(_subexpressions.c[name] for name in _SHARED if name != "ordinal"), *_occurrences.c)
        .select_from(_jobs)
        .join(
            _subexpressions,
            (_subexpressions.c.tenant == _jobs.c.tenant) & (_subexpressions.c.statement == _jobs.c.statement),
        )
        .join(
            _occurrences,
            (_occurrences.c.job_id == _jobs.c.job_id) & (_occurrences.c.ordinal == _subexpressions.c.ordinal),
        )
        .where(_jobs.c.tenant == tenant, _jobs.c.started_at >= since, _jobs.c.started_at < until)
        .order_by(_jobs.c.started_at, _jobs.c.job_id, _occurrences.c.ordinal)
    )
    if job_id is not None:
        query = query.where(_jobs.c.job_id == job_id)
    return codec.from_rows(Occurrence, connection.execute(query).mappings())


def forget(connection: Connection, tenant: str, before: datetime) -> int:
    """Delete old jobs; the foreign key takes their occurrences along."""
    removed = connection.execute(delete(_jobs).where(_jobs.c.tenant == tenant, _jobs.c.started_at < before))
    keep_recorders_out(connection)
    connection.execute(_FORGET_SHARED, {"tenant": tenant})
    return removed.rowcount


def keep_recorders_out(connection: Connection) -> None:
    """Until the transaction ends, no batch of history adds to statements that are being deleted."""
    connection.execute(_NOBODY_RECORDS)


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


_KNOWN: Final = text(f"""
    SELECT part.tenant, part.statement
    FROM unnest(CAST(:tenants AS text[]), CAST(:statements AS text[])) AS wanted (tenant, statement)
    JOIN {tables.SCHEMA}.subexpressions AS part
        ON part.tenant = wanted.tenant AND part.statement = wanted.statement
    FOR KEY SHARE OF part
""")

_TYPES: Final = {
    "job_id": "text",
    "ordinal": "integer",
    "precise": "text",
    "attributed_seconds": "double precision",
    "standalone_seconds": "double precision",
    "write_seconds": "double precision",
    "rows": "bigint",
    "size_bytes": "bigint",
}
_OWN: Final = tuple(_TYPES)
_SHARED: Final = tuple(
    field.name for field in fields(Occurrence) if field.name not in _OWN or field.name == "ordinal"
)

# One statement with a list for each column: a tenth of the work of a row at a time.
_ADD_OCCURRENCES: Final = text(f"""
    INSERT INTO {tables.SCHEMA}.occurrences ({", ".join(_OWN)})
    SELECT * FROM unnest({", ".join(f"CAST(:{name} AS {kind}[])" for name, kind in _TYPES.items())})
    ON CONFLICT DO NOTHING
""")

_NOBODY_RECORDS: Final = text(f"LOCK TABLE {tables.SCHEMA}.subexpressions IN EXCLUSIVE MODE")

_FORGET_SHARED: Final = text(f"""
    DELETE FROM {tables.SCHEMA}.subexpressions AS part
    WHERE part.tenant = :tenant AND NOT EXISTS (
        SELECT FROM {tables.SCHEMA}.jobs AS job
        WHERE job.tenant = part.tenant AND job.statement = part.statement
    )
""")

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
