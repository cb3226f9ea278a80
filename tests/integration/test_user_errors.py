"""Errors of the user's making: each is one clear line that names the remedy, on both ways in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

import optimizer_plugin
from metastore import tables
from metastore.database import Database
from metastore.embedded import embedded_url
from metastore.opening import open_metastore
from optimizer_plugin.admin import cli
from optimizer_plugin.errors import ReuseError

ROOT = Path(__file__).parents[2]
NOBODY_LISTENS = "postgresql://ada:secret@127.0.0.1:1/shop"


@pytest.fixture(scope="module")
def url(module_server_directory: Path) -> str:
    """A metastore of this module."""
    return embedded_url(module_server_directory)


@pytest.fixture(scope="module")
def newer_url(url: str) -> str:
    """A metastore whose tables a later release has changed."""
    server = make_url(url).set(drivername="postgresql+psycopg")
    administration = Database(server)
    with administration.reading() as connection:
        connection.execute(text("CREATE DATABASE newer"))
    administration.close()
    newer = server.set(database="newer")
    address = newer.render_as_string(hide_password=False)
    open_metastore(address, data_directory=Path()).close()
    database = Database(newer)
    with database.writing() as connection:
        connection.execute(text(f"UPDATE {tables.SCHEMA}.{tables.VERSION_TABLE} SET version_num = '9999'"))
    database.close()
    return newer.set(drivername="postgresql").render_as_string(hide_password=False)


@pytest.fixture(autouse=True)
def data_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's own data directory and variables out of it."""
    for name in [name for name in os.environ if name.startswith("RESPOOL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RESPOOL_DATA", str(tmp_path / "data"))


def line_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that a command which can't be carried out says."""
    capsys.readouterr()
    assert cli.main(arguments) == 2
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("respool: ")
    assert captured.out == ""
    return lines[0]


def wrapping(**arguments: object) -> str:
    """The message of an error of wrap()."""
    connection = duckdb.connect()
    with pytest.raises(ReuseError) as caught:
        optimizer_plugin.wrap(connection, strict=True, **arguments)  # type: ignore[arg-type]
    connection.close()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def run_apart(code: str, path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own, after some code, with a directory on its path."""
    script = f"import sys\n{code}\nfrom optimizer_plugin.admin.cli import main\nsys.exit(main())"
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{path}"}
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env=environment,
        cwd=path,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("bad", "found"),
    [
        ("mysql://ada:secret@host/shop", "the scheme 'mysql'"),
        ("localhost:5432", "is not a url"),
        ("postgresql://ada:secret@host:port/shop", "cannot be read"),
    ],
)
def test_a_bad_url(capsys: pytest.CaptureFixture[str], bad: str, found: str) -> None:
    """The message says what was expected and does not repeat the password."""
    for message in (line_of(capsys, "--metastore", bad, "views", "list"), wrapping(metastore=bad)):
        assert found in message
        assert "expected postgresql://" in message
        assert "; correct " in message
        assert "secret" not in message


def test_an_unreachable_server(capsys: pytest.CaptureFixture[str]) -> None:
    """The message names the server, without its password, and what to look at."""
    message = line_of(capsys, "report", "--metastore", NOBODY_LISTENS)
    for each in (message, wrapping(metastore=NOBODY_LISTENS)):
        assert "ada:***@127.0.0.1:1/shop" in each
        assert "check that the server runs and the address" in each
        assert "secret" not in each


def test_an_unreachable_server_does_not_stop_a_program(tmp_path: Path) -> None:
    """Without strict a program is warned in the same words and goes on."""
    with pytest.warns(RuntimeWarning, match="check that the server runs and the address"):
        connection = optimizer_plugin.wrap(
            duckdb.connect(), metastore=NOBODY_LISTENS, store=tmp_path / "store"
        )
    assert connection.execute("SELECT 42").fetchall() == [(42,)]
    connection.close()


def test_doctor_names_the_unreachable_server(capsys: pytest.CaptureFixture[str]) -> None:
    """For the doctor that is a finding among others, with its remedy."""
    assert cli.main(["doctor", "--metastore", NOBODY_LISTENS]) == 1
    out = capsys.readouterr().out
    assert "PROBLEM  metastore" in out
    assert "check that the server runs and the address" in out
    assert "ok       engine" in out


def test_a_store_that_cannot_be_written(capsys: pytest.CaptureFixture[str], tmp_path: Path, url: str) -> None:
    """A store below a file can be made by nobody, not even by root."""
    (tmp_path / "file").write_text("")
    store = str(tmp_path / "file" / "store")
    for message in (
        line_of(capsys, "explain", "SELECT 1 AS one", "--metastore", url, "--store", store),
        wrapping(metastore=url, store=store),
    ):
        assert f"store {store!r} cannot be written: not a directory" in message
        assert "set RESPOOL_STORE to another one" in message
    assert cli.main(["doctor", "--metastore", url, "--store", store]) == 1
    assert "set --store or RESPOOL_STORE to another one" in capsys.readouterr().out


def test_a_store_that_is_a_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A file in the place of the store is said to be one."""
    store = tmp_path / "views"
    store.write_text("")
    for message in (line_of(capsys, "views", "list", "--store", str(store)), wrapping(store=store)):
        assert "a file: expected a directory" in message


def test_an_unknown_policy_key(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The message has the line and the word that was probably meant."""
    file = tmp_path / "mine.toml"
    file.write_text("[reuse]\n\nmaterialise = 'never'\n")
    for message in (line_of(capsys, "analyze", "--policy", str(file)), wrapping(policy=file)):
        assert "line 3: unknown key 'materialise' in [reuse]: expected 'materialize'" in message
        assert "'respool policy check' lists every problem" in message


def test_an_unknown_policy_name(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The message lists the names there are, wherever the name came from."""
    messages = [line_of(capsys, "analyze", "--policy", "eagre"), wrapping(policy="eagre")]
    monkeypatch.setenv("RESPOOL_POLICY", "eagre")
    messages.append(line_of(capsys, "policy", "show"))
    for message in messages:
        assert "policy 'eagre' is unknown: expected one of default, eager, off" in message
        assert message.endswith("correct the name or the path")


def test_a_policy_file_that_does_not_exist(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The message names the file."""
    file = tmp_path / "absent.toml"
    for message in (
        line_of(capsys, "policy", "check", str(file)),
        line_of(capsys, "policy", "apply", str(file)),
        wrapping(policy=file),
    ):
        assert f"{str(file)!r} cannot be read: no such file or directory" in message


def test_a_metastore_of_a_later_release(capsys: pytest.CaptureFixture[str], newer_url: str) -> None:
    """The message names both revisions and says to upgrade."""
    for message in (
        line_of(capsys, "views", "list", "--metastore", newer_url),
        wrapping(metastore=newer_url),
    ):
        assert "its tables are at revision 9999, this release knows up to" in message
        assert "upgrade respool" in message
    assert cli.main(["doctor", "--metastore", newer_url]) == 1
    assert "upgrade respool" in capsys.readouterr().out


def test_signatures_of_another_project(tmp_path: Path) -> None:
    """The doctor finds the project of PyPI that overwrites files of ours."""
    folder = tmp_path / "site"
    (folder / "signatures-2.1.dist-info").mkdir(parents=True)
    (folder / "signatures-2.1.dist-info" / "METADATA").write_text("Name: signatures\nVersion: 2.1\n")
    found = run_apart("", folder, "doctor")
    assert found.returncode == 1
    assert "another project's 'signatures' 2.1 is installed" in found.stdout
    assert "pip uninstall signatures" in found.stdout


def test_duckdb_is_not_installed(tmp_path: Path) -> None:
    """Without the engine's client the other commands work, and the message names the extra to install."""
    absent = "sys.modules['duckdb'] = None"
    explained = run_apart(absent, tmp_path, "explain", "SELECT 1 AS one")
    assert explained.returncode == 2
    assert len(explained.stderr.splitlines()) == 1
    assert explained.stderr.startswith("respool: duckdb cannot be imported")
    assert "pip install 'respool[duckdb]'" in explained.stderr
    examined = run_apart(absent, tmp_path, "doctor")
    assert examined.returncode == 1
    assert "pip install 'respool[duckdb]'" in examined.stdout
    assert run_apart(absent, tmp_path, "views", "list").returncode == 0


def test_something_else_is_wrapped() -> None:
    """What is no DuckDB connection is named by its type."""
    with pytest.raises(ReuseError, match=r"a connection of type str: expected .* duckdb\.connect\(\)"):
        optimizer_plugin.wrap("shop.duckdb")  # type: ignore[arg-type]


def test_a_database_that_does_not_exist(capsys: pytest.CaptureFixture[str], tmp_path: Path, url: str) -> None:
    """It is not created either."""
    database = tmp_path / "absent.duckdb"
    message = line_of(capsys, "explain", "SELECT 1 AS one", "--metastore", url, "--database", str(database))
    assert f"database {str(database)!r} does not exist" in message
    assert message.endswith("correct --database")
    assert not database.exists()


def test_a_database_that_is_none(capsys: pytest.CaptureFixture[str], tmp_path: Path, url: str) -> None:
    """A file of something else is named, with what the engine says of it."""
    database = tmp_path / "notes.txt"
    database.write_text("not a database" * 1000)
    message = line_of(capsys, "explain", "SELECT 1 AS one", "--metastore", url, "--database", str(database))
    assert f"database {str(database)!r} cannot be opened" in message


def test_a_statement_file_that_does_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    """The message says what may be given."""
    message = line_of(capsys, "explain", "absent.sql")
    assert "file 'absent.sql' cannot be read" in message
    assert "give a statement, a file that exists, or - for standard input" in message


def test_a_time_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    """The message shows how times are written."""
    message = line_of(capsys, "report", "--since", "yesterday")
    assert "time 'yesterday' cannot be read: expected ISO 8601" in message


@pytest.mark.parametrize("tenant", ["../other", "", "a/b"])
def test_a_tenant_that_is_none(capsys: pytest.CaptureFixture[str], tenant: str) -> None:
    """A tenant is part of paths, so that nothing but a name will do."""
    assert "argument tenant is" in line_of(capsys, "--tenant", tenant, "views", "list")


def test_unknown_commands_and_options(capsys: pytest.CaptureFixture[str]) -> None:
    """Misuse is one line that points to the help."""
    assert "no such command 'veiws'" in line_of(capsys, "veiws").lower()
    assert "'respool --help'" in line_of(capsys, "views", "list", "--frobnicate")


def test_verbose_shows_where_it_happened(capsys: pytest.CaptureFixture[str]) -> None:
    """A traceback is for those who ask for it; the line is the last in any case."""
    assert cli.main(["views", "list", "--metastore", "mysql://host/shop", "--verbose"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Traceback")
    assert lines[-1].startswith("respool: ")
