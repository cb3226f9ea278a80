"""Forgetting a table: every view derived from it, by whatever name, and the history if asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

import optimizer_plugin
from metastore.embedded import embedded_url
from metastore.opening import open_metastore
from metastore.records import ViewState
from optimizer_plugin.admin.lineage import named_by
from optimizer_plugin.engines.duckdb.connection import ReuseConnection
from optimizer_plugin.policies import Policy
from optimizer_plugin.views.store import Store
from tests.integration.test_verified_reuse import spoil, verifying
from tests.support.workplace import HIGHEST, TOTALS, Workplace, new_workplace

ONLY_SHOPS = "SELECT region, count(*) AS n FROM shops GROUP BY region"


@pytest.fixture(scope="module")
def url(module_server_directory: Path) -> str:
    """A metastore of this module."""
    return embedded_url(module_server_directory)


@pytest.fixture
def place(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Workplace:
    """A workplace without any history."""
    return new_workplace(url, tmp_path, capsys)


def wrap(place: Workplace, policy: str | Policy) -> ReuseConnection:
    """A wrapped connection to the workplace's database."""
    return optimizer_plugin.wrap(
        duckdb.connect(str(place.database)),
        metastore=place.url,
        store=place.store,
        tenant=place.tenant,
        policy=policy,
        strict=True,
    )


def left_over(place: Workplace) -> set[str]:
    """Inputs of the views that are left."""
    return {identity.rpartition("#")[2] for view in place.views() for identity, _ in view["inputs"]}


@pytest.mark.parametrize(
    "name", ["orders", "ORDERS", "main.orders", "shop.main.orders", "shop.*.ord*", "ord?rs"]
)
def test_purge_removes_every_view_derived_from_a_table(place: Workplace, name: str) -> None:
    """By its name with or without schema and database; what does not read it stays, files and all."""
    place.work("CREATE VIEW busy AS SELECT * FROM orders WHERE amount > 5")
    place.work(TOTALS, HIGHEST, ONLY_SHOPS, "SELECT shop, count(*) AS n FROM busy GROUP BY shop")
    before = place.views()
    going = [view for view in before if any("orders" in identity for identity, _ in view["inputs"])]
    assert 0 < len(going) < len(before)
    result = place.run("views", "purge", "--table", name)
    rows = sum(view["rows"] for view in going)
    assert f"removed {len(going)} view" in result.out
    assert f"{rows} rows" in result.out
    assert left_over(place) == {"main.shops"}
    for view in before:
        assert Path(view["path"]).exists() == (view not in going)
        assert (f"view {view['precise'][:12]} over" in result.out) == (view in going)


def test_dry_run_removes_nothing(place: Workplace) -> None:
    """It says the same and leaves views, files and history."""
    place.work(TOTALS, HIGHEST)
    before = place.views()
    result = place.run("views", "purge", "--table", "orders", "--history", "--dry-run", "--json").json()
    assert sorted(result["views"]) == sorted(view["precise"] for view in before)
    assert (result["rows"], result["dry_run"], result["jobs"]) == (sum(v["rows"] for v in before), True, 0)
    assert any("orders" in identity for identity in result["inputs"])
    assert place.views() == before
    assert all(Path(view["path"]).exists() for view in before)
    assert len(history(place)) == 2


def test_history_that_mentions_a_table_is_forgotten_on_request(place: Workplace) -> None:
    """Jobs over it go only with --history; other jobs stay."""
    place.work(TOTALS, ONLY_SHOPS)
    place.run("views", "purge", "--table", "orders")
    assert len(history(place)) == 2
    result = place.run("views", "purge", "--table", "orders", "--history")
    assert "removed 1 job from the history" in result.out
    (kept,) = history(place)
    assert "orders" not in kept


def test_history_without_a_table_is_refused(place: Workplace) -> None:
    """One line says what is missing, and nothing is forgotten."""
    place.work(TOTALS)
    result = place.run("views", "purge", "--history")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "name the table" in result.err
    assert len(history(place)) == 1


def test_purge_by_file(place: Workplace, tmp_path: Path) -> None:
    """A file is named by its path, by the glob that was read, or as one of those that the glob covers."""
    data = tmp_path / "data"
    data.mkdir()
    with duckdb.connect() as plain:
        plain.execute(f"COPY (SELECT range AS a FROM range(50)) TO '{data}/one.parquet' (FORMAT parquet)")
    glob = f"{data}/*.parquet"
    for name in (glob, f"{data}/one.parquet", "one.parquet"):
        place.work(f"SELECT sum(a) FROM read_parquet('{glob}')", ONLY_SHOPS)
        assert any(identity.startswith("files:") for view in place.views() for identity, _ in view["inputs"])
        place.run("views", "purge", "--table", name)
        assert left_over(place) == {"main.shops"}


def test_purge_for_every_tenant(place: Workplace, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each tenant loses its own views over the table; without the option others lose none."""
    (tmp_path / "other").mkdir()
    other = new_workplace(place.url, tmp_path / "other", capsys)
    other = Workplace(place.url, other.tenant, other.database, place.store, other.run)
    place.work(TOTALS)
    other.work(TOTALS, ONLY_SHOPS)
    place.run("views", "purge", "--table", "orders", "--all-tenants", "--dry-run")
    kept = Store(place.store, other.tenant)
    place.run("views", "purge", "--table", "orders")
    assert list(kept.base.glob("??/*/*"))
    result = place.run("views", "purge", "--table", "orders", "--all-tenants")
    assert f"tenant {other.tenant}:" in result.out
    metastore = open_metastore(place.url, data_directory=place.store)
    inputs = {identity for view in metastore.views(other.tenant) for identity, _ in view.inputs}
    metastore.close()
    assert {identity.rpartition("#")[2] for identity in inputs} == {"main.shops"}
    assert len(list(kept.base.glob("??/*/*"))) == 1


def test_reader_of_a_purged_view_finishes(place: Workplace) -> None:
    """A statement that began to read goes on: on POSIX an open file outlives its name."""
    with duckdb.connect(str(place.database)) as plain:
        plain.execute("CREATE TABLE wide AS SELECT range AS a, hash(range)::VARCHAR AS b FROM range(300000)")
    sql = "SELECT a, b FROM wide WHERE a % 2 = 0"
    connection = wrap(place, "eager")
    connection.execute(sql).fetchall()
    reading = connection.execute(sql)
    assert connection.reuse.last is not None
    assert connection.reuse.last.reads
    first = reading.fetchmany(10)
    assert "removed" in place.run("views", "purge", "--all").out
    assert not any(place.files.base.glob("??/*/*"))
    assert len(first) + len(reading.fetchall()) == 150000
    connection.close()


def test_quarantined_views_are_shown_and_purged(place: Workplace) -> None:
    """Doctor names them with the remedy, 'views quarantined' what was found, and purging settles both."""
    place.work(ONLY_SHOPS)
    metastore = open_metastore(place.url, data_directory=place.store)
    spoil(metastore.views(place.tenant), "* REPLACE (CAST(c1 + 5 AS BIGINT) AS c1)")
    connection = wrap(place, verifying())
    connection.execute(ONLY_SHOPS).fetchall()
    assert connection.reuse.wait_for_verification()
    connection.close()
    (kept,) = metastore.reproductions(place.tenant)
    barred = [v.precise for v in metastore.views(place.tenant) if v.state is ViewState.QUARANTINED]
    assert barred == list(kept.views)

    doctor = place.run("doctor")
    assert doctor.code == 1
    assert f"view {barred[0][:12]} is quarantined: verification found other rows" in doctor.out
    assert f"views purge {barred[0][:12]}" in doctor.out
    assert "count ( * )" in doctor.out

    shown = place.run("views", "quarantined")
    assert kept.reproduction_id in shown.out
    assert f"duckdb {duckdb.__version__}" in shown.out
    assert place.run("views", "quarantined", "--json").json()["views"] == barred

    # Neither a repair nor the purge of what has expired takes the bar away.
    place.run("doctor", "--repair")
    place.run("views", "purge")
    assert metastore.reproductions(place.tenant) == (kept,)
    purged = place.run("views", "purge", barred[0][:12])
    assert f"removed reproduction {kept.reproduction_id}" in purged.out
    assert metastore.reproductions(place.tenant) == ()
    metastore.close()
    assert "no problems" in place.run("doctor").out


@pytest.mark.parametrize(
    ("pattern", "identity", "meant"),
    [
        ("orders", "table:/data/shop.duckdb#main.orders", True),
        ("order", "table:/data/shop.duckdb#main.orders", False),
        ("o*", "table:/data/shop.duckdb#old.customers", False),
        ("old.*", "table:/data/shop.duckdb#old.customers", True),
        ("shop.main.orders", "table:/data/shop.duckdb#main.orders", True),
        ("other.main.orders", "table:/data/shop.duckdb#main.orders", False),
        ("memory.main.orders", "table:memory:0f#main.orders", False),
        ("memory.main.orders", "table:memory:0f:memory#main.orders", True),
        ('a"b', 'table:/data/shop.duckdb#main."a""b"', True),
        ('main."a""b"', 'table:/data/shop.duckdb#main."a""b"', True),
        ("a.b", 'table:/data/shop.duckdb#main."a.b"', True),
        ("[x]", 'table:/data/shop.duckdb#main."[x]"', True),
        ("x", 'table:/data/shop.duckdb#main."[x]"', False),
        ("größe", 'table:/data/shop.duckdb#main."größe"', True),
        ("/d/a.csv", "files:csv:/d/a.csv", True),
        ("/d/a.csv", "files:csv:/d/*.csv", True),
        ("/d/*.csv", "files:csv:/d/a.csv", True),
        ("a.csv", "files:csv:/d/*.csv", True),
        ("/e/a.csv", "files:csv:/d/*.csv", False),
        ("/d/a.parquet", "files:csv:/d/*.csv", False),
        ("orders", "files:csv:/d/*.csv", False),
    ],
)
def test_names_that_mean_an_input(pattern: str, identity: str, meant: bool) -> None:
    """A name covers the input that it says and no other, quotes and patterns included."""
    assert named_by(pattern, identity) is meant


def history(place: Workplace) -> list[str]:
    """Texts of the jobs in the history, without literals."""
    metastore = open_metastore(place.url, data_directory=place.store)
    try:
        since = datetime.now(UTC) - timedelta(days=1)
        jobs = metastore.jobs(place.tenant, since, datetime.now(UTC) + timedelta(days=1))
        return [job.template_text for job in jobs]
    finally:
        metastore.close()
