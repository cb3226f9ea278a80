from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.engine import make_url

from metastore.database import Database
from metastore.embedded import embedded_url
from metastore.listening import join_listener, leave_listener
from metastore.postgres import PostgresMetastore
from metastore.records import View, ViewState
from metastore.schema import ensure_schema
from metastore.statements import views
from signatures.model import NormalizedSignature, PreciseSignature

TAGS = frozenset({"table:sales"})
DEADLINE_SECONDS = 20.0


def view(number: int) -> View:
    """A view of the tenant."""
    return View(
        tenant="team",
        precise=PreciseSignature(f"{number:032d}"),
        normalized=NormalizedSignature("a" * 32),
        canonical="Scan(sales)",
        environment="duckdb 1",
        inputs=(),
        columns=(),
        path=f"views/{number}",
        rows=1,
        size_bytes=1,
        checksum="c",
        build_seconds=1.0,
        write_seconds=0.0,
        producer="job",
        created_at=datetime(2024, 1, 1, tzinfo=UTC),
    )


def eventually(holds: Callable[[], bool]) -> bool:
    """Whether something becomes true before the deadline: what others say takes its time to arrive."""
    until = time.monotonic() + DEADLINE_SECONDS
    while not (found := holds()) and time.monotonic() < until:
        threading.Event().wait(0.01)
    return found


@pytest.fixture(scope="module")
def url(module_server_directory: Path) -> str:
    """Address of a server of this module's own."""
    return embedded_url(module_server_directory).replace("postgresql://", "postgresql+psycopg://")


@pytest.fixture
def others(url: str) -> Iterator[Database]:
    """What another process does: it reaches the server, and not the memory of this one."""
    opened = Database(make_url(url))
    ensure_schema(opened)
    with opened.writing() as connection:
        connection.execute(text("TRUNCATE respool.views, respool.tenants"))
    yield opened
    opened.close()


@pytest.fixture
def metastore(url: str, others: Database) -> Iterator[PostgresMetastore]:
    """The metastore of this process."""
    opened = PostgresMetastore(Database(make_url(url)))
    yield opened
    opened.close()


@pytest.fixture
def asked() -> Iterator[list[str]]:
    """Every look-up that reaches the server."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if "WITH known AS" in statement:
            seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield seen
    event.remove(Engine, "before_cursor_execute", note)


def found(metastore: PostgresMetastore) -> set[str]:
    """Paths of the views that a look-up offers."""
    return {each.path for each in metastore.lookup("team", TAGS, "duckdb 1").views}


def quiet(metastore: PostgresMetastore, asked: list[str]) -> bool:
    """Whether a look-up is answered without asking, as it is once somebody listens."""
    before = len(asked)
    found(metastore)
    return len(asked) == before


def test_nothing_is_asked_while_nothing_changes(metastore: PostgresMetastore, asked: list[str]) -> None:
    """The second look-up of the same statement stays in the process."""
    assert eventually(lambda: quiet(metastore, asked))
    assert quiet(metastore, asked)
    assert found(metastore) == set()


def test_changes_of_others_arrive(metastore: PostgresMetastore, others: Database, asked: list[str]) -> None:
    """Publications, states and deletions by another process are seen without asking for them."""
    assert eventually(lambda: quiet(metastore, asked))
    with others.writing() as connection:
        views.publish(connection, view(1), TAGS, "job")
    assert eventually(lambda: found(metastore) == {"views/1"})
    assert eventually(lambda: quiet(metastore, asked))
    with others.writing() as connection:
        views.set_state(connection, "team", view(1).precise, ViewState.QUARANTINED, "wrong")
    assert eventually(lambda: found(metastore) == set())


def test_own_changes_are_seen_at_once(metastore: PostgresMetastore, url: str, asked: list[str]) -> None:
    """Also by another metastore of the same process, with nothing to wait for."""
    beside = PostgresMetastore(Database(make_url(url)))
    assert eventually(lambda: quiet(beside, asked))
    metastore.publish(view(2), TAGS, "job")
    assert found(metastore) == found(beside) == {"views/2"}
    metastore.delete_views("team", [view(2).precise])
    assert found(metastore) == found(beside) == set()
    beside.close()


def test_views_expire_without_being_told(
    metastore: PostgresMetastore, others: Database, asked: list[str]
) -> None:
    """Expiry is told by the server's clock as it was when it was last asked."""
    with others.writing() as connection:
        views.publish(connection, view(3), TAGS, "job")
        soon = text("UPDATE respool.views SET expires_at = now() + interval '1 second'")
        connection.execute(soon)
    assert found(metastore) == {"views/3"}
    assert eventually(lambda: found(metastore) == set())


def test_lost_connections_are_made_again(
    metastore: PostgresMetastore, others: Database, asked: list[str]
) -> None:
    """While nobody listens every look-up asks; what happened meanwhile is not missed."""
    assert eventually(lambda: quiet(metastore, asked))
    with others.writing() as connection:
        connection.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
        )
        views.publish(connection, view(4), TAGS, "job")
    assert eventually(lambda: found(metastore) == {"views/4"})
    assert eventually(lambda: quiet(metastore, asked))
    with others.writing() as connection:
        views.publish(connection, view(5), TAGS, "job")
    assert eventually(lambda: found(metastore) == {"views/4", "views/5"})


def test_a_forked_child_asks(metastore: PostgresMetastore, others: Database, asked: list[str]) -> None:
    """Threads do not survive a fork, so that nothing is heard there."""
    assert eventually(lambda: quiet(metastore, asked))
    listener = join_listener(others.address, others.own_connection)
    mark = listener.mark("team")
    assert listener.holds("team", mark)
    child = os.fork()
    if child == 0:
        os._exit(0 if not listener.holds("team", mark) and listener.mark("team") is None else 1)
    _, status = os.waitpid(child, 0)
    leave_listener(others.address, listener)
    assert status == 0


def listening() -> set[threading.Thread]:
    """Threads that listen, those of other tests' servers too."""
    return {thread for thread in threading.enumerate() if thread.name == "respool-listener"}


def test_the_last_user_ends_the_thread(url: str) -> None:
    """Nothing of it is left when the metastore is closed."""
    before = listening()
    opened = PostgresMetastore(Database(make_url(url)))
    opened.lookup("team", TAGS, "duckdb 1")
    assert len(listening() - before) == 1
    opened.close()
    assert listening() == before
