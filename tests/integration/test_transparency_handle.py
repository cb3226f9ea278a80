"""What the wrapper notes and asks on the side leaves the program's own results as they are."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

import optimizer_plugin
from metastore.embedded import embedded_url
from optimizer_plugin.errors import EngineMissingError, RowsWaitingError
from tests.support.conformance import public_names, wrapped_connection
from tests.support.conformance_page import CASES, NAMES, PAGE, page
from tests.support.workplace import recording

ROWS = "SELECT a, b FROM t ORDER BY a"
GROUPS = "SELECT b, count(*) AS n FROM t GROUP BY b ORDER BY b"


@pytest.fixture(scope="module")
def url(module_server_directory: Path) -> str:
    """A metastore of this module."""
    return embedded_url(module_server_directory)


@pytest.fixture
def con(tmp_path: Path, url: str) -> Iterator[Any]:
    """A wrapped connection under the eager policy."""
    with wrapped_connection(tmp_path, url) as connection:
        yield connection


def test_the_second_run_reads_a_view(con: Any) -> None:
    """What the conformance cases compare the second time is indeed an answer from a view."""
    con.execute(GROUPS).fetchall()
    con.execute(GROUPS).fetchall()
    assert con.reuse.stats()["reused"] > 0


def test_explaining_is_refused_while_rows_wait(con: Any) -> None:
    """Rows that were not fetched yet are all there after explain was refused; afterwards it answers."""
    con.execute(ROWS)
    first = con.fetchmany(3)
    with pytest.raises(RowsWaitingError, match="fetch them first"):
        con.reuse.explain(GROUPS)
    with pytest.raises(RowsWaitingError):
        con.reuse.analyze(probe=True)
    assert len(first) + len(con.fetchall()) == 500
    assert con.reuse.explain(GROUPS).text == GROUPS


@pytest.mark.parametrize("statement", ["SET threads = 2", "CREATE TABLE x AS SELECT 1", "DELETE FROM t"])
def test_explaining_does_not_wait_for_counts(con: Any, statement: str) -> None:
    """That a statement ran is no row that anybody waits for."""
    con.execute(statement)
    assert con.reuse.explain(GROUPS).text == GROUPS


def test_a_cursor_explains_while_rows_wait(con: Any) -> None:
    """The remedy that the message names works, and leaves the rows where they are."""
    con.execute(ROWS)
    with con.cursor() as cursor:
        assert cursor.reuse.explain(GROUPS).text == GROUPS
    assert len(con.fetchall()) == 500


@pytest.mark.parametrize("end", ["flush", "close"])
def test_history_is_written_without_taking_rows(tmp_path: Path, url: str, end: str) -> None:
    """Flushing and closing reuse leave rows of a profiled statement to the program."""
    connection = duckdb.connect(str(tmp_path / "data.duckdb"))
    connection.execute("CREATE TABLE t AS SELECT range AS a FROM range(100000)")
    con = optimizer_plugin.wrap(connection, metastore=url, store=tmp_path, policy=recording(), tenant=end)
    con.execute("SELECT a FROM t")
    first = con.fetchmany(5)
    getattr(con.reuse, end)()
    assert len(first) + len(con.fetchall()) == 100_000
    con.execute("SET threads = 2").fetchall()
    assert con.sql("SELECT current_setting('enable_profiling')").fetchall() in ([(None,)], [("",)])
    con.close()


@pytest.mark.parametrize("fetch", ["fetchall", "fetchnumpy", "fetchmany", "fetchone"])
def test_fetching_counts_as_run_time(tmp_path: Path, url: str, fetch: str) -> None:
    """The time of a statement is what executing and fetching took together."""
    connection = duckdb.connect(str(tmp_path / "data.duckdb"))
    connection.execute("CREATE TABLE t AS SELECT range AS a FROM range(1000)")
    with optimizer_plugin.wrap(connection, metastore=url, store=tmp_path, policy="off", tenant=fetch) as con:
        con.reuse.session.enabled = True
        con.execute("SELECT a FROM t WHERE a > 5")
        template: Any = con.reuse.session.templates.known("SELECT a FROM t WHERE a > 5")
        before = template.last_seconds
        getattr(con, fetch)()
        assert template.last_seconds > before


def test_interrupting_what_is_prepared_interrupts(con: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt that meets a statement of ours ends the program's, as it would have ended that."""
    prepare = con.reuse.session.prepare

    def interrupted(*given: Any) -> Any:
        con.interrupt()
        return prepare(*given)

    monkeypatch.setattr(type(con.reuse.session), "prepare", lambda _, *given: interrupted(*given))
    with pytest.raises(duckdb.InterruptException, match="INTERRUPT Error: Interrupted!"):
        con.execute(GROUPS)
    assert con.description is None


def test_a_wrapped_connection_is_not_wrapped_again(con: Any) -> None:
    """Wrapping twice is a mistake that is told."""
    with pytest.raises(EngineMissingError, match="wrapped already"):
        optimizer_plugin.wrap(con)


def test_the_page_is_up_to_date() -> None:
    """docs/conformance.md is what the cases say now."""
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m tests.support.conformance_page"


def test_every_public_name_has_a_case(con: Any) -> None:
    """The names of this release are those of the page, and each is exercised by a case that runs here."""
    names = NAMES[duckdb.__version__]
    covered = {name for case in CASES if case.runs_on(con) for name in case.covers}
    assert set(public_names(con)) - {"reuse"} == names
    assert names <= covered


def test_overhead_can_be_measured() -> None:
    """``python -m benchmarks overhead`` prints a row for each statement."""
    pytest.importorskip("matplotlib")
    command = [sys.executable, "-m", "benchmarks", "overhead", "--repeats", "10"]
    found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert "INSERT" in found.stdout
