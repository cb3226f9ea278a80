"""Find DuckDB's TPC-DS generator: installed, downloaded, or out of the PyPI package."""

from __future__ import annotations

from importlib.resources import as_file, files

import duckdb

_PACKAGE = "duckdb_extension_tpcds"


def load_generator(connection: duckdb.DuckDBPyConnection) -> bool:
    """Load the extension into a connection that allows unsigned extensions.

    An installed one comes first, then DuckDB's own download, which fails at once on a machine without
    a network, then the binary in the package ``duckdb-extension-tpcds`` for this DuckDB version.

    Returns:
        Whether the connection now has ``dsdgen`` and ``tpcds_queries``.
    """
    for statement in ("LOAD tpcds", "INSTALL tpcds; LOAD tpcds"):
        try:
            connection.execute(statement)
        except duckdb.Error:
            continue
        return True
    return _load_packaged(connection)


def _load_packaged(connection: duckdb.DuckDBPyConnection) -> bool:
    try:
        binary = files(_PACKAGE) / "extensions" / f"v{duckdb.__version__}" / "tpcds.duckdb_extension"
    except ModuleNotFoundError:
        return False
    if not binary.is_file():
        return False
    with as_file(binary) as path:
        try:
            connection.load_extension(str(path))
        except duckdb.Error:
            return False
    return True
