"""What programs do with statements: each function is one behaviour of docs/conformance.md."""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import duckdb

from tests.support.conformance import Case, cases_of

AGGREGATE = "SELECT b, sum(c) AS total, count(*) AS n, avg(e) AS mean FROM t GROUP BY b ORDER BY b"
JOINED = "SELECT l.b, count(*) AS n FROM t l JOIN t r ON l.a = r.a AND l.c > 100 GROUP BY l.b ORDER BY ALL"
NESTED = "SELECT * FROM nested ORDER BY id"


def _columns(connection: Any) -> list[tuple[str, str]]:
    return [(column[0], str(column[1])) for column in connection.description or ()]


def execute_fetchall(con: Any) -> object:
    """``execute`` of a SELECT: rows, names and types."""
    return con.execute(AGGREGATE).fetchall(), _columns(con)


def execute_join(con: Any) -> object:
    """``execute`` of a join."""
    return con.execute(JOINED).fetchall(), _columns(con)


def execute_nested(con: Any) -> object:
    """``execute`` of nested types."""
    return con.execute(NESTED).fetchall(), _columns(con)


def execute_view(con: Any) -> object:
    """``execute`` over a view."""
    return con.execute("SELECT * FROM v ORDER BY total").fetchall()


def execute_empty_result(con: Any) -> object:
    """``execute`` of a SELECT without rows."""
    return con.execute("SELECT a, b FROM empty WHERE a > 3").fetchall(), _columns(con)


def execute_no_statement(con: Any) -> object:
    """``execute`` of an empty text, of a comment, of a semicolon."""
    return [_outcome(con, text) for text in ("", "-- nothing", ";")]


def execute_by_name(con: Any) -> object:
    """``execute`` with its arguments by name."""
    return con.execute(query="SELECT a FROM t WHERE a = ?", parameters=[3]).fetchall()


def execute_wrong_argument(con: Any) -> object:
    """``execute`` of what is no text."""
    return _attempt(lambda: con.execute(5))


def execute_statement_object(con: Any) -> object:
    """``execute`` of the objects that ``extract_statements`` gives."""
    parts = con.extract_statements("SELECT 1 AS x; SELECT a FROM t WHERE a < 3 ORDER BY a")
    return [con.execute(part).fetchall() for part in parts]


def returns_itself(con: Any) -> object:
    """What returns the connection returns the wrapped one, for chaining."""
    return (
        con.execute("SELECT 1"),
        con.executemany("INSERT INTO empty VALUES (?, ?)", [[1, "x"]]),
        con.execute("DELETE FROM empty"),
        con.begin(),
        con.rollback(),
        con.begin(),
        con.commit(),
        con.execute("SELECT 1").execute("SELECT 2").fetchall(),
    )


def returns_itself_of_the_rest(con: Any) -> object:
    """The rest of what returns the connection."""
    import pyarrow as pa

    return (
        con.register("given", pa.table({"x": [1]})),
        con.unregister("given"),
        con.create_function("twice", lambda x: 2 * x, ["INTEGER"], "INTEGER"),
        con.execute("SELECT twice(a) FROM t WHERE a < 4 ORDER BY a").fetchall(),
        con.remove_function("twice"),
    )


def parameters_by_position(con: Any) -> object:
    """Parameters by position, by number, by name."""
    return (
        con.execute("SELECT count(*) FROM t WHERE a > ? AND c < ?", [5, 300]).fetchall(),
        con.execute("SELECT count(*) FROM t WHERE a > $2 AND c < $1", (300, 5)).fetchall(),
        con.execute("SELECT count(*) FROM t WHERE a > $low", {"low": 5}).fetchall(),
        con.execute("SELECT count(*) FROM t WHERE a > ?", [7]).fetchall(),
        con.execute("SELECT count(*) FROM t WHERE a > ?", (5.0,)).fetchall(),
    )


def parameters_typed(con: Any) -> object:
    """Parameters of many types; their types are the columns'."""
    import datetime as dt
    import decimal

    given = [
        1,
        1.0,
        True,
        "1",
        None,
        decimal.Decimal("1.50"),
        dt.date(2024, 1, 1),
        b"x",
        [1, 2],
        {"k": 1},
    ]
    return [
        (con.execute("SELECT ? AS p, count(*) FROM t", [each]).fetchall(), _columns(con)) for each in given
    ]


def parameters_missing(con: Any) -> object:
    """Too few parameters, too many, unknown names, some where none are taken."""
    return [
        _outcome(con, *given)
        for given in (
            ("SELECT a FROM t WHERE a = ?",),
            ("SELECT a FROM t WHERE a = ?", []),
            ("SELECT a FROM t WHERE a = ?", [1, 2]),
            ("SELECT a FROM t WHERE a = $x", {"y": 1}),
            ("SELECT sum(a) FROM t", [1]),
            ("SELECT sum(a) FROM t", []),
            ("SELECT sum(a) FROM t", None),
            ("SELECT sum(a) FROM t", {}),
        )
    ]


def multi_statement(con: Any) -> object:
    """Several statements in one text: the last one's result."""
    return (
        con.execute("SELECT 1; SELECT a FROM t WHERE a < 3 ORDER BY a").fetchall(),
        con.execute(
            "CREATE OR REPLACE TABLE m AS SELECT 5 AS x; INSERT INTO m VALUES (6); FROM m"
        ).fetchall(),
        con.execute("SELECT a FROM t; CREATE OR REPLACE TABLE m (x INTEGER)").fetchall(),
        _outcome(con, "SELECT 1; SELECT nothing FROM t; SELECT 2"),
        _outcome(con, "CREATE OR REPLACE TABLE m AS SELECT 7 AS x; SELECT error('stop'); DROP TABLE m"),
        con.execute("FROM m").fetchall(),
    )


def multi_statement_transaction(con: Any) -> object:
    """A transaction and a SELECT in one text."""
    found = con.execute("BEGIN; INSERT INTO empty VALUES (1, 'x'); SELECT * FROM empty").fetchall()
    con.rollback()
    begun = con.execute("BEGIN; SELECT a FROM t WHERE a < 3 ORDER BY a").fetchall()
    con.commit()
    return found, begun, con.execute("BEGIN; SELECT 5; COMMIT; SELECT a FROM t ORDER BY a LIMIT 2").fetchall()


def transactions(con: Any) -> object:
    """BEGIN, COMMIT, ROLLBACK; own writes are read."""
    con.begin()
    con.execute("INSERT INTO empty VALUES (1, 'x')")
    inside = con.execute("SELECT count(*) FROM empty").fetchall()
    con.rollback()
    outside = con.execute("SELECT count(*) FROM empty").fetchall()
    return (
        inside,
        outside,
        _attempt(con.commit),
        _attempt(con.rollback),
        _attempt(lambda: con.begin().begin()),
        con.rollback(),
    )


def transaction_failed(con: Any) -> object:
    """A failed statement inside a transaction."""
    con.begin()
    failed = _outcome(con, "SELECT error('stop')")
    after = _outcome(con, "SELECT count(*) FROM t")
    ended = _attempt(con.rollback)
    return failed, after, ended, con.execute("SELECT count(*) FROM t").fetchall()


def executemany(con: Any) -> object:
    """``executemany``."""
    con.executemany("INSERT INTO empty VALUES (?, ?)", [[1, "x"], [2, None]])
    found = con.execute("FROM empty ORDER BY a").fetchall()
    con.execute("DELETE FROM empty")
    return found, _attempt(lambda: con.executemany("INSERT INTO empty VALUES (?, ?)", [[1]]))


def writes_between_reads(con: Any) -> object:
    """INSERT, UPDATE, DELETE, TRUNCATE, RETURNING between reads."""
    seen = []
    for write in (
        "INSERT INTO empty VALUES (1, 'x'), (2, 'y')",
        "UPDATE empty SET b = 'z' WHERE a = 2",
        "INSERT INTO empty VALUES (3, NULL) RETURNING a, b",
        "DELETE FROM empty WHERE a = 1 RETURNING *",
        "INSERT INTO empty SELECT a, b FROM t WHERE a BETWEEN 10 AND 12",
        "TRUNCATE empty",
    ):
        seen.append((con.execute(write).fetchall(), _columns(con)))
        seen.append(con.execute("SELECT b, count(*), sum(a) FROM empty GROUP BY b ORDER BY b").fetchall())
    return seen


def create_table_as(con: Any) -> object:
    """CREATE TABLE AS, also over what it reads."""
    con.execute("CREATE OR REPLACE TABLE made AS SELECT b, sum(c) AS total FROM t GROUP BY b")
    first = con.execute("SELECT * FROM made ORDER BY b").fetchall(), _columns(con)
    con.execute("CREATE OR REPLACE TABLE made AS (SELECT total FROM made WHERE total > 100)")
    again = _outcome(con, "CREATE TABLE made AS SELECT 1")
    return first, con.execute("SELECT * FROM made ORDER BY ALL").fetchall(), again


def ddl_between_reads(con: Any) -> object:
    """Names that come to mean something else."""
    seen = []
    for statement in (
        "CREATE OR REPLACE TABLE m AS SELECT 1 AS x",
        "CREATE OR REPLACE TABLE m AS SELECT 'one' AS x",
        "ALTER TABLE m ADD COLUMN y INTEGER DEFAULT 4",
        "DROP TABLE m",
        "CREATE OR REPLACE VIEW m AS SELECT 2 AS x",
        "CREATE OR REPLACE VIEW m AS SELECT a AS x FROM t WHERE a < 3",
        "CREATE OR REPLACE TEMP TABLE m AS SELECT 9 AS z",
        "DROP TABLE temp.m",
        "DROP VIEW m",
    ):
        con.execute(statement)
        seen.append(_outcome(con, "SELECT * FROM m ORDER BY ALL"))
    return seen


def settings_between_reads(con: Any) -> object:
    """Settings that change results, by ``execute`` and by ``sql``."""
    query = "SELECT b, a FROM t WHERE a < 5 ORDER BY b, a"
    seen = [con.execute(query).fetchall()]
    con.execute("SET default_null_order = 'nulls_first'")
    seen.append(con.execute(query).fetchall())
    con.sql("SET default_null_order = 'nulls_last'")
    seen.append(con.execute(query).fetchall())
    con.sql("SET default_null_order = 'nulls_first'")
    seen.append(con.execute(query).fetchall())
    con.execute("RESET default_null_order")
    con.execute("SET integer_division = true")
    seen.append(con.execute("SELECT a / 2 FROM t WHERE a < 4 ORDER BY a").fetchall())
    con.query("RESET integer_division")
    seen.append(con.execute("SELECT a / 2 FROM t WHERE a < 4 ORDER BY a").fetchall())
    return seen


def schema_between_reads(con: Any) -> object:
    """USE of another schema."""
    con.execute("CREATE SCHEMA IF NOT EXISTS other")
    con.execute("CREATE OR REPLACE TABLE other.t AS SELECT 42 AS a")
    seen = [con.execute("SELECT count(*) FROM t").fetchall()]
    con.execute("USE other")
    seen.append(con.execute("SELECT count(*) FROM t").fetchall())
    con.sql("USE main")
    seen.append(con.execute("SELECT count(*) FROM t").fetchall())
    return seen


def prepare_execute(con: Any) -> object:
    """PREPARE, EXECUTE, DEALLOCATE."""
    con.execute("PREPARE p AS SELECT b, count(*) FROM t WHERE a > $1 GROUP BY b ORDER BY b")
    found = con.execute("EXECUTE p(3)").fetchall(), con.execute("EXECUTE p(300)").fetchall()
    con.execute("DEALLOCATE p")
    return found, _outcome(con, "EXECUTE p(3)")


def explain(con: Any) -> object:
    """EXPLAIN speaks of the statement as it is written."""
    con.execute(JOINED).fetchall()
    return con.execute(f"EXPLAIN {JOINED}").fetchall(), con.execute(f"DESCRIBE {JOINED}").fetchall()


def other_statements(con: Any) -> object:
    """SHOW, SUMMARIZE, PRAGMA, CALL, VALUES, FROM, PIVOT, CHECKPOINT, VACUUM."""
    return [
        _outcome(con, text)
        for text in (
            "SHOW TABLES",
            "SUMMARIZE nested",
            "PRAGMA table_info('t')",
            "CALL range(3)",
            "VALUES (1, 'x')",
            "FROM t WHERE a < 2 ORDER BY a",
            "PIVOT (SELECT a, b FROM t WHERE a < 9) ON b USING count(*)",
            "UNPIVOT (SELECT 1 AS x, 2 AS y) ON x, y",
            "SELECT * FROM t WHERE a < 3 ORDER BY a LIMIT 2 OFFSET 1",
            "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r WHERE x < 4) FROM r",
            "SET VARIABLE x = 5",
            "SELECT getvariable('x')",
            "CHECKPOINT",
            "VACUUM",
            "ANALYZE",
            "LOAD json",
        )
    ]


def copies(con: Any) -> object:
    """COPY to and from files, EXPORT and IMPORT."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "t.csv"
        parquet = Path(folder) / "t.parquet"
        written = con.execute(f"COPY (SELECT a, b FROM t WHERE a < 5 ORDER BY a) TO '{file}'").fetchall()
        con.execute(f"COPY t TO '{parquet}' (FORMAT parquet)")
        con.execute(f"COPY empty FROM '{file}'")
        read = con.execute("FROM empty ORDER BY a").fetchall()
        con.execute("DELETE FROM empty")
        counted = con.execute(f"SELECT count(*) FROM '{parquet}'").fetchall()
        con.execute(f"EXPORT DATABASE '{folder}/export'")
        return written, read, counted, file.read_text(encoding="utf-8")


def errors(con: Any) -> object:
    """Errors have the engine's types and texts."""
    return [
        _outcome(con, text)
        for text in (
            "SELEC 1",
            "SELECT nothing FROM t",
            "SELECT * FROM nowhere",
            "SELECT nosuch(a) FROM t",
            "SELECT a FROM t WHERE b > 5",
            "SELECT b::INTEGER FROM t WHERE b IS NOT NULL",
            "SELECT error('stop') FROM t",
            "SELECT sum(a) FROM t GROUP BY",
            "SELECT a, sum(c) FROM t",
            "SELECT (SELECT a FROM t)",
            "INSERT INTO t VALUES (1)",
            "CREATE TABLE t (x INTEGER)",
            "DROP TABLE nowhere",
            "SET nothing = 1",
            "ATTACH '/nowhere/x.db'",
            "SELECT * FROM read_csv('/nowhere.csv')",
        )
    ]


def after_an_error(con: Any) -> object:
    """After an error nothing is fetched, and the next statement runs."""
    con.execute("SELECT a FROM t")
    failed = _outcome(con, "SELECT nothing FROM t")
    return failed, _attempt(con.fetchall), con.execute("SELECT count(*) FROM t").fetchall()


def results_stay(con: Any) -> object:
    """A result outlives calls that are no statements."""
    con.execute("SELECT a FROM t ORDER BY a")
    first = con.fetchmany(2)
    con.extract_statements("SELECT 1")
    con.get_table_names("SELECT * FROM t")
    cursor = con.cursor()
    cursor.execute("SELECT b, count(*) FROM t GROUP BY b").fetchall()
    cursor.close()
    con.query_progress()
    con.table("t")
    return first, con.fetchone(), len(con.fetchall()), con.fetchone(), con.fetchall()


def interrupted(con: Any) -> object:
    """``interrupt`` from another thread."""
    stop = threading.Event()

    def keep_interrupting() -> None:
        while not stop.wait(0.05):
            con.interrupt()

    thread = threading.Thread(target=keep_interrupting)
    thread.start()
    try:
        found = _outcome(
            con, "SELECT count(*) FROM range(1000000) x, range(1000000) y WHERE x.range < y.range"
        )
    finally:
        stop.set()
        thread.join()
    return found, con.execute("SELECT count(*) FROM t").fetchall()


def context_manager(con: Any) -> object:
    """``with``: the connection itself inside, closed after."""
    cursor = con.cursor()
    with cursor as inside:
        same = inside is cursor
        found = inside.execute("SELECT count(*) FROM t").fetchall()
    return same, found, _outcome(cursor, "SELECT 1"), cursor.close()


def closed(con: Any) -> object:
    """A closed connection."""
    cursor = con.cursor()
    cursor.close()
    cursor.close()
    return [
        _attempt(call)
        for call in (
            lambda: cursor.execute("SELECT 1"),
            lambda: cursor.execute("SELEC"),
            lambda: cursor.sql("SELECT 1"),
            cursor.fetchall,
            cursor.cursor,
            cursor.begin,
            lambda: cursor.table("t"),
            lambda: cursor.description,
            cursor.interrupt,
        )
    ]


def cursors(con: Any) -> object:
    """``cursor`` and ``duplicate``: their own results, transactions and temporary tables."""
    one, two = con.cursor(), con.duplicate()
    one.execute("CREATE TEMP TABLE mine AS SELECT 1 AS x")
    seen = [_outcome(one, "FROM mine"), _outcome(two, "FROM mine"), _outcome(con, "FROM mine")]
    one.execute("SELECT a FROM t ORDER BY a")
    two.execute("SELECT a FROM t ORDER BY a DESC")
    seen.append((one.fetchone(), two.fetchone(), one.fetchone()))
    one.begin()
    one.execute("INSERT INTO empty VALUES (1, 'x')")
    seen.append([_outcome(each, "SELECT count(*) FROM empty") for each in (one, two)])
    one.rollback()
    one.close()
    two.close()
    return seen, _outcome(con, "SELECT count(*) FROM empty")


def identity(con: Any) -> object:
    """``isinstance``, ``with``, truth, hash."""
    return isinstance(con, duckdb.DuckDBPyConnection), bool(con), con in (con,), hash(con) == hash(con)


def unknown_names(con: Any) -> object:
    """Names that the connection does not have, and its arrow capsule."""
    return _attempt(lambda: con.nothing), hasattr(con, "cursor"), hasattr(con, "nothing")


def not_pickled(con: Any) -> object:
    """Neither pickled nor copied."""
    import copy
    import pickle

    return _attempt(lambda: pickle.dumps(con)), _attempt(lambda: copy.copy(con))


def progress_bar(con: Any) -> object:
    """Progress bar settings and ``query_progress``."""
    con.execute("SET enable_progress_bar = true")
    con.execute("SET enable_progress_bar_print = false")
    found = con.execute(AGGREGATE).fetchall()
    con.execute("SET enable_progress_bar = false")
    return found, con.query_progress()


def description_and_rowcount(con: Any) -> object:
    """``description`` and ``rowcount`` before, during and after."""
    seen = []
    for text in (AGGREGATE, "INSERT INTO empty VALUES (1, 'x')", "DELETE FROM empty", "SET threads = 2"):
        con.execute(text)
        seen.append((_columns(con), con.rowcount))
        con.fetchall()
        seen.append((_columns(con), con.rowcount))
    return seen


def deterministic_time(con: Any) -> object:
    """now() and random() are computed at each run."""
    values = []
    for _ in range(2):
        values.append(con.execute("SELECT now()::VARCHAR, random(), uuid() FROM t LIMIT 1").fetchall())
        deadline = time.monotonic() + 5
        while values[-1] == values[0] and len(values) > 1 and time.monotonic() < deadline:
            values[-1] = con.execute("SELECT now()::VARCHAR, random(), uuid() FROM t LIMIT 1").fetchall()
    return values[0] != values[1]


def _outcome(con: Any, *given: Any) -> object:
    return _attempt(lambda: con.execute(*given).fetchall()), _attempt(lambda: _columns(con))


def _attempt(call: Any) -> object:
    with contextlib.suppress(KeyboardInterrupt):
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - the error is what is compared
            return f"{type(error).__qualname__}: {error}"
    return None


CASES: tuple[Case, ...] = cases_of(
    {
        execute_fetchall: "execute fetchall description",
        execute_join: "execute",
        execute_nested: "execute",
        execute_view: "execute",
        execute_empty_result: "execute",
        execute_no_statement: "execute",
        execute_by_name: "execute",
        execute_wrong_argument: "execute",
        execute_statement_object: "execute extract_statements",
        returns_itself: "execute executemany begin commit rollback",
        returns_itself_of_the_rest: "register unregister create_function remove_function",
        parameters_by_position: "execute",
        parameters_typed: "execute",
        parameters_missing: "execute",
        multi_statement: "execute",
        multi_statement_transaction: "execute",
        transactions: "begin commit rollback",
        transaction_failed: "execute rollback",
        executemany: "executemany",
        writes_between_reads: "execute",
        create_table_as: "execute",
        ddl_between_reads: "execute",
        settings_between_reads: "execute sql query",
        schema_between_reads: "execute sql",
        prepare_execute: "execute",
        explain: "execute",
        other_statements: "execute",
        copies: "execute",
        errors: "execute",
        after_an_error: "execute",
        results_stay: "extract_statements get_table_names query_progress",
        interrupted: "interrupt",
        context_manager: "close",
        closed: "close",
        cursors: "cursor duplicate",
        identity: "",
        unknown_names: "",
        not_pickled: "",
        progress_bar: "query_progress",
        description_and_rowcount: "description rowcount",
        deterministic_time: "execute",
    }
)
