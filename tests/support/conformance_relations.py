"""What programs do with results, relations and variables; each function is one behaviour of the table."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.conformance import Case, cases_of

ROWS = "SELECT a, b, c, d, e FROM t WHERE a < 40 ORDER BY a"
GROUPS = "SELECT b, sum(c) AS total, count(*) AS n FROM t GROUP BY b ORDER BY b"


def fetch_rows(con: Any) -> object:
    """Rows one by one, many at a time, all."""
    con.execute(ROWS)
    found = [con.fetchone(), con.fetchmany(3), con.fetchmany(size=2), con.fetchall(), con.fetchone()]
    return found, con.fetchmany(5), con.fetchall()


def fetch_without_result(con: Any) -> object:
    """Fetching where nothing was executed."""
    cursor = con.cursor()
    found = [
        _attempt(call) for call in (cursor.fetchone, cursor.fetchall, cursor.fetchmany, cursor.fetchnumpy)
    ]
    cursor.close()
    return found


def fetch_pandas(con: Any) -> object:
    """Data frames of pandas."""
    return (
        con.execute(GROUPS).df(),
        con.execute(ROWS).fetchdf(),
        con.execute(ROWS).fetch_df(date_as_object=True),
        con.execute(ROWS).fetch_df_chunk(),
    )


def fetch_numpy(con: Any) -> object:
    """Arrays of numpy."""
    return con.execute("SELECT a, c, e FROM t WHERE a < 9 ORDER BY a").fetchnumpy()


def fetch_polars(con: Any) -> object:
    """Data frames of polars, lazy ones too."""
    return con.execute(GROUPS).pl(), con.execute(GROUPS).pl(lazy=True)


def fetch_arrow(con: Any) -> object:
    """Arrow by the names of 1.5."""
    return (
        con.execute(GROUPS).arrow(),
        con.execute(ROWS).fetch_arrow_table(),
        con.execute(ROWS).fetch_record_batch(7),
    )


def fetch_arrow_anew(con: Any) -> object:
    """Arrow by the names that both releases have."""
    return con.execute(GROUPS).to_arrow_table(), con.execute(ROWS).to_arrow_reader(7)


def fetch_tensors(con: Any) -> object:
    """Tensors, where the libraries are absent."""
    return _attempt(con.execute("SELECT a FROM t").torch), _attempt(con.execute("SELECT a FROM t").tf)


def complete_and_abort(con: Any) -> object:
    """The end of a result without its rows."""
    return con.execute(ROWS).complete(), con.fetchall(), con.execute(ROWS).abort(), _attempt(con.fetchall)


def relation_basics(con: Any) -> object:
    """A SELECT gives a relation: columns, types, shape, rows, text."""
    relation = con.sql(GROUPS)
    return (
        relation.columns,
        [str(t) for t in relation.types],
        relation.shape,
        relation.fetchall(),
        str(relation),
    )


def relation_names(con: Any) -> object:
    """``sql``, ``query`` and ``from_query``, with alias and parameters."""
    return (
        con.sql(GROUPS),
        con.query("SELECT a FROM t WHERE a < $low ORDER BY a", params={"low": 4}),
        con.from_query("SELECT a FROM t WHERE a < ? ORDER BY a", params=[3]),
        con.sql("SELECT 1 AS x", alias="one").alias,
    )


def relation_chained(con: Any) -> object:
    """Relations made from relations."""
    relation = (
        con.sql("SELECT a, b, c FROM t").filter("a < 30").aggregate("b, sum(c) AS total", "b").order("b")
    )
    other = con.table("nested").project("id, n")
    return relation.fetchall(), relation.limit(2).fetchall(), other.join(con.sql("FROM nested"), "id").shape


def relation_formats(con: Any) -> object:
    """A relation as pandas, Arrow and in pieces."""
    relation = con.sql(GROUPS)
    return relation.df(), relation.to_arrow_table(), relation.fetchall()


def relation_is_lazy(con: Any) -> object:
    """A relation reads what is there when it runs."""
    con.execute("CREATE OR REPLACE TABLE grows AS SELECT 1 AS x")
    relation = con.sql("SELECT sum(x) AS s FROM grows")
    con.execute("INSERT INTO grows VALUES (10)")
    found = relation.fetchall()
    con.execute("INSERT INTO grows VALUES (100)")
    return found, con.sql("SELECT sum(x) AS s FROM grows").fetchall()


def relation_writes(con: Any) -> object:
    """What relations write is read by the next SELECT."""
    count = "SELECT count(*), sum(x) FROM made"
    con.execute("CREATE OR REPLACE TABLE made AS SELECT 1 AS x")
    seen = [con.execute(count).fetchall()]
    con.sql("SELECT 2 AS x").insert_into("made")
    seen.append(con.execute(count).fetchall())
    con.table("made").insert([3])
    seen.append(con.execute(count).fetchall())
    con.sql("INSERT INTO made VALUES (4)")
    seen.append(con.execute(count).fetchall())
    con.execute("DROP TABLE made")
    con.sql("SELECT 5 AS x").create("made")
    seen.append(con.execute(count).fetchall())
    con.sql("SELECT 6 AS x").create_view("seen_as", replace=True)
    seen.append(con.execute("SELECT sum(x) FROM seen_as").fetchall())
    con.sql("SELECT 7 AS x").create_view("seen_as", replace=True)
    seen.append(con.execute("SELECT sum(x) FROM seen_as").fetchall())
    con.execute("DROP VIEW seen_as")
    return seen


def relation_transactions(con: Any) -> object:
    """A transaction that ``sql`` opens and ends."""
    con.sql("BEGIN")
    con.sql("INSERT INTO empty VALUES (1, 'x')")
    inside = con.execute("SELECT count(*) FROM empty").fetchall()
    con.sql("ROLLBACK")
    return inside, con.execute("SELECT count(*) FROM empty").fetchall()


def relation_errors(con: Any) -> object:
    """Errors of ``sql``, and what is no SELECT."""
    return [
        _attempt(lambda text=text: con.sql(text))
        for text in (
            "SELEC",
            "SELECT nothing FROM t",
            "FROM nowhere",
            "",
            "SET threads = 2",
            "SELECT 1; SELECT 2",
        )
    ]


def tables_and_values(con: Any) -> object:
    """``table``, ``view``, ``values``, ``table_function``."""
    return (
        con.table("nested"),
        con.view("v").order("total"),
        con.values([1, "x"]),
        con.table_function("range", [3]),
        _attempt(lambda: con.table("nowhere")),
    )


def frames_to_relations(con: Any) -> object:
    """``from_df`` and ``from_arrow``."""
    import pandas as pd
    import pyarrow as pa

    return con.from_df(pd.DataFrame({"x": [1, 2]})), con.from_arrow(pa.table({"y": ["a"]}))


def files_to_relations(con: Any) -> object:
    """``read_csv``, ``read_json``, ``read_parquet`` and their other names."""
    with tempfile.TemporaryDirectory() as folder:
        for suffix in ("csv", "json", "parquet"):
            con.execute(f"COPY (SELECT a, b FROM t WHERE a < 4 ORDER BY a) TO '{folder}/t.{suffix}'")
        return [
            relation.fetchall()
            for relation in (
                con.read_csv(f"{folder}/t.csv"),
                con.from_csv_auto(f"{folder}/t.csv"),
                con.read_json(f"{folder}/t.json"),
                con.read_parquet(f"{folder}/t.parquet"),
                con.from_parquet(f"{folder}/t.parquet"),
            )
        ]


def files_replaced(con: Any) -> object:
    """A file that is written anew between reads."""
    seen = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "t.csv"
        for content in ("x\n1\n2\n", "x\n3\n4\n", "x\n3\n4\n5\n"):
            file.write_text(content, encoding="utf-8")
            seen.append(con.execute(f"SELECT sum(x) FROM '{file}'").fetchall())
    return seen


def local_variables(con: Any) -> object:
    """Variables of the function that calls, of every kind."""
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    mine = pa.table({"x": [1, 2]})
    frame = pd.DataFrame({"x": [3]})
    polar = pl.DataFrame({"x": [4]})
    relation = con.sql("SELECT 5 AS x")
    assert frame is not None
    assert polar is not None
    assert relation is not None
    seen = [con.execute("SELECT sum(x) FROM frame").fetchall(), con.execute("FROM polar").fetchall()]
    rows = con.execute("SELECT sum(x) FROM mine").fetchall()
    mine = pa.table({"x": [10]})
    both = con.execute("SELECT * FROM mine, relation").fetchall()
    return seen, rows, con.execute("SELECT sum(x) FROM mine").fetchall(), both, mine.num_rows


def variables_of_every_method(con: Any) -> object:
    """Variables found through every method that takes SQL."""
    import pyarrow as pa

    mine = pa.table({"x": [1, 2]})
    text = "SELECT sum(x) FROM mine"
    con.executemany("INSERT INTO empty SELECT x + ?, 'y' FROM mine", [[5]])
    found = con.execute("SELECT * FROM empty ORDER BY a").fetchall()
    con.execute("DELETE FROM empty")
    return (
        con.execute(text).fetchall(),
        con.sql(text).fetchall(),
        con.query(text).fetchall(),
        con.from_query(text).fetchall(),
        con.cursor().execute(text).fetchall(),
        _attempt(lambda: con.table("mine").fetchall()),
        con.execute("CREATE OR REPLACE TABLE kept AS FROM mine; FROM kept ORDER BY x").fetchall(),
        con.execute("SELECT t.b, mine.x FROM t, mine WHERE t.a = mine.x ORDER BY x").fetchall(),
        found,
        mine.num_rows,
    )


def variables_of_nested_scopes(con: Any) -> object:
    """Lambdas, comprehensions, methods, closures and globals."""
    import pyarrow as pa

    mine = pa.table({"x": [1, 2]})
    text = "SELECT sum(x) FROM mine"

    class Asking:
        def ask(self) -> object:
            mine = pa.table({"x": [7]})
            return con.execute(text).fetchall(), mine.num_rows

    def without() -> object:
        return con.execute(text).fetchall()

    def with_closure() -> object:
        return con.execute(text).fetchall(), mine.num_rows

    return (
        _attempt(lambda: (con.execute(text).fetchall(), mine.num_rows)),
        _attempt(lambda: con.execute(text).fetchall()),
        _attempt(lambda: [con.execute(text).fetchall() for _ in range(1)]),
        _attempt(lambda: next((con.execute(text).fetchall(), mine.num_rows) for _ in range(1))),
        Asking().ask(),
        _attempt(without),
        with_closure(),
        con.execute("SELECT sum(x) FROM OF_THE_MODULE").fetchall(),
        _attempt(lambda: eval("con.execute(text).fetchall()", {"con": con, "text": text, "mine": mine})),
    )


def variables_unsuited(con: Any) -> object:
    """A variable that is no table: the message names the program's file and line."""
    number = 5
    assert number
    return _attempt(lambda: con.execute("FROM number")), _attempt(lambda: con.sql("FROM CASES")), _named(con)


def _named(con: Any) -> object:
    number = 5
    assert number
    try:
        con.execute("FROM number")
    except Exception as error:  # noqa: BLE001 - the error is what is compared
        return str(error)
    return None


def variables_not_looked_for(con: Any) -> object:
    """Names of the wrapper are never taken for tables; ``python_enable_replacements``."""
    import pyarrow as pa

    mine = pa.table({"x": [1]})
    ours = (
        "statements",
        "frame",
        "query",
        "target",
        "arguments",
        "found",
        "scope",
        "report",
        "Session",
        "time",
    )
    seen = [_attempt(lambda name=name: con.execute(f"FROM {name}")) for name in ours]
    con.execute("SET python_enable_replacements = false")
    seen.append(_attempt(lambda: con.execute("FROM mine").fetchall()))
    con.execute("SET python_enable_replacements = true")
    return seen, con.execute("FROM mine").fetchall(), mine.num_rows


def variables_of_all_frames(con: Any) -> object:
    """``python_scan_all_frames``."""
    import pyarrow as pa

    around = pa.table({"x": [1]})
    report = pa.table({"x": [2]})

    def inner(name: str) -> object:
        return _attempt(lambda: con.execute(f"SELECT sum(x) FROM {name}").fetchall())

    before = inner("around")
    con.execute("SET python_scan_all_frames = true")
    inside = [inner(name) for name in ("around", "report")]
    con.sql("SET python_scan_all_frames = false")
    return before, inside, inner("around"), around.num_rows, report.num_rows


def registered(con: Any) -> object:
    """``register`` again under the same name, ``unregister``."""
    import pyarrow as pa

    seen = []
    for value in (1, 2):
        con.register("given", pa.table({"x": [value]}))
        seen.append(con.execute("SELECT sum(x) FROM given").fetchall())
    con.unregister("given")
    return seen, _attempt(lambda: con.execute("FROM given"))


def functions_again(con: Any) -> object:
    """A function of Python's, made, used, removed and made anew."""
    seen = []
    for factor in (2, 3):
        con.create_function("scaled", _scaling(factor), ["INTEGER"], "INTEGER")
        seen.append(con.execute("SELECT sum(scaled(a)) FROM t").fetchall())
        con.remove_function("scaled")
    return seen, _attempt(lambda: con.execute("SELECT scaled(a) FROM t"))


def _scaling(factor: int) -> Callable[[int], int]:
    return lambda x: factor * x


def append_frame(con: Any) -> object:
    """``append`` of a data frame."""
    import pandas as pd

    count = "SELECT count(*), max(a) FROM empty"
    seen = [con.execute(count).fetchall()]
    con.append("empty", pd.DataFrame({"a": [1], "b": ["x"]}))
    seen.append(con.execute(count).fetchall())
    con.execute("DELETE FROM empty")
    return seen


def appenders(con: Any) -> object:
    """Appenders: what they write is read by the next SELECT."""
    count = "SELECT count(*), max(a) FROM empty"
    seen = [con.execute(count).fetchall()]
    appender = con.appender("empty")
    appender.append_row(1, "x")
    appender.flush()
    seen.append(con.execute(count).fetchall())
    appender.append_row(2, "x")
    appender.flush()
    seen.append(con.execute(count).fetchall())
    del appender
    con.execute("DELETE FROM empty")
    return seen, con.execute(count).fetchall()


def types_made(con: Any) -> object:
    """Types made by the connection."""
    integer = con.type("INTEGER")
    return [
        str(each)
        for each in (
            integer,
            con.dtype("VARCHAR"),
            con.sqltype("DATE"),
            con.array_type(integer, 3),
            con.list_type(integer),
            con.map_type(integer, integer),
            con.struct_type({"x": integer}),
            con.row_type({"x": integer}),
            con.union_type({"x": integer}),
            con.decimal_type(10, 2),
            con.string_type(),
        )
    ]


def enum_made(con: Any) -> object:
    """``enum_type``."""
    return _attempt(lambda: str(con.enum_type("mood", con.type("VARCHAR"), ["sad", "glad"])))


def profiling(con: Any) -> object:
    """Profiling that the program switches on is the program's."""
    con.execute("PRAGMA enable_profiling = 'no_output'")
    con.execute("SELECT 42 AS answer").fetchall()
    found = "answer" in con.get_profiling_information()
    con.execute("PRAGMA disable_profiling")
    return found


def profiling_switched(con: Any) -> object:
    """``enable_profiling`` and ``disable_profiling``."""
    return _attempt(con.enable_profiling), _attempt(con.disable_profiling)


def inspection(con: Any) -> object:
    """``extract_statements``, ``get_table_names``, ``query_progress``."""
    parts = con.extract_statements("SELECT 1; INSERT INTO t SELECT 2")
    names = con.get_table_names("SELECT * FROM t JOIN nested ON true")
    qualified = con.get_table_names("SELECT * FROM main.t", qualified=True)
    return [(part.query, str(part.type)) for part in parts], names, qualified


def checkpoints(con: Any) -> object:
    """``checkpoint``."""
    return con.checkpoint() is con, con.execute("SELECT count(*) FROM t").fetchall()


def extensions(con: Any) -> object:
    """``load_extension``, and one that does not exist."""
    return _attempt(lambda: con.load_extension("json")), _attempt(
        lambda: con.load_extension("/nowhere.duckdb_extension")
    )


def installing(con: Any) -> object:
    """``install_extension`` of a file that does not exist."""
    return _attempt(lambda: con.install_extension("/nowhere.duckdb_extension"))


def filesystems(con: Any) -> object:
    """File systems of Python's."""
    return (
        con.list_filesystems(),
        con.filesystem_is_registered("nothing"),
        _attempt(lambda: con.unregister_filesystem("nothing")),
        _attempt(lambda: con.register_filesystem(None)),
    )


def query_appenders(con: Any) -> object:
    """``query_appender``."""
    appender = con.query_appender(
        "INSERT INTO empty SELECT * FROM appender_data", {"a": "INTEGER", "b": "VARCHAR"}
    )
    appender.append_row(1, "x")
    appender.flush()
    found = con.execute("SELECT * FROM empty").fetchall()
    del appender
    con.execute("DELETE FROM empty")
    return found


def _attempt(call: Any) -> object:
    with contextlib.suppress(KeyboardInterrupt):
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - the error is what is compared
            return f"{type(error).__qualname__}: {error}"
    return None


def _of_the_module() -> object:
    import pyarrow as pa

    return pa.table({"x": [11]})


OF_THE_MODULE = _of_the_module()

CASES: tuple[Case, ...] = cases_of(
    {
        fetch_rows: "fetchone fetchmany fetchall",
        fetch_without_result: "fetchone",
        fetch_pandas: "df fetchdf fetch_df fetch_df_chunk",
        fetch_numpy: "fetchnumpy",
        fetch_polars: "pl",
        fetch_arrow: "arrow fetch_arrow_table fetch_record_batch",
        fetch_arrow_anew: "to_arrow_table to_arrow_reader",
        fetch_tensors: "torch tf",
        complete_and_abort: "complete abort",
        relation_basics: "sql",
        relation_names: "sql query from_query",
        relation_chained: "sql table",
        relation_formats: "sql",
        relation_is_lazy: "sql",
        relation_writes: "sql table",
        relation_transactions: "sql",
        relation_errors: "sql",
        tables_and_values: "table view values table_function",
        frames_to_relations: "from_df from_arrow",
        files_to_relations: "read_csv from_csv_auto read_json read_parquet from_parquet",
        files_replaced: "execute",
        local_variables: "execute",
        variables_of_every_method: "execute executemany sql query from_query",
        variables_of_nested_scopes: "execute",
        variables_unsuited: "execute",
        variables_not_looked_for: "execute",
        variables_of_all_frames: "execute",
        registered: "register unregister",
        functions_again: "create_function remove_function",
        append_frame: "append",
        appenders: "appender",
        query_appenders: "query_appender",
        types_made: "type dtype sqltype array_type list_type map_type struct_type row_type union_type "
        "decimal_type string_type",
        enum_made: "enum_type",
        profiling: "get_profiling_information",
        profiling_switched: "enable_profiling disable_profiling",
        inspection: "extract_statements get_table_names",
        checkpoints: "checkpoint",
        extensions: "load_extension",
        installing: "install_extension",
        filesystems: "list_filesystems filesystem_is_registered register_filesystem unregister_filesystem",
    }
)
