"""Records to rows and back. Pydantic does the work, from the records' own type hints."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import TypeAdapter

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from sqlalchemy import RowMapping

    Record = TypeVar("Record", bound=DataclassInstance)
else:
    Record = TypeVar("Record")


@cache
def _one(kind: type[Record]) -> TypeAdapter[Record]:
    return TypeAdapter(kind)


@cache
def _many(kind: type[Record]) -> TypeAdapter[tuple[Record, ...]]:
    return TypeAdapter(tuple[kind, ...])  # type: ignore[valid-type]


def to_row(record: DataclassInstance) -> dict[str, Any]:
    """Values by column name, enums as their strings."""
    row: dict[str, Any] = _one(type(record)).dump_python(record)
    return row


def to_rows(records: Iterable[DataclassInstance]) -> list[dict[str, Any]]:
    """``to_row`` for each."""
    return [to_row(record) for record in records]


def from_row(kind: type[Record], row: RowMapping) -> Record:
    """A record from a row with at least its columns."""
    record: Record = _one(kind).validate_python(dict(row))
    return record


def from_rows(kind: type[Record], rows: Iterable[RowMapping]) -> tuple[Record, ...]:
    """``from_row`` for each."""
    return tuple(from_row(kind, row) for row in rows)


def from_json(kind: type[Record], text: str) -> tuple[Record, ...]:
    """Records from a JSON array of objects."""
    return _many(kind).validate_json(text)
