"""``respool explain``: what would be reused of a statement, and why the rest would not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from optimizer_plugin.admin.options import JsonOption, PolicyOption, opened, options
from optimizer_plugin.admin.printing import print_json, say
from optimizer_plugin.errors import ConfigurationError, EngineMissingError
from optimizer_plugin.explain import Explanation
from optimizer_plugin.explain import explain as explain_statement
from optimizer_plugin.opening import new_session, prepare_store
from optimizer_plugin.settings import Settings

if TYPE_CHECKING:
    import duckdb

STANDARD_INPUT = "-"


def explain(
    context: typer.Context,
    statement: Annotated[
        str, typer.Argument(help="SQL, the name of a file with SQL, or - for standard input.")
    ],
    database: Annotated[
        Path | None, typer.Option(help="DuckDB database that the statement is for; opened for reading only.")
    ] = None,
    policy: PolicyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what would be reused of a statement, and why the rest would not. Nothing is run or built."""
    settings = options(context).settings(policy)
    explanation = explained(read_statement(statement), database, settings)
    if as_json:
        print_json(explanation.to_dict())
    else:
        say(str(explanation))


def read_statement(argument: str) -> str:
    """The SQL that an argument means.

    Raises:
        ConfigurationError: where a file cannot be read.
    """
    if argument == STANDARD_INPUT:
        return sys.stdin.read()
    looks_like_file = argument.endswith(".sql") or ("\n" not in argument and " " not in argument.strip())
    if not looks_like_file:
        return argument
    try:
        return Path(argument).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "not utf-8 text"
        raise ConfigurationError(
            f"file {argument!r} cannot be read: {reason.lower()}",
            remedy="give a statement, a file that exists, or - for standard input",
        ) from error


def explained(sql: str, database: Path | None, settings: Settings) -> Explanation:
    """Explain a statement against a database and the metastore.

    Raises:
        EngineMissingError: where DuckDB's client is not installed.
        ConfigurationError: where the database can't be opened or the engine refuses the statement.
        StoreUnwritableError: where views can't be written.
        MetastoreUnavailableError: where the metastore does not answer.
    """
    prepare_store(settings)
    with connected(database) as connection, opened(settings) as metastore:
        from optimizer_plugin.engines.duckdb.engine import DuckDBEngine

        engine = DuckDBEngine(connection)
        try:
            return explain_statement(new_session(engine, metastore, settings), sql)
        finally:
            engine.close()


@contextmanager
def connected(database: Path | None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that cannot write to the database; an empty one without a database.

    Raises:
        EngineMissingError: where DuckDB's client is not installed.
        ConfigurationError: where the database can't be opened.
    """
    try:
        import duckdb
    except ImportError as error:
        raise EngineMissingError(f"duckdb cannot be imported ({error})") from error
    if database is not None and not database.is_file():
        raise ConfigurationError(
            f"database {str(database)!r} does not exist",
            expected="a DuckDB database file",
            remedy="correct --database",
        )
    try:
        connection = duckdb.connect() if database is None else duckdb.connect(str(database), read_only=True)
    except duckdb.Error as error:
        raise ConfigurationError(
            f"database {str(database)!r} cannot be opened: {str(error).splitlines()[0]}",
            remedy="close the program that writes to it, or explain inside it with con.reuse.explain(sql)",
        ) from error
    try:
        yield connection
    except duckdb.Error as error:
        raise ConfigurationError(
            f"duckdb refuses the statement: {str(error).splitlines()[0]}", remedy="correct the statement"
        ) from error
    finally:
        connection.close()
