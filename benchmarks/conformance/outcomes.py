"""What a statement gave, in a form in which two connections can be compared exactly."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

SHOWN_ROWS = 3
"""Rows of each side that a difference quotes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Columns and rows of a statement, or its error.

    Values are kept as their Python text: NaN equals itself in it, ``-0.0`` is not ``0.0``, ``1`` is neither
    ``True`` nor ``Decimal('1')``, and ``Decimal('1.0')`` is not ``Decimal('1.00')``.
    """

    columns: tuple[tuple[str, str], ...] = ()
    rows: tuple[str, ...] = ()
    error: str = ""
    message: str = ""

    def difference(self, found: Outcome, *, ordered: bool = False) -> str:
        """How another outcome of the same statement differs from this one; empty where it does not.

        Texts of errors are not compared: they quote the statement and the engine's state.
        """
        if self.error != found.error:
            return f"expected {self._ending()}, found {found._ending()}"
        if self.columns != found.columns:
            return f"expected columns {self.columns}, found {found.columns}"
        if ordered and self.rows != found.rows and Counter(self.rows) == Counter(found.rows):
            return f"expected rows in the order {self._shown()}, found {found._shown()}"
        missing, unexpected = Counter(self.rows), Counter(found.rows)
        missing.subtract(unexpected)
        if not any(missing.values()):
            return ""
        lost = list((+missing).elements())[:SHOWN_ROWS]
        extra = list((-missing).elements())[:SHOWN_ROWS]
        return f"expected {len(self.rows)} rows, found {len(found.rows)}: missing {lost}, unexpected {extra}"

    def _ending(self) -> str:
        return f"{self.error}: {self.message[:200]}" if self.error else f"{len(self.rows)} rows"

    def _shown(self) -> str:
        return str(list(self.rows[: 2 * SHOWN_ROWS]))


def run(connection: Any, sql: str, parameters: object = None) -> Outcome:
    """Run a statement on a plain or a wrapped connection and fetch every row."""
    try:
        connection.execute(sql, parameters)
        columns = tuple((str(item[0]), str(item[1])) for item in connection.description or ())
        rows = tuple(repr(row) for row in connection.fetchall())
    except Exception as error:  # noqa: BLE001 - whatever one side raises, the other has to raise too
        return Outcome(error=type(error).__name__, message=str(error))
    return Outcome(columns=columns, rows=rows)
