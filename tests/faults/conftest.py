"""A shared shop for every test of faults, and what none of them may leave behind."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from metastore.embedded import embedded_url
from optimizer_plugin.admin.purging import PURGER
from tests.support.shared_shop import SharedShop, threads_of_ours


@pytest.fixture(scope="session")
def url() -> str:
    """A metastore that all tests of faults share, each under a tenant of its own."""
    directory = Path(tempfile.mkdtemp(prefix="respool-"))
    # Registered before the server is, so that it runs after the server has stopped.
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return embedded_url(directory)


@pytest.fixture
def shop(url: str, tmp_path: Path) -> Iterator[SharedShop]:
    """A shop with data and without any history. No thread, lease or half-written file survives the test."""
    before = threads_of_ours()
    opened = SharedShop(url, tmp_path)
    opened.write()
    yield opened
    assert threads_of_ours() <= before
    assert [lease for lease in opened.leases() if lease.holder != PURGER] == []
    assert [path for path in opened.store.base.rglob("*.partial") if path.exists()] == []
