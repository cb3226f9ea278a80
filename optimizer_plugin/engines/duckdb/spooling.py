"""Views in Parquet: the statements that write and read them, and the files around them.

A view is one file in a directory of its own. It is written beside its place under a temporary name and
appears by one rename, so that a crash leaves either nothing or a whole view, and debris whose name says
what it is.

Source: CloudViews, section 6.2 (materialization as part of query processing).
"""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import xxhash

from optimizer_plugin.engines.duckdb.types import Codec, codec
from optimizer_plugin.engines.ports import OutputColumn, SpoolRequest, StoredColumn
from optimizer_plugin.errors import SpoolError
from optimizer_plugin.private_files import make_directories

PART = "part-0.parquet"
_CHUNK_BYTES = 1 << 20
_FLOATING = re.compile(r"\b(?:DOUBLE|FLOAT)\b")


def stored_columns(columns: Sequence[OutputColumn]) -> tuple[StoredColumn, ...]:
    """How each output column lies in the file; names are ``c0``, ``c1``, ... since results repeat names.

    Raises:
        TypeRefused: where a type does not survive.
    """
    return tuple(
        StoredColumn(stored_name=f"c{ordinal}", type=column.type, stored_type=codec(column.type).stored_type)
        for ordinal, column in enumerate(columns)
    )


def copy_statement(request: SpoolRequest, columns: Sequence[StoredColumn], target: Path) -> str:
    """The COPY statement that writes a view.

    The statement to spool becomes a derived table; its own ORDER BY survives as long as insertion order
    is preserved, which the engine checks.
    """
    names = ", ".join(column.stored_name for column in columns)
    values = ", ".join(
        f"{_codec(column).write(column.stored_name)} AS {column.stored_name}" for column in columns
    )
    order = ""
    if request.sort_columns and not request.ordered:
        keys = ", ".join(
            f"q.{columns[ordinal].stored_name} {direction.upper()}"
            for ordinal, direction in request.sort_columns
        )
        order = f" ORDER BY {keys}"
    options = f"FORMAT parquet, COMPRESSION {request.compression}, ROW_GROUP_SIZE {request.row_group_rows}"
    if any(_FLOATING.search(column.stored_type) for column in columns):
        # The dictionaries of DuckDB 1.5 hold equal values once: -0.0 would come back as 0.0.
        options += ", DICTIONARY_SIZE_LIMIT 0"
    # The line ends keep a comment at the end of the statement from swallowing the parenthesis.
    return (
        f"COPY (SELECT {values} FROM (\n{request.sql}\n) AS q({names}){order}) "
        f"TO {literal(str(target))} ({options})"
    )


def scan_statement(
    directory: Path, columns: Sequence[tuple[StoredColumn, str]], *, by_row_number: bool
) -> str:
    """The SELECT that reads a view's columns under their output names and original types."""
    values = ", ".join(
        f"{_codec(column).read(column.stored_name)} AS {quoted(name)}" for column, name in columns
    )
    # A directory of the store may be called c0=7, which is no value of the column c0.
    source = f"{literal(one_file(directory / PART))}, hive_partitioning = false"
    if by_row_number:
        return f"SELECT {values} FROM read_parquet({source}, file_row_number = true) ORDER BY file_row_number"
    return f"SELECT {values} FROM read_parquet({source})"


@contextmanager
def staged(directory: Path) -> Iterator[Path]:
    """A temporary directory beside the final one, which becomes the final one where the block succeeds.

    Only the owner may read: a view holds what its producer was allowed to see.

    Raises:
        SpoolError: where the place is taken or cannot be written.
    """
    if directory.exists():
        raise SpoolError(f"found a view in {directory}", expected="a directory that does not exist yet")
    staging = directory.with_name(f".{directory.name}.{secrets.token_hex(8)}.partial")
    try:
        make_directories(directory.parent)
        staging.mkdir(mode=0o700)
        yield staging
        staging.rename(directory)
    except OSError as error:
        shutil.rmtree(staging, ignore_errors=True)
        raise SpoolError(f"could not write {directory}: {error}") from error
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def seal(file: Path) -> tuple[int, str]:
    """Restrict a written file to its owner; give its size in bytes and the digest of its bytes."""
    file.chmod(0o600)
    state = xxhash.xxh3_128()
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            state.update(chunk)
    return file.stat().st_size, state.hexdigest()


def check_types(expected: Sequence[StoredColumn], found: Sequence[OutputColumn]) -> None:
    """Compare the types that a scan gives with those of the original result.

    Raises:
        SpoolError: at the first difference.
    """
    for column, output in zip(expected, found, strict=True):
        if column.type != output.type:
            raise SpoolError(f"column {column.stored_name} comes back as {output.type}", expected=column.type)


def single_statement(sql: str, connection: duckdb.DuckDBPyConnection) -> str:
    """The one statement of a text without what ends it.

    Raises:
        SpoolError: where the text is not exactly one statement.
    """
    found = connection.extract_statements(sql)
    if len(found) != 1:
        raise SpoolError(f"found {len(found)} statements to spool", expected="exactly one SELECT")
    encoded = sql.encode()  # offsets of tokens count bytes
    end = next((start for start, _ in duckdb.tokenize(sql) if encoded[start : start + 1] == b";"), None)
    return encoded[:end].decode()


def one_file(path: Path) -> str:
    """A path for functions that take patterns, so that ``*``, ``?`` and ``[`` in it are themselves."""
    return re.sub(r"[*?[]", r"[\g<0>]", str(path))


def quoted(name: str) -> str:
    """An identifier, quoted."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A string literal."""
    return "'" + text.replace("'", "''") + "'"


def _codec(column: StoredColumn) -> Codec:
    return Codec(type=column.type, stored_type=column.stored_type)
