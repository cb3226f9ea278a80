"""The tables, in a schema of their own so that a team's server may hold others beside them.

Every change here needs a revision in ``metastore/migrations``; a test compares the two. Columns
have the names of the fields in ``metastore.records``.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

SCHEMA = "respool"
"""Postgres schema that holds everything of ours."""

VERSION_TABLE = "schema_version"
"""Table with the revision that the database is at."""

metadata = MetaData(
    schema=SCHEMA,
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    },
)

_MOMENT = DateTime(timezone=True)


def _pairs(name: str) -> Column[object]:
    """A column for a tuple of tuples."""
    return Column(name, JSONB, nullable=False)


def _texts(name: str) -> Column[list[str]]:
    """A column for a tuple of strings."""
    return Column(name, ARRAY(Text), nullable=False)


tenants = Table(
    "tenants",
    metadata,
    Column("tenant", Text, primary_key=True),
    # Raised by every change of annotations or views; a cached look-up is good while it stands still.
    Column("generation", BigInteger, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("job_id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("user", Text, nullable=False),
    Column("engine", Text, nullable=False),
    Column("template", Text, nullable=False),
    Column("template_text", Text, nullable=False),
    Column("statement", Text, nullable=False),
    Column("script", Text, nullable=False),
    _texts("tags"),
    Column("started_at", _MOMENT, nullable=False),
    Column("elapsed_seconds", Double, nullable=False),
    Column("cpu_seconds", Double),
    Column("rows", BigInteger),
    Column("status", Text, nullable=False),
    _pairs("overhead"),
    _texts("builds"),
    _texts("reads"),
    _pairs("not_reused"),
    Column("profile_seconds", Double),
    Index(None, "tenant", "started_at"),
    Index(None, "tenant", "statement"),
)

# What all runs of a statement share, so that a job adds a few numbers for each of its subexpressions.
subexpressions = Table(
    "subexpressions",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("statement", Text, primary_key=True),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("normalized", Text, nullable=False),
    Column("canonical_digest", Text, nullable=False),
    _texts("tables"),
    _pairs("columns"),
    _pairs("sort_columns"),
    Column("contains", ARRAY(Integer), nullable=False),
    Column("source_count", Integer, nullable=False),
    _pairs("ineligible"),
)

occurrences = Table(
    "occurrences",
    metadata,
    Column("job_id", Text, ForeignKey(jobs.c.job_id, ondelete="CASCADE"), primary_key=True),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    Column("precise", Text),
    Column("attributed_seconds", Double),
    Column("standalone_seconds", Double),
    Column("write_seconds", Double),
    Column("rows", BigInteger),
    Column("size_bytes", BigInteger),
)

# Not `annotations`: that name is the future import above.
annotation_table = Table(
    "annotations",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("normalized", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("label", Text, nullable=False),
    _texts("tags"),
    _pairs("columns"),
    _pairs("sort_columns"),
    _pairs("places"),
    Column("mode", Text, nullable=False),
    Column("utility_seconds", Double, nullable=False),
    Column("frequency", Integer, nullable=False),
    Column("lease_seconds", Double, nullable=False),
    Column("expires_after_seconds", Double, nullable=False),
    Column("analysis_id", Text, nullable=False),
    Column("created_at", _MOMENT, nullable=False),
    # The inverted index of CloudViews section 6.1.
    Index(None, "tags", postgresql_using="gin"),
)

views = Table(
    "views",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("precise", Text, primary_key=True),
    Column("normalized", Text, nullable=False),
    Column("canonical", Text, nullable=False),
    Column("environment", Text, nullable=False),
    _pairs("inputs"),
    _pairs("columns"),
    Column("ordered", Boolean, nullable=False),
    Column("path", Text, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("checksum", Text, nullable=False),
    Column("build_seconds", Double, nullable=False),
    Column("write_seconds", Double, nullable=False),
    Column("producer", Text, nullable=False),
    Column("created_at", _MOMENT, nullable=False),
    Column("expires_at", _MOMENT),
    Column("state", Text, nullable=False),
    Column("state_reason", Text, nullable=False),
    Column("reads", BigInteger, nullable=False),
    Column("saved_seconds", Double, nullable=False),
    Column("last_read_at", _MOMENT),
    Column("read_seconds", Double, nullable=False),
    _texts("tags"),
    Index(None, "tags", postgresql_using="gin"),
)

reproductions = Table(
    "reproductions",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("reproduction_id", Text, primary_key=True),
    Column("found_at", _MOMENT, nullable=False),
    Column("engine", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("template", Text, nullable=False),
    Column("template_text", Text, nullable=False),
    Column("rewritten_text", Text, nullable=False),
    _pairs("inputs"),
    _texts("views"),
    _texts("normalized"),
    Column("views_wrong", Boolean, nullable=False),
    Column("difference", Text, nullable=False),
    Column("original_rows", BigInteger, nullable=False),
    Column("rewritten_rows", BigInteger, nullable=False),
    Column("missing_rows", BigInteger, nullable=False),
    Column("surplus_rows", BigInteger, nullable=False),
    _pairs("digests"),
)

leases = Table(
    "leases",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("precise", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("acquired_at", _MOMENT, nullable=False),
    Column("expires_at", _MOMENT, nullable=False),
)

policies = Table(
    "policies",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("body", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("comment", Text, nullable=False),
    Column("applied_at", _MOMENT, nullable=False),
)

analyses = Table(
    "analyses",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("analysis_id", Text, primary_key=True),
    Column("started_at", _MOMENT, nullable=False),
    Column("jobs_seen", Integer, nullable=False),
    Column("candidates", Integer, nullable=False),
    Column("selected", Integer, nullable=False),
    _pairs("parameters"),
)
