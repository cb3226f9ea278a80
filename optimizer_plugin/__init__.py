"""Respool: computations that recur across queries are materialized once and read by the others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from optimizer_plugin.errors import (
    ConfigurationError,
    EngineMissingError,
    MetastoreUnavailableError,
    PolicyError,
    ReuseError,
    SpoolError,
    StoreUnwritableError,
    VerificationError,
)
from optimizer_plugin.installation import PACKAGES_ARE_OURS
from optimizer_plugin.settings import Settings

if TYPE_CHECKING:
    import duckdb

    from optimizer_plugin.engines.duckdb.connection import ReuseConnection
    from optimizer_plugin.policies import Policy

__all__ = [
    "PACKAGES_ARE_OURS",
    "ConfigurationError",
    "EngineMissingError",
    "MetastoreUnavailableError",
    "PolicyError",
    "ReuseError",
    "Settings",
    "SpoolError",
    "StoreUnwritableError",
    "VerificationError",
    "wrap",
]


def wrap(
    connection: duckdb.DuckDBPyConnection,
    metastore: str | None = None,
    store: str | Path | None = None,
    tenant: str | None = None,
    policy: str | Path | Policy | None = None,
    strict: bool | None = None,
) -> ReuseConnection:
    """Put reuse around a connection; use what comes back in its place.

    Args:
        connection: An open DuckDB connection.
        metastore: URL of a Postgres server; an embedded one without it.
        store: Directory of the views.
        tenant: Unit of policy, sharing and reports; ``default`` without it.
        policy: ``default``, ``eager``, ``off``, the path of a TOML file, or a policy.
        strict: Raise what would otherwise make a query run without reuse: for tests and benchmarks.

    Raises:
        ConfigurationError: where an argument or a ``RESPOOL_*`` variable can't be used.
        EngineMissingError: where the connection is none that is known here.
        StoreUnwritableError: where views can't be written.
        MetastoreUnavailableError: where the metastore does not answer, with ``strict``.
    """
    settings = Settings.resolve(metastore=metastore, store=store, tenant=tenant, policy=policy, strict=strict)
    module = type(connection).__module__.partition(".")[0]
    if module not in ("duckdb", "_duckdb"):
        raise EngineMissingError(
            f"a connection of type {type(connection).__qualname__}",
            expected="a connection from duckdb.connect()",
            remedy="wrap the connection itself",
        )
    from optimizer_plugin.engines.duckdb.connection import open_connection

    return open_connection(connection, settings)
