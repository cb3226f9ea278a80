"""How values are shown on a terminal or handed to another program."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import datetime

from pydantic_core import to_json
from rich import box
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

WIDTH = 160
"""Columns where the output is no terminal."""


def say(text: str = "") -> None:
    """Print lines as they are, however long."""
    _console().print(text, markup=False, highlight=False, soft_wrap=True)


def print_json(value: object) -> None:
    """Print a value as JSON: dataclasses as objects, datetimes in ISO 8601."""
    sys.stdout.write(to_json(value, indent=2).decode() + "\n")


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "") -> None:
    """Print a table; numbers stand right. Nothing is printed where there are no rows."""
    cells = [tuple(row) for row in rows]
    if not cells:
        return
    table = Table(box=box.SIMPLE_HEAD, title=title or None, title_justify="left", pad_edge=False)
    for index, heading in enumerate(headings):
        numbers = all(isinstance(row[index], int | float) for row in cells)
        table.add_column(heading, justify="right" if numbers else "left", overflow="fold")
    for row in cells:
        table.add_row(*(_cell(value) for value in row))
    _console().print(table, markup=False, highlight=False)


def size(size_bytes: float) -> str:
    """Bytes for people: ``1.2 MB``."""
    return decimal(int(size_bytes))


def moment(value: datetime | None) -> str:
    """A time for people, in UTC."""
    return "-" if value is None else f"{value:%Y-%m-%d %H:%M:%S} UTC"


def counted(count: int, noun: str) -> str:
    """``1 view``, ``2 views``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _cell(value: object) -> str:
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    # Brackets are Rich's markup, and names of tables and types have them.
    return text.replace("[", "\\[")


def _console() -> Console:
    return Console() if sys.stdout.isatty() else Console(width=WIDTH)
