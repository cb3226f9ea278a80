# ruff: noqa: E501 - the page's own lines
"""Writes docs/conformance.md from the cases: ``python -m tests.support.conformance_page``.

The page speaks of two releases; the names of each are kept here, and a test compares them with those of the
release that is installed.
"""

from __future__ import annotations

from pathlib import Path

from tests.support.conformance import RELEASES, Case
from tests.support.conformance_clients import CLIENTS
from tests.support.conformance_relations import CASES as RELATIONS
from tests.support.conformance_statements import CASES as STATEMENTS

CASES: tuple[Case, ...] = (*STATEMENTS, *RELATIONS)

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"

_COMMON = """
append array_type begin checkpoint close commit create_function cursor decimal_type description df
disable_profiling dtype duplicate enable_profiling enum_type execute executemany extract_statements fetch_df
fetch_df_chunk fetchall fetchdf fetchmany fetchnumpy fetchone filesystem_is_registered from_arrow from_csv_auto
from_df from_parquet from_query get_profiling_information get_table_names install_extension interrupt
list_filesystems list_type load_extension map_type query query_progress read_csv read_json read_parquet register
register_filesystem remove_function rollback row_type rowcount sql sqltype string_type struct_type table
table_function tf to_arrow_reader to_arrow_table torch type union_type unregister unregister_filesystem values
view
"""

NAMES: dict[str, frozenset[str]] = {
    "1.5.5": frozenset([*_COMMON.split(), "arrow", "fetch_arrow_table", "fetch_record_batch", "pl"]),
    "2.0.0": frozenset([*_COMMON.split(), "abort", "appender", "complete", "query_appender"]),
}
"""The public names of a connection in each release."""

ABSENT = "-"
RELATION = "passes by reuse"
SAME = "same"

_RELATIONS = frozenset(
    """from_arrow from_csv_auto from_df from_parquet from_query query read_csv read_json read_parquet sql table
    table_function values view""".split()
)
"""Names that give relations."""

NOTES = {
    "append": "what was kept of in-memory tables is not read again",
    "arrow": "a reader fetches later than it is timed",
    "begin": "no reuse until the transaction ends",
    "close": "also writes what is left of the history",
    "create_function": "what was kept of in-memory tables is not read again",
    "cursor": "wrapped alike",
    "description": "gone, as a result is, when `con.reuse` asks the database",
    "duplicate": "wrapped alike",
    "execute": "reuse, for one SELECT outside a transaction",
    "fetch_record_batch": "a reader fetches later than it is timed",
    "get_profiling_information": "of a sample of the SELECTs, also where the program did not ask for it",
    "interrupt": "also stops what is still being prepared",
    "register": "what was kept of in-memory tables is not read again",
    "sql": "what is no SELECT runs at once, as ever",
    "to_arrow_reader": "a reader fetches later than it is timed",
    "unregister": "what was kept of in-memory tables is not read again",
}

_HEAD = """# Conformance

<!-- Written by `python -m tests.support.conformance_page`; a test compares. -->

The wrapped connection beside the plain one. Every row was tried on both, side by side, on two equal databases,
each action twice, so that the second time reads what the first one built: values with their types, columns with
names and types, errors with type and text. **same**: no difference was seen. **passes by reuse**: the plain
connection's own relation, which never reads a view. **-**: the release has no such name.

## What is not the same

- `type(con)` is another class. `isinstance(con, duckdb.DuckDBPyConnection)` holds, `repr` differs.
- Functions of the module that take `connection=` want DuckDB's own class (`duckdb.execute(...,
  connection=con)` raises the engine's own error): call the method of the connection instead.
- Relations get no reuse. They run when they are read, perhaps often, and read what is there at that time;
  a view chosen when the relation was made would show what was there before. `execute` gets reuse.
- INSERT ... SELECT and CREATE TABLE AS run as written. A rewritten INSERT that fails would have drawn from
  sequences twice, and a view beside a table can't be checked for being of one moment before rows are written.
- Order without ORDER BY is nobody's promise: a view may give another one.
- `con.reuse.explain()` and `con.reuse.analyze(probe=True)` ask the database on the connection itself. Where
  rows of the last statement were not fetched yet they raise `RowsWaitingError`; fetch them, or ask on `con.cursor()`.
- A progress bar that is switched on is also shown while a view is written.
- A Python traceback inside an engine's message, and `traceback` after an error, show our frames too.
- With `python_scan_all_frames`, a variable of the wrong kind is named with the line of the innermost frame; a name
  that is no table and nobody's variable may be one of ours, which is never a table: another error text.
"""


def page() -> str:
    """The text of the page."""
    return "\n".join([_HEAD, *_names_table(), "", *_cases_table(), "", *_clients_table(), ""])


def _names_table() -> list[str]:
    lines = ["## Methods and attributes", "", _row("name", *RELEASES, "note"), _row(*["---"] * 4)]
    for name in sorted(frozenset().union(*NAMES.values())):
        kind = RELATION if name in _RELATIONS else SAME
        cells = [kind if name in NAMES[release] else ABSENT for release in RELEASES]
        lines.append(_row(f"`{name}`", *cells, NOTES.get(name, "")))
    return lines


def _cases_table() -> list[str]:
    lines = ["## Behaviours", "", _row("behaviour", *RELEASES, "test"), _row(*["---"] * 4)]
    for case in CASES:
        cells = [SAME if set(case.covers) <= NAMES[release] else ABSENT for release in RELEASES]
        lines.append(_row(case.behaviour.rstrip("."), *cells, f"`{case.name}`"))
    return lines


def _clients_table() -> list[str]:
    lines = ["## Clients", "", "With DuckDB 1.5.5, each in `tests/integration/test_clients.py`.", ""]
    lines += [_row("client", "version", "how"), _row(*["---"] * 3)]
    return [*lines, *(_row(client.name, client.version, client.how) for client in CLIENTS)]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
