"""The command respool, on what a real workload left in a real metastore and store."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from metastore.embedded import embedded_url
from metastore.opening import open_metastore
from metastore.records import ViewState
from optimizer_plugin import policies
from optimizer_plugin.admin import cli
from signatures.model import PreciseSignature
from tests.support.workplace import (
    HIGHEST,
    LUCKY,
    TOTALS,
    Workplace,
    annotated,
    lenient,
    new_workplace,
    recording,
    short_lived,
)


@pytest.fixture(scope="module")
def url(module_server_directory: Path) -> str:
    """A metastore of this module."""
    return embedded_url(module_server_directory)


@pytest.fixture
def place(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Workplace:
    """A workplace without any history."""
    return new_workplace(url, tmp_path, capsys)


@pytest.fixture
def busy(place: Workplace) -> Workplace:
    """A workplace in which the same two statements ran twice, eagerly."""
    place.work(TOTALS, HIGHEST, TOTALS, HIGHEST, LUCKY)
    return place


def test_views_list_names_tables_and_reads(busy: Workplace) -> None:
    """Every view is listed with what it reads and how often it was read."""
    result = busy.run("views", "list")
    assert result.code == 0
    assert f"tenant {busy.tenant}: " in result.out
    assert "main.orders, main.shops" in result.out
    assert any(view["reads"] > 0 for view in busy.views())


def test_views_show_prints_lineage_and_plan(busy: Workplace) -> None:
    """A view found by the start of its signature is shown with its inputs, columns and plan."""
    view = busy.views()[0]
    result = busy.run("views", "show", view["precise"][:10])
    assert result.code == 0
    for part in (view["precise"], view["canonical"], view["path"], view["inputs"][0][1]):
        assert part in result.out


def test_options_may_follow_the_command(busy: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    """The common options mean the same behind the command's name as before it."""
    arguments = ["--metastore", busy.url, "--store", str(busy.store), "--tenant", busy.tenant]
    assert cli.main(["views", "list", "--json", *arguments]) == 0
    assert len(json.loads(capsys.readouterr().out)) == len(busy.views()) > 0


def test_purge_of_a_table_takes_its_views_and_their_files(busy: Workplace) -> None:
    """Purging a table removes metadata and files of views over it, and of no other."""
    before = busy.views()
    over_shops = [view for view in before if any("main.shops" in name for name, _ in view["inputs"])]
    result = busy.run("views", "purge", "--table", "SHOPS")
    assert result.code == 0
    left = busy.views()
    assert 0 < len(over_shops) == len(before) - len(left) < len(before)
    assert not any(Path(view["path"]).exists() for view in over_shops)
    assert all(Path(view["path"]).exists() for view in left)
    assert f"removed {len(over_shops)} view" in result.out


def test_purge_of_everything_leaves_an_empty_store(busy: Workplace) -> None:
    """After --all neither rows nor files are left, and statements still give their rows."""
    assert busy.run("views", "purge", "--all").code == 0
    assert busy.views() == []
    assert busy.files.stray(()) == ()
    busy.work(TOTALS)
    assert busy.views()


def test_purge_without_options_takes_what_has_expired(place: Workplace) -> None:
    """Only expired views go where nothing else is asked for."""
    place.work(HIGHEST)
    kept = {view["precise"] for view in place.views()}
    place.work(TOTALS, policy=short_lived())
    assert {view["precise"] for view in place.views()} > kept
    assert place.run("views", "purge").code == 0
    assert {view["precise"] for view in place.views()} == kept


def test_purge_dry_run_changes_nothing(busy: Workplace) -> None:
    """A dry run names what would go and leaves rows and files."""
    before = busy.views()
    result = busy.run("views", "purge", "--all", "--dry-run")
    assert result.out.count("would remove view") == len(before)
    assert busy.views() == before
    assert all(Path(view["path"]).exists() for view in before)


def test_purge_needs_a_prefix_that_names_one_view(busy: Workplace) -> None:
    """A signature that names no view is an error and nothing is removed."""
    before = busy.views()
    result = busy.run("views", "purge", "zzzzzz")
    assert result.code == 2
    assert "names 0 views" in result.err
    assert busy.views() == before


def test_purge_removes_debris_but_not_what_is_being_written(busy: Workplace) -> None:
    """A directory that no view names goes, unless a job holds the lease for it."""
    abandoned = busy.files.directory(PreciseSignature("a" * 32), "crashed")
    writing = busy.files.directory(PreciseSignature("b" * 32), "busy")
    for directory in (abandoned, writing):
        directory.mkdir(parents=True)
        (directory / "part-0.parquet").write_bytes(b"half a view")
    metastore = open_metastore(busy.url, data_directory=busy.store)
    assert metastore.acquire_lease(busy.tenant, PreciseSignature("b" * 32), "busy", 600)
    views = busy.views()
    listed = busy.run("views", "purge", "--dry-run", "--json").json()["debris"]
    result = busy.run("views", "purge")
    metastore.close()
    assert listed == [str(abandoned)]
    assert f"removed debris {abandoned}" in result.out
    assert not abandoned.exists()
    assert writing.exists()
    assert all(Path(view["path"]).exists() for view in views)


def test_a_late_builder_cannot_publish_removed_debris(busy: Workplace) -> None:
    """Debris is removed under a lease, so that who wrote it finds its own lease lost."""
    precise = PreciseSignature("c" * 32)
    directory = busy.files.directory(precise, "late")
    directory.mkdir(parents=True)
    metastore = open_metastore(busy.url, data_directory=busy.store)
    view = metastore.views(busy.tenant)[0]
    busy.run("views", "purge")
    late = replace(view, precise=precise, path=str(directory), producer="late")
    outcome = metastore.publish(late, frozenset({"table:orders"}), "late").outcome
    metastore.close()
    assert not directory.exists()
    assert outcome.value == "lease_lost"


def test_analyze_says_what_it_would_annotate(place: Workplace) -> None:
    """A dry run selects what recurs, says why the rest is left out, and puts nothing in force."""
    place.work(TOTALS, HIGHEST, TOTALS, HIGHEST, policy=recording())
    arguments = ("analyze", "--policy", str(lenient(place)), "--top-k", "1", "--json")
    result = place.run(*arguments, "--dry-run").json()
    assert len(result["annotations"]) == result["analysis"]["selected"] == 1
    assert any("not among the best 1" in each["reason"] for each in result["rejected"])
    assert annotated(place) == []
    applied = place.run(*arguments).json()
    assert annotated(place) == [each["normalized"] for each in applied["annotations"]]


def test_analyze_prints_a_table(place: Workplace) -> None:
    """Without --json the same comes as lines for people."""
    place.work(TOTALS, TOTALS, policy=recording())
    result = place.run("analyze", "--policy", str(lenient(place)), "--top-k", "1", "--dry-run")
    assert result.code == 0
    assert "2 jobs" in result.out
    assert "would be annotated" in result.out
    assert "left out" in result.out


def test_analyze_takes_no_history_from_before_its_start(place: Workplace) -> None:
    """Jobs before --since do not count."""
    place.work(TOTALS, TOTALS, policy=recording())
    result = place.run("analyze", "--dry-run", "--since", "2999-01-01")
    assert "0 jobs" in result.out
    assert "no history" in result.out


def test_explain_finds_the_view_of_another_process(busy: Workplace) -> None:
    """A statement that ran is answered from its view; the rewritten text gives the same rows."""
    result = busy.run("explain", TOTALS, "--database", str(busy.database), "--policy", "eager", "--json")
    found = result.json()
    statement = found["subexpressions"][0]
    assert (statement["kind"], statement["outcome"]) == ("statement", "read")
    with duckdb.connect(str(busy.database), read_only=True) as connection:
        assert sorted(connection.execute(found["rewritten"]).fetchall(), key=str) == sorted(
            connection.execute(TOTALS).fetchall(), key=str
        )


def test_explain_runs_and_builds_nothing(busy: Workplace) -> None:
    """Explaining adds neither a view nor a read, nor a job to the history."""
    before, jobs = busy.views(), busy.run("report", "--json").json()["jobs"]
    busy.run("explain", "SELECT count(*) FROM shops", "--database", str(busy.database), "--policy", "eager")
    assert busy.views() == before
    assert busy.run("report", "--json").json()["jobs"] == jobs


def test_explain_names_the_nearest_miss(busy: Workplace) -> None:
    """Another literal is said to be what keeps the view from being read."""
    other = HIGHEST.replace("3", "4")
    result = busy.run("explain", other, "--database", str(busy.database))
    assert "REUSE-301" in result.out
    assert "the same computation with other values: '3' there, '4' here" in result.out


def test_explain_names_the_table_that_changed(busy: Workplace) -> None:
    """After a write the nearest view is said to be of an earlier version of the table."""
    with duckdb.connect(str(busy.database)) as connection:
        connection.execute("INSERT INTO orders VALUES (1, 3, 1000)")
    result = busy.run("explain", HIGHEST, "--database", str(busy.database))
    assert "changed since its view was built" in result.out
    assert "#main.orders" in result.out


def test_explain_gives_the_code_of_what_is_not_eligible(busy: Workplace) -> None:
    """A volatile function is named with its code."""
    result = busy.run("explain", LUCKY, "--database", str(busy.database))
    assert "statement: REUSE-101: random()" in result.out
    assert result.out.rstrip().endswith("runs as written")


def test_explain_reads_a_file(busy: Workplace, tmp_path: Path) -> None:
    """A file of SQL is explained like its text."""
    file = tmp_path / "statement.sql"
    file.write_text(TOTALS)
    database = ("--database", str(busy.database))
    assert busy.run("explain", str(file), *database).out == busy.run("explain", TOTALS, *database).out


def test_explain_says_that_a_view_is_suspect(busy: Workplace) -> None:
    """A view that is not read for its state is the nearest miss, with the state's reason."""
    metastore = open_metastore(busy.url, data_directory=busy.store)
    for view in metastore.views(busy.tenant):
        metastore.set_view_state(busy.tenant, view.precise, ViewState.SUSPECT, "its reader failed")
    metastore.close()
    result = busy.run("explain", HIGHEST, "--database", str(busy.database))
    assert "its view is suspect: its reader failed" in result.out


def test_report_counts_jobs_reads_and_reasons(busy: Workplace) -> None:
    """The report has the jobs, builds and reads of the workload, and the reason for what is not eligible."""
    found = busy.run("report", "--json").json()
    assert found["jobs"] == 5
    assert found["builds"] > 0
    assert found["reads"] >= 2
    assert found["overlapping_jobs"] == 4
    assert [each["code"] for each in found["not_eligible"]] == ["REUSE-101"]
    tables = {each["input"].rpartition("#")[2] for each in found["by_input"]}
    assert tables == {"main.orders", "main.shops"}
    printed = busy.run("report")
    assert "5 by 1 user" in printed.out
    assert "REUSE-101" in printed.out


def test_policy_apply_puts_the_next_version_in_force(place: Workplace, tmp_path: Path) -> None:
    """An applied document is shown, listed with author and comment, and used by new connections."""
    file = tmp_path / "nightly.toml"
    file.write_text("# ours\n[reuse]\nmaterialize = 'on_sight'\n")
    assert place.run("policy", "apply", "off", "-m", "closed").code == 0
    applied = place.run("policy", "apply", str(file), "--comment", "nightly jobs", "--author", "ada")
    assert "version 2 is in force" in applied.out
    shown = place.run("policy", "show").out
    assert policies.parse(shown).name == "nightly"
    assert "version 2, ada" in shown
    history = place.run("policy", "history", "--json").json()
    assert (history[0]["version"], history[0]["author"]) == (2, "ada")
    assert "# ours" in history[0]["body"]
    assert policies.parse(place.run("policy", "show", "--version", "1").out).name == "off"
    place.work(HIGHEST, policy=policies.parse(shown))
    assert place.views()


def test_policy_in_force_governs_analyze(place: Workplace, tmp_path: Path) -> None:
    """The analyzer goes by the tenant's own policy."""
    file = tmp_path / "strange.toml"
    file.write_text("[selection]\nmin_frequency = 77\n")
    place.run("policy", "apply", str(file))
    place.work(TOTALS, TOTALS, policy=recording())
    result = place.run("analyze", "--dry-run", "--json").json()
    assert any("the policy asks for 77" in each["reason"] for each in result["rejected"])


def test_policy_check_prints_every_problem_with_its_line(place: Workplace, tmp_path: Path) -> None:
    """Each problem is a line with its place, and the exit code is 1."""
    file = tmp_path / "wrong.toml"
    file.write_text("[reuse]\nread = 3\nmaterialise = 'never'\n")
    result = place.run("policy", "check", str(file))
    assert result.code == 1
    assert [line.partition(": ")[2].partition(":")[0] for line in result.out.splitlines()] == [
        "line 2",
        "line 3",
    ]
    assert place.run("policy", "apply", str(file)).code == 1
    assert place.run("policy", "history", "--json").json() == []


def test_policy_check_knows_the_strategies(place: Workplace, tmp_path: Path) -> None:
    """A strategy that is not installed is a problem of the document."""
    file = tmp_path / "plugged.toml"
    file.write_text("[selection]\nstrategy = 'astrology'\n")
    result = place.run("policy", "check", str(file))
    assert result.code == 1
    assert "line 2: selection strategy 'astrology' is unknown" in result.out
    file.write_text("[selection]\nstrategy = 'utility'\n")
    assert place.run("policy", "check", str(file)).code == 0
