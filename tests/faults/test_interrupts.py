"""Ctrl-C, interrupt() and too little memory, in a statement and while a view is built or waited for."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from metastore.opening import open_metastore
from optimizer_plugin.engines.duckdb.connection import ReuseConnection
from optimizer_plugin.engines.duckdb.engine import DuckDBEngine
from tests.support.shared_shop import TOTALS, SharedShop, codes, python, rows_of, whole_results

ENDLESS = "SELECT sum(sqrt(a.id * b.amount + c.id)) AS total FROM orders a, orders b, orders c"


def while_it_runs(
    connection: ReuseConnection, monkeypatch: pytest.MonkeyPatch, stop: Callable[[], object]
) -> None:
    """Stop the COPY that writes a view, once it runs."""
    run = DuckDBEngine._run

    def watched(engine: DuckDBEngine, sql: str, parameters: object = None) -> list[tuple[object, ...]]:
        if sql.startswith("COPY"):
            threading.Thread(target=stop_soon, daemon=True).start()
        return run(engine, sql, parameters)

    def stop_soon() -> None:
        threading.Event().wait(0.3)  # until the engine is in it: earlier it would be forgotten
        stop()

    monkeypatch.setattr(DuckDBEngine, "_run", watched)


def test_interrupt_in_a_spool(shop: SharedShop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The statement raises what it would raise without reuse; lease and half file are gone; work goes on."""
    connection = shop.wrap(strict=True)
    while_it_runs(connection, monkeypatch, connection.interrupt)
    with pytest.raises(duckdb.InterruptException):
        connection.execute(ENDLESS)
    monkeypatch.undo()
    assert shop.leases() == ()
    assert shop.files() == []
    assert rows_of(connection, TOTALS) == shop.plain(TOTALS)
    assert connection.reuse.stats()["spooled"] == 1
    connection.close()


CTRL_C = """
import os, signal, sys, threading
from pathlib import Path
from optimizer_plugin.engines.duckdb.engine import DuckDBEngine
from tests.support.shared_shop import SharedShop, TOTALS, rows_of

where, url, directory, tenant, endless = sys.argv[1:]
shop = SharedShop(url, Path(directory), tenant)
policy = "eager" if where == "spool" else "off"
connection = shop.wrap(policy, strict=True)
threading.Timer(1.0, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    connection.execute(endless).fetchall()
except (KeyboardInterrupt, RuntimeError) as error:
    print(type(error).__name__, error)
print(rows_of(connection, TOTALS) == shop.plain(TOTALS), flush=True)
connection.close()
"""


@pytest.mark.parametrize("where", ["spool", "statement"])
def test_ctrl_c(shop: SharedShop, where: str) -> None:
    """It stops the statement as without reuse, also while a view is built; the connection lives on."""
    process = python(CTRL_C, where, shop.url, str(shop.directory), shop.tenant, ENDLESS)
    try:
        out, _ = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert out.splitlines() == ["RuntimeError Query interrupted", "True"]
    assert shop.leases() == ()
    assert len(shop.files()) == (1 if where == "spool" else 0)


def test_keyboard_interrupt_between_statements_of_ours(
    shop: SharedShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Raised in our own code, it ends the build like any error and goes on to the program."""
    connection = shop.wrap(strict=True)

    def pressed(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(DuckDBEngine, "_check_file", pressed)
    with pytest.raises(KeyboardInterrupt):
        connection.execute(TOTALS)
    monkeypatch.undo()
    assert shop.leases() == ()
    assert shop.files() == []
    assert rows_of(connection, TOTALS) == shop.plain(TOTALS)
    connection.close()


def test_interrupt_while_waiting(shop: SharedShop) -> None:
    """interrupt() ends the wait for another job's view, and the statement with it."""
    connection = shop.wrap(whole_results(), strict=True)
    rows_of(connection, TOTALS)
    session = connection.reuse.session
    template = session.templates.known(TOTALS)
    assert template is not None
    template.last_seconds = 20.0  # as if the statement took so long without reuse
    (view,) = session.metastore.delete_views(shop.tenant, [each.precise for each in shop.views()])
    shop.store.remove([view.path])
    session.metastore.acquire_lease(shop.tenant, view.precise, "another job", 600)
    threading.Timer(0.3, connection.interrupt).start()
    with pytest.raises(duckdb.InterruptException):
        connection.execute(TOTALS)
    assert connection.reuse.last is not None
    assert 0 < connection.reuse.last.seconds["wait"] < 10
    session.metastore.release_lease(shop.tenant, view.precise, "another job")
    assert rows_of(connection, TOTALS) == shop.plain(TOTALS)
    connection.close()


def test_out_of_memory_in_a_spool(shop: SharedShop) -> None:
    """Writing the view takes more memory than there is: the statement runs as it would without."""
    shop.write(rows=2_000_000)
    sql = "SELECT id, amount, shop FROM orders ORDER BY amount, id"
    connection = shop.wrap()
    connection.execute("SET memory_limit = '24MB'; SET max_temp_directory_size = '1MB'; SET threads = 1")
    plain = shop.connect()
    plain.execute("SET memory_limit = '24MB'; SET max_temp_directory_size = '1MB'; SET threads = 1")
    for each in (connection, plain):
        with pytest.raises(duckdb.OutOfMemoryException):
            each.execute(sql).fetchall()
    assert "REUSE-506" in codes(connection)
    assert rows_of(connection, TOTALS) == sorted(plain.execute(TOTALS).fetchall(), key=repr)
    plain.close()
    connection.close()
    assert shop.leases() == ()


FORGETFUL = """
import sys
from pathlib import Path
from tests.support.shared_shop import SharedShop, TOTALS

url, directory, tenant = sys.argv[1:]
connection = SharedShop(url, Path(directory), tenant).wrap(strict=True)
connection.execute(TOTALS).fetchall()
"""


def test_program_ends_without_closing(shop: SharedShop) -> None:
    """Its jobs are in the history all the same."""
    process = python(FORGETFUL, shop.url, str(shop.directory), shop.tenant)
    process.communicate()
    assert process.returncode == 0
    metastore = open_metastore(shop.url, data_directory=shop.directory)
    now = datetime.now(UTC)
    jobs = metastore.jobs(shop.tenant, now - timedelta(days=1), now + timedelta(days=1))
    metastore.close()
    assert len(jobs) == 1
