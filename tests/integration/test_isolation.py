"""Tenants, users of the machine, secrets and names: what must not get from one to the other."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import duckdb
import psycopg
import pytest

import optimizer_plugin
from metastore.embedded import embedded_url
from metastore.opening import open_metastore
from optimizer_plugin.admin import cli
from optimizer_plugin.engines.duckdb.connection import ReuseConnection
from optimizer_plugin.engines.duckdb.databases import AttachedDatabases, OpenedFiles
from optimizer_plugin.engines.duckdb.spooling import PART
from optimizer_plugin.errors import ConfigurationError, ReuseError
from optimizer_plugin.redaction import redacted
from optimizer_plugin.settings import Settings
from optimizer_plugin.tenants import directory_name
from optimizer_plugin.views.integrity import PROCESS_INTEGRITY
from optimizer_plugin.views.store import Store
from tests.contract.test_metastore_views import SALES, view
from tests.integration.test_verified_reuse import spoil, verifying

CANARY = "zqcanary41"
NUMBER = "8675309417"
TOTALS = "SELECT shop, count(*) AS n FROM orders GROUP BY shop"
NOT_TENANTS = [
    "",
    "..",
    "../x",
    "a/../b",
    "/etc",
    "a/b",
    "a\\b",
    ".hidden",
    "-rf",
    " x",
    "x y",
    "a'b",
    'a"b',
    "a;b",
    "a\0b",
    "a\nb",
    "%2e%2e",
    "ä",
    "a" * 64,
]


@pytest.fixture(scope="module")
def url(module_server_directory: Path) -> str:
    """A metastore of this module."""
    return embedded_url(module_server_directory)


@pytest.fixture
def tenant() -> str:
    """A tenant of this test's own."""
    return f"test-{uuid4().hex}"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A small shop, closed."""
    path = tmp_path / "shop.duckdb"
    with duckdb.connect(str(path)) as plain:
        plain.execute(
            "CREATE TABLE orders AS "
            "SELECT range AS id, range % 20 AS shop, 'n' || range AS b FROM range(5000)"
        )
    return path


@pytest.fixture
def opened() -> Iterator[list[ReuseConnection]]:
    """Connections that are closed at the end."""
    connections: list[ReuseConnection] = []
    yield connections
    for connection in connections:
        connection.close()


def wrap(database: Path, url: str, store: Path, tenant: str, *, strict: bool = True) -> ReuseConnection:
    """A wrapped connection that builds everything and verifies every hit."""
    return optimizer_plugin.wrap(
        duckdb.connect(str(database)),
        metastore=url,
        store=store,
        tenant=tenant,
        policy=verifying(),
        strict=strict,
    )


class TestTenants:
    """Names, directories, views."""

    @pytest.mark.parametrize("name", NOT_TENANTS)
    def test_names_that_mean_something_elsewhere_are_refused(self, name: str, tmp_path: Path) -> None:
        """Paths, quotes, blanks and control characters: one line says what a name may be."""
        with pytest.raises(ConfigurationError, match="expected a letter or digit"):
            Settings.resolve(tenant=name, store=tmp_path, environment={})
        with pytest.raises(ConfigurationError, match="expected a letter or digit"):
            _ = Store(tmp_path, name).base

    @pytest.mark.parametrize(
        "arguments", [["--tenant", "", "views", "list"], ["views", "list", "--tenant", ""]]
    )
    def test_empty_option_is_not_the_default_tenant(
        self, arguments: list[str], url: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """``--tenant "$UNSET"`` must not purge somebody else's views."""
        assert cli.main(["--metastore", url, *arguments]) == 2
        assert "argument tenant is ''" in capsys.readouterr().err

    def test_directories_clash_on_no_file_system(self) -> None:
        """Letter case, endings that Windows drops, and its devices."""
        names = [
            "sales",
            "Sales",
            "SALES",
            "sales.",
            "sales-",
            "con",
            "CON",
            "nul.txt",
            "a.b",
            "a.B",
            "a-b",
            "a" * 63,
        ]
        directories = [directory_name(name) for name in names]
        assert len({directory.lower().rstrip(". ") for directory in directories}) == len(names)
        assert directory_name("sales") == "sales"
        assert max(map(len, directories)) < 80

    def test_tenants_share_nothing(self, url: str, database: Path, tmp_path: Path, tenant: str) -> None:
        """The same statement over the same data, store and metastore: each builds and reads its own."""
        store, names = tmp_path / "store", (tenant, tenant.upper())
        for name, other in (names, names[::-1]):
            connection = wrap(database, url, store, name)
            connection.execute(TOTALS).fetchall()
            report = connection.reuse.last
            connection.close()
            assert report is not None
            assert report.builds
            assert f"/{directory_name(name)}/" in report.executed
            assert f"/{directory_name(other)}/" not in report.executed
        for command in (["views", "purge", "--all"], ["doctor", "--repair"]):
            cli.main(["--metastore", url, "--store", str(store), "--tenant", tenant, *command])
        assert not list(Store(store, tenant).base.glob("??/*/*"))
        assert list(Store(store, tenant.upper()).base.glob("??/*/*"))

    def test_tenant_that_somebody_wrote_into_the_metastore_leads_nowhere(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], server_directory: Path
    ) -> None:
        """Names of tenants come from a shared server too, and become paths."""
        outside = tmp_path / "outside" / "aa" / "b" / "c"
        outside.mkdir(parents=True)
        (tmp_path / "store").mkdir()
        address = embedded_url(server_directory)
        metastore = open_metastore(address, data_directory=tmp_path)
        metastore.publish(view("../outside"), SALES, "job")
        metastore.close()
        code = cli.main(
            [
                "--metastore",
                address,
                "--store",
                str(tmp_path / "store"),
                "views",
                "purge",
                "--all",
                "--all-tenants",
            ]
        )
        assert (code, outside.exists()) == (2, True)
        assert "tenant '../outside'" in capsys.readouterr().err


class TestUsersOfTheMachine:
    """Permissions of everything that is written."""

    @pytest.mark.parametrize("umask", [0o000, 0o022, 0o027])
    def test_store_is_its_owners_whatever_the_umask(
        self, umask: int, url: str, database: Path, tmp_path: Path, tenant: str
    ) -> None:
        """Every directory and every file, those above the tenant's own included."""
        store = tmp_path / "above" / "store"
        before = os.umask(umask)
        try:
            connection = wrap(database, url, store, tenant)
            connection.execute(TOTALS).fetchall()
            connection.close()
        finally:
            os.umask(before)
        found = [tmp_path / "above", *(tmp_path / "above").rglob("*")]
        assert any(path.name == PART for path in found)
        for path in found:
            wanted = 0o700 if path.is_dir() else 0o600
            assert stat.S_IMODE(path.stat().st_mode) == wanted, path

    @pytest.mark.skipif(
        not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs to become another user"
    )
    def test_another_user_gets_at_nothing(self, database: Path, server_directory: Path, tenant: str) -> None:
        """Not at views, not at the server's data, socket, lock or port, in a directory that all may enter."""
        server_directory.chmod(0o755)
        address = embedded_url(server_directory)
        connection = wrap(database, address, server_directory / "store", tenant)
        connection.execute(TOTALS).fetchall()
        connection.close()
        lines = (server_directory / "postgres" / "postmaster.pid").read_text().splitlines()
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", int(lines[3])), timeout=5)
        file = next((server_directory / "store").rglob(PART))
        wanted = [file, file.parent, server_directory / "store", server_directory / "postgres"]
        wanted += [server_directory / "postgres" / "postgresql.conf", server_directory / "postgres.lock"]
        address_of_socket = f"{lines[4]}/.s.PGSQL.{lines[3]}"
        assert Path(address_of_socket).is_socket()
        child = """
            import os, socket, sys
            os.setgroups([]); os.setgid(65534); os.setuid(65534)
            for path in sys.argv[2:]:
                try:
                    print("OPEN", path, os.open(path, os.O_RDONLY))
                except PermissionError:
                    pass
            try:
                socket.socket(socket.AF_UNIX).connect(sys.argv[1])
                print("CONNECTED")
            except PermissionError:
                print("refused")
        """
        answer = subprocess.run(
            [sys.executable, "-I", "-S", "-c", textwrap.dedent(child), address_of_socket, *map(str, wanted)],
            capture_output=True,
            text=True,
            check=True,
            cwd="/",
        )
        assert answer.stdout.split() == ["refused"]


LITERALS = (
    f"'{CANARY}'",
    f"E'{CANARY}'",
    f"$${CANARY}$$",
    f"$q${CANARY}$q$",
    f"N'{CANARY}'",
    f"'n' || '{CANARY}'",
)
SHAPES = (
    "SELECT id, {0} AS k FROM orders WHERE b = {0}",
    "SELECT b, max({0}) FROM orders GROUP BY b HAVING max({0}) > {0}",
    "SELECT x, count(*) FROM (SELECT CASE b WHEN {0} THEN {0} END x FROM orders WHERE id < %s) GROUP BY 1",
    "WITH w AS (SELECT shop, count(*) n FROM orders WHERE b <> {0} GROUP BY shop) SELECT *, random() FROM w",
)
STATEMENTS = (
    *(shape.replace("%s", NUMBER).format(text) for shape in SHAPES for text in LITERALS),
    f"SELECT id FROM orders WHERE b LIKE '{CANARY}%' ORDER BY id LIMIT 2",
    f"SELECT id FROM orders WHERE id IN ({NUMBER}, 1{NUMBER})",
    f"SELECT {NUMBER} + id FROM orders",
    f"SELECT id FROM orders WHERE b = '{CANARY}' -- {CANARY}",
    f"SELECT /* {CANARY} */ id FROM orders",
    f"SELECT list_sort([id], '{CANARY}', 'x') FROM orders",
)
FAILING = (
    f"SELECT CAST('{CANARY}' AS INTEGER) FROM orders",
    f"SELECT shop, CAST(max(b) || '{CANARY}' AS INTEGER) FROM orders GROUP BY shop",
    f"SELECT error('{CANARY}') FROM orders",
    f"SELEC '{CANARY}'",
    f"SELECT '{CANARY}",
    f"SELECT 0x{NUMBER}zz, '{CANARY}' FROM orders",
    f"SELECT strptime(b, '{CANARY}') FROM orders",
)
NEEDED = {"views": ("canonical", "columns")}
"""Literals stand in the plans of views, which are compared byte for byte, and nowhere else."""


def kept(url: str) -> Iterator[str]:
    """Everything in the metastore as text, but for what has to have literals."""
    with psycopg.connect(url.replace("postgresql+psycopg", "postgresql")) as connection:
        tables = connection.execute(
            "SELECT table_name, array_agg(column_name::text) FROM information_schema.columns "
            "WHERE table_schema = 'respool' GROUP BY table_name"
        ).fetchall()
        assert {"jobs", "views", "reproductions", "annotations", "subexpressions"} <= {
            name for name, _ in tables
        }
        for table, columns in tables:
            for column in columns:
                if column not in NEEDED.get(table, ()):
                    # Both names come from the catalog, not from anybody's input.
                    rows = connection.execute(f'SELECT "{column}"::text FROM respool."{table}"'.encode())
                    yield from (f"{table}.{column}: {value}" for (value,) in rows if value is not None)


class TestSecrets:
    """Literals of statements and passwords of addresses."""

    def test_literals_reach_neither_metastore_nor_log_nor_paths(
        self,
        database: Path,
        tmp_path: Path,
        tenant: str,
        server_directory: Path,
        caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        """Statements that run, fail, are verified, are found wrong, and whose views are broken."""
        address, store = embedded_url(server_directory), tmp_path / "store"
        connection = wrap(database, address, store, tenant, strict=False)
        caplog.set_level("DEBUG")
        capfd.readouterr()

        def run() -> None:
            for sql in (*STATEMENTS, *FAILING):
                try:
                    connection.execute(sql).fetchall()
                except duckdb.Error:
                    assert sql in FAILING or CANARY in sql
                assert connection.reuse.wait_for_verification()
            connection.execute("SELECT id FROM orders WHERE b = ?", [CANARY]).fetchall()
            connection.execute("SELECT id FROM orders WHERE b = $x", {"x": CANARY}).fetchall()

        run()
        session = connection.reuse.session
        views = session.metastore.views(tenant)
        spoil(tuple(each for each in views if each.rows > 100), "*", "LIMIT 3")
        run()
        assert session.metastore.reproductions(tenant)
        for each in session.metastore.views(tenant):
            (Path(each.path) / PART).write_text(CANARY)
            PROCESS_INTEGRITY.trust(each)
        run()
        connection.reuse.analyze()
        stats = connection.reuse.stats()
        assert min(stats["spooled"], stats["reused"], stats["fallbacks"], stats["mismatched"]) > 0
        connection.close()
        captured = capfd.readouterr()
        told = [*kept(address), caplog.text, captured.out, captured.err]
        told += [str(path) for path in store.rglob("*")]
        assert len(told) > 500
        assert [text for text in told if CANARY in text or NUMBER in text] == []

    @pytest.mark.parametrize(
        "address",
        [
            f"postgresql://ada:{CANARY}@127.0.0.1:1/db",
            f"postgresql://ada@127.0.0.1:1/db?password={CANARY}",
            f"postgresql://ada:x@{CANARY}@127.0.0.1:1/db",
            f"postgresql://ada:x/{CANARY}@127.0.0.1:1/db",
            f"postgresql://ada:x:{CANARY}@127.0.0.1:1/db",
            f"postgresql://ada:{CANARY}@127.0.0.1:port/db",
            f"postgresql://ada:%zz{CANARY}@127.0.0.1:1/db",
            f"postgresql://ada:{CANARY}@[::1/db",
            f"mysql://ada:{CANARY}@127.0.0.1/db",
            f"ada:{CANARY}@127.0.0.1/db",
        ],
    )
    def test_password_of_an_address_is_never_shown(
        self, address: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """By no command, no error, no warning and no repr, also where the address can't be read."""
        monkeypatch.setenv("RESPOOL_DATA", str(tmp_path / "data"))
        said: list[str] = []
        common = ["--metastore", address, "--store", str(tmp_path / "store")]
        for command in (
            ["views", "list"],
            ["doctor"],
            ["report"],
            ["--verbose", "analyze"],
            ["views", "purge", "--all"],
        ):
            assert cli.main([*common, *command]) in (1, 2)
        for strict in (True, False):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                try:
                    connection = wrap(tmp_path / "db", address, tmp_path / "store", "team", strict=strict)
                except ReuseError as error:
                    said += [str(error), repr(error)]
                else:
                    said += [repr(connection), repr(connection.reuse), str(connection.reuse.stats())]
                    connection.close()
            said += [str(each.message) for each in caught]
        captured = capfd.readouterr()
        # A traceback shows lines of source, in which no value stands.
        assert CANARY not in "".join([*said, captured.out, captured.err])

    def test_password_of_an_address_that_works_is_kept_nowhere(
        self,
        database: Path,
        tmp_path: Path,
        tenant: str,
        server_directory: Path,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        """Every command, and all that is in the metastore afterwards."""
        plain = embedded_url(server_directory)
        address = plain.replace("postgres:@", f"postgres:{CANARY}@")
        assert CANARY in address
        store = tmp_path / "store"
        connection = wrap(database, address, store, tenant)
        said = [
            repr(connection),
            repr(connection.reuse),
            repr(Settings.resolve(metastore=address, environment={})),
        ]
        for _ in range(2):
            connection.execute(TOTALS).fetchall()
        said.append(str(connection.reuse.explain(TOTALS)))
        connection.close()
        common = ["--metastore", address, "--store", str(store), "--tenant", tenant]
        precise = next(iter(Store(store, tenant).base.glob("??/*"))).name
        for command in (
            ["views", "list", "--json"],
            ["views", "show", precise],
            ["views", "quarantined"],
            ["doctor"],
            ["report", "--json"],
            ["analyze"],
            ["policy", "show"],
            ["explain", "--database", str(database), TOTALS],
            ["views", "purge", "--table", "orders", "--history"],
        ):
            assert cli.main([*common, *command]) == 0, command
        captured = capfd.readouterr()
        assert CANARY not in "".join([*said, captured.out, captured.err, *kept(plain)])

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            (f"files:parquet:https://ada:{CANARY}@host/a.parquet", "files:parquet:https://host/a.parquet"),
            (f"files:csv:https://host/a.csv?sig={CANARY}&x=1", "files:csv:https://host/a.csv?..."),
            (
                f"postgres elsewhere:dbname=a password={CANARY} host=b",
                "postgres elsewhere:dbname=a password=... host=b",
            ),
            (f"secret_access_key = '{CANARY}', region='eu'", "secret_access_key = ..., region='eu'"),
            ("table:/data/shop.duckdb#main.orders", "table:/data/shop.duckdb#main.orders"),
            ("files:parquet:/data/a?.parquet", "files:parquet:/data/a?.parquet"),
        ],
    )
    def test_secrets_of_inputs_are_taken_out(self, text: str, shown: str) -> None:
        """Addresses of files and databases as the history keeps them."""
        assert redacted(text) == shown

    def test_attached_server_is_named_without_its_address(self) -> None:
        """What is attached over the network has its password in its path."""
        address = f"dbname=shop host=db password={CANARY}"
        databases = AttachedDatabases(instance="i", session="s").read(
            [("pg", address, "postgres", False, False, 1)], OpenedFiles()
        )
        assert databases[0].identity == "postgres elsewhere:pg"


class TestNames:
    """Identifiers and paths reach SQL quoted, and patterns as what they are."""

    @pytest.mark.parametrize(
        "name",
        [
            "it's",
            'say "x"',
            "a?b",
            "a*b",
            "**",
            "a[b]c",
            "a[!b]c",
            "a]b[",
            "{a,b}",
            "c0=7",
            "a b",
            "a%20b",
            "ä;--",
            "a\nb",
            "$x",
        ],
    )
    def test_store_in_a_directory_with_any_name(
        self, name: str, url: str, database: Path, tmp_path: Path, tenant: str, opened: list[ReuseConnection]
    ) -> None:
        """Views are written and read there, and no file beside them, whatever DuckDB takes for a pattern."""
        store = tmp_path / name / "store"
        connection = wrap(database, url, store, tenant)
        opened.append(connection)
        sql = "SELECT shop AS c0, count(*) AS n FROM orders GROUP BY shop ORDER BY shop"
        expected = connection.execute(sql).fetchall()
        (built,) = (each for each in connection.reuse.session.metastore.views(tenant) if each.ordered)
        # What the path would match as a pattern.
        for decoy in ("axb", "ab", "b", "a", "abc", "adc"):
            beside = Path(str(built.path).replace(name, decoy, 1))
            beside.mkdir(parents=True, exist_ok=True)
            with duckdb.connect() as plain:
                plain.execute(f"COPY (SELECT 1 AS c0, 2::BIGINT AS c1) TO '{beside / PART}' (FORMAT parquet)")
        assert connection.execute(sql).fetchall() == expected
        assert connection.reuse.last is not None
        assert connection.reuse.last.reads
        assert connection.reuse.wait_for_verification()
        stats = connection.reuse.stats()
        assert (stats["fallbacks"], stats["errors"], stats["mismatched"]) == (0, 0, 0)

    @pytest.mark.parametrize(
        "name", ["it's", 'say "x"', "a'; DROP TABLE orders; --", "SELECT", "a.b", "{0.x}", "%s", "ä", " "]
    )
    def test_tables_and_columns_with_any_name(
        self, name: str, url: str, database: Path, tmp_path: Path, tenant: str, opened: list[ReuseConnection]
    ) -> None:
        """The same rows and the same names, from views."""
        quoted = '"' + name.replace('"', '""') + '"'
        with duckdb.connect(str(database)) as plain:
            plain.execute(f"CREATE TABLE {quoted} AS SELECT shop AS {quoted}, id FROM orders")
        connection = wrap(database, url, tmp_path / "store", tenant)
        opened.append(connection)
        statements = (
            f"SELECT {quoted}, sum(id) AS {quoted} FROM {quoted} GROUP BY 1",
            f"WITH t AS (SELECT {quoted}, count(*) AS n FROM {quoted} GROUP BY 1) SELECT max(n) FROM t",
        )
        for sql in statements:
            connection.reuse.session.enabled = False
            expected = sorted(connection.execute(sql).fetchall()), connection.description
            connection.reuse.session.enabled = True
            for _ in range(2):
                assert (sorted(connection.execute(sql).fetchall()), connection.description) == expected
            assert connection.reuse.wait_for_verification()
        stats = connection.reuse.stats()
        assert (stats["fallbacks"], stats["errors"], stats["mismatched"]) == (0, 0, 0)
        assert connection.execute("SELECT count(*) FROM orders").fetchall() == [(5000,)]
