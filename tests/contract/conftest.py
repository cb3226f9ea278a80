"""Metastores of both kinds, and tenants that no other test uses."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from metastore.opening import MEMORY_URL, open_metastore
from metastore.ports import Metastore


@pytest.fixture(scope="session")
def embedded_directory() -> Path:
    """Data directory of one embedded server for the whole run."""
    # Not below pytest's own temporary directory: every start of pytest closes that to other users, and
    # a server that root starts runs as one of those.
    directory = Path(tempfile.mkdtemp(prefix="respool-"))
    # Registered before the server is, so that it runs after the server has stopped.
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory


@pytest.fixture(scope="session", params=["memory", "postgres"])
def metastore(request: pytest.FixtureRequest, embedded_directory: Path) -> Iterator[Metastore]:
    """A metastore of each kind."""
    url = MEMORY_URL if request.param == "memory" else None
    opened = open_metastore(url, data_directory=embedded_directory)
    yield opened
    opened.close()


@pytest.fixture
def tenant() -> str:
    """A tenant of this test's own, so that tests share a server without seeing each other."""
    return f"tenant-{uuid.uuid4()}"
