"""SQL of forgetting an input: the jobs that mention it, their statements, what was mined from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, text

from metastore import tables
from metastore.statements.history import keep_recorders_out
from metastore.statements.views import raise_generation


def tenants(connection: Connection) -> tuple[str, ...]:
    """Everybody who has views, history or annotations."""
    return tuple(connection.execute(_TENANTS).scalars())


def known_inputs(connection: Connection, tenant: str) -> tuple[str, ...]:
    """Inputs of the statements in the history."""
    return tuple(connection.execute(_INPUTS, {"tenant": tenant}).scalars())


def forget_inputs(connection: Connection, tenant: str, inputs: Sequence[str]) -> int:
    """Delete jobs, annotations and statements; the statements say which ones, so they go last."""
    keep_recorders_out(connection)
    given = {"tenant": tenant, "inputs": list(inputs)}
    jobs = connection.execute(_FORGET_JOBS, given).rowcount
    connection.execute(_FORGET_ANNOTATIONS, given)
    connection.execute(_FORGET_STATEMENTS, given)
    raise_generation(connection, tenant)
    return jobs


_TENANTS: Final = text(f"""
    SELECT tenant FROM {tables.SCHEMA}.views UNION SELECT tenant FROM {tables.SCHEMA}.jobs
    UNION SELECT tenant FROM {tables.SCHEMA}.annotations ORDER BY tenant
""")

_INPUTS: Final = text(f"""
    SELECT DISTINCT unnest(tables) AS input FROM {tables.SCHEMA}.subexpressions
    WHERE tenant = :tenant ORDER BY input
""")

_MENTIONING: Final = f"""
    FROM {tables.SCHEMA}.subexpressions AS part
    WHERE part.tenant = :tenant AND part.tables && CAST(:inputs AS text[])
"""

_FORGET_JOBS: Final = text(f"""
    DELETE FROM {tables.SCHEMA}.jobs
    WHERE tenant = :tenant AND statement IN (SELECT part.statement {_MENTIONING})
""")

_FORGET_ANNOTATIONS: Final = text(f"""
    DELETE FROM {tables.SCHEMA}.annotations
    WHERE tenant = :tenant AND normalized IN (SELECT part.normalized {_MENTIONING})
""")

_FORGET_STATEMENTS: Final = text(f"""
    DELETE FROM {tables.SCHEMA}.subexpressions
    WHERE tenant = :tenant AND statement IN (SELECT part.statement {_MENTIONING})
""")
