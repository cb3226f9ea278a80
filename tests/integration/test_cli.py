"""The command respool, on what a real workload left in a real metastore and store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import pytest

import optimizer_plugin
from metastore.embedded import embedded_url
from metastore.opening import open_metastore
from metastore.records import ViewState
from optimizer_plugin import policies
from optimizer_plugin.admin import cli
from optimizer_plugin.policies import Policy
from optimizer_plugin.views.store import Store
from signatures.model import PreciseSignature

TOTALS = "SELECT region, sum(amount) AS total FROM orders JOIN shops ON shops.id = shop GROUP BY region"
HIGHEST = "SELECT max(amount) AS highest FROM orders WHERE shop = 3"
LUCKY = "SELECT random() AS luck FROM shops"
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Its output, read as JSON."""
        return json.loads(self.out)


@dataclass(frozen=True, slots=True)
class Workplace:
    """A tenant of its own, with its database, its store and the command line pointed at both."""

    url: str
    tenant: str
    database: Path
    store: Path
    run: Callable[..., Result]

    @property
    def files(self) -> Store:
        """The tenant's store."""
        return Store(self.store, self.tenant)

    def work(self, *statements: str, policy: str | Policy = "eager") -> None:
        """Run statements through a wrapped connection."""
        connection = optimizer_plugin.wrap(
            duckdb.connect(str(self.database)),
            metastore=self.url,
            store=self.store,
            tenant=self.tenant,
            policy=policy,
            strict=True,
        )
        for statement in statements:
            connection.execute(statement).fetchall()
        connection.close()

    def views(self) -> list[dict[str, Any]]:
        """What ``views list`` lists."""
        found: list[dict[str, Any]] = self.run("views", "list", "--json").json()
        return found


@pytest.fixture(scope="module")
def url(module_server_directory: Path) -> str:
    """A metastore of this module."""
    return embedded_url(module_server_directory)


@pytest.fixture
def place(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Workplace:
    """A workplace without any history."""
    database = tmp_path / "shop.duckdb"
    with duckdb.connect(str(database)) as connection:
        connection.execute(
            "CREATE TABLE orders AS SELECT range AS id, range % 20 AS shop, range % 97 AS amount "
            "FROM range(5000)"
        )
        connection.execute(
            "CREATE TABLE shops AS SELECT range AS id, CASE WHEN range % 3 > 0 THEN range % 4 END AS region "
            "FROM range(20)"
        )
    tenant = f"test-{uuid4().hex}"
    store = tmp_path / "store"

    def run(*arguments: str) -> Result:
        capsys.readouterr()
        common = ["--metastore", url, "--store", str(store), "--tenant", tenant]
        code = cli.main([*common, *arguments])
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return Workplace(url, tenant, database, store, run)


@pytest.fixture
def busy(place: Workplace) -> Workplace:
    """A workplace in which the same two statements ran twice, eagerly."""
    place.work(TOTALS, HIGHEST, TOTALS, HIGHEST, LUCKY)
    return place


def short_lived() -> Policy:
    """A policy whose views have expired by the time that anybody looks."""
    eager = policies.builtin("eager")
    return eager.model_copy(update={"views": eager.views.model_copy(update={"expires_after_hours": 1e-9})})


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


def test_doctor_finds_no_problem_where_there_is_none(busy: Workplace) -> None:
    """A working installation passes."""
    result = busy.run("doctor")
    assert (result.code, result.out.splitlines()[-1]) == (0, "no problems")


def test_doctor_repairs_debris_and_lost_files(busy: Workplace) -> None:
    """Debris and views without files are problems until --repair has removed them."""
    debris = busy.files.directory(PreciseSignature("d" * 32), "crashed")
    debris.mkdir(parents=True)
    lost = busy.views()[0]
    busy.files.remove([lost["path"]])
    found = busy.run("doctor")
    assert found.code == 1
    assert str(debris) in found.out
    assert lost["path"] in found.out
    repaired = busy.run("doctor", "--repair")
    assert repaired.code == 0
    assert f"removed debris {debris}" in repaired.out
    assert f"removed view {lost['precise'][:12]} (its files are gone)" in repaired.out
    assert not debris.exists()
    assert lost["precise"] not in {view["precise"] for view in busy.views()}


def test_doctor_repairs_expired_views(place: Workplace) -> None:
    """Expired views are noted, and removed by --repair."""
    place.work(HIGHEST, policy=short_lived())
    noted = place.run("doctor")
    assert (noted.code, "have expired" in noted.out) == (0, True)
    assert "(expired)" in place.run("doctor", "--repair").out
    assert place.views() == []


@pytest.mark.parametrize("state", [ViewState.QUARANTINED, ViewState.SUSPECT])
def test_doctor_names_views_that_may_be_wrong(busy: Workplace, state: ViewState) -> None:
    """A quarantined or suspect view is a problem whose remedy works."""
    precise = PreciseSignature(busy.views()[0]["precise"])
    metastore = open_metastore(busy.url, data_directory=busy.store)
    metastore.set_view_state(busy.tenant, precise, state, "other rows")
    metastore.close()
    result = busy.run("doctor")
    assert result.code == 1
    assert f"view {precise[:12]} is {state.value}: other rows" in result.out
    assert busy.run("doctor", "--repair").code == 1
    assert busy.run("views", "purge", precise[:12]).code == 0
    assert busy.run("doctor").code == 0


def test_doctor_keeps_quarantined_views_without_files(busy: Workplace) -> None:
    """Their rows bar them from being built again, which is what they are kept for."""
    lost = busy.views()[0]
    metastore = open_metastore(busy.url, data_directory=busy.store)
    metastore.set_view_state(busy.tenant, lost["precise"], ViewState.QUARANTINED, "other rows")
    metastore.close()
    busy.files.remove([lost["path"]])
    busy.run("doctor", "--repair")
    assert lost["precise"] in {view["precise"] for view in busy.views()}


def test_doctor_minds_a_store_that_is_open_to_everyone(busy: Workplace) -> None:
    """Rows in the store are as private as the tables they come from."""
    busy.files.base.chmod(0o755)
    result = busy.run("doctor")
    assert result.code == 1
    assert f"chmod o-rwx {busy.files.base}" in result.out


@pytest.fixture
def plugged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Another distribution that adds commands."""
    folder = tmp_path / "plugged"
    (folder / "extra-1.0.dist-info").mkdir(parents=True)
    (folder / "extra-1.0.dist-info" / "METADATA").write_text("Name: extra\nVersion: 1.0\n")
    points = ("greet = extra_commands:greet", "wait = extra_commands:wait", "broken = extra_commands:absent")
    text = "[respool.commands]\n" + "\n".join([*points, "doctor = extra_commands:greet"])
    (folder / "extra-1.0.dist-info" / "entry_points.txt").write_text(text)
    (folder / "extra_commands.py").write_text(
        "import typer\n"
        "def greet(name: str = 'you') -> None:\n    typer.echo(f'hello {name}')\n"
        "def wait() -> None:\n    raise KeyboardInterrupt\n"
    )
    monkeypatch.syspath_prepend(folder)
    yield
    sys.modules.pop("extra_commands", None)


@pytest.mark.usefixtures("plugged")
def test_commands_of_other_distributions_are_found(capsys: pytest.CaptureFixture[str]) -> None:
    """An entry point becomes a command; one that can't be loaded is left out with a line."""
    assert cli.main(["greet", "--name", "ada"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "hello ada\n"
    assert captured.err.startswith("respool: command 'broken' is left out")


@pytest.mark.usefixtures("plugged")
def test_commands_of_other_distributions_do_not_replace_ours(capsys: pytest.CaptureFixture[str]) -> None:
    """A built-in name wins over an entry point of that name."""
    assert cli.main(["doctor", "--help"]) == 0
    assert "--repair" in capsys.readouterr().out


@pytest.mark.usefixtures("plugged")
def test_an_interrupt_ends_quietly(capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C exits with 130 and prints no traceback."""
    assert cli.main(["wait"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """--version names the program and ends."""
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("respool ")


def test_optimizer_plugin_does_not_import_benchmarks() -> None:
    """The command line loads without the benchmark harness."""
    code = "import sys, optimizer_plugin.admin.cli; sys.exit('benchmarks' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0


def recording() -> Policy:
    """A policy that profiles every job and builds nothing."""
    off = policies.builtin("off")
    history = off.history.model_copy(update={"record": True, "profile_share": 1.0})
    return off.model_copy(update={"name": "recording", "history": history})


def lenient(place: Workplace) -> Path:
    """A policy file under which the smallest saving is worth an annotation."""
    file = place.store.parent / "lenient.toml"
    file.write_text("[cost]\nmin_saving_seconds = 0.0\n[selection]\nmax_per_job = 0\n")
    return file


def annotated(place: Workplace) -> list[str]:
    """Normalized signatures of the annotations in force."""
    metastore = open_metastore(place.url, data_directory=place.store)
    try:
        return [annotation.normalized for annotation in metastore.annotations(place.tenant)]
    finally:
        metastore.close()
