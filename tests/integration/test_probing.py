"""Probing on a real engine: which computations are probed, and what comes back. No test looks at times."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

import optimizer_plugin
from metastore.embedded import embedded_url
from optimizer_plugin import policies
from optimizer_plugin.analyzer import probing
from optimizer_plugin.analyzer.probing import Probe, shared_computations
from optimizer_plugin.engines.duckdb.connection import ReuseConnection
from signatures.model import SubexpressionKind

CORE = "FROM orders o JOIN shops s ON o.shop = s.id WHERE o.amount > 900"
BY_REGION = f"SELECT s.region, count(*) AS n {CORE} GROUP BY s.region"
TOTAL = f"SELECT sum(o.amount) AS total {CORE}"
ALONE = "SELECT count(*) AS n FROM orders WHERE amount < 3"
NESTED = "SELECT t.region FROM (SELECT region, count(*) AS n FROM shops GROUP BY region) t WHERE t.n > 1"


@pytest.fixture(scope="module")
def url(module_server_directory: Path) -> str:
    """A metastore of this module."""
    return embedded_url(module_server_directory)


@pytest.fixture
def connection(url: str, tmp_path: Path) -> Iterator[ReuseConnection]:
    """A wrapped shop that profiles every job and builds nothing on its own."""
    path = tmp_path / "shop.duckdb"
    with duckdb.connect(str(path)) as plain:
        plain.execute(
            "CREATE TABLE orders AS SELECT range AS id, range % 20 AS shop, "
            "(range * 7919 % 1000)::DECIMAL(10, 2) AS amount FROM range(200000)"
        )
        plain.execute("CREATE TABLE shops AS SELECT range AS id, 'r' || range % 4 AS region FROM range(20)")
    wrapped = optimizer_plugin.wrap(
        duckdb.connect(str(path), read_only=True),
        metastore=url,
        store=tmp_path / "store",
        tenant=f"probing-{tmp_path.name}",
        policy=policies.parse("[reuse]\nwhole_results = false\n[history]\nprofile_share = 1.0"),
        strict=True,
    )
    yield wrapped
    wrapped.close()


def run(connection: ReuseConnection, *statements: str) -> None:
    """Run statements, so that the session remembers them."""
    for sql in statements:
        connection.execute(sql).fetchall()
    connection.reuse.flush()


def probe_of(connection: ReuseConnection, scratch: Path) -> Probe:
    """A probe over the connection's engine and policy."""
    scratch.mkdir()
    return Probe(connection.reuse.session.engine, connection.reuse.session.policy, scratch, repetitions=1)


def test_only_what_occurs_twice_is_probed(connection: ReuseConnection) -> None:
    """A core in two statements is shared; a statement of its own and a place under two names are not."""
    run(connection, BY_REGION, TOTAL, ALONE, NESTED)
    session = connection.reuse.session
    shared = shared_computations(session.templates.all(), session.policy)
    found = {(s.places[0].subexpression.kind, len(s.templates)) for s in shared}
    assert found == {(SubexpressionKind.CORE, 2)}


def test_the_kinds_of_the_policy_are_probed(connection: ReuseConnection) -> None:
    """A policy that selects other kinds has nothing to probe here."""
    run(connection, BY_REGION, TOTAL)
    session = connection.reuse.session
    policy = policies.parse('[selection]\nkinds = ["cte"]')
    assert shared_computations(session.templates.all(), policy) == []


def test_a_probe_measures_each_reader(
    connection: ReuseConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The candidate has a saving for each reading job, the view's own size, and the union of columns."""
    # Whether the view pays here depends on how busy the machine is; only the structure is looked at.
    monkeypatch.setattr(probing, "_saved", lambda times: 10.0 * len(times))
    run(connection, BY_REGION, TOTAL)
    session = connection.reuse.session
    templates = session.templates.all()
    probe = probe_of(connection, tmp_path / "scratch")
    (shared,) = shared_computations(templates, session.policy)
    (candidate,) = probe.measure(templates)
    assert len(shared.places) == 2
    assert candidate.saved_seconds == {t.compiled.template: 10.0 for t in templates}
    assert candidate.source == "probe"
    assert candidate.rows == 19800
    assert candidate.size_bytes
    assert {template for template, _ in candidate.places} == candidate.jobs
    assert len(candidate.columns) == 2
    assert probe.rejected == []


def test_nothing_is_left_of_a_probe(connection: ReuseConnection, tmp_path: Path) -> None:
    """The views that were written for measuring are gone, and none was published."""
    run(connection, BY_REGION, TOTAL)
    session = connection.reuse.session
    scratch = tmp_path / "scratch"
    probe_of(connection, scratch).measure(session.templates.all())
    assert list(scratch.iterdir()) == []
    assert session.metastore.views(session.tenant) == ()


def test_what_is_too_large_is_not_written(connection: ReuseConnection, tmp_path: Path) -> None:
    """Rows are counted up to the policy's limit before anything is written."""
    run(connection, BY_REGION, TOTAL)
    session = connection.reuse.session
    connection.reuse.use(policies.parse("[cost]\nmax_view_rows = 100"))
    probe = probe_of(connection, tmp_path / "scratch")
    assert probe.measure(session.templates.all()) == ()
    assert [rejected.reason for rejected in probe.rejected] == ["more than 100 rows"]


def test_a_candidate_that_fails_is_left_out(connection: ReuseConnection, tmp_path: Path) -> None:
    """An error in one probe is a reason, and the others go on."""
    run(connection, BY_REGION, TOTAL)
    session = connection.reuse.session
    probe = probe_of(connection, tmp_path / "scratch")
    (tmp_path / "scratch").rmdir()
    (tmp_path / "scratch").write_text("a file where the directory should be")
    assert probe.measure(session.templates.all()) == ()
    assert len(probe.rejected) == 1


def test_progress_is_told(connection: ReuseConnection, tmp_path: Path) -> None:
    """Whoever waits hears how many are done, and the end."""
    run(connection, BY_REGION, TOTAL)
    probe = probe_of(connection, tmp_path / "scratch")
    told: list[tuple[int, int]] = []
    probe.progress = lambda done, total: told.append((done, total))
    probe.measure(connection.reuse.session.templates.all())
    assert told == [(0, 1), (1, 1)]


def test_analysis_from_probes_annotates_what_it_selects(
    connection: ReuseConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``analyze(probe=True)`` selects from probes alone, and its annotations name the probed places."""
    run(connection, BY_REGION, TOTAL)
    monkeypatch.setattr(probing, "_saved", lambda times: 10.0 * len(times))
    result = connection.reuse.analyze(probe=True)
    assert [candidate.source for candidate in result.candidates] == ["probe"]
    assert [len(annotation.places) for annotation in result.annotations] == [2]
