"""Programs that use a connection, as docs/conformance.md lists them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A program that uses a connection, and how it gets a wrapped one."""

    name: str
    module: str
    version: str
    how: str


CLIENTS = (
    Client(
        name="pandas.read_sql",
        module="pandas",
        version="3.1.1",
        how="`pandas.read_sql(sql, con)`; reuse; pandas warns, as for the plain connection",
    ),
    Client(
        name="polars.read_database",
        module="polars",
        version="2.1.0",
        how="`polars.read_database(sql, con)`; reuse with DuckDB 1.5, relations with DuckDB 2",
    ),
    Client(
        name="SQLAlchemy with duckdb_engine",
        module="duckdb_engine",
        version="0.17.0",
        how="`create_engine('duckdb://', creator=lambda: duckdb_engine.ConnectionWrapper(con.cursor()))`; "
        "SQLAlchemy opens a transaction before each statement, inside which nothing is reused; "
        "`engine.raw_connection()` gives reuse",
    ),
    Client(
        name="Ibis",
        module="ibis",
        version="12.0.0",
        how="`ibis.duckdb.from_connection(con)`; it reads through relations, which pass by reuse; "
        "`con.execute(ibis.to_sql(expression))` gives reuse",
    ),
    Client(
        name="JupySQL",
        module="sql",
        version="0.11.1",
        how="`%sql con`, with IPython 9.18; reuse",
    ),
    Client(
        name="dbt-duckdb",
        module="dbt.adapters.duckdb",
        version="1.11.1",
        how="not among the development requirements: dbt-core 1.11 wants pathspec below 0.13, mypy 2 wants "
        "a later one; dbt-core 1.12 and 2.0 fetch wheels from GitHub while they are built. The test runs "
        "where dbt is. dbt has no hook for the connection: "
        "`dbt.adapters.duckdb.environments.duckdb.connect` is replaced by one that wraps. Its models are "
        "CREATE TABLE AS inside transactions, which run as written",
    ),
)
