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


# Step by step: `seen` are the occurrences with what their jobs add; `frequent` keeps the normalized
# signatures that pass the criteria, so that the unions below run over few of them only.
_MINE: Final = text(f"""
    WITH seen AS (
        SELECT it.*, job."user", job.tags,
            it.attributed_seconds / nullif(job.elapsed_seconds, 0) AS job_share
        FROM {tables.SCHEMA}.jobs AS job
        JOIN {tables.SCHEMA}.occurrences AS it ON it.job_id = job.job_id
        WHERE job.tenant = :tenant AND job.started_at >= :since AND job.started_at < :until
            AND (NOT CAST(:eligible_only AS boolean) OR it.ineligible = '[]'::jsonb)
    ), frequent AS (
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
            max(source_count) AS source_count
        FROM seen
        GROUP BY normalized
        HAVING count(DISTINCT job_id) >= :minimum_frequency
            AND coalesce(avg(attributed_seconds), 0) >= :minimum_seconds
            AND coalesce(max(job_share), 0) >= :minimum_job_share
            AND (CAST(:maximum_size_bytes AS bigint) IS NULL
                OR coalesce(avg(size_bytes), 0) <= :maximum_size_bytes)
        ORDER BY total_attributed_seconds DESC, frequency DESC, normalized
        LIMIT :limit
    ), kept AS (
        SELECT seen.* FROM seen JOIN frequent USING (normalized)
    ), its_tables AS (
        SELECT normalized, array_agg(DISTINCT name COLLATE "C" ORDER BY name COLLATE "C") AS tables
        FROM kept, unnest(tables) AS name GROUP BY normalized
    ), its_tags AS (
        SELECT normalized, array_agg(DISTINCT tag COLLATE "C" ORDER BY tag COLLATE "C") AS tags
        FROM kept, unnest(tags) AS tag GROUP BY normalized
    ), its_columns AS (
        SELECT normalized, jsonb_agg(pair ORDER BY (pair ->> 0) COLLATE "C") AS columns
        FROM (
            SELECT DISTINCT ON (normalized, pair ->> 0) normalized, pair
            FROM kept, jsonb_array_elements(columns) AS pair
            ORDER BY normalized, pair ->> 0, (pair ->> 1) COLLATE "C"
        ) AS by_key
        GROUP BY normalized
    ), its_designs AS (
        SELECT normalized,
            jsonb_agg(
                jsonb_build_array(sort_columns, popularity)
                ORDER BY popularity DESC, sort_columns::text COLLATE "C"
            ) AS designs
        FROM (
            SELECT normalized, sort_columns, count(*) AS popularity
            FROM kept GROUP BY normalized, sort_columns
        ) AS by_design
        GROUP BY normalized
    )
    SELECT frequent.*,
        coalesce(tables, '{{}}') AS tables,
        coalesce(tags, '{{}}') AS tags,
        coalesce(columns, '[]') AS columns,
        designs
    FROM frequent
    LEFT JOIN its_tables USING (normalized)
    LEFT JOIN its_tags USING (normalized)
    LEFT JOIN its_columns USING (normalized)
    JOIN its_designs USING (normalized)
    ORDER BY total_attributed_seconds DESC, frequency DESC, normalized
""")
