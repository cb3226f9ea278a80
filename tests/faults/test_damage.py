"""Files of views that are not what was written. A wrong result is the worst that can happen."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from metastore.records import ViewState
from optimizer_plugin.views.integrity import PROCESS_INTEGRITY
from tests.support.shared_shop import TOTALS, SharedShop, codes, rows_of


def file_of(shop: SharedShop) -> Path:
    """The file of the one view that was built."""
    (file,) = shop.files()
    return file


def flip_a_bit(file: Path) -> None:
    """In the data: DuckDB reads on and gives other rows, or an error."""
    content = bytearray(file.read_bytes())
    content[len(content) // 4] ^= 1
    file.write_bytes(content)


def truncate(file: Path) -> None:
    """As after a crash of the machine that lost the end of the file."""
    os.truncate(file, file.stat().st_size // 2)


def empty(file: Path) -> None:
    """As after a crash of the machine that lost all of it."""
    os.truncate(file, 0)


def replace(file: Path) -> None:
    """Another whole Parquet file of other rows in its place, as a restored backup would be."""
    import duckdb

    file.unlink()
    duckdb.execute(f"COPY (SELECT 1 AS c0, 2 AS c1, 3 AS c2) TO '{file}' (FORMAT parquet)")


@pytest.mark.parametrize("damage", [flip_a_bit, truncate, empty, replace])
def test_damaged_file(shop: SharedShop, damage: object) -> None:
    """The digest tells before a row is read, in this process and in others; --repair removes the view."""
    assert callable(damage)
    connection = shop.wrap(strict=True)
    rows_of(connection, TOTALS)
    damage(file_of(shop))
    assert rows_of(connection, TOTALS) == shop.plain(TOTALS)
    assert "REUSE-514" in codes(connection)
    (view,) = shop.views(ViewState.SUSPECT)
    assert rows_of(connection, TOTALS) == shop.plain(TOTALS)
    assert not shop.doctor().healthy
    (repaired,) = shop.doctor(repair=True).repairs
    assert repaired == f"removed view {view.precise[:12]} (its files are damaged)"
    assert shop.files() == []
    assert rows_of(connection, TOTALS) == shop.plain(TOTALS)
    assert connection.reuse.stats()["spooled"] == 2
    connection.close()
    assert shop.doctor().healthy


def test_damage_that_nobody_has_read(shop: SharedShop) -> None:
    """The doctor reads every file, also where size, times and inode are as they were."""
    connection = shop.wrap(strict=True)
    rows_of(connection, TOTALS)
    connection.close()
    flip_a_bit(file_of(shop))
    assert not shop.doctor().healthy
    assert "its files are damaged" in shop.doctor(repair=True).repairs[0]


def test_files_are_read_once(shop: SharedShop) -> None:
    """What was found sound is not read again until the file shows another size, time or inode."""
    connection = shop.wrap(strict=True)
    rows_of(connection, TOTALS)
    connection.close()
    (view,) = shop.views()
    assert PROCESS_INTEGRITY.check(view).value == "sound"
    file_of(shop).chmod(0o400)  # a change of any kind is looked into
    assert PROCESS_INTEGRITY.check(view).value == "sound"
    flip_a_bit(file_of(shop))
    assert PROCESS_INTEGRITY.check(view).value == "damaged"


def test_half_written_file(shop: SharedShop) -> None:
    """What a builder left before its rename is never read, and removed as debris."""
    connection = shop.wrap(strict=True)
    rows_of(connection, TOTALS)
    file = file_of(shop)
    partial = file.parent.with_name(f".{file.parent.name}.0123.partial")
    partial.mkdir()
    (partial / file.name).write_bytes(file.read_bytes()[:100])
    assert rows_of(connection, TOTALS) == shop.plain(TOTALS)
    connection.close()
    assert shop.doctor(repair=True).repairs == (f"removed debris {partial}",)


def test_error_of_the_statement_itself(shop: SharedShop) -> None:
    """A statement that fails with and without views casts no doubt on them."""
    connection = shop.wrap(strict=True)
    failing = "SELECT error(concat('total ', sum(amount))) FROM orders"
    for _ in range(2):
        with pytest.raises(Exception, match="total"):
            connection.execute(failing).fetchall()
    connection.close()
    assert shop.views(ViewState.SUSPECT) == ()
