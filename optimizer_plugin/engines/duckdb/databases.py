"""The databases attached to a DuckDB instance: their lasting identities and their current versions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from optimizer_plugin.engines.duckdb import files
from signatures.model import InputIdentity

DATABASES_QUERY = (
    "SELECT database_name, path, type, readonly, internal, database_oid FROM duckdb_databases() ORDER BY ALL"
)

SETTLED_SECONDS = 300.0
"""A commit writes the log first and shows its rows a moment later. Where connections exist that are not
ours, a database file counts as settled this long after its last change."""

_PLAIN_NAME = re.compile(r"[a-z0-9_$ -]+")
_TABLE_PART = re.compile(r'(?:[a-z0-9_$ -]+|"(?:[^"]|"")*")\.(?:[a-z0-9_$ -]+|"(?:[^"]|"")*")')


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """One attached database. ``identity`` is the same in every process for a file, else random."""

    name: str
    identity: str
    path: str | None
    is_duckdb: bool
    read_only: bool
    temporary: bool
    inode: int | None = None

    @property
    def in_memory(self) -> bool:
        """Whether its rows live in this process only."""
        return self.is_duckdb and self.path is None

    def table_identity(self, schema: str, name: str) -> InputIdentity:
        """Identity of one of its tables; DuckDB's names do not tell upper from lower case."""
        return InputIdentity(f"table:{self.identity}#{_part(schema)}.{_part(name)}")

    def owns(self, identity: InputIdentity) -> bool:
        """Whether an identity is that of a table in this database."""
        prefix = f"table:{self.identity}#"
        return identity.startswith(prefix) and bool(_TABLE_PART.fullmatch(identity[len(prefix) :]))

    def file_version(self) -> str | None:
        """Version of a file database from its file and its write-ahead log; None where it has moved.

        Every commit reaches one of the two before anybody sees it. The path must still lead to the file
        that was there when the database was first seen: a file put in its place is another database.
        """
        if self.path is None:
            return None
        line = files.stat_line(self.path)
        if line is None or _inode(self.path) != self.inode:
            return None
        return f"database:{files.digest((line, files.stat_line(self._log) or 'no log'))}"

    def settled_by_age(self) -> bool:
        """Whether the last change is so long ago that no commit can be half visible."""
        if self.path is None:
            return False
        return files.seconds_since_change((self.path, self._log)) >= SETTLED_SECONDS

    @property
    def _log(self) -> str:
        return f"{self.path}.wal"


class AttachedDatabases:
    """Reads the list of attached databases again and again, remembering which file each one is.

    Args:
        instance: Random name of the instance, for databases that live in its memory.
        session: Random name of the connection, for its temporary objects.
    """

    def __init__(self, *, instance: str, session: str) -> None:
        self._instance = instance
        self._session = session
        self._inodes: dict[tuple[object, str], int | None] = {}

    def read(self, rows: Sequence[tuple[object, ...]]) -> tuple[Database, ...]:
        """Databases from the rows of ``DATABASES_QUERY``; the system catalog is left out."""
        return tuple(
            self._database(str(name), str(path) if path else None, str(kind), bool(read_only), number)
            for name, path, kind, read_only, internal, number in rows
            if name == "temp" or not internal
        )

    def _database(self, name: str, path: str | None, kind: str, read_only: bool, number: object) -> Database:
        real = None if path is None or files.is_remote(path) else str(Path(path).resolve())
        # A database attached over the network has no file here that says when it changes.
        is_duckdb = kind == "duckdb" and (path is None or (real is not None and Path(real).is_file()))
        inode = None
        if real is not None:
            inode = self._inodes.setdefault((number, real), _inode(real))
        return Database(
            name=name,
            identity=self._identity(name, real, path, kind if is_duckdb else f"{kind} elsewhere"),
            path=real,
            is_duckdb=is_duckdb,
            read_only=read_only,
            temporary=name == "temp",
            inode=inode,
        )

    def _identity(self, name: str, real: str | None, path: str | None, kind: str) -> str:
        if name == "temp":
            return f"temp:{self._session}"
        if kind != "duckdb":
            # The address of what is attached over the network may hold a password.
            return f"{kind}:{real if real is not None and Path(real).exists() else name}"
        return real or f"memory:{self._instance}:{_part(name)}"


def _inode(path: str) -> int | None:
    try:
        return Path(path).stat().st_ino
    except OSError:
        return None


def _part(name: str) -> str:
    lower = name.lower()
    return lower if _PLAIN_NAME.fullmatch(lower) else '"' + lower.replace('"', '""') + '"'
