"""Many threads and processes on one metastore and one store."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from metastore.embedded import embedded_url
from metastore.memory import MemoryMetastore
from optimizer_plugin.engines.duckdb.connection import ReuseConnection
from optimizer_plugin.views.waiting import Forecast, wait_or_compute
from signatures.model import PreciseSignature
from tests.support.shared_shop import (
    HIGHEST,
    TOTALS,
    SharedShop,
    codes,
    python,
    rows_of,
    wait_until,
    whole_results,
)

STAMPEDE = 32
PROCESSES = 8

JOB = """
import sys
from pathlib import Path
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from tests.support.shared_shop import SharedShop, TOTALS, rows_of

url, directory, tenant, threads = sys.argv[1:]
shop = SharedShop(url, Path(directory), tenant)
connection = shop.wrap(strict=True)
cursors = [connection.cursor() for _ in range(int(threads))]
print("ready", flush=True)
sys.stdin.readline()
barrier = Barrier(len(cursors))
def job(cursor):
    barrier.wait()
    return rows_of(cursor, TOTALS) == shop.plain(TOTALS)
with ThreadPoolExecutor(len(cursors)) as pool:
    right = all(pool.map(job, cursors))
spooled = sum(cursor.reuse.stats()["spooled"] for cursor in cursors)
for each in (*cursors, connection):
    each.close()
print(right, spooled, flush=True)
"""


@pytest.fixture(scope="module")
def url(module_server_directory: Path) -> str:
    """A metastore of this module."""
    return embedded_url(module_server_directory)


@pytest.fixture
def shop(url: str, tmp_path: Path) -> Iterator[SharedShop]:
    """A shop with data and without any history, which holds no lease in the end."""
    opened = SharedShop(url, tmp_path)
    opened.write()
    yield opened
    assert opened.leases() == ()


def test_stampede_of_processes_and_threads(shop: SharedShop) -> None:
    """32 identical jobs at once in 8 processes: every result is right, the view is built once a version."""
    jobs = [
        python(JOB, shop.url, str(shop.directory), shop.tenant, str(STAMPEDE // PROCESSES))
        for _ in range(PROCESSES)
    ]
    for job in jobs:
        assert job.stdout is not None
        assert job.stdout.readline() == "ready\n"
    for job in jobs:
        assert job.stdin is not None
        job.stdin.write("go\n")
        job.stdin.flush()
    answers = [job.communicate()[0].splitlines()[-1].split() for job in jobs]
    assert [right for right, _ in answers] == ["True"] * PROCESSES
    assert sum(int(float(spooled)) for _, spooled in answers) == len(shop.views()) == 1
    assert len(shop.files()) == 1
    shop.write(extra=1)
    connection = shop.wrap(strict=True)
    assert rows_of(connection, TOTALS) == shop.plain(TOTALS)
    assert connection.reuse.stats()["spooled"] == 1
    connection.close()


def test_stampede_of_threads(shop: SharedShop) -> None:
    """32 cursors in one process, all at once."""
    connection = shop.wrap(strict=True)
    cursors = [connection.cursor() for _ in range(STAMPEDE)]
    barrier = threading.Barrier(STAMPEDE)
    expected = shop.plain(TOTALS)

    def job(number: int) -> bool:
        barrier.wait()
        return rows_of(cursors[number], TOTALS) == expected

    with ThreadPoolExecutor(STAMPEDE) as pool:
        assert all(pool.map(job, range(STAMPEDE)))
    assert sum(cursor.reuse.stats()["spooled"] for cursor in cursors) == 1
    assert sum(cursor.reuse.stats()["errors"] for cursor in cursors) == 0
    for each in (*cursors, connection):
        each.close()
    assert len(shop.views()) == 1


def unbuilt(shop: SharedShop, last_seconds: float) -> tuple[ReuseConnection, PreciseSignature]:
    """A connection that knows the statement, whose view is gone and is being built by another job."""
    connection = shop.wrap(whole_results(), strict=True)
    rows_of(connection, TOTALS)
    session = connection.reuse.session
    template = session.templates.known(TOTALS)
    assert template is not None
    template.last_seconds = last_seconds
    (view,) = session.metastore.delete_views(shop.tenant, [each.precise for each in shop.views()])
    shop.store.remove([view.path])
    assert session.metastore.acquire_lease(shop.tenant, view.precise, "another job", 600)
    return connection, view.precise


def test_waits_for_a_view_where_that_gains(shop: SharedShop) -> None:
    """The view is published while a job waits for it: it reads the view, and reports how long it waited."""
    connection, precise = unbuilt(shop, last_seconds=20.0)
    builder = shop.wrap(whole_results(), strict=True)

    def publish() -> None:
        builder.reuse.session.metastore.release_lease(shop.tenant, precise, "another job")
        builder.execute(TOTALS).fetchall()

    other = threading.Timer(0.3, publish)
    other.start()
    assert rows_of(connection, TOTALS) == shop.plain(TOTALS)
    other.join()
    report = connection.reuse.last
    assert report is not None
    assert report.reads == (precise,)
    assert report.seconds["wait"] > 0
    builder.close()
    connection.close()
    assert len(shop.views()) == 1


def test_computes_where_waiting_does_not_gain(shop: SharedShop) -> None:
    """A build that takes longer than reading its view would save is not waited for; the report says so."""
    connection, precise = unbuilt(shop, last_seconds=20.0)
    session = connection.reuse.session
    template = session.templates.known(TOTALS)
    assert template is not None
    template.last_seconds = 0.0
    assert rows_of(connection, TOTALS) == shop.plain(TOTALS)
    assert "REUSE-511" in codes(connection)
    assert session.last is not None
    assert "wait" not in session.last.seconds
    session.metastore.release_lease(shop.tenant, precise, "another job")
    connection.close()


def test_takes_over_from_a_builder_that_gave_up(shop: SharedShop) -> None:
    """The other job fails and gives its lease back: who waited builds the view itself."""
    connection, precise = unbuilt(shop, last_seconds=20.0)
    session = connection.reuse.session
    give_up = threading.Timer(0.2, session.metastore.release_lease, (shop.tenant, precise, "another job"))
    give_up.start()
    assert rows_of(connection, TOTALS) == shop.plain(TOTALS)
    give_up.join()
    assert session.last is not None
    assert session.last.builds == (precise,)
    connection.close()


def test_takes_over_an_expired_lease(shop: SharedShop) -> None:
    """A lease that has run out holds nobody up."""
    connection, precise = unbuilt(shop, last_seconds=0.0)
    session = connection.reuse.session
    session.metastore.acquire_lease(shop.tenant, precise, "another job", 0.0)
    assert rows_of(connection, TOTALS) == shop.plain(TOTALS)
    assert session.last is not None
    assert session.last.builds == (precise,)
    connection.close()


def test_lease_follows_what_building_took(shop: SharedShop) -> None:
    """The first lease is long; for later versions it follows the measured build, with its margin."""
    connection = shop.wrap(strict=True)
    session = connection.reuse.session
    spans: list[float] = []
    acquire = session.metastore.acquire_lease

    def noted(tenant: str, precise: PreciseSignature, holder: str, seconds: float) -> bool:
        spans.append(seconds)
        return acquire(tenant, precise, holder, seconds)

    session.metastore.acquire_lease = noted  # type: ignore[method-assign]
    rows_of(connection, TOTALS)
    shop.write(extra=1)
    for _ in range(2):  # of a file that changed this very moment the version can't be told
        rows_of(connection, TOTALS)
    connection.close()
    assert spans == [600.0, 10.0]


def test_wait_is_bounded() -> None:
    """A build that does not end is waited for half as long again as predicted, and not once it is late."""
    metastore = MemoryMetastore()
    precise = PreciseSignature("a" * 32)
    metastore.acquire_lease("team", precise, "slow", 600)
    expected = Forecast(build_seconds=0.2, saving_seconds=100.0)
    waited = wait_or_compute(metastore, "team", precise, expected, threading.Event())
    assert waited.reason is not None
    assert waited.reason.code == "REUSE-512"
    assert 0.1 < waited.seconds < 10
    again = wait_or_compute(metastore, "team", precise, expected, threading.Event())
    assert again.seconds == 0.0 or again.seconds < waited.seconds


def test_nobody_waits_without_a_prediction() -> None:
    """What was never measured is computed."""
    metastore = MemoryMetastore()
    precise = PreciseSignature("a" * 32)
    metastore.acquire_lease("team", precise, "slow", 600)
    for expected in (Forecast(), Forecast(build_seconds=0.1), Forecast(saving_seconds=10.0)):
        waited = wait_or_compute(metastore, "team", precise, expected, threading.Event())
        assert waited.seconds == 0.0
        assert waited.reason is not None
        assert waited.reason.code == "REUSE-503"


def test_views_are_published_before_the_statement_ends(shop: SharedShop) -> None:
    """Another job reads the view while the statement that built it has not run yet."""
    connection = shop.wrap(strict=True)
    other = shop.wrap(strict=True)
    seen: list[int] = []

    def look(step: str) -> None:
        if step == "record":
            return
        if step == "rewrite" and shop.views():
            seen.append(len(rows_of(other, TOTALS)))

    connection.reuse.session.at_step = look
    rows_of(connection, TOTALS)
    assert seen
    assert other.reuse.stats()["reused"] >= 1
    assert other.reuse.stats()["spooled"] == 0
    other.close()
    connection.close()


def test_failed_jobs_leave_their_views(shop: SharedShop) -> None:
    """The statement fails after a part of it was built: the part stays, and a retry starts from it."""
    connection = shop.wrap()
    failing = (
        "SELECT error('total ' || max(t.total)) FROM "
        "(SELECT shop, sum(amount) AS total FROM orders GROUP BY shop) AS t"
    )
    with pytest.raises(Exception, match="total"):
        connection.execute(failing).fetchall()
    assert connection.reuse.stats()["spooled"] >= 1
    built = len(shop.views())
    assert built >= 1
    again = shop.wrap()
    with pytest.raises(Exception, match="total"):
        again.execute(failing).fetchall()
    assert again.reuse.stats()["spooled"] == 0
    assert rows_of(again, HIGHEST) == shop.plain(HIGHEST)
    again.close()
    connection.close()
    wait_until(lambda: len(shop.views()) >= built)
