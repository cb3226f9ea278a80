"""Mining of recurring subexpressions, inside Postgres (CloudViews section 5.1)."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import Connection, text

from metastore import codec, tables
from metastore.records import Overlap, OverlapCriteria


def mine(
    connection: Connection, tenant: str, since: datetime, until: datetime, criteria: OverlapCriteria
) -> tuple[Overlap, ...]:
    """Aggregate the occurrences of a range of time by normalized signature."""
    rows = connection.execute(
        _MINE,
        {"tenant": tenant, "since": since, "until": until, **codec.to_row(criteria)},
    )
    return codec.from_rows(Overlap, rows.mappings())


# `seen` are the occurrences with what their jobs add, `groups` the figures of each signature. Of tables,
# tags and columns `groups` keeps the distinct sets, of which a signature has one or two, and the last
# step unites those. Joining the occurrences a second time would be simpler to read, but Postgres cannot
# tell how many rows such a step gives, and takes seconds where this takes tenths of one.
_MINE: Final = text(f"""
    WITH seen AS (
        SELECT part.*, it.job_id, it.precise, it.attributed_seconds, it.standalone_seconds,
            it.write_seconds, it.rows, it.size_bytes, job."user", job.tags,
            it.attributed_seconds / nullif(job.elapsed_seconds, 0) AS job_share
        FROM {tables.SCHEMA}.jobs AS job
        JOIN {tables.SCHEMA}.subexpressions AS part
            ON part.tenant = job.tenant AND part.statement = job.statement
        JOIN {tables.SCHEMA}.occurrences AS it
            ON it.job_id = job.job_id AND it.ordinal = part.ordinal
        WHERE job.tenant = :tenant AND job.started_at >= :since AND job.started_at < :until
            AND (NOT CAST(:eligible_only AS boolean) OR part.ineligible = '[]'::jsonb)
    ), groups AS (
        SELECT normalized,
            mode() WITHIN GROUP (ORDER BY kind COLLATE "C") AS kind,
            mode() WITHIN GROUP (ORDER BY label COLLATE "C") AS label,
            count(DISTINCT job_id) AS frequency,
            count(*) AS occurrences,
            count(attributed_seconds) AS measured,
            count(DISTINCT "user") AS users,
            count(DISTINCT precise) AS distinct_precise,
            coalesce(sum(attributed_seconds), 0) AS total_attributed_seconds,
            avg(attributed_seconds) AS average_attributed_seconds,
            avg(standalone_seconds) AS average_standalone_seconds,
            avg(write_seconds) AS average_write_seconds,
            avg(rows)::double precision AS average_rows,
            avg(size_bytes)::double precision AS average_size_bytes,
            avg(job_share) AS average_job_share,
            max(job_share) AS maximum_job_share,
            max(source_count) AS source_count,
            jsonb_agg(DISTINCT to_jsonb(tables)) AS table_sets,
            jsonb_agg(DISTINCT to_jsonb(tags)) AS tag_sets,
            jsonb_agg(DISTINCT columns) AS column_sets,
            jsonb_agg(sort_columns) AS wanted_orders
        FROM seen
        GROUP BY normalized
        HAVING count(DISTINCT job_id) >= :minimum_frequency
            AND coalesce(avg(attributed_seconds), 0) >= :minimum_seconds
            AND coalesce(max(job_share), 0) >= :minimum_job_share
            AND (CAST(:maximum_size_bytes AS bigint) IS NULL
                OR coalesce(avg(size_bytes), 0) <= :maximum_size_bytes)
        ORDER BY total_attributed_seconds DESC, frequency DESC, normalized
        LIMIT :limit
    )
    SELECT groups.*,
        ARRAY(
            SELECT DISTINCT name COLLATE "C"
            FROM jsonb_array_elements(table_sets) AS one, jsonb_array_elements_text(one) AS name
            ORDER BY 1
        ) AS tables,
        ARRAY(
            SELECT DISTINCT tag COLLATE "C"
            FROM jsonb_array_elements(tag_sets) AS one, jsonb_array_elements_text(one) AS tag
            ORDER BY 1
        ) AS tags,
        ARRAY(
            SELECT DISTINCT ON ((pair ->> 0) COLLATE "C") pair
            FROM jsonb_array_elements(column_sets) AS one, jsonb_array_elements(one) AS pair
            ORDER BY (pair ->> 0) COLLATE "C", (pair ->> 1) COLLATE "C"
        ) AS columns,
        ARRAY(
            SELECT jsonb_build_array(wanted, count(*))
            FROM jsonb_array_elements(wanted_orders) AS wanted
            GROUP BY wanted
            ORDER BY count(*) DESC, wanted::text COLLATE "C"
        ) AS designs
    FROM groups
    ORDER BY total_attributed_seconds DESC, frequency DESC, normalized
""")
