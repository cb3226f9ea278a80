"""What the session asks of an engine. DuckDB is the first implementation, Spark SQL the second."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from metastore.records import Difference
from signatures.catalog import Catalog
from signatures.model import InputIdentity, InputVersion

Parameters = Sequence[object] | Mapping[str, object] | None
"""Values of a prepared statement's parameters, by place or by name."""


class Interrupted(BaseException):
    """The user stopped a statement of ours that ran ahead of theirs.

    Like ``KeyboardInterrupt`` it is nothing to go on after: ``error`` is what their own statement would
    raise.
    """

    def __init__(self, error: BaseException) -> None:
        self.error = error
        super().__init__(str(error))


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputColumn:
    """A column of a result, named and typed as the engine's own DESCRIBE gives it."""

    name: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredColumn:
    """How one output column lies in a view's files.

    ``stored_name`` is the column's name in the file, ``type`` the engine's type that reading must
    give back, ``stored_type`` the type it has in the file (HUGEINT lies there as DECIMAL(38,0)).
    """

    stored_name: str
    type: str
    stored_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolRequest:
    """Write the rows of ``sql`` under ``directory``, which does not exist yet.

    ``sort_columns`` are (ordinal of the output column, "asc" or "desc"); ``ordered`` says that the
    order of the rows has to survive (a whole statement with ORDER BY). ``outputs`` are what ``describe``
    gives for it, where that is known already. ``compression`` is a Parquet codec, ``row_group_rows`` the
    rows of a row group.
    """

    sql: str
    directory: Path
    ordered: bool = False
    sort_columns: tuple[tuple[int, str], ...] = ()
    parameters: Parameters = None
    outputs: Sequence[OutputColumn] | None = None
    compression: str = "snappy"
    row_group_rows: int = 122_880


@dataclass(frozen=True, slots=True, kw_only=True)
class Spooled:
    """What was written."""

    columns: tuple[StoredColumn, ...]
    rows: int
    size_bytes: int
    checksum: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """One executed operator of a profile.

    ``seconds`` is exclusive CPU time; ``scans`` are the base tables read at or below it, as a sorted
    tuple with repetitions (common subplans followed); ``filters`` the scan filters as text.
    """

    name: str
    seconds: float
    rows: int
    scans: tuple[str, ...]
    filters: tuple[str, ...]
    children: tuple[Operator, ...]

    def inclusive_seconds(self) -> float:
        """Seconds of this operator and of everything below it."""
        return self.seconds + sum(child.inclusive_seconds() for child in self.children)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A measured execution of one statement."""

    elapsed_seconds: float
    cpu_seconds: float
    rows: int
    root: Operator


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What one look at a connection showed; everything in it belongs together.

    ``catalog`` is the same object as long as every name means the same. ``environment`` names the engine,
    its major version and every session setting that changes results. ``evidence`` is the engine's own.
    """

    catalog: Catalog
    environment: str
    in_transaction: bool
    evidence: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What became of comparing an original with a statement in its place; None where nothing differs.

    Rows are counted with their repetitions. Of those that one side has alone there are a few digests.
    """

    difference: Difference | None
    original_rows: int
    rewritten_rows: int
    missing_rows: int = 0
    surplus_rows: int = 0
    missing: tuple[str, ...] = ()
    surplus: tuple[str, ...] = ()


class Checker(Protocol):
    """A connection of our own beside the user's, to run statements again and compare them."""

    @property
    def engine(self) -> Engine:
        """The engine of this connection."""
        ...

    @property
    def release(self) -> str:
        """The engine's exact release."""
        ...

    def compare(self, original: str, other: str, parameters: Parameters, order: Sequence[int]) -> Comparison:
        """Compare two statements as multisets of rows, floating-point numbers at 1e-9 relative.

        ``parameters`` are the original's. ``order`` has the places of those output columns by which the rows
        are sorted; their sequence has to be the same. Raises the engine's own errors, and any other where
        nobody can tell.
        """
        ...

    def interrupt(self) -> None:
        """End what runs now; may be called by another thread."""
        ...

    def close(self) -> None:
        """Give the connection back."""
        ...


class Engine(Protocol):
    """One wrapped connection, as the session sees it. Methods raise the engine's own errors."""

    name: str
    dialect: str
    """The sqlglot dialect that parses its statements."""

    def look(self) -> Moment:
        """Names, settings and transaction as the connection sees them now."""
        ...

    def versions(
        self,
        inputs: Iterable[InputIdentity],
        *,
        since: Moment | None = None,
        rows_waiting: bool = False,
    ) -> Mapping[InputIdentity, InputVersion | None]:
        """The version of each input; None where it cannot be told.

        Versions are of now, or with ``since`` of a time since that moment at which its names still held.
        With ``rows_waiting`` the rows of a statement are still to be fetched and must not get lost.
        """
        ...

    def describe(self, sql: str, parameters: Parameters = None) -> tuple[OutputColumn, ...]:
        """Names and types of a SELECT's output, without running it."""
        ...

    def can_spool(self, columns: Sequence[OutputColumn]) -> str | None:
        """None where rows of these types survive a view exactly; else the type that does not."""
        ...

    def spool(self, request: SpoolRequest) -> Spooled:
        """Write a view's files. On any error nothing is left in ``request.directory``.

        Raises:
            Interrupted: where the user stops it.
        """
        ...

    def scan(self, directory: Path, columns: Sequence[tuple[StoredColumn, str]], *, ordered: bool) -> str:
        """SQL of a SELECT that reads a view: (stored column, output name) pairs in order.

        The engine's types come back exactly. Only the renderer's quoting reaches the text.
        """
        ...

    def profile(self, sql: str) -> Profile:
        """Run a SELECT to its end with profiling on, discard its rows, return what was measured."""
        ...

    def checker(self) -> Checker:
        """A connection of our own to the same data; what it runs counts as ours."""
        ...
