"""The databases attached to a DuckDB instance: their lasting identities and their current versions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
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
    opened: OpenedFile | None = None

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
        if line is None or self.opened is None or files.inode(self.path) != self.opened.inode:
            return None
        digest = files.digest((line, files.stat_line(self._log) or "no log"))
        if self.read_only and digest != self.opened.first:
            return None  # nobody may write a file that is open for reading; its pages may be of two states
        return f"database:{digest}"

    def tells_commits(self) -> bool:
        """Whether every commit is known to reach its files, which ``recovery_mode no_wal_writes`` prevents.

        DuckDB does not show how a database was attached. A log that has changed while it was open proves
        that there is one; so does an ATTACH that we saw.
        """
        if self.opened is None:
            return False
        if not self.opened.logs and files.stat_line(self._log) not in (None, self.opened.log):
            self.opened.logs = True
        return self.opened.logs

    def settled_by_age(self) -> bool:
        """Whether the last change is so long ago that no commit can be half visible."""
        if self.path is None:
            return False
        return files.seconds_since_change((self.path, self._log)) >= SETTLED_SECONDS

    @property
    def _log(self) -> str:
        return f"{self.path}.wal"


@dataclass(slots=True)
class OpenedFile:
    """The file of an attached database, as it was when the database was first seen.

    ``inode`` is None where the path led to another file than the one that is open. ``first`` is the digest
    of file and log, ``log`` what was known of the log then, ``logs`` whether commits reach it.
    """

    path: str
    inode: tuple[int, int] | None
    first: str
    log: str | None
    logs: bool = False


class OpenedFiles:
    """The files of an instance's databases by the number of the attachment, shared by its connections.

    A path says little: the program may have changed its directory since, a link may have been turned, the
    file may have been replaced while this process kept it open.
    """

    def __init__(self) -> None:
        self._known: dict[object, OpenedFile] = {}

    def of(self, number: object, path: str) -> OpenedFile:
        """What is known of the attachment of this number, looked at when it is first asked for."""
        found = self._known.get(number)
        if found is None:
            found = self._known.setdefault(number, _opened(path))
        return found

    def attached_in_sight(self, before: Iterable[object], rows: Sequence[tuple[object, ...]]) -> None:
        """What was attached since by an ordinary statement that we saw keeps a log."""
        for _, path, _, _, _, number in rows:
            if path and number not in before:
                self.of(number, str(path)).logs = True


def _opened(path: str) -> OpenedFile:
    real = str(Path(path).resolve())
    found = files.inode(real)
    if found is not None and not files.held_open(found):
        found = None
    log = files.stat_line(f"{real}.wal")
    first = files.digest((files.stat_line(real) or "", log or "no log"))
    return OpenedFile(path=real, inode=found, first=first, log=log)


class AttachedDatabases:
    """Reads the list of attached databases.

    Args:
        instance: Random name of the instance, for databases that live in its memory.
        session: Random name of the connection, for its temporary objects.
    """

    def __init__(self, *, instance: str, session: str) -> None:
        self._instance = instance
        self._session = session

    def read(self, rows: Sequence[tuple[object, ...]], opened: OpenedFiles) -> tuple[Database, ...]:
        """Databases from the rows of ``DATABASES_QUERY``; the system catalog is left out."""
        # The one that the instance was opened with comes first; an option of ATTACH can't concern it.
        first = min((row[5] for row in rows if row[0] != "temp" and not row[4]), key=_number, default=None)
        return tuple(
            self._database(row, opened, is_first=row[5] == first)
            for row in rows
            if row[0] == "temp" or not row[4]
        )

    def _database(self, row: tuple[object, ...], opened: OpenedFiles, *, is_first: bool) -> Database:
        name, kind, read_only, number = str(row[0]), str(row[2]), bool(row[3]), row[5]
        path = str(row[1]) if row[1] else None
        file = None if path is None or files.is_remote(path) else opened.of(number, path)
        if file is not None and is_first:
            file.logs = True
        # A database attached over the network has no file here that says when it changes.
        is_duckdb = kind == "duckdb" and (path is None or (file is not None and Path(file.path).is_file()))
        real = None if file is None else file.path
        return Database(
            name=name,
            identity=self._identity(name, real, path, kind if is_duckdb else f"{kind} elsewhere"),
            path=real,
            is_duckdb=is_duckdb,
            read_only=read_only,
            temporary=name == "temp",
            opened=file,
        )

    def _identity(self, name: str, real: str | None, path: str | None, kind: str) -> str:
        if name == "temp":
            return f"temp:{self._session}"
        if kind != "duckdb":
            # The address of what is attached over the network may hold a password.
            return f"{kind}:{real if real is not None and Path(real).exists() else name}"
        return real or f"memory:{self._instance}:{_part(name)}"


def _number(value: object) -> int:
    return int(str(value))


def _part(name: str) -> str:
    lower = name.lower()
    return lower if _PLAIN_NAME.fullmatch(lower) else '"' + lower.replace('"', '""') + '"'
