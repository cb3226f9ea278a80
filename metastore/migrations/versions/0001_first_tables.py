"""The first tables.

Revision ID: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create everything."""
    op.create_table(
        "analyses",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("analysis_id", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("jobs_seen", sa.Integer(), nullable=False),
        sa.Column("candidates", sa.Integer(), nullable=False),
        sa.Column("selected", sa.Integer(), nullable=False),
        sa.Column("parameters", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "analysis_id", name=op.f("pk_analyses")),
        schema="respool",
    )
    op.create_table(
        "annotations",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("normalized", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("tags", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("columns", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("sort_columns", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("places", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("utility_seconds", sa.Double(), nullable=False),
        sa.Column("frequency", sa.Integer(), nullable=False),
        sa.Column("lease_seconds", sa.Double(), nullable=False),
        sa.Column("expires_after_seconds", sa.Double(), nullable=False),
        sa.Column("analysis_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "normalized", name=op.f("pk_annotations")),
        schema="respool",
    )
    op.create_index(
        op.f("ix_annotations_tags"),
        "annotations",
        ["tags"],
        unique=False,
        schema="respool",
        postgresql_using="gin",
    )
    op.create_table(
        "jobs",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("user", sa.Text(), nullable=False),
        sa.Column("engine", sa.Text(), nullable=False),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column("template_text", sa.Text(), nullable=False),
        sa.Column("statement", sa.Text(), nullable=False),
        sa.Column("script", sa.Text(), nullable=False),
        sa.Column("tags", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("elapsed_seconds", sa.Double(), nullable=False),
        sa.Column("cpu_seconds", sa.Double(), nullable=True),
        sa.Column("rows", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("overhead", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("builds", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("reads", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("not_reused", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("profile_seconds", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_jobs")),
        schema="respool",
    )
    op.create_index(
        op.f("ix_jobs_tenant_started_at"), "jobs", ["tenant", "started_at"], unique=False, schema="respool"
    )
    op.create_index(
        op.f("ix_jobs_tenant_statement"), "jobs", ["tenant", "statement"], unique=False, schema="respool"
    )
    op.create_table(
        "leases",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("precise", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("acquired_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "precise", name=op.f("pk_leases")),
        schema="respool",
    )
    op.create_table(
        "policies",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "version", name=op.f("pk_policies")),
        schema="respool",
    )
    op.create_table(
        "reproductions",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("reproduction_id", sa.Text(), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("engine", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column("template_text", sa.Text(), nullable=False),
        sa.Column("rewritten_text", sa.Text(), nullable=False),
        sa.Column("inputs", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("views", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("normalized", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("views_wrong", sa.Boolean(), nullable=False),
        sa.Column("difference", sa.Text(), nullable=False),
        sa.Column("original_rows", sa.BigInteger(), nullable=False),
        sa.Column("rewritten_rows", sa.BigInteger(), nullable=False),
        sa.Column("missing_rows", sa.BigInteger(), nullable=False),
        sa.Column("surplus_rows", sa.BigInteger(), nullable=False),
        sa.Column("digests", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "reproduction_id", name=op.f("pk_reproductions")),
        schema="respool",
    )
    op.create_table(
        "subexpressions",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("statement", sa.Text(), nullable=False),
        sa.Column("ordinal", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("normalized", sa.Text(), nullable=False),
        sa.Column("canonical_digest", sa.Text(), nullable=False),
        sa.Column("tables", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("columns", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("sort_columns", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("contains", postgresql.ARRAY(sa.Integer()), nullable=False),
        sa.Column("source_count", sa.Integer(), nullable=False),
        sa.Column("ineligible", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "statement", "ordinal", name=op.f("pk_subexpressions")),
        schema="respool",
    )
    op.create_table(
        "tenants",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", name=op.f("pk_tenants")),
        schema="respool",
    )
    op.create_table(
        "views",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("precise", sa.Text(), nullable=False),
        sa.Column("normalized", sa.Text(), nullable=False),
        sa.Column("canonical", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("inputs", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("columns", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("ordered", sa.Boolean(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("checksum", sa.Text(), nullable=False),
        sa.Column("build_seconds", sa.Double(), nullable=False),
        sa.Column("write_seconds", sa.Double(), nullable=False),
        sa.Column("producer", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("state_reason", sa.Text(), nullable=False),
        sa.Column("reads", sa.BigInteger(), nullable=False),
        sa.Column("saved_seconds", sa.Double(), nullable=False),
        sa.Column("last_read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("read_seconds", sa.Double(), nullable=False),
        sa.Column("tags", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "precise", name=op.f("pk_views")),
        schema="respool",
    )
    op.create_index(
        op.f("ix_views_tags"), "views", ["tags"], unique=False, schema="respool", postgresql_using="gin"
    )
    op.create_table(
        "occurrences",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("ordinal", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("precise", sa.Text(), nullable=True),
        sa.Column("attributed_seconds", sa.Double(), nullable=True),
        sa.Column("standalone_seconds", sa.Double(), nullable=True),
        sa.Column("write_seconds", sa.Double(), nullable=True),
        sa.Column("rows", sa.BigInteger(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["job_id"], ["respool.jobs.job_id"], name=op.f("fk_occurrences_job_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "ordinal", name=op.f("pk_occurrences")),
        schema="respool",
    )


def downgrade() -> None:
    """Drop everything but the schema itself, which holds Alembic's own table."""
    history = ("occurrences", "subexpressions", "jobs")
    for table in (
        *history,
        "views",
        "reproductions",
        "leases",
        "annotations",
        "policies",
        "analyses",
        "tenants",
    ):
        op.drop_table(table, schema="respool")
