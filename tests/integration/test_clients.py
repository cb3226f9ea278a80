"""Programs that use a connection show the same on a wrapped one; see docs/conformance.md."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import pytest

import optimizer_plugin
from metastore.embedded import embedded_url
from metastore.opening import open_metastore
from optimizer_plugin import policies
from optimizer_plugin.policies import CostPolicy

QUERY = "SELECT b, sum(c) AS total, count(*) AS n FROM t GROUP BY b ORDER BY b"

Wrap = Callable[..., Any]


@pytest.fixture(scope="module")
def url(module_server_directory: Path) -> str:
    """A metastore of this module."""
    return embedded_url(module_server_directory)


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A plain connection to a small database."""
    with duckdb.connect(str(tmp_path / "plain.duckdb")) as connection:
        _fill(connection)
        yield connection


@pytest.fixture
def wrap(tmp_path: Path, url: str) -> Wrap:
    """Wraps a connection so that whatever can be reused is, however short it is."""
    tenant = f"test-{uuid4().hex}"
    eager = policies.builtin("eager")
    policy = eager.model_copy(update={"cost": CostPolicy(max_overhead_share=0.0, min_job_seconds=0.0)})

    def wrapped(connection: duckdb.DuckDBPyConnection) -> Any:
        return optimizer_plugin.wrap(
            connection, metastore=url, store=tmp_path / "store", tenant=tenant, policy=policy
        )

    return wrapped


@pytest.fixture
def con(wrap: Wrap, tmp_path: Path) -> Iterator[Any]:
    """A wrapped connection to an equal database."""
    connection = duckdb.connect(str(tmp_path / "wrapped.duckdb"))
    _fill(connection)
    with wrap(connection) as wrapped:
        yield wrapped


def _fill(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "CREATE TABLE t AS SELECT range AS a, 'w' || range % 7 AS b, (range % 100)::DECIMAL(10, 2) AS c, "
        "DATE '2024-01-01' + (range % 9)::INTEGER AS d FROM range(5000)"
    )


def views_are_read(con: Any, url: str) -> bool:
    """Whether views of this tenant were read, whichever cursor did it; cursors write their history later."""
    session = con.reuse.session
    session.recorder.flush()
    metastore = open_metastore(url, data_directory=Path())
    deadline = time.monotonic() + 20
    try:
        while time.monotonic() < deadline:
            if any(view.reads for view in metastore.views(session.tenant)):
                return True
        return False
    finally:
        metastore.close()


def test_pandas_reads_the_same(con: Any, plain: Any, url: str) -> None:
    """pandas.read_sql gives an equal data frame, also from a view."""
    pandas = pytest.importorskip("pandas")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        expected = pandas.read_sql(QUERY, plain)
        found = [pandas.read_sql(QUERY, con) for _ in range(3)]
    for frame in found:
        pandas.testing.assert_frame_equal(frame, expected)
    assert views_are_read(con, url)


def test_polars_reads_the_same(con: Any, plain: Any, url: str) -> None:
    """polars.read_database reads Arrow as from the plain connection: equal types, also from a view."""
    polars = pytest.importorskip("polars")
    expected = polars.read_database(QUERY, plain)
    for _ in range(3):
        found = polars.read_database(QUERY, con)
        assert found.schema == expected.schema
        assert found.rows() == expected.rows()
    assert views_are_read(con, url)


def test_sqlalchemy_reads_the_same(con: Any, plain: Any, url: str) -> None:
    """An engine whose connections are wrapped cursors: results, parameters, inspection, writes."""
    duckdb_engine = pytest.importorskip("duckdb_engine")
    sqlalchemy = pytest.importorskip("sqlalchemy")
    seen = []
    for connection in (plain, con):
        engine = sqlalchemy.create_engine(
            "duckdb://", creator=lambda made=connection: duckdb_engine.ConnectionWrapper(made.cursor())
        )
        with engine.begin() as each:
            each.execute(sqlalchemy.text("CREATE TABLE IF NOT EXISTS u (x INTEGER)"))
            each.execute(sqlalchemy.text("INSERT INTO u VALUES (:x)"), [{"x": 1}, {"x": 2}])
        with engine.connect() as each:
            rows = each.execute(sqlalchemy.text(QUERY)).mappings().all()
            some = each.execute(sqlalchemy.text("SELECT count(*) FROM t WHERE a > :a"), {"a": 5}).scalar_one()
            kept = each.execute(sqlalchemy.text("SELECT sum(x) FROM u")).scalar_one()
        raw = engine.raw_connection()
        cursor = raw.cursor()
        for _ in range(3):
            cursor.execute(QUERY)
            again = cursor.fetchall()
        raw.close()
        names = sorted(sqlalchemy.inspect(engine).get_table_names())
        seen.append((rows, some, kept, again, names))
        engine.dispose()
    assert seen[0] == seen[1]
    assert views_are_read(con, url)


def test_ibis_reads_the_same(con: Any, plain: Any, url: str) -> None:
    """An Ibis backend over the connection; its relations pass by reuse, its SQL does not have to."""
    ibis = pytest.importorskip("ibis")
    pandas = pytest.importorskip("pandas")
    found = []
    # Ibis calls DuckDB by names that DuckDB warns of.
    warnings.simplefilter("ignore", DeprecationWarning)
    for connection in (plain, con):
        backend = ibis.duckdb.from_connection(connection)
        table = backend.table("t")
        expression = table.group_by("b").agg(total=table.c.sum(), n=table.count()).order_by("b")
        found.append((expression.execute(), expression.to_pyarrow(), backend.sql(QUERY).execute()))
    for left, right in zip(found[0], found[1], strict=True):
        if isinstance(left, pandas.DataFrame):
            pandas.testing.assert_frame_equal(right, left)
        else:
            assert right.equals(left)
    text = ibis.to_sql(expression)
    rows = [con.execute(text).fetchall() for _ in range(3)]
    assert rows == [plain.execute(text).fetchall()] * 3
    assert views_are_read(con, url)


def test_jupysql_shows_the_same(con: Any, plain: Any, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cell magic takes a wrapped connection as it takes the plain one."""
    monkeypatch.setenv("PLOOMBER_STATS_ENABLED", "false")
    pytest.importorskip("sql")
    shells = pytest.importorskip("IPython.core.interactiveshell")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quiet = pytest.importorskip("traitlets.config").Config({"HistoryManager": {"enabled": False}})
        # Its history has a thread that outlives it, and with other threads reuse is more careful.
        shell = shells.InteractiveShell.instance(config=quiet)
        shell.run_line_magic("load_ext", "sql")
        shell.run_line_magic("config", "SqlMagic.feedback=0")
        shown = []
        for name, connection in (("plain", plain), ("con", con)):
            shell.user_ns[name] = connection
            shell.run_line_magic("sql", name)
            shown += [str(shell.run_cell_magic("sql", "", QUERY)) for _ in range(3)]
        shells.InteractiveShell.clear_instance()
    assert len(set(shown)) == 1
    assert "w6" in shown[0]
    assert views_are_read(con, url)


DBT_MODELS = {
    "totals": QUERY,
    "large": "SELECT * FROM {{ ref('totals') }} WHERE total > 10",
}


def test_dbt_builds_the_same(wrap: Wrap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dbt project whose connections are wrapped builds the tables that it builds without."""
    environments = pytest.importorskip("dbt.adapters.duckdb.environments")
    runner = pytest.importorskip("dbt.cli.main").dbtRunner
    connect = duckdb.connect
    built = []
    for name in ("plain", "wrapped"):
        project = _dbt_project(tmp_path / name)
        with connect(str(project / "data.duckdb")) as connection:
            _fill(connection)
        if name == "wrapped":
            monkeypatch.setattr(environments.duckdb, "connect", lambda *a, **k: wrap(connect(*a, **k)))
        place = ["--project-dir", str(project), "--profiles-dir", str(project)]
        for _ in range(2):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                assert runner().invoke(["run", "--quiet", *place]).success
        pytest.importorskip("dbt.adapters.factory").reset_adapters()
        with connect(str(project / "data.duckdb")) as connection:
            built.append([connection.execute(f"FROM {each} ORDER BY b").fetchall() for each in DBT_MODELS])
    assert built[0] == built[1]


def _dbt_project(directory: Path) -> Path:
    (directory / "models").mkdir(parents=True)
    (directory / "dbt_project.yml").write_text(
        "name: shop\nversion: '1.0.0'\nconfig-version: 2\nprofile: shop\n"
        "flags: {send_anonymous_usage_stats: false}\n"
        "models: {shop: {+materialized: table}}\n",
        encoding="utf-8",
    )
    (directory / "profiles.yml").write_text(
        f"shop: {{target: dev, outputs: {{dev: {{type: duckdb, path: '{directory}/data.duckdb'}}}}}}\n",
        encoding="utf-8",
    )
    for name, text in DBT_MODELS.items():
        (directory / "models" / f"{name}.sql").write_text(text, encoding="utf-8")
    return directory
