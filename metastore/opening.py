"""Opens a metastore by its address."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

import platformdirs
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from metastore.database import Database
from metastore.embedded import embedded_url
from metastore.errors import BadUrl, MetastoreError
from metastore.memory import MemoryMetastore
from metastore.ports import Metastore
from metastore.postgres import PostgresMetastore
from metastore.schema import ensure_schema

MEMORY_URL: Final = "memory://"
"""A metastore of this one call, gone with it. Two calls give two of them."""

_DRIVER: Final = "postgresql+psycopg"
_EXPECTED: Final = (
    f"expected postgresql://user@host/database, {MEMORY_URL}, or nothing for the embedded server"
)


def default_data_directory() -> Path:
    """Where the embedded server lives unless the user says otherwise."""
    return platformdirs.user_data_path("respool", appauthor=False)


def open_metastore(url: str | None, *, data_directory: Path) -> Metastore:
    """Open a metastore whose tables are those of this release.

    Args:
        url: ``postgresql://...`` for a server, ``memory://`` for one in this process's memory, None for
            the embedded server.
        data_directory: where the embedded server lives; not looked at for other URLs.

    Raises:
        BadUrl: the URL names none of these.
        Unreachable: the server does not answer, or the embedded one does not start.
        AccessDenied: the server refuses the user.
        SchemaTooNew: the tables are a later release's.
    """
    if url == MEMORY_URL:
        return MemoryMetastore()
    if url is None:
        # Whoever killed the embedded server did not mean to end reuse: it is started again.
        address, revive = embedded_url(data_directory), partial(_started_again, data_directory)
        database = Database(_parse(address), revive=revive)
    else:
        database = Database(_parse(url))
    try:
        ensure_schema(database)
    except BaseException:
        database.close()
        raise
    return PostgresMetastore(database)


def metastore_to_come(url: str) -> Metastore:
    """The metastore of a server that does not answer yet: calls fail until it does, and then work.

    Raises:
        BadUrl: the URL names none.
    """
    return PostgresMetastore(Database(_parse(url), prepare=ensure_schema))


def _started_again(data_directory: Path) -> None:
    with suppress(MetastoreError):  # the next failed call tries again
        embedded_url(data_directory)


def _parse(url: str) -> URL:
    # Of a bad URL no more than its scheme is repeated: it may hold a password.
    scheme, separator, _ = url.partition("://")
    if not separator:
        raise BadUrl(f"metastore url has no scheme; {_EXPECTED}")
    if scheme not in ("postgresql", _DRIVER):
        raise BadUrl(f"metastore url has scheme {scheme!r}; {_EXPECTED}")
    if url.rpartition("/")[0].count("@") > 1:
        raise BadUrl("metastore url has more than one @; write %40 for one in a user name or password")
    try:
        return make_url(url).set(drivername=_DRIVER)
    except (ArgumentError, ValueError):
        # Without a cause, since its message repeats the URL.
        raise BadUrl(f"metastore url cannot be read; {_EXPECTED}") from None
