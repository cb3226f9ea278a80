"""The DuckDB engine: names, functions, settings, statements, spooling, scans and profiles."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from optimizer_plugin.engines.duckdb.catalog import view_query
from optimizer_plugin.engines.duckdb.engine import DuckDBEngine
from optimizer_plugin.engines.duckdb.functions import candidates_in
from optimizer_plugin.engines.duckdb.instances import Instances
from optimizer_plugin.engines.duckdb.profiles import ProfileUnreadable, parse_profile
from optimizer_plugin.engines.duckdb.statements import StatementKind
from optimizer_plugin.engines.ports import Engine, SpoolRequest
from optimizer_plugin.errors import SpoolError
from signatures.catalog import Catalog, FunctionKind, Stability, TableFacts, ViewFacts


@pytest.fixture
def raw() -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to an empty in-memory database."""
    with duckdb.connect(":memory:") as connection:
        yield connection


@pytest.fixture
def engine(raw: duckdb.DuckDBPyConnection) -> Engine:
    """The engine, through its port."""
    return DuckDBEngine(raw, instances=Instances())


def columns_of(facts: TableFacts | ViewFacts | None) -> list[tuple[str, str]]:
    """Names and types."""
    assert facts is not None
    return [(column.name, column.type) for column in facts.columns]


class TestNames:
    def test_resolves_as_duckdb_does(self, engine: Engine, raw: duckdb.DuckDBPyConnection) -> None:
        """Each name means the table that DuckDB itself reads for it, or nothing."""
        raw.execute("ATTACH ':memory:' AS m; CREATE SCHEMA m.s; CREATE SCHEMA s; CREATE SCHEMA odd")
        places = ("memory.main", "memory.s", "m.main", "m.s", "memory.odd")
        for place in places:
            for name in ("everywhere", place.replace(".", "_")):
                raw.execute(f"CREATE TABLE {place}.{name} AS SELECT '{place}' AS place")
        raw.execute("CREATE TEMP TABLE temp_main AS SELECT 'temp.main' AS place")
        names = ["everywhere", "s.everywhere", "m.everywhere", "main.everywhere", "odd.everywhere"]
        names += ["memory.everywhere", "m.s.everywhere", "memory.s.everywhere", "nowhere", "m.nowhere"]
        names += [place.replace(".", "_") for place in places]
        names += ["temp_main", "temp.temp_main", "M.S.EVERYWHERE"]
        paths = ("s", "m", "m.s", "odd,s", "m.s,odd", "odd,m", "m,odd", "m.s,s")
        settings = ("USE memory", *(f"USE memory; SET search_path = '{path}'" for path in paths))
        resolved = 0
        for setting in settings:
            raw.execute(setting)
            for name in names:
                facts = engine.look().catalog.relation(tuple(name.split(".")))
                try:
                    expected = raw.execute(f"SELECT place FROM {name}").fetchall()[0][0]
                except duckdb.Error:
                    expected = None
                if facts is not None:
                    resolved += 1
                    assert f"{facts.catalog}.{facts.schema}" == expected, (setting, name)
                else:
                    # More than one could be meant: not resolved, though DuckDB has an order for them.
                    assert expected is None or name.count(".") == 1, (setting, name)
        assert resolved > 40

    def test_temporary_tables_come_first(self, engine: Engine, raw: duckdb.DuckDBPyConnection) -> None:
        """A temporary table hides a table of the same name."""
        raw.execute("CREATE TABLE t AS SELECT 1 AS a; CREATE TEMP TABLE t AS SELECT 'x' AS b")
        assert columns_of(engine.look().catalog.relation(("T",))) == [("b", "VARCHAR")]

    def test_snapshot_is_kept_until_names_change(
        self, engine: Engine, raw: duckdb.DuckDBPyConnection
    ) -> None:
        """The same object while nothing changed, another one after DDL that nobody reported."""
        raw.execute("CREATE TABLE t (a INTEGER)")
        first = engine.look().catalog
        assert engine.look().catalog is first
        raw.execute("ALTER TABLE t ADD COLUMN b DATE")
        assert engine.look().catalog is not first
        assert columns_of(engine.look().catalog.relation(("t",))) == [("a", "INTEGER"), ("b", "DATE")]

    def test_snapshot_is_kept_where_only_rows_changed(
        self, engine: Engine, raw: duckdb.DuckDBPyConnection
    ) -> None:
        """Compiled templates stay valid across inserts."""
        raw.execute("CREATE TABLE t (a INTEGER)")
        first = engine.look().catalog
        raw.execute("INSERT INTO t VALUES (1)")
        assert engine.look().catalog is first

    def test_foreign_connection_does_not_freeze_names(
        self, engine: Engine, raw: duckdb.DuckDBPyConnection
    ) -> None:
        """Views replaced by a cursor that stays open are seen at once."""
        raw.execute("CREATE VIEW v AS SELECT 1 AS a")
        with raw.cursor() as other:
            for number in range(3):
                other.execute(f"CREATE OR REPLACE VIEW v AS SELECT {number} AS a")
                facts = engine.look().catalog.relation(("v",))
                assert isinstance(facts, ViewFacts)
                assert str(number) in facts.query

    def test_views_give_their_select(self, engine: Engine, raw: duckdb.DuckDBPyConnection) -> None:
        """The text taken out of CREATE VIEW gives the same rows and columns as the view."""
        raw.execute("CREATE SCHEMA s; CREATE TABLE t AS SELECT 1 AS a, 'x' AS b")
        definitions = {
            "plain": "CREATE VIEW plain AS FROM t",
            "listed": 'CREATE VIEW listed(x, "as") AS SELECT a, b FROM t -- as',
            '"as ""é(("': 'CREATE OR REPLACE VIEW "as ""é((" AS WITH q AS (SELECT a AS "as" FROM t) FROM q',
            "partly": "CREATE VIEW partly(x) AS SELECT a, b FROM t ORDER BY 1",
            "s.far": "CREATE VIEW s.far AS (SELECT a FROM memory.main.t UNION ALL SELECT 2) ORDER BY 1",
            "cross_tab": "CREATE VIEW cross_tab AS PIVOT t ON b IN ('x', 'y') USING sum(a)",
            "temporary": "CREATE TEMP VIEW temporary AS VALUES (1, 2)",
        }
        for name, sql in definitions.items():
            raw.execute(sql)
            parts = tuple(part.strip('"').replace('""', '"') for part in name.split("."))
            facts = engine.look().catalog.relation(parts)
            assert isinstance(facts, ViewFacts), name
            assert facts.temporary == (name == "temporary")
            from_view = raw.execute(f"SELECT * FROM {name}")
            expected = ([column[0] for column in from_view.description], from_view.fetchall())
            from_text = raw.execute(f"SELECT * FROM ({facts.query})")
            assert from_text.fetchall() == expected[1], name
            assert [column.name for column in facts.columns] == expected[0]

    def test_text_that_is_no_view_is_refused(self) -> None:
        """Without AS there is nothing to take out."""
        assert view_query("CREATE VIEW broken", (), "broken") is None

    def test_tables_with_collations_are_not_described(
        self, engine: Engine, raw: duckdb.DuckDBPyConnection
    ) -> None:
        """A column's own collation would be lost in a view, and DuckDB's catalog does not list it."""
        raw.execute("CREATE TABLE t (a VARCHAR COLLATE NOCASE); CREATE TABLE u (a VARCHAR)")
        assert engine.look().catalog.relation(("t",)) is None
        assert engine.look().catalog.relation(("u",)) is not None

    def test_columns_of_files(self, engine: Engine, raw: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
        """Files tell their columns; what cannot be read tells nothing."""
        raw.execute(f"COPY (SELECT 1 AS a, DATE '2020-01-01' AS b) TO '{tmp_path}/x.parquet'")
        catalog = engine.look().catalog
        found = catalog.source_columns(f"read_parquet('{tmp_path}/*.parquet')")
        assert found is not None
        assert [(column.name, column.type) for column in found] == [("a", "INTEGER"), ("b", "DATE")]
        assert catalog.source_columns("read_parquet('/nowhere/x.parquet')") is None

    def test_identities_tell_odd_names_apart(self, engine: Engine, raw: duckdb.DuckDBPyConnection) -> None:
        """Dots and signs in quoted names cannot make two tables one."""
        raw.execute(
            'CREATE SCHEMA "a.b"; CREATE SCHEMA a; CREATE TABLE "a.b".c (x INT); CREATE TABLE a."b.c" (x INT)'
        )
        raw.execute('CREATE TABLE a."d#e" (x INT)')
        found = [
            engine.look().catalog.relation(("memory", *parts))
            for parts in (("a.b", "c"), ("a", "b.c"), ("a", "d#e"))
        ]
        identities = [facts.identity for facts in found if isinstance(facts, TableFacts)]
        assert len(set(identities)) == 3
        assert None not in engine.versions(identities).values()


class TestFunctions:
    @pytest.mark.parametrize(
        ("name", "kind", "stability"),
        [
            ("lower", FunctionKind.SCALAR, Stability.CONSISTENT),
            ("SUM", FunctionKind.AGGREGATE, Stability.CONSISTENT),
            ("first", FunctionKind.AGGREGATE, Stability.CONSISTENT),
            ("range", FunctionKind.SCALAR, Stability.CONSISTENT),
            ("random", FunctionKind.SCALAR, Stability.VOLATILE),
            ("uuid", FunctionKind.SCALAR, Stability.VOLATILE),
            ("nextval", FunctionKind.SCALAR, Stability.VOLATILE),
            ("currval", FunctionKind.SCALAR, Stability.VOLATILE),
            ("now", FunctionKind.SCALAR, Stability.WITHIN_QUERY),
            ("today", FunctionKind.SCALAR, Stability.WITHIN_QUERY),
            ("current_localtime", FunctionKind.SCALAR, Stability.WITHIN_QUERY),
            ("version", FunctionKind.SCALAR, Stability.WITHIN_QUERY),
            ("current_setting", FunctionKind.SCALAR, Stability.WITHIN_QUERY),
            ("getvariable", FunctionKind.SCALAR, Stability.WITHIN_QUERY),
            ("txid_current", FunctionKind.SCALAR, Stability.WITHIN_QUERY),
            ("current_user", FunctionKind.SCALAR, Stability.WITHIN_QUERY),
            ("read_text", FunctionKind.TABLE, Stability.VOLATILE),
            ("glob", FunctionKind.TABLE, Stability.VOLATILE),
            ("duckdb_tables", FunctionKind.TABLE, Stability.VOLATILE),
            ("pragma_table_info", FunctionKind.TABLE, Stability.VOLATILE),
            ("read_parquet", FunctionKind.TABLE, Stability.CONSISTENT),
            ("list_sum", FunctionKind.MACRO, Stability.CONSISTENT),
        ],
    )
    def test_kind_and_stability(
        self, engine: Engine, name: str, kind: FunctionKind, stability: Stability
    ) -> None:
        """DuckDB's claims, put right where they would let a changing value into a view."""
        facts = engine.look().catalog.function(name)
        assert facts is not None
        assert (facts.kind, facts.stability, facts.user_defined) == (kind, stability, False)

    def test_functions_of_the_program_are_told_apart(
        self, engine: Engine, raw: duckdb.DuckDBPyConnection
    ) -> None:
        """DuckDB calls a registered Python function internal and consistent; it may do anything."""
        pytest.importorskip("numpy")
        raw.create_function("twice", lambda x: x * 2, ["BIGINT"], "BIGINT")
        facts = engine.look().catalog.function("twice")
        assert facts is not None
        assert facts.user_defined
        assert facts.definition is None

    def test_macros_are_their_whole_definition(self, engine: Engine, raw: duckdb.DuckDBPyConnection) -> None:
        """Body, parameters and defaults all belong to what a call means."""
        raw.execute("CREATE MACRO plain(a, b) AS a + b")
        facts = engine.look().catalog.function("PLAIN")
        assert facts is not None
        assert (facts.kind, facts.parameters, facts.definition) == (
            FunctionKind.MACRO,
            ("a", "b"),
            "(a + b)",
        )
        seen = set()
        for definition in (
            "(a, b := 5) AS a + b",
            "(a, b := 6) AS a + b",
            "(a, b) AS a + b",
            "(a, b) AS a - b",
            "(a) AS a, (a, b) AS a + b",
            "(a) AS TABLE SELECT a",
        ):
            kind = "MACRO TABLE" if "TABLE" in definition else "MACRO"
            raw.execute(f"DROP {kind} IF EXISTS m") if kind == "MACRO" else raw.execute("DROP MACRO m")
            raw.execute(f"CREATE MACRO m{definition}")
            found = engine.look().catalog.function("m")
            assert found is not None
            assert found.stability is Stability.CONSISTENT
            seen.add((found.kind, found.parameters, found.definition))
        assert len(seen) == 6

    def test_macro_hides_a_function(self, engine: Engine, raw: duckdb.DuckDBPyConnection) -> None:
        """A macro in the search path is what a call means, one outside of it is not."""
        raw.execute("CREATE SCHEMA s; CREATE MACRO s.lower(a) AS 'far'; CREATE MACRO upper(a) AS 'near'")
        assert raw.execute("SELECT lower('X'), upper('x')").fetchall() == [("x", "near")]
        catalog = engine.look().catalog
        lower, upper = catalog.function("lower"), catalog.function("upper")
        assert lower is not None
        assert upper is not None
        assert (lower.kind, upper.kind) == (FunctionKind.SCALAR, FunctionKind.MACRO)
        assert upper.definition == "'near'"

    def test_nothing_is_asked_inside_a_transaction(
        self, engine: DuckDBEngine, raw: duckdb.DuckDBPyConnection
    ) -> None:
        """Telling defaults of a macro takes a query that fails, which takes a transaction with it."""
        raw.execute("CREATE MACRO m(a, b := 5) AS a + b; BEGIN; CREATE TABLE t (a INTEGER)")
        moment = engine.look()
        assert moment.in_transaction
        assert moment.catalog.function("m") is None
        assert raw.execute("SELECT count(*) FROM t").fetchall() == [(0,)]
        raw.execute("ROLLBACK")
        assert engine.look().catalog.function("m") is not None

    def test_other_error_texts_tell_no_candidates(self) -> None:
        """A message of another form makes the macro unusable, never wrong."""
        assert candidates_in("Binder Error: nothing known", "m") is None
        assert candidates_in("Candidate macros:\n\tother(a)\n\n", "m") is None


class TestSettings:
    @pytest.mark.parametrize(
        "statement",
        [
            "SET TimeZone = 'Asia/Tokyo'",
            "SET default_null_order = 'nulls_first'",
            "SET default_order = 'desc'",
            "SET integer_division = true",
            "SET ieee_floating_point_ops = false",
            "SET default_collation = 'nocase'",
            "SET preserve_insertion_order = false",
            "SET scalar_subquery_error_on_multiple_rows = false",
        ],
    )
    def test_settings_that_change_results_change_the_environment(
        self, engine: DuckDBEngine, raw: duckdb.DuckDBPyConnection, statement: str
    ) -> None:
        """Views built under other settings are other views."""
        first = engine.look().environment
        assert first.startswith(f"duckdb {duckdb.__version__.split('.')[0]}; ")
        raw.execute(statement)
        assert engine.look().environment != first

    def test_settings_that_change_speed_do_not(
        self, engine: DuckDBEngine, raw: duckdb.DuckDBPyConnection
    ) -> None:
        """Views are shared by sessions of different size."""
        first = engine.look().environment
        raw.execute("SET threads = 1; SET memory_limit = '1GB'; SET temp_directory = '/tmp'")
        assert engine.look().environment == first


class TestStatements:
    @pytest.mark.parametrize(
        ("sql", "kind", "is_write"),
        [
            ("SELECT 1 -- insert", StatementKind.SELECT, False),
            ("FROM t", StatementKind.SELECT, False),
            ("SELECT 'delete' AS \"update\"", StatementKind.SELECT, False),
            ("EXPLAIN ANALYZE INSERT INTO t VALUES (1)", StatementKind.EXPLAIN, True),
            ("WITH q AS (SELECT 1) INSERT INTO t FROM q", StatementKind.INSERT, True),
            ("TRUNCATE t", StatementKind.DELETE, True),
            ("COPY t TO 'x.csv'", StatementKind.COPY_TO, False),
            ("COPY (SELECT * FROM t) TO 'x.csv'", StatementKind.COPY_TO, False),
            ("COPY t FROM 'x.csv'", StatementKind.COPY_FROM, True),
            ("SET a = 1", StatementKind.SET, False),
            ("USE s", StatementKind.SET, False),
            ("BEGIN READ ONLY", StatementKind.BEGIN, False),
            ("START TRANSACTION", StatementKind.BEGIN, False),
            ("/* x */ COMMIT", StatementKind.COMMIT, True),
            ("END", StatementKind.COMMIT, True),
            ("ABORT", StatementKind.ROLLBACK, False),
            ("CREATE TABLE x AS SELECT 1", StatementKind.CREATE, True),
            ("EXECUTE prepared", StatementKind.OTHER, True),
            ("CALL pragma_version()", StatementKind.OTHER, True),
            ("this is not SQL", StatementKind.OTHER, True),
        ],
    )
    def test_kind_and_effect(
        self, engine: DuckDBEngine, sql: str, kind: StatementKind, is_write: bool
    ) -> None:
        """Doubt counts as a write."""
        (found,) = engine.statement_kinds(sql)
        assert (found.kind, found.is_write) == (kind, is_write)

    def test_writing_ctes_are_writes(self, engine: DuckDBEngine) -> None:
        """DuckDB 2.0 calls a SELECT over INSERT ... RETURNING a SELECT; 1.5 does not parse it."""
        found = engine.statement_kinds("WITH x AS (INSERT INTO t VALUES (1) RETURNING a) SELECT * FROM x")
        assert all(statement.is_write for statement in found)

    def test_scripts_are_cut(self, engine: DuckDBEngine) -> None:
        """Each statement comes with its own text."""
        found = engine.statement_kinds("SELECT 1; INSERT INTO t VALUES (';');")
        assert [statement.kind for statement in found] == [StatementKind.SELECT, StatementKind.INSERT]
        assert "';'" in found[1].text
        assert engine.statement_kinds("-- nothing") == ()

    def test_effects_on_names(self, engine: DuckDBEngine) -> None:
        """What makes a catalog stale, and what makes its functions stale."""
        effects = {
            sql: (found.changes_catalog, found.changes_functions)
            for sql in ("CREATE VIEW v AS SELECT 1", "CREATE MACRO m() AS 1", "SELECT 1", "USE s", "CALL f()")
            for found in engine.statement_kinds(sql)
        }
        assert effects == {
            "CREATE VIEW v AS SELECT 1": (True, False),
            "CREATE MACRO m() AS 1": (True, True),
            "SELECT 1": (False, False),
            "USE s": (True, False),
            "CALL f()": (True, True),
        }


@pytest.mark.parametrize("parameters", [None, [1]])
def test_names_of_outputs_keep_their_letters(
    engine: Engine, raw: duckdb.DuckDBPyConnection, parameters: list[object] | None
) -> None:
    """An alias that differs from its column in letter case only, which DuckDB 2.0's DESCRIBE passes over."""
    raw.execute("CREATE TABLE t (v INTEGER)")
    condition = "" if parameters is None else " WHERE v > ?"
    sql = f'SELECT v AS "V", v + 1 AS w FROM t{condition}'
    assert [output.name for output in engine.describe(sql, parameters)] == ["V", "w"]
    before = engine.look().catalog
    engine.describe(sql, parameters)
    assert engine.look().catalog is before


class TestSpooling:
    def test_rows_names_and_order_survive(
        self, engine: Engine, raw: duckdb.DuckDBPyConnection, tmp_path: Path
    ) -> None:
        """Repeated and odd output names, a comment at the end, ORDER BY over several row groups."""
        sql = (
            'SELECT a, a % 7 AS a, a AS "x ""y" FROM range(300000) AS t(a) ORDER BY a % 1000, a DESC; -- end'
        )
        spooled = engine.spool(SpoolRequest(sql=sql, directory=tmp_path / "view", ordered=True))
        assert spooled.rows == 300_000
        assert [column.stored_name for column in spooled.columns] == ["c0", "c1", "c2"]
        names = ["a", "a", 'x "y']
        scan = engine.scan(tmp_path / "view", list(zip(spooled.columns, names, strict=True)), ordered=True)
        assert [column.name for column in engine.describe(scan)] == names
        assert raw.execute(scan).fetchall() == raw.execute(sql).fetchall()

    def test_files_are_the_owners_alone(self, engine: Engine, tmp_path: Path) -> None:
        """Nobody else reads rows that the producer was allowed to see."""
        directory = tmp_path / "store" / "view"
        spooled = engine.spool(SpoolRequest(sql="SELECT 1 AS a", directory=directory))
        (file,) = directory.iterdir()
        assert (directory.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)
        assert spooled.size_bytes == file.stat().st_size
        assert len(spooled.checksum) == 32
        assert list(directory.parent.iterdir()) == [directory]

    def test_checksum_tells_contents_apart(self, engine: Engine, tmp_path: Path) -> None:
        """Equal files have equal checksums, others do not."""
        found = [
            engine.spool(SpoolRequest(sql=f"SELECT {value} AS a", directory=tmp_path / name)).checksum
            for name, value in (("one", 1), ("two", 1), ("three", 2))
        ]
        assert found[0] == found[1] != found[2]

    @pytest.mark.parametrize(
        ("sql", "parameters"),
        [
            ("SELECT a, ? AS b FROM range(10) AS t(a) WHERE a > ?", [3, 5]),
            ("SELECT a, $b AS b FROM range(10) AS t(a) WHERE a > $low", {"b": 3, "low": 5}),
        ],
    )
    def test_parameters_are_passed_on(
        self,
        engine: Engine,
        raw: duckdb.DuckDBPyConnection,
        tmp_path: Path,
        sql: str,
        parameters: list[int] | dict[str, int],
    ) -> None:
        """Positional and named parameters reach the statement that is spooled."""
        spooled = engine.spool(SpoolRequest(sql=sql, directory=tmp_path / "view", parameters=parameters))
        scan = engine.scan(tmp_path / "view", [(column, "x") for column in spooled.columns], ordered=False)
        assert raw.execute(scan).fetchall() == raw.execute(sql, parameters).fetchall()

    def test_only_the_columns_asked_for(
        self, engine: Engine, raw: duckdb.DuckDBPyConnection, tmp_path: Path
    ) -> None:
        """A view may hold more columns than one reader needs, in another order."""
        spooled = engine.spool(SpoolRequest(sql="SELECT 1 AS a, 2 AS b, 3 AS c", directory=tmp_path / "v"))
        scan = engine.scan(
            tmp_path / "v", [(spooled.columns[2], "c"), (spooled.columns[0], "a")], ordered=False
        )
        assert raw.execute(scan).fetchall() == [(3, 1)]

    def test_sorted_design(self, engine: Engine, raw: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
        """The physical design sorts by output columns, in either direction."""
        request = SpoolRequest(
            sql="SELECT a % 3 AS k, a FROM range(9) AS t(a)",
            directory=tmp_path / "view",
            sort_columns=((0, "desc"), (1, "asc")),
        )
        spooled = engine.spool(request)
        scan = engine.scan(tmp_path / "view", [(column, "x") for column in spooled.columns], ordered=True)
        assert raw.execute(scan).fetchall() == [(k, a) for k in (2, 1, 0) for a in (k, k + 3, k + 6)]

    def test_empty_results_are_views_too(
        self, engine: Engine, raw: duckdb.DuckDBPyConnection, tmp_path: Path
    ) -> None:
        """No rows, but the types."""
        sql = "SELECT 1::HUGEINT AS a, 'x' AS b WHERE false"
        spooled = engine.spool(SpoolRequest(sql=sql, directory=tmp_path / "view"))
        assert spooled.rows == 0
        scan = engine.scan(tmp_path / "view", [(column, "x") for column in spooled.columns], ordered=False)
        assert raw.execute(scan).fetchall() == []
        assert [column.type for column in engine.describe(scan)] == ["HUGEINT", "VARCHAR"]

    @pytest.mark.parametrize(
        "sql", ["SELECT error('boom') FROM range(10)", "SELECT nope", "not SQL", "SELECT 1; SELECT 2"]
    )
    def test_failures_leave_nothing(self, engine: Engine, tmp_path: Path, sql: str) -> None:
        """Neither a view nor debris, and the connection works on."""
        with pytest.raises((duckdb.Error, SpoolError)):
            engine.spool(SpoolRequest(sql=sql, directory=tmp_path / "view"))
        assert list(tmp_path.iterdir()) == []
        assert not engine.look().in_transaction

    def test_taken_place_is_refused(self, engine: Engine, tmp_path: Path) -> None:
        """A view is never overwritten."""
        request = SpoolRequest(sql="SELECT 1 AS a", directory=tmp_path / "view")
        engine.spool(request)
        with pytest.raises(SpoolError, match="found a view"):
            engine.spool(request)

    def test_unwritable_place_is_an_error_of_its_own(self, engine: Engine, tmp_path: Path) -> None:
        """A file where the store should be."""
        (tmp_path / "store").write_text("")
        with pytest.raises(SpoolError, match="could not write"):
            engine.spool(SpoolRequest(sql="SELECT 1 AS a", directory=tmp_path / "store" / "view"))

    def test_open_transactions_are_left_alone(
        self, engine: Engine, raw: duckdb.DuckDBPyConnection, tmp_path: Path
    ) -> None:
        """A failing spool would take the user's uncommitted rows with it, so none is begun."""
        raw.execute("CREATE TABLE t (a INTEGER); BEGIN; INSERT INTO t VALUES (1)")
        with pytest.raises(SpoolError, match="open transaction"):
            engine.spool(SpoolRequest(sql="SELECT error('x')", directory=tmp_path / "view"))
        raw.execute("COMMIT")
        assert raw.execute("SELECT * FROM t").fetchall() == [(1,)]

    def test_order_without_insertion_order_is_refused(
        self, engine: Engine, raw: duckdb.DuckDBPyConnection, tmp_path: Path
    ) -> None:
        """DuckDB would write the rows in any order; reading sorts by row number instead."""
        spooled = engine.spool(SpoolRequest(sql="SELECT 1 AS a", directory=tmp_path / "view", ordered=True))
        raw.execute("SET preserve_insertion_order = false")
        fresh = DuckDBEngine(raw, instances=Instances())
        with pytest.raises(SpoolError, match="preserve_insertion_order"):
            fresh.spool(SpoolRequest(sql="SELECT 1 AS a", directory=tmp_path / "other", ordered=True))
        scan = fresh.scan(tmp_path / "view", [(spooled.columns[0], "a")], ordered=True)
        assert raw.execute(scan).fetchall() == [(1,)]
        assert "ORDER BY file_row_number" in scan

    def test_read_only_databases_can_be_spooled_from(self, tmp_path: Path) -> None:
        """Views lie outside the database."""
        path = tmp_path / "shop.duckdb"
        with duckdb.connect(str(path)) as connection:
            connection.execute("CREATE TABLE t AS FROM range(5) AS r(a)")
        with duckdb.connect(str(path), read_only=True) as connection:
            engine = DuckDBEngine(connection, instances=Instances())
            spooled = engine.spool(SpoolRequest(sql="SELECT sum(a) AS s FROM t", directory=tmp_path / "view"))
            scan = engine.scan(tmp_path / "view", [(spooled.columns[0], "s")], ordered=False)
            assert connection.execute(scan).fetchall() == [(10,)]

    def test_damaged_files_do_not_go_unnoticed(
        self, engine: Engine, raw: duckdb.DuckDBPyConnection, tmp_path: Path
    ) -> None:
        """Reading a view whose file is gone or cut off is an error, not an empty result."""
        spooled = engine.spool(SpoolRequest(sql="SELECT 1 AS a", directory=tmp_path / "view"))
        scan = engine.scan(tmp_path / "view", [(spooled.columns[0], "a")], ordered=False)
        shutil.rmtree(tmp_path / "view")
        with pytest.raises(duckdb.IOException):
            raw.execute(scan)


class TestProfiles:
    def test_operators_carry_scans_and_filters(self, engine: Engine, raw: duckdb.DuckDBPyConnection) -> None:
        """Base tables below each operator, as a multiset, CTEs followed to what they read."""
        raw.execute("CREATE TABLE big AS SELECT range AS k, range % 10 AS g FROM range(20000)")
        raw.execute("CREATE TABLE small AS SELECT range AS g FROM range(10)")
        sql = """WITH q AS MATERIALIZED (SELECT g, sum(k) AS s FROM big WHERE k > 100 GROUP BY g)
                 SELECT a.g FROM q AS a, q AS b, small WHERE a.g = b.g + 1 AND small.g = a.g"""
        profile = engine.profile(sql)
        assert profile.rows == 9
        assert profile.cpu_seconds > 0
        assert profile.elapsed_seconds > 0
        tables = ("memory.main.big", "memory.main.big", "memory.main.small")
        assert profile.root.scans == tables
        assert any("k" in text and "100" in text for text in profile.root.filters)
        assert profile.cpu_seconds == pytest.approx(profile.root.inclusive_seconds())

    def test_settings_of_the_user_are_left_alone(
        self, engine: Engine, raw: duckdb.DuckDBPyConnection
    ) -> None:
        """Profiling that the user switched on stays on, and that they did not stays off."""
        setting = "SELECT current_setting('enable_profiling')"
        engine.profile("SELECT 1")
        before = raw.execute(setting).fetchall()
        raw.execute("SET enable_profiling = 'no_output'")
        engine.profile("SELECT 1")
        assert raw.execute(setting).fetchall() == [("no_output",)] != before

    def test_profile_without_operators_is_an_error(self) -> None:
        """A form that is not known is said to be so."""
        with pytest.raises(ProfileUnreadable, match="without operators"):
            parse_profile('{"latency": 1.0, "children": []}')


def test_catalog_satisfies_its_port(engine: Engine) -> None:
    """The snapshot is what the binder asks for."""
    catalog: Catalog = engine.look().catalog
    assert catalog.relation(("nothing",)) is None
    assert catalog.relation(()) is None
