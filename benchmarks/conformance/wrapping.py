"""Connections wrapped so that everything that may be reused is reused, whatever that costs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import duckdb

from metastore.ports import Metastore
from optimizer_plugin import policies
from optimizer_plugin.engines.duckdb.connection import ReuseConnection, open_connection
from optimizer_plugin.settings import Settings
from signatures.model import SubexpressionKind


def wrap_eagerly(
    connection: duckdb.DuckDBPyConnection,
    store: Path,
    metastore: Metastore,
    kinds: Iterable[SubexpressionKind] = tuple(SubexpressionKind),
) -> ReuseConnection:
    """Wrap a connection so that all of some kinds is built on sight and read, however slow that is."""
    settings = Settings.resolve(store=store, tenant="conformance", policy=_policy(kinds), environment={})
    return open_connection(connection, settings, shared=metastore)


def _policy(kinds: Iterable[SubexpressionKind]) -> policies.Policy:
    eager = policies.builtin("eager")
    return eager.model_copy(
        update={
            "kinds": eager.kinds.model_copy(update={"enabled": tuple(kinds)}),
            # Tiny views are slower than their queries: readers that got slower would withdraw them.
            "cost": eager.cost.model_copy(update={"min_saving_seconds": 1e9}),
            "history": eager.history.model_copy(update={"record": False}),
        }
    )
