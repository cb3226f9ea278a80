"""Verified reuse: wrong views are found, quarantined, kept for reproduction, told and shown.

A view is made wrong by writing other rows into its file, which is what a defect of ours would come to.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import pytest

import optimizer_plugin
from metastore.embedded import embedded_url
from metastore.errors import Unreachable
from metastore.records import Difference, View, ViewState
from optimizer_plugin import policies
from optimizer_plugin.engines.duckdb import comparing
from optimizer_plugin.engines.duckdb.connection import ReuseConnection
from optimizer_plugin.engines.duckdb.spooling import PART
from optimizer_plugin.engines.ports import OutputColumn
from optimizer_plugin.events import Mismatch
from optimizer_plugin.policies import Policy
from optimizer_plugin.views.integrity import PROCESS_INTEGRITY
from signatures.model import SubexpressionKind

CANARY = "zq-canary-41"
TOTALS = f"SELECT shop, sum(amount) AS total, '{CANARY}' AS tag FROM orders WHERE shop < 9 GROUP BY shop"
SORTED = "SELECT shop, sum(amount) AS total FROM orders GROUP BY shop ORDER BY total DESC, shop"
LUCKY = "SELECT t.*, random() < 2 AS luck FROM (SELECT shop, count(*) AS n FROM orders GROUP BY shop) t"


@dataclass(frozen=True, slots=True)
class Shop:
    """A database with a tenant and a store of its own."""

    url: str
    database: Path
    store: Path
    tenant: str

    def wrap(
        self, policy: Policy | None = None, *, raw: duckdb.DuckDBPyConnection | None = None
    ) -> ReuseConnection:
        """A wrapped connection that verifies every hit."""
        return optimizer_plugin.wrap(
            raw or duckdb.connect(str(self.database)),
            metastore=self.url,
            store=self.store,
            tenant=self.tenant,
            policy=policy or verifying(),
            strict=True,
        )


def verifying(share: float = 1.0, kinds: tuple[SubexpressionKind, ...] = ()) -> Policy:
    """Eager, every hit verified; only the kinds that are named."""
    eager = policies.builtin("eager")
    changed: dict[str, Any] = {"reuse": eager.reuse.model_copy(update={"verify_share": share})}
    if kinds:
        changed["kinds"] = eager.kinds.model_copy(update={"enabled": kinds})
    return eager.model_copy(update=changed)


PARTS = verifying(kinds=(SubexpressionKind.DERIVED_TABLE,))
WHOLE = verifying(kinds=(SubexpressionKind.STATEMENT,))


@pytest.fixture(scope="module")
def url(module_server_directory: Path) -> str:
    """A metastore of this module."""
    return embedded_url(module_server_directory)


@pytest.fixture
def shop(url: str, tmp_path: Path) -> Shop:
    """A small shop."""
    database = tmp_path / "shop.duckdb"
    with duckdb.connect(str(database)) as connection:
        connection.execute(
            "CREATE TABLE orders AS SELECT range AS id, range % 20 AS shop, "
            "(range * 7919 % 1000) / 7 AS amount FROM range(20000)"
        )
    return Shop(url, database, tmp_path / "store", f"test-{uuid4().hex}")


@pytest.fixture
def connection(shop: Shop) -> Iterator[ReuseConnection]:
    """A wrapped connection to the shop, every hit verified."""
    opened = shop.wrap()
    yield opened
    opened.close()


def views_of(connection: ReuseConnection) -> tuple[View, ...]:
    """Everything in the metastore of the connection's tenant."""
    session = connection.reuse.session
    return session.metastore.views(session.tenant)


def spoil(views: tuple[View, ...], change: str, order: str = "") -> None:
    """Put other rows with the same columns into the files of views."""
    for view in views:
        file = Path(view.path) / PART
        other = file.with_suffix(".other")
        with duckdb.connect() as scratch:
            scratch.execute(
                f"COPY (SELECT {change} FROM read_parquet('{file}') {order}) TO '{other}' (FORMAT parquet)"
            )
        other.replace(file)
        # As if it had been written so: a file that changes afterwards is found before anybody reads it.
        PROCESS_INTEGRITY.trust(view)


def read_twice(connection: ReuseConnection, sql: str, parameters: object = None) -> dict[str, float]:
    """Run until views are read, wait for the verifier, give the counters."""
    for _ in range(2):
        connection.execute(sql, parameters).fetchall()
        assert connection.reuse.wait_for_verification()
    return connection.reuse.stats()


@pytest.mark.parametrize("sql", [TOTALS, SORTED, "SELECT max(amount) FROM orders", LUCKY])
def test_sound_views_are_confirmed(connection: ReuseConnection, sql: str) -> None:
    """Nothing is found of whole results, nor of parts of a statement whose own rows are not fixed."""
    stats = read_twice(connection, sql)
    assert (stats["mismatched"], stats["void"], stats["errors"]) == (0, 0, 0)
    assert stats["verified"] > 0
    assert {view.state for view in views_of(connection)} == {ViewState.READY}


def test_parameters_are_those_of_the_original(connection: ReuseConnection) -> None:
    """The original runs again with what the program gave it."""
    sql = "SELECT sum(amount) FROM orders WHERE shop = ? OR shop = ?"
    stats = read_twice(connection, sql, [3, 4])
    assert (stats["verified"], stats["mismatched"], stats["void"]) == (2, 0, 0)


def test_wrong_whole_result_is_quarantined(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    """The whole chain: found, quarantined, kept without literals, logged, told, counted, read no more."""
    connection = shop.wrap(WHOLE)
    told: list[Mismatch] = []
    connection.reuse.on_mismatch(told.append)
    expected = sorted(connection.execute(TOTALS).fetchall())
    assert connection.reuse.wait_for_verification()
    (view,) = views_of(connection)
    spoil((view,), "* REPLACE (c1 + 1 AS c1)")
    with caplog.at_level(logging.ERROR, "respool"):
        assert sorted(connection.execute(TOTALS).fetchall()) != expected
        assert connection.reuse.wait_for_verification()

    assert connection.reuse.stats()["mismatched"] == 1
    assert next(v for v in views_of(connection) if v.precise == view.precise).state is ViewState.QUARANTINED
    assert sorted(connection.execute(TOTALS).fetchall()) == expected
    assert connection.reuse.last is not None
    assert not {*connection.reuse.last.reads, *connection.reuse.last.builds}

    (event,) = told
    assert (event.statement, event.views[0].precise) == (TOTALS, view.precise)
    (kept,) = connection.reuse.session.metastore.reproductions(shop.tenant)
    assert kept == event.reproduction
    assert (kept.difference, kept.views_wrong, kept.views) == (Difference.ROWS, True, (view.precise,))
    assert (kept.original_rows, kept.rewritten_rows) == (9, 9)
    assert (kept.missing_rows, kept.surplus_rows, len(kept.digests)) == (9, 9, 18)
    assert dict(kept.inputs) == dict(view.inputs)
    assert kept.engine == f"duckdb {duckdb.__version__}"
    assert kept.template_text.startswith("select shop , sum ( amount )")
    assert "read_parquet ( ?s , hive_partitioning = false )" in kept.rewritten_text
    assert CANARY not in repr(kept)
    assert kept.reproduction_id in caplog.text
    assert CANARY not in caplog.text
    connection.close()


def test_quarantine_outlives_the_connection(shop: Shop) -> None:
    """Another connection neither reads nor builds it, until a person deletes the view."""
    first = shop.wrap()
    first.execute(TOTALS).fetchall()
    assert first.reuse.wait_for_verification()
    spoil(views_of(first), "* REPLACE (c1 + 1 AS c1)")
    read_twice(first, TOTALS)
    barred = [view.precise for view in views_of(first) if view.state is ViewState.QUARANTINED]
    assert barred
    first.close()

    second = shop.wrap()
    for _ in range(2):
        second.execute(TOTALS).fetchall()
        report = second.reuse.last
        assert report is not None
        assert not set(barred) & {*report.reads, *report.builds}
    second.reuse.session.metastore.delete_views(shop.tenant, barred)
    second.execute(TOTALS).fetchall()
    assert second.reuse.last is not None
    assert set(barred) & set(second.reuse.last.builds)
    second.close()


def test_quarantine_outlives_a_change_of_the_inputs(shop: Shop) -> None:
    """What made a view wrong may make the next version's wrong too, so that is not built either."""
    connection = shop.wrap(WHOLE)
    connection.execute(TOTALS).fetchall()
    assert connection.reuse.wait_for_verification()
    (view,) = views_of(connection)
    spoil((view,), "* REPLACE (c1 + 1 AS c1)")
    read_twice(connection, TOTALS)
    connection.execute("INSERT INTO orders VALUES (1, 1, 1)")
    for _ in range(2):
        connection.execute(TOTALS).fetchall()
        report = connection.reuse.last
        assert report is not None
        assert not {*report.reads, *report.builds}
        assert "REUSE-508" in {reason.code for reason in report.not_reused}
    connection.reuse.session.metastore.delete_views(shop.tenant, [view.precise])
    connection.execute(TOTALS).fetchall()
    assert connection.reuse.last is not None
    assert connection.reuse.last.builds
    connection.close()


@pytest.mark.parametrize(
    "sql", [LUCKY, "SELECT max(n) FROM (SELECT shop, count(*) AS n FROM orders GROUP BY shop) t"]
)
def test_wrong_part_is_quarantined_alone(shop: Shop, sql: str) -> None:
    """A view of a part is found wrong, whether the statement's own rows are fixed or not."""
    connection = shop.wrap(PARTS)
    connection.execute(sql).fetchall()
    connection.execute(
        "SELECT min(c) FROM (SELECT id % 7 AS k, count(*) AS c FROM orders GROUP BY k) t"
    ).fetchall()
    assert connection.reuse.wait_for_verification()
    wrong = tuple(view for view in views_of(connection) if view.rows == 20)
    assert wrong
    spoil(wrong, "* REPLACE (CAST(c1 + 5 AS BIGINT) AS c1)")
    connection.execute(sql).fetchall()
    assert connection.reuse.wait_for_verification()
    assert connection.reuse.stats()["mismatched"] == 1, connection.reuse.session.verifier.void
    barred = {view.precise for view in views_of(connection) if view.state is ViewState.QUARANTINED}
    assert barred <= {view.precise for view in wrong}
    assert barred
    (kept,) = connection.reuse.session.metastore.reproductions(shop.tenant)
    assert kept.views_wrong
    connection.close()


@pytest.mark.parametrize("change", ["ORDER BY c1", "ORDER BY c0"])
def test_wrong_order_is_found(shop: Shop, change: str) -> None:
    """The same rows in another order are wrong where the statement says which."""
    connection = shop.wrap(WHOLE)
    read_twice(connection, SORTED)
    spoil(views_of(connection), "*", change)
    connection.execute(SORTED).fetchall()
    assert connection.reuse.wait_for_verification()
    (kept,) = connection.reuse.session.metastore.reproductions(shop.tenant)
    assert kept.difference is Difference.ORDER
    connection.close()


def test_missing_and_repeated_rows_are_found(shop: Shop) -> None:
    """Multisets are compared: one row twice in place of another is a difference."""
    connection = shop.wrap(WHOLE)
    sql = "SELECT id % 3 AS k FROM orders WHERE id < 9"
    connection.execute(sql).fetchall()
    assert connection.reuse.wait_for_verification()
    spoil(views_of(connection), "CASE WHEN row_number() OVER () = 1 THEN (c0 + 1) % 3 ELSE c0 END AS c0")
    connection.execute(sql).fetchall()
    assert connection.reuse.wait_for_verification()
    (kept,) = connection.reuse.session.metastore.reproductions(shop.tenant)
    assert (kept.missing_rows, kept.surplus_rows) == (1, 1)
    connection.close()


def test_changed_inputs_make_a_sample_void(
    connection: ReuseConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write between the statement and the end of its check: nothing is said of the view."""
    connection.execute(TOTALS).fetchall()
    assert connection.reuse.wait_for_verification()
    spoil(views_of(connection), "* REPLACE (c1 + 1 AS c1)")
    may_compare, compared = threading.Event(), comparing.Statements.compare

    def compare_late(self: comparing.Statements, order: tuple[int, ...]) -> object:
        found = compared(self, order)
        assert may_compare.wait(30)
        return found

    monkeypatch.setattr(comparing.Statements, "compare", compare_late)
    connection.execute(TOTALS).fetchall()
    connection.execute("INSERT INTO orders VALUES (1, 1, 1)")
    may_compare.set()
    assert connection.reuse.wait_for_verification()
    stats = connection.reuse.stats()
    assert (stats["mismatched"], stats["void"]) == (0, 1)
    assert ViewState.QUARANTINED not in {view.state for view in views_of(connection)}


def test_names_of_the_connection_alone_make_a_sample_void(connection: ReuseConnection) -> None:
    """On the verifier's own connection the name means another table, which is no mismatch."""
    connection.execute("CREATE SCHEMA old")
    connection.execute("CREATE TABLE old.orders AS SELECT 1 AS id, 2 AS shop, 3.0::DOUBLE AS amount")
    connection.execute("USE old")
    stats = read_twice(connection, TOTALS)
    assert stats["reused"] > 0
    assert stats["mismatched"] == 0
    assert set(connection.reuse.session.verifier.void) == {"names mean something else"}


def test_other_settings_make_a_sample_void(connection: ReuseConnection) -> None:
    """A setting of the connection alone may change rows."""
    connection.execute("SET default_null_order = 'nulls_first'")
    connection.execute("SET SESSION TimeZone = 'Asia/Tokyo'")
    stats = read_twice(connection, SORTED)
    assert stats["mismatched"] == 0
    assert connection.reuse.session.verifier.void.total() + connection.reuse.session.verifier.confirmed > 0


def test_results_with_ties_are_not_judged(connection: ReuseConnection) -> None:
    """SQL leaves open which of the tied rows come, so other ones are no mismatch."""
    sql = "SELECT id FROM orders ORDER BY shop LIMIT 3"
    stats = read_twice(connection, sql)
    assert stats["mismatched"] == 0


def test_busy_verifier_drops_samples_and_close_ends_it(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hits never wait for the verifier, and closing ends what it runs."""
    connection = shop.wrap()
    connection.execute(TOTALS).fetchall()
    assert connection.reuse.wait_for_verification()
    begun = threading.Event()

    def endless(self: comparing.Statements, _order: tuple[int, ...]) -> object:
        begun.set()
        return self.run("SELECT count(*) FROM range(1000000000000) a, range(1000) b", None)

    monkeypatch.setattr(comparing.Statements, "compare", endless)
    connection.execute(TOTALS).fetchall()
    assert begun.wait(30)
    for _ in range(10):
        connection.execute(TOTALS).fetchall()
    assert connection.reuse.stats()["unverified"] >= 6
    connection.close()
    assert "respool-verifier" not in {thread.name for thread in threading.enumerate()}
    with duckdb.connect(str(shop.database)) as again:
        again.execute("CREATE TABLE other (a INTEGER)")


def test_nothing_is_left_running_between_checks(shop: Shop, connection: ReuseConnection) -> None:
    """Thread and cursor live while there is work, so that a connection that is dropped frees its database."""
    read_twice(connection, TOTALS)
    assert connection.reuse.session.verifier._thread is not None
    connection.reuse.session.verifier._thread.join(30)
    assert "respool-verifier" not in {thread.name for thread in threading.enumerate()}


def test_failing_check_says_nothing(connection: ReuseConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a check raises is counted, and nobody is blamed."""
    connection.execute(TOTALS).fetchall()
    assert connection.reuse.wait_for_verification()

    def fail(_self: object, _order: object) -> None:
        raise RuntimeError(CANARY)

    monkeypatch.setattr(comparing.Statements, "compare", fail)
    stats = read_twice(connection, TOTALS)
    assert (stats["mismatched"], stats["void"]) == (0, 2)
    assert set(connection.reuse.session.verifier.void) == {"failed: RuntimeError"}


def test_metastore_that_does_not_answer_does_not_keep_a_wrong_view_in_use(
    connection: ReuseConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where quarantine can't be written down, this connection at least reads the view no more."""
    connection.execute(TOTALS).fetchall()
    assert connection.reuse.wait_for_verification()
    spoil(views_of(connection), "* REPLACE (c1 + 1 AS c1)")

    def refuse(*_: object) -> None:
        raise Unreachable("metastore gone; wait")

    monkeypatch.setattr(connection.reuse.session.metastore, "quarantine", refuse)
    stats = read_twice(connection, TOTALS)
    assert stats["mismatched"] >= 1
    connection.execute(TOTALS).fetchall()
    report = connection.reuse.last
    assert report is not None
    assert not set(report.reads) & connection.reuse.session.verifier.barred


def test_share_of_zero_verifies_nothing(shop: Shop) -> None:
    """The default costs nothing: no thread, no cursor."""
    connection = shop.wrap(verifying(share=0.0))
    stats = read_twice(connection, TOTALS)
    assert stats["reused"] > 0
    assert (stats["verified"], stats["void"]) == (0, 0)
    assert connection.reuse.session.verifier._thread is None
    connection.close()


Compare = Callable[..., Any]


@pytest.fixture
def compare() -> Iterator[Compare]:
    """Compares two statements over plain DuckDB."""
    with duckdb.connect() as plain:
        plain.execute("CREATE TABLE t AS SELECT range AS a, range / 3 AS x FROM range(100)")

        def compared(original: str, other: str, order: tuple[int, ...] = ()) -> Any:
            described = plain.execute(f"DESCRIBE {original}").fetchall()
            columns = tuple(OutputColumn(name=row[0], type=row[1]) for row in described)
            run = lambda sql, parameters: plain.execute(sql, parameters).fetchall()  # noqa: E731
            return comparing.Statements(original, other, None, columns, run).compare(order)

        yield compared


@pytest.mark.parametrize(
    ("original", "other", "difference"),
    [
        ("SELECT a, x FROM t", "SELECT a, x * (1 + 1e-12) FROM t", None),
        ("SELECT a, x FROM t", "SELECT a, x * (1 + 1e-7) FROM t", Difference.ROWS),
        ("SELECT x FROM t", "SELECT x * (1 + 1e-12) FROM t", None),
        ("SELECT [x] FROM t", "SELECT [x * (1 + 1e-12)] FROM t", None),
        ("SELECT [x] FROM t", "SELECT [x + 1] FROM t", Difference.ROWS),
        ("SELECT {'k': x, 'n': a} FROM t", "SELECT {'k': x * (1 + 1e-12), 'n': a} FROM t", None),
        ("SELECT 'nan'::DOUBLE, a FROM t", "SELECT 'nan'::DOUBLE, a FROM t", None),
        ("SELECT 'nan'::DOUBLE, a FROM t", "SELECT NULL::DOUBLE, a FROM t", Difference.ROWS),
        ("SELECT x::FLOAT FROM t", "SELECT (x * (1 + 1e-7))::FLOAT FROM t", None),
        ("SELECT 1 WHERE false", "SELECT 1 WHERE false", None),
        ("SELECT 1 WHERE false", "SELECT 1", Difference.ROWS),
        ("SELECT a FROM t -- end", "SELECT a FROM t ORDER BY a DESC", None),
        (
            "SELECT now()::TIMESTAMPTZ < now() AS c, a FROM t",
            "SELECT false, a FROM t WHERE a <> 5",
            Difference.ROWS,
        ),
        ("SELECT MAP {a: x} FROM t", "SELECT MAP {a: x} FROM t", None),
        ("SELECT 0.1 + 0.2::DOUBLE - 0.3", "SELECT 0.0::DOUBLE", None),
    ],
)
def test_rows_are_compared_as_multisets_with_tolerance(
    compare: Compare, original: str, other: str, difference: Difference | None
) -> None:
    """Floating-point numbers at 1e-9 relative, wherever they stand; everything else exactly."""
    assert compare(original, other).difference == difference


def test_many_inexact_rows_are_compared_by_a_share(compare: Compare) -> None:
    """A difference among more rows than are fetched is found in the share that is chosen by exact columns."""
    many = "SELECT range AS a, range / 3 AS x FROM range(60000)"
    assert compare(many, f"SELECT a, x * (1 + 1e-12) FROM ({many})").difference is None
    assert compare(many, f"SELECT a, x + 1 FROM ({many})").difference is Difference.ROWS
    with pytest.raises(comparing.NotComparable):
        compare(f"SELECT x FROM ({many})", f"SELECT x * (1 + 1e-12) FROM ({many})")


def test_order_is_that_of_the_keys_alone(compare: Compare) -> None:
    """Rows that are tied in the keys may come in any order."""
    first, second = (
        "SELECT a % 3 AS k, a FROM t ORDER BY k, a",
        "SELECT a % 3 AS k, a FROM t ORDER BY k, a DESC",
    )
    assert compare(first, second, (0,)).difference is None
    assert compare(first, second, (0, 1)).difference is Difference.ORDER
