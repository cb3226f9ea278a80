"""The one request of a job: annotations and views that its tags lead to (CloudViews section 6.1)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, text

from metastore import codec, tables
from metastore.records import Annotation, Lookup, View

NO_GENERATION: Final = -1
"""Known generation of one who knows nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the server said: ``found`` is None where nothing changed since the known generation."""

    generation: int
    now: datetime
    found: Lookup | None


def look_up(
    connection: Connection, tenant: str, tags: frozenset[str], environment: str, known_generation: int
) -> Answer:
    """Ask for what changed since a generation, in one round trip."""
    row = connection.execute(
        _LOOK_UP,
        {
            "tenant": tenant,
            "tags": sorted(tags),
            "environment": environment,
            "known": known_generation,
        },
    ).one()
    found = None
    if row.annotations is not None:
        found = Lookup(
            annotations=codec.from_json(Annotation, row.annotations),
            views=codec.from_json(View, row.views),
        )
    return Answer(generation=row.generation, now=row.now, found=found)


def _columns(record: type[Annotation] | type[View]) -> str:
    return ", ".join(f'"{field.name}"' for field in fields(record))


# One statement is one snapshot: the generation belongs to just these annotations and views. Postgres
# runs the two sub-selects only where CASE needs them.
_LOOK_UP: Final = text(f"""
    WITH known AS (
        SELECT coalesce(
            (SELECT generation FROM {tables.SCHEMA}.tenants WHERE tenant = :tenant), 0
        ) AS generation
    )
    SELECT generation, now() AS now,
        CASE WHEN generation <> :known THEN (
            SELECT coalesce(json_agg(it ORDER BY utility_seconds DESC, normalized), '[]')::text
            FROM (
                SELECT {_columns(Annotation)} FROM {tables.SCHEMA}.annotations
                WHERE tenant = :tenant AND tags && CAST(:tags AS text[])
            ) AS it
        ) END AS annotations,
        CASE WHEN generation <> :known THEN (
            SELECT coalesce(json_agg(it ORDER BY created_at, precise), '[]')::text
            FROM (
                SELECT {_columns(View)} FROM {tables.SCHEMA}.views
                WHERE tenant = :tenant AND tags && CAST(:tags AS text[]) AND environment = :environment
                    AND state = 'ready' AND (expires_at IS NULL OR expires_at > now())
            ) AS it
        ) END AS views
    FROM known
""")
