"""The version of each input, now: exact, or none at all.

A file database's version comes from its file and log, so that other processes find the same; the
evidence of ``activity`` says when that can be trusted. What lives in memory has the instance's epoch for
its version, and none while somebody else's statement may be half done. Files have their file system's
word; what is remote has no version.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import duckdb

from optimizer_plugin.engines.duckdb import files
from optimizer_plugin.engines.duckdb.activity import InstanceActivity, Sighting
from optimizer_plugin.engines.duckdb.databases import Database
from signatures.model import InputIdentity, InputVersion

RowsOf = Callable[[str, list[object]], list[tuple[object, ...]]]

_ATTEMPTS = 3


class InputVersions:
    """Tells versions for one connection."""

    def __init__(self, activity: InstanceActivity) -> None:
        self._activity = activity

    def of(
        self,
        wanted: Sequence[InputIdentity],
        attached: Sequence[Database],
        sighting: Sighting,
        rows: RowsOf,
    ) -> dict[InputIdentity, InputVersion | None]:
        """The version of each input; None where it cannot be told. ``rows`` runs a query that lists files."""
        owners = {identity: _owner(identity, attached) for identity in wanted}
        needed = tuple({owner.name: owner for owner in owners.values() if owner}.values())
        known = self.of_databases(needed, sighting)
        return {
            identity: known.get(owner.name) if (owner := owners[identity]) else _of_files(identity, rows)
            for identity in wanted
        }

    def of_databases(self, attached: Sequence[Database], before: Sighting) -> dict[str, InputVersion | None]:
        """The version of each database by its name, given a sighting made just now.

        The counters are read before and after the files: a commit that began in between may have written
        its log without showing its rows yet, and then the answer is asked for again. What lives in memory
        needs no second look, since its version says nothing but what was counted.
        """
        for _ in range(_ATTEMPTS):
            found = {database.name: _version(database, before) for database in attached}
            if not any(database.path and not database.read_only for database in attached):
                return found
            after = self._activity.sight()
            if (before.others, before.epoch) == (after.others, after.epoch):
                return found
            before = after
        return {database.name: None for database in attached}


def _of_files(identity: InputIdentity, rows: RowsOf) -> InputVersion | None:
    """``files:<format>:<glob>``, listed by DuckDB's own glob: what it would read is what counts."""
    kind, _, rest = identity.partition(":")
    _, _, pattern = rest.partition(":")
    if kind != "files" or not pattern or files.is_remote(pattern):
        return None
    try:
        found = rows("SELECT file FROM glob(?)", [pattern])
    except duckdb.Error:
        return None
    version = files.file_version(str(row[0]) for row in found)
    return None if version is None else InputVersion(version)


def _owner(identity: InputIdentity, attached: Sequence[Database]) -> Database | None:
    owners = [database for database in attached if database.owns(identity)]
    return owners[0] if len(owners) == 1 else None


def _exact(database: Database) -> InputVersion | None:
    version = database.file_version() if database.is_duckdb else None
    return None if version is None else InputVersion(version)


def _version(database: Database, sighting: Sighting) -> InputVersion | None:
    if not database.is_duckdb:
        return None
    if database.in_memory:
        return InputVersion(f"epoch:{sighting.epoch}") if sighting.settled else None
    if database.read_only:
        return _exact(database)
    if sighting.writing or (sighting.foreign and not database.settled_by_age()):
        return None
    exact = _exact(database)
    if exact is None or database.tells_commits():
        return exact
    return InputVersion(f"{exact}+{sighting.epoch}") if sighting.settled else None
