"""The command respool: its doctor, and commands that other distributions add."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from metastore.embedded import embedded_url
from metastore.opening import open_metastore
from metastore.records import ViewState
from optimizer_plugin.admin import cli
from signatures.model import PreciseSignature
from tests.support.workplace import (
    HIGHEST,
    LUCKY,
    TOTALS,
    Workplace,
    new_workplace,
    short_lived,
)

ROOT = Path(__file__).parents[2]


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


def set_state(place: Workplace, state: ViewState) -> PreciseSignature:
    """Put one view into a state; gives its signature."""
    precise = PreciseSignature(place.views()[0]["precise"])
    metastore = open_metastore(place.url, data_directory=place.store)
    metastore.set_view_state(place.tenant, precise, state, "other rows")
    metastore.close()
    return precise


def test_doctor_names_quarantined_views(busy: Workplace) -> None:
    """A quarantined view is a problem that only a person who purges it ends."""
    precise = set_state(busy, ViewState.QUARANTINED)
    result = busy.run("doctor")
    assert result.code == 1
    assert f"view {precise[:12]} is quarantined: other rows" in result.out
    assert busy.run("doctor", "--repair").code == 1
    assert busy.run("views", "purge", precise[:12]).code == 0
    assert busy.run("doctor").code == 0


def test_doctor_repairs_suspect_views(busy: Workplace) -> None:
    """A suspect view is a problem until --repair has removed it, so that it can be built again."""
    precise = set_state(busy, ViewState.SUSPECT)
    result = busy.run("doctor")
    assert result.code == 1
    assert f"view {precise[:12]} is suspect: other rows" in result.out
    repaired = busy.run("doctor", "--repair")
    assert repaired.code == 0
    assert f"removed view {precise[:12]} (other rows)" in repaired.out
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
