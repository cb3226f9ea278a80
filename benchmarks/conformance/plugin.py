"""A pytest plugin: ``duckdb.connect`` gives wrapped connections in every test."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

import duckdb
import pytest

from benchmarks.conformance.wrapping import wrap_eagerly
from metastore.memory import MemoryMetastore


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Put the wrapper around whatever ``duckdb.connect`` opens from now on."""
    directory = tempfile.TemporaryDirectory(prefix="respool-conformance-")
    config.add_cleanup(directory.cleanup)
    store, metastore, connect = Path(directory.name), MemoryMetastore(), duckdb.connect

    @functools.wraps(connect)
    def wrapped(*arguments: Any, **options: Any) -> Any:
        return wrap_eagerly(connect(*arguments, **options), store, metastore)

    duckdb.connect = wrapped
    config.add_cleanup(functools.partial(setattr, duckdb, "connect", connect))
