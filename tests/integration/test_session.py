"""The life of a query around a real DuckDB and a real metastore: reuse, faults, collisions."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import duckdb
import pytest

import optimizer_plugin
from metastore.embedded import embedded_url
from metastore.records import ViewRead, ViewState
from optimizer_plugin import policies, templates
from optimizer_plugin.engines.duckdb.connection import ReuseConnection
from optimizer_plugin.session import STEPS
from signatures import subexpressions
from signatures.model import NormalizedSignature, PreciseSignature

JOIN = """
SELECT s.region, sum(o.amount) AS total, count(*) AS orders
FROM orders o, shops s WHERE o.shop = s.id AND o.amount > 10 GROUP BY s.region
"""
OTHER = "SELECT max(amount) AS highest FROM orders o JOIN shops s ON s.id = o.shop AND amount > 10"

Wrap = Callable[..., ReuseConnection]


@pytest.fixture(scope="module")
def url(module_server_directory: Path) -> str:
    """A metastore of this module."""
    return embedded_url(module_server_directory)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A small shop database, closed."""
    path = tmp_path / "shop.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "CREATE TABLE orders AS SELECT range AS id, range % 20 AS shop, "
            "(range * 7919 % 1000)::DECIMAL(10, 2) AS amount FROM range(20000)"
        )
        connection.execute(
            "CREATE TABLE shops AS SELECT range AS id, CASE WHEN range % 3 = 0 THEN NULL "
            "ELSE 'region ' || range % 4 END AS region FROM range(20)"
        )
    return path


@pytest.fixture
def wrap(url: str, database: Path, tmp_path: Path) -> Iterator[Wrap]:
    """Opens wrapped connections to the shop; they share a tenant and a store."""
    tenant = f"test-{uuid4().hex}"
    opened: list[ReuseConnection] = []

    def open_wrapped(
        policy: object = "eager", *, strict: bool = False, read_only: bool = False
    ) -> ReuseConnection:
        connection = optimizer_plugin.wrap(
            duckdb.connect(str(database), read_only=read_only),
            metastore=url,
            store=tmp_path / "store",
            tenant=tenant,
            policy=policy,  # type: ignore[arg-type]
            strict=strict,
        )
        opened.append(connection)
        return connection

    yield open_wrapped
    for connection in opened:
        connection.close()


def plain(database: Path, sql: str) -> list[tuple[object, ...]]:
    """Rows of an unwrapped connection, as a sorted multiset."""
    with duckdb.connect(str(database)) as connection:
        return sorted(connection.execute(sql).fetchall(), key=repr)


def rows_of(connection: ReuseConnection, sql: str) -> list[tuple[object, ...]]:
    """Rows of a wrapped connection, as a sorted multiset."""
    found: list[tuple[object, ...]] = connection.execute(sql).fetchall()
    return sorted(found, key=repr)


def only(*kinds: str, extra: str = "") -> policies.Policy:
    """Everything of these kinds is materialized on sight."""
    listed = ", ".join(f'"{kind}"' for kind in kinds)
    return policies.parse(
        f'name = "only"\n[reuse]\nmaterialize = "on_sight"\nwhole_results_on_sight = "never"\n'
        f"max_builds_per_job = 1000\n[kinds]\nenabled = [{listed}]\n[cost]\nmin_job_seconds = 0.0\n"
        f"max_overhead_share = 0.0\nmin_saving_seconds = 0.0\n"
        f"max_read_share = 0.0\nmax_view_rows = 0\n{extra}"
    )


def test_second_run_reads_what_the_first_spooled(wrap: Wrap, database: Path) -> None:
    """The same statement again reads its whole result, with equal rows, names and types."""
    connection = wrap(strict=True)
    first = rows_of(connection, JOIN)
    described = connection.description
    second = rows_of(connection, JOIN)
    stats = connection.reuse.stats()
    names = connection.description
    connection.close()
    assert first == second == plain(database, JOIN)
    assert names == described
    assert stats["spooled"] >= 1
    assert stats["reused"] >= 1
    assert stats["errors"] == 0


@pytest.mark.parametrize("kind", ["core", "aggregate"])
def test_another_statement_reads_the_shared_part(wrap: Wrap, database: Path, kind: str) -> None:
    """A statement with the same part, written otherwise, reads the view that another one built."""
    connection = wrap(only(kind), strict=True)
    rows_of(connection, JOIN)
    other = JOIN.replace("o.", "facts.").replace("orders o", "orders facts").replace("AS orders", "AS n")
    found = rows_of(connection, other)
    report = connection.reuse.last
    connection.close()
    assert report is not None
    assert report.reads
    assert not report.builds
    assert found == plain(database, other)


def test_a_core_with_fewer_columns_gets_a_view_beside_it(wrap: Wrap, database: Path) -> None:
    """A view that lacks a column is not read; the job builds one of its own, and rows are right."""
    connection = wrap(only("core"), strict=True)
    rows_of(connection, OTHER)
    narrow = connection.reuse.last
    found = rows_of(connection, JOIN)
    wide = connection.reuse.last
    again = rows_of(connection, JOIN)
    stats = connection.reuse.stats()
    connection.close()
    assert narrow is not None
    assert wide is not None
    assert wide.builds
    assert wide.builds != narrow.builds
    assert stats["spooled"] == 2
    assert stats["reused"] == 3
    assert found == again == plain(database, JOIN)


def test_a_write_makes_views_of_its_table_unreadable(wrap: Wrap, database: Path) -> None:
    """After an INSERT the old view is not read and the new rows are there."""
    connection = wrap(strict=True)
    before = rows_of(connection, JOIN)
    connection.execute("INSERT INTO orders VALUES (99999, 1, 5000)")
    after = rows_of(connection, JOIN)
    connection.close()
    assert before != after
    assert after == plain(database, JOIN)


def test_views_outlive_the_connection(wrap: Wrap, database: Path) -> None:
    """A later connection reads what an earlier one built."""
    first = wrap(read_only=True, strict=True)
    rows_of(first, JOIN)
    first.close()
    second = wrap(read_only=True, strict=True)
    found = rows_of(second, JOIN)
    stats = second.reuse.stats()
    second.close()
    assert stats["spooled"] == 0
    assert stats["reused"] == 1
    assert found == plain(database, JOIN)


@pytest.mark.parametrize("step", [*STEPS, "record"])
def test_an_error_of_ours_leaves_the_result_right(wrap: Wrap, database: Path, step: str) -> None:
    """An exception at any step is counted, and the user's own statement answers."""
    connection = wrap()

    def fail(reached: str) -> None:
        if reached == step:
            raise RuntimeError("injected")

    connection.reuse.session.at_step = fail
    found = rows_of(connection, JOIN)
    again = rows_of(connection, JOIN)
    stats = connection.reuse.stats()
    connection.close()
    assert found == again == plain(database, JOIN)
    assert stats["errors"] >= 1


@pytest.mark.parametrize("step", STEPS)
def test_strict_raises_an_error_of_ours(wrap: Wrap, step: str) -> None:
    """With ``strict`` the same exception comes out, so that tests and benchmarks see it."""
    connection = wrap(strict=True)

    def fail(reached: str) -> None:
        if reached == step:
            raise RuntimeError("injected")

    connection.reuse.session.at_step = fail
    with pytest.raises(RuntimeError, match="injected"):
        connection.execute(JOIN)


def test_a_signature_collision_cannot_give_a_wrong_read(
    wrap: Wrap, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two statements forced to one signature: the canonical plans differ, so nothing is shared."""
    monkeypatch.setattr(templates, "precise_signature", lambda *_: PreciseSignature("0" * 32))
    monkeypatch.setattr(subexpressions, "normalized_signature", lambda *_: NormalizedSignature("0" * 32))
    connection = wrap()
    rows_of(connection, JOIN)
    found = rows_of(connection, OTHER)
    report = connection.reuse.last
    connection.close()
    assert report is not None
    assert not report.reads
    assert "REUSE-302" in {reason.code for reason in report.not_reused}
    assert found == plain(database, OTHER)


def test_a_lost_view_file_is_forgotten_and_built_again(wrap: Wrap, database: Path, tmp_path: Path) -> None:
    """Where the view's file is gone, the original runs and says so; the next run has the view again."""
    connection = wrap()
    rows_of(connection, JOIN)
    rows_of(connection, JOIN)
    shutil.rmtree(tmp_path / "store")
    found = rows_of(connection, JOIN)
    report = connection.reuse.last
    rows_of(connection, JOIN)
    again = connection.reuse.last
    stats = connection.reuse.stats()
    connection.close()
    assert found == plain(database, JOIN)
    assert report is not None
    assert "REUSE-513" in {reason.code for reason in report.not_reused}
    assert again is not None
    assert again.reads
    assert stats["fallbacks"] == 0


def test_an_unwritable_store_costs_reuse_only(wrap: Wrap, database: Path, tmp_path: Path) -> None:
    """Where no view can be written, results are right and the reason is given."""
    connection = wrap()
    store = tmp_path / "store"
    shutil.rmtree(store)
    store.write_text("a file where the store should be")
    found = rows_of(connection, JOIN)
    report = connection.reuse.last
    connection.close()
    assert report is not None
    assert "REUSE-506" in {reason.code for reason in report.not_reused}
    assert found == plain(database, JOIN)


def test_errors_of_the_engine_are_its_own(wrap: Wrap) -> None:
    """A statement that is wrong fails with DuckDB's own exception."""
    connection = wrap()
    with pytest.raises(duckdb.CatalogException, match="nowhere"):
        connection.execute("SELECT * FROM nowhere")
    with pytest.raises(duckdb.ParserException):
        connection.execute("SELEC 1")
    with pytest.raises(duckdb.ConversionException):
        connection.execute("SELECT CAST(region AS INTEGER) FROM shops WHERE region IS NOT NULL")
    connection.close()


def test_variables_of_the_caller_are_found(wrap: Wrap) -> None:
    """A data frame in the caller's frame can be named in a statement, as without the wrapper."""
    connection = wrap(strict=True)
    numbers = duckdb.connect().sql("SELECT 42 AS answer").arrow().read_all()  # noqa: F841 - named in SQL
    assert connection.execute("SELECT answer FROM numbers").fetchall() == [(42,)]
    connection.close()


def test_a_transaction_sees_its_own_writes(wrap: Wrap) -> None:
    """Inside an explicit transaction nothing is reused and nothing is spooled."""
    connection = wrap(strict=True)
    before = rows_of(connection, "SELECT count(*) AS n FROM orders")
    connection.begin()
    connection.execute("DELETE FROM orders WHERE id < 100")
    inside = rows_of(connection, "SELECT count(*) AS n FROM orders")
    connection.rollback()
    after = rows_of(connection, "SELECT count(*) AS n FROM orders")
    connection.close()
    assert inside == [(19900,)]
    assert before == after == [(20000,)]


def test_parameters_are_part_of_the_signature(wrap: Wrap) -> None:
    """The same text with other parameter values gives other rows."""
    connection = wrap(strict=True)
    sql = "SELECT count(*) AS n FROM orders WHERE amount < ? AND shop = ?"
    found = [connection.execute(sql, [limit, 3]).fetchall() for limit in (10, 500, 10, 500)]
    stats = connection.reuse.stats()
    connection.close()
    assert (stats["spooled"], stats["reused"], stats["errors"]) == (2, 4, 0)
    assert found[0] == found[2]
    assert found[1] == found[3]
    assert found[0] != found[1]


def test_views_are_written_as_the_policy_says(wrap: Wrap, tmp_path: Path) -> None:
    """Codec and row groups are an admin's to choose."""
    policy = only("core", extra='[views]\ncompression = "zstd"\nrow_group_rows = 2048\n')
    connection = wrap(policy, strict=True)
    connection.execute(JOIN).fetchall()
    found = connection.reuse.session.metastore.views(connection.reuse.session.tenant)
    connection.close()
    file = next(Path(found[0].path).glob("*.parquet"))
    with duckdb.connect() as plain:
        codecs = plain.execute("SELECT DISTINCT compression FROM parquet_metadata(?)", [str(file)]).fetchall()
        groups = plain.execute("SELECT num_row_groups FROM parquet_file_metadata(?)", [str(file)]).fetchall()
    assert codecs == [("ZSTD",)]
    assert groups[0][0] > 1


def test_off_runs_statements_as_they_are(wrap: Wrap) -> None:
    """Inside ``off()`` nothing is looked up."""
    connection = wrap(strict=True)
    with connection.reuse.off():
        connection.execute(JOIN).fetchall()
    stats = connection.reuse.stats()
    connection.close()
    assert stats["spooled"] == stats["reused"] == 0
    assert stats["bypassed"] == 1


def test_a_commit_between_look_and_run_is_seen(wrap: Wrap, database: Path) -> None:
    """A view is not mixed with rows of its neighbours that were committed after it was matched."""
    connection = wrap(only("core"), strict=True)
    sql = (
        "SELECT (SELECT count(*) FROM orders) AS n, max(o.amount) AS most "
        "FROM orders o, shops s WHERE o.shop = s.id"
    )
    rows_of(connection, sql)
    rewrite_step = "rewrite"
    writer = connection.cursor()

    def write_meanwhile(reached: str) -> None:
        if reached == rewrite_step:
            connection.reuse.session.at_step = None
            writer.execute("INSERT INTO orders VALUES (50000, 1, 5000)")

    connection.reuse.session.at_step = write_meanwhile
    found = rows_of(connection, sql)
    writer.close()
    connection.close()
    assert found == plain(database, sql)


def test_a_view_whose_readers_got_slower_is_withdrawn(wrap: Wrap, database: Path) -> None:
    """After enough reads that took longer than computing, the view is not read any more."""
    connection = wrap(strict=True)
    rows_of(connection, JOIN)
    session = connection.reuse.session
    connection.reuse.flush()
    views = session.metastore.views(session.tenant)
    slow = [ViewRead(precise=view.precise, saved_seconds=-5.0, read_seconds=0.0) for view in views]
    for _ in range(3):
        session.metastore.note_reads(session.tenant, slow)
    later = wrap(strict=True)
    found = rows_of(later, JOIN)
    report = later.reuse.last
    states = {view.state for view in session.metastore.views(session.tenant)}
    assert report is not None
    assert not report.reads
    assert "REUSE-404" in {reason.code for reason in report.not_reused}
    assert ViewState.WITHDRAWN in states
    later.close()
    connection.close()
    assert found == plain(database, JOIN)


@pytest.mark.parametrize("kind", ["core", "aggregate"])
def test_another_open_connection_does_not_cost_the_rows(wrap: Wrap, database: Path, kind: str) -> None:
    """While a raw connection to the same database is open, the rows of a rewritten statement arrive."""
    expected = plain(database, JOIN)
    connection = wrap(only(kind), strict=True, read_only=True)
    with duckdb.connect(str(database), read_only=True) as other:
        found = []
        for _ in range(3):
            found.append(rows_of(connection, JOIN))
            other.execute(JOIN).fetchall()
    stats = connection.reuse.stats()
    connection.close()
    assert found == [expected] * 3
    assert stats["reused"] == 3
    assert expected
