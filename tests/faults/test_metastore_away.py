"""The metastore: absent, lost, hanging, restarted, back again, killed; over TCP with a password and TLS."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from metastore import database
from metastore.embedded import embedded_url
from metastore.errors import MetastoreError
from metastore.opening import open_metastore
from optimizer_plugin.errors import MetastoreUnavailableError
from tests.support.own_postgres import PASSWORD, OwnPostgres, own_postgres
from tests.support.shared_shop import HIGHEST, TOTALS, SharedShop, rows_of, threads_of_ours, wait_until

BOUND_SECONDS = database.STATEMENT_SECONDS + database.GRACE_SECONDS + database.CONNECT_SECONDS


@pytest.fixture(scope="module")
def server() -> Iterator[OwnPostgres]:
    """A server to stop and to freeze, over TCP, with a password."""
    with own_postgres() as started:
        yield started


@pytest.fixture
def remote(server: OwnPostgres, shop: SharedShop) -> SharedShop:
    """The shop with the server for its metastore."""
    return SharedShop(server.url, shop.directory)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pause after a failure that no test has to sit out."""
    monkeypatch.setattr(database, "RETRY_AFTER_SECONDS", 0.05)
    monkeypatch.setattr(database, "LONGEST_RETRY_SECONDS", 0.05)


def reads(connection: object, shop: SharedShop, sql: str) -> bool:
    """Whether the statement is answered from a view now; its rows are right in any case."""
    assert rows_of(connection, sql) == shop.plain(sql)  # type: ignore[arg-type]
    last = connection.reuse.last  # type: ignore[attr-defined]
    return bool(last.reads)


def check_that_secrets_are_kept(shop: SharedShop, *urls: str) -> None:
    """Each is refused with a remedy, and without what it holds."""
    for url in urls:
        with pytest.raises(MetastoreUnavailableError, match="; ") as raised:
            shop.wrap(strict=True, url=url)
        assert "wrong-secret" not in str(raised.value)
        assert PASSWORD not in str(raised.value)


def test_server_over_tcp_with_a_password(remote: SharedShop) -> None:
    """Reuse works over TCP; with another password the error names the remedy and no secret."""
    connection = remote.wrap(strict=True)
    assert reads(connection, remote, TOTALS)
    connection.close()
    assert len(remote.views()) == 1
    check_that_secrets_are_kept(remote, remote.url.replace(PASSWORD, "wrong-secret"))


def test_server_with_tls(shop: SharedShop) -> None:
    """The server's certificate is checked where the address says so; without TLS nobody gets in."""
    if shutil.which("openssl") is None:
        pytest.skip("making a certificate takes openssl")
    with own_postgres(tls=True) as server:
        authority = shop.directory / "server.crt"
        shutil.copy(server.directory / "server.crt", authority)
        url = f"{server.url}?sslmode=verify-full&sslrootcert={authority}"
        connection = shop.wrap(strict=True, url=url)
        assert reads(connection, shop, TOTALS)
        connection.close()
        unknown = f"{server.url}?sslmode=verify-full&sslrootcert=/etc/hostname"
        check_that_secrets_are_kept(shop, f"{server.url}?sslmode=disable", unknown)


def test_down_at_start(remote: SharedShop, server: OwnPostgres, soon: None) -> None:
    """wrap() warns and gives a working connection; once the server runs, reuse begins by itself."""
    server.stop()
    try:
        with pytest.warns(RuntimeWarning, match="queries run without reuse"):
            connection = remote.wrap()
        assert not reads(connection, remote, TOTALS)
        cursor = connection.cursor()
        assert not reads(cursor, remote, TOTALS)
    finally:
        server.start()
    wait_until(lambda: reads(connection, remote, TOTALS))
    wait_until(lambda: reads(cursor, remote, TOTALS))
    cursor.close()
    connection.close()
    assert len(remote.views()) == 1


def test_down_at_start_with_strict(remote: SharedShop, server: OwnPostgres) -> None:
    """With strict that is an error with its remedy."""
    server.stop()
    try:
        with pytest.raises(MetastoreUnavailableError, match="check that the server runs"):
            remote.wrap(strict=True)
    finally:
        server.start()


@pytest.mark.parametrize("step", ["look_up", "spool", "record"])
def test_lost_in_mid_query(remote: SharedShop, server: OwnPostgres, soon: None, step: str) -> None:
    """The statement ends well without its server; the next ones run without reuse until it is back."""
    connection = remote.wrap()

    def stop(at: str) -> None:
        if at == step:
            server.stop()

    connection.reuse.session.at_step = stop
    try:
        assert rows_of(connection, TOTALS) == remote.plain(TOTALS)
        connection.reuse.session.at_step = None
        assert rows_of(connection, HIGHEST) == remote.plain(HIGHEST)
        assert connection.reuse.last is not None
        assert not connection.reuse.last.reads
        second = connection.cursor()
        assert rows_of(second, HIGHEST) == remote.plain(HIGHEST)
        second.close()
    finally:
        server.start()
    wait_until(lambda: reads(connection, remote, HIGHEST))
    connection.close()
    assert remote.doctor(repair=True).healthy


def test_restarted(remote: SharedShop, server: OwnPostgres, soon: None) -> None:
    """A restart between two statements costs at most a statement without reuse."""
    connection = remote.wrap()
    assert reads(connection, remote, TOTALS)
    server.stop()
    server.start()
    wait_until(lambda: reads(connection, remote, TOTALS))
    connection.close()


def test_hanging(remote: SharedShop, server: OwnPostgres) -> None:
    """A server that accepts and never answers delays one statement for a bounded time, the next ones not."""
    connection = remote.wrap()
    assert reads(connection, remote, TOTALS)
    server.freeze()
    try:
        started = time.monotonic()
        assert not reads(connection, remote, TOTALS)
        assert time.monotonic() - started < 2 * BOUND_SECONDS
        errors = connection.reuse.stats()["errors"]
        assert not reads(connection, remote, HIGHEST)
        assert "less than" in connection.reuse.session.last_error
        assert connection.reuse.stats()["errors"] == errors + 1
    finally:
        server.thaw()
    connection.close()


def test_pauses_grow_while_nothing_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hanging server is asked less and less often, so that it costs little in all."""
    from sqlalchemy.engine import make_url

    now = 0.0
    nobody = database.Database(make_url("postgresql+psycopg://ada@127.0.0.1:1/team"), clock=lambda: now)
    pauses = []
    for _ in range(6):
        with pytest.raises(MetastoreError, match="check that the server runs"), nobody.reading():
            pass
        asked = now
        while True:
            now += 1.0
            with pytest.raises(MetastoreError) as raised, nobody.reading():
                pass
            if "check that the server runs" in str(raised.value):
                break
        pauses.append(now - asked)
        now += 100.0
    assert pauses[0] < pauses[1] < pauses[-1] <= database.LONGEST_RETRY_SECONDS
    nobody.close()


def test_embedded_server_is_killed(shop: SharedShop, soon: None) -> None:
    """It is started again on a thread of its own, and reuse goes on."""
    data = Path(tempfile.mkdtemp(prefix="respool-"))
    before = threads_of_ours()
    address = embedded_url(data)
    place = SharedShop(address, shop.directory)
    metastore = open_metastore(None, data_directory=data)
    connection = place.wrap()
    assert reads(connection, place, TOTALS)
    process = int((data / "postgres" / "postmaster.pid").read_text().splitlines()[0])
    os.kill(process, signal.SIGKILL)

    def answers() -> bool:
        try:
            metastore.views(place.tenant)
        except MetastoreError:
            return False
        return True

    wait_until(answers)
    place.end_leases()  # the commit that gave one back may be lost: it would run on
    wait_until(lambda: reads(connection, place, TOTALS))
    connection.close()
    # The last commits before a crash may be gone: a view is then built again, and its first files are debris.
    assert place.doctor(repair=True).healthy
    metastore.close()
    wait_until(lambda: threads_of_ours() <= before)
    atexit.register(shutil.rmtree, data, ignore_errors=True)


def test_connections_are_given_back(shop: SharedShop) -> None:
    """A closed connection leaves none open to the server."""
    from sqlalchemy import text
    from sqlalchemy.engine import make_url

    watching = database.Database(make_url(shop.url).set(drivername="postgresql+psycopg"))

    def connections() -> int:
        with watching.reading() as opened:
            found = opened.execute(text("SELECT count(*) FROM pg_stat_activity WHERE datname IS NOT NULL"))
            return int(found.scalar_one())

    before = connections()
    connection = shop.wrap(strict=True)
    rows_of(connection, TOTALS)
    connection.close()
    wait_until(lambda: connections() <= before)
    watching.close()
