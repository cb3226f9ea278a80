"""Profiles of the user's own runs, for a sample of them.

Profiling is switched on before a statement and read when the next one begins, because only then have its rows
been fetched. A connection whose user has switched profiling on by themselves is left alone.

Source: CloudViews section 5.1; profiling costs 4 to 8 % of a statement, hence the sample.
"""

from __future__ import annotations

import json
from contextlib import suppress

import duckdb

from optimizer_plugin.engines.duckdb.engine import DuckDBEngine
from optimizer_plugin.engines.duckdb.profiles import ProfileUnreadable, parse_profile
from optimizer_plugin.engines.ports import Profile


class SampledProfiling:
    """Switches profiling of one connection on and off."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, engine: DuckDBEngine) -> None:
        self._connection = connection
        self._engine = engine

    def start(self) -> bool:
        """Switch profiling on; False where it is the user's already or can't be."""
        try:
            if self._engine.run_own("SELECT current_setting('enable_profiling')")[0][0]:
                return False
            self._engine.run_own("SET enable_profiling = 'no_output'")
        except duckdb.Error:
            return False
        return True

    def read(self, text: str) -> Profile | None:
        """What was measured of ``text``; None where it was not the last. Runs no statement."""
        try:
            found = self._connection.get_profiling_information("json")
            return parse_profile(found) if _is_of(found, text) else None
        except (duckdb.Error, ProfileUnreadable, ValueError):
            return None

    def stop(self) -> None:
        """Switch profiling off again, which takes the place of the connection's last result."""
        with suppress(duckdb.Error):
            self._engine.run_own("RESET enable_profiling")


def _is_of(document: str, text: str) -> bool:
    """Whether the profile is that of this statement: the program may have run others meanwhile."""
    found = json.loads(document)
    query = found.get("query")
    name = found.get("query_name") or (query.get("sql") if isinstance(query, dict) else query)
    return not isinstance(name, str) or name.strip().rstrip(";") == text.strip().rstrip(";")
