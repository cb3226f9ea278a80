"""The disk under the store: full, too small for one file, read-only, emptied while a program runs."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.shared_shop import TOTALS, SharedShop, codes, rows_of

WIDE = "SELECT id, shop, amount, hash(id) AS noise FROM orders WHERE amount >= 0"


@contextmanager
def mounted(directory: Path, options: str) -> Iterator[None]:
    """A file system of its own in a directory."""
    directory.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(directory)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small file system takes root and the right to mount")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(directory)], check=True)


def check_that_it_runs_without(shop: SharedShop, sql: str) -> None:
    """The statement runs as written, says why, leaves nothing, and is not tried again at once."""
    connection = shop.wrap(strict=True)
    assert rows_of(connection, sql) == shop.plain(sql)
    assert "REUSE-506" in codes(connection)
    assert rows_of(connection, sql) == shop.plain(sql)
    assert "REUSE-515" in codes(connection)
    connection.close()
    assert shop.files() == []
    assert shop.leases() == ()


def test_full_disk(shop: SharedShop) -> None:
    """ENOSPC while a view is written: nothing is published and the half file is gone."""
    with mounted(shop.store.root, "size=64k,mode=700"):
        check_that_it_runs_without(shop, WIDE)


def test_file_too_large(shop: SharedShop) -> None:
    """EFBIG while a view is written: the same."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (32_768, before[1]))
    try:
        check_that_it_runs_without(shop, WIDE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_store_becomes_read_only(shop: SharedShop) -> None:
    """Views that are there are read on, new ones are not built, and another cursor opens."""
    with mounted(shop.store.root, "size=4m,mode=700"):
        connection = shop.wrap(strict=True)
        rows_of(connection, TOTALS)
        subprocess.run(["mount", "-o", "remount,ro", str(shop.store.root)], check=True)
        assert rows_of(connection, TOTALS) == shop.plain(TOTALS)
        assert connection.reuse.last is not None
        assert connection.reuse.last.reads
        cursor = connection.cursor()
        assert rows_of(cursor, WIDE) == shop.plain(WIDE)
        assert "REUSE-506" in codes(cursor)
        cursor.close()
        connection.close()


def test_store_is_deleted(shop: SharedShop) -> None:
    """The statement runs as written and says so; the view is forgotten, and built again by the next run."""
    connection = shop.wrap(strict=True)
    rows_of(connection, TOTALS)
    shutil.rmtree(shop.store.root)
    assert rows_of(connection, TOTALS) == shop.plain(TOTALS)
    assert "REUSE-513" in codes(connection)
    assert rows_of(connection, TOTALS) == shop.plain(TOTALS)
    assert connection.reuse.stats()["spooled"] == 2
    connection.close()
    assert (shop.store.base.stat().st_mode & 0o077) == 0
    assert shop.doctor().healthy


def test_store_is_deleted_and_nobody_reads(shop: SharedShop) -> None:
    """Rows without files are a problem that the doctor repairs."""
    connection = shop.wrap(strict=True)
    rows_of(connection, TOTALS)
    connection.close()
    (view,) = shop.views()
    shutil.rmtree(view.path)
    assert not shop.doctor().healthy
    assert shop.doctor(repair=True).repairs == (f"removed view {view.precise[:12]} (its files are gone)",)
    assert shop.views() == ()
