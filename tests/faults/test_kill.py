"""Kill -9 at every step at which something is half done."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from metastore.database import Database
from metastore.opening import open_metastore
from metastore.schema import HEAD_REVISION
from tests.support.shared_shop import TOTALS, SharedShop, python, rows_of

# Each step ends the process where the function named is about to run, or has just run.
DYING = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import event
from sqlalchemy.engine import Engine

from metastore.postgres import PostgresMetastore
from metastore.opening import open_metastore
from optimizer_plugin.admin.purging import purge
from optimizer_plugin.engines.duckdb import spooling
from optimizer_plugin.engines.duckdb.engine import DuckDBEngine
from optimizer_plugin.views.building import Builder
from optimizer_plugin.views.store import Store
from tests.support.shared_shop import SharedShop, TOTALS

step, url, directory, tenant = sys.argv[1:]

def die(*_arguments, **_options):
    os.kill(os.getpid(), signal.SIGKILL)

def after(owner, name):
    original = getattr(owner, name)
    def run_and_die(*arguments, **options):
        original(*arguments, **options)
        die()
    setattr(owner, name, run_and_die)

def in_publication(connection, cursor, statement, *_rest):
    if "INSERT INTO respool.views" in statement:
        die()

shop = SharedShop(url, Path(directory), tenant)
if step == "purge":
    after(PostgresMetastore, "delete_views")
    metastore = open_metastore(url, data_directory=Path(directory))
    purge(metastore, shop.store, metastore.views(tenant))
if step == "migrate":
    event.listen(Engine, "after_cursor_execute",
        lambda c, cursor, statement, *rest: die() if "CREATE TABLE respool.views" in statement else None)
    open_metastore(url, data_directory=Path(directory))
connection = shop.wrap()
if step == "leased":
    after(PostgresMetastore, "acquire_lease")
elif step == "copying":
    DuckDBEngine._copy = die
elif step == "written":
    spooling.seal = die
elif step == "renamed":
    PostgresMetastore.publish = die
elif step == "publishing":
    event.listen(Engine, "after_cursor_execute", in_publication)
elif step == "published":
    after(PostgresMetastore, "publish")
connection.execute(TOTALS).fetchall()
"""

BEFORE_PUBLICATION = ("leased", "copying", "written", "renamed", "publishing")


def die_at(step: str, shop: SharedShop, url: str = "") -> None:
    """A process that does a step's work and is killed in it."""
    process = python(DYING, step, url or shop.url, str(shop.directory), shop.tenant)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("step", BEFORE_PUBLICATION)
def test_killed_while_a_view_is_built(shop: SharedShop, step: str) -> None:
    """Nothing is visible; others compute while the lease runs, and build when it has run out; debris goes."""
    die_at(step, shop)
    assert shop.views() == ()
    assert len(shop.leases()) == 1
    connection = shop.wrap(strict=True)
    assert rows_of(connection, TOTALS) == shop.plain(TOTALS)
    assert connection.reuse.stats()["spooled"] == 0
    shop.end_leases()
    repairs = shop.doctor(repair=True).repairs
    assert any("removed the lease of" in line for line in repairs)
    assert step == "leased" or any("removed debris" in line for line in repairs)
    shop.end_leases()  # a purge holds one for a second, lest a late builder publishes what it removes
    assert rows_of(connection, TOTALS) == shop.plain(TOTALS)
    assert connection.reuse.stats()["spooled"] == 1
    connection.close()
    assert shop.doctor().healthy
    assert len(shop.files()) == 1


def test_killed_after_publication(shop: SharedShop) -> None:
    """The view outlives its builder: the next process reads it."""
    die_at("published", shop)
    connection = shop.wrap(strict=True)
    assert rows_of(connection, TOTALS) == shop.plain(TOTALS)
    assert (connection.reuse.stats()["spooled"], connection.reuse.stats()["reused"]) == (0, 1)
    connection.close()
    assert shop.doctor().healthy


def test_killed_in_a_purge(shop: SharedShop) -> None:
    """Between row and files: no job finds the view any more, and the doctor removes its files as debris."""
    connection = shop.wrap(strict=True)
    rows_of(connection, TOTALS)
    die_at("purge", shop)
    assert shop.views() == ()
    assert len(shop.files()) == 1
    (repaired,) = shop.doctor(repair=True).repairs
    assert repaired.startswith("removed debris")
    assert shop.files() == []
    assert rows_of(connection, TOTALS) == shop.plain(TOTALS)
    connection.close()


def test_killed_in_a_migration(shop: SharedShop) -> None:
    """Nothing of it is there, its lock is free, and the next process migrates."""
    address = make_url(shop.url).set(drivername="postgresql+psycopg")
    main = Database(address)
    with main.reading() as connection:
        connection.execute(text("CREATE DATABASE half_migrated"))
    half = Database(address.set(database="half_migrated"))
    url = shop.url.replace("/postgres?", "/half_migrated?")
    die_at("migrate", shop, url)
    with half.reading() as connection:
        assert connection.execute(text("SELECT to_regclass('respool.views')")).scalar() is None
    open_metastore(url, data_directory=Path("unused")).close()
    with half.reading() as connection:
        found = connection.execute(text("SELECT version_num FROM respool.schema_version")).scalar()
    half.close()
    assert found == HEAD_REVISION
    with main.reading() as connection:
        connection.execute(text("DROP DATABASE half_migrated"))
    main.close()
