"""Directories for embedded servers."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path

import pytest


def _new_directory() -> Path:
    # Not below pytest's own temporary directory: every start of pytest closes that to other users, and
    # a server that root starts runs as one of those.
    directory = Path(tempfile.mkdtemp(prefix="respool-"))
    # Registered before the server is, so that it runs after the server has stopped.
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory


@pytest.fixture
def server_directory() -> Path:
    """Data directory for an embedded server of one test."""
    return _new_directory()


@pytest.fixture(scope="module")
def module_server_directory() -> Path:
    """Data directory for an embedded server that the tests of a module share."""
    return _new_directory()
