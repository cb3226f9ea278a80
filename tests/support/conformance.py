"""Runs the same actions on a plain and on a wrapped connection and writes down what each showed.

What an action shows is a text: values with their types, columns with their names and types, errors with
their type and message. Each action runs twice on one connection, so that with reuse the second time reads
what the first one built.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb

import optimizer_plugin
from optimizer_plugin import policies
from optimizer_plugin.policies import CostPolicy, Policy

RELEASES = ("1.5.5", "2.0.0")
"""Releases of DuckDB that the conformance table speaks of."""

Act = Callable[[Any], object]

SETUP = """
CREATE TABLE t AS SELECT range::INTEGER AS a, CASE WHEN range % 3 > 0 THEN 'w' || range % 5 END AS b,
    (range * 7919 % 1000)::DECIMAL(10, 2) AS c, DATE '2024-01-01' + (range % 90)::INTEGER AS d,
    CASE WHEN range % 7 = 0 THEN 'nan'::DOUBLE ELSE range / 4 END AS e FROM range(500);
CREATE TABLE nested AS SELECT range AS id, {'x': range, 'y': [range, NULL]} AS s,
    MAP {'k': range} AS m, range % 2 = 0 AS flag, CASE WHEN range > 2 THEN range END AS n FROM range(5);
CREATE VIEW v AS SELECT b, sum(c) AS total FROM t GROUP BY b;
CREATE TABLE empty (a INTEGER, b VARCHAR);
"""


@dataclass(frozen=True, slots=True)
class Case:
    """One behaviour: what is done with a connection, and the names of its API that this exercises."""

    name: str
    behaviour: str
    covers: tuple[str, ...]
    act: Act

    def runs_on(self, connection: object) -> bool:
        """Whether this release has all of the names."""
        return all(hasattr(connection, name) for name in self.covers)


def plain_connection(directory: Path) -> duckdb.DuckDBPyConnection:
    """A connection to a database with the tables of ``SETUP``."""
    connection = duckdb.connect(str(directory / "data.duckdb"))
    connection.execute(SETUP)
    connection.execute("SELECT 1").fetchall()
    return connection


def wrapped_connection(directory: Path, metastore: str) -> Any:
    """The same, with reuse of everything on sight."""
    connection = optimizer_plugin.wrap(
        plain_connection(directory),
        metastore=metastore,
        store=directory / "store",
        tenant=f"test-{uuid4().hex}",
        policy=_whatever_the_cost(),
    )
    connection.execute("SELECT 1").fetchall()
    return connection


def _whatever_the_cost() -> Policy:
    """Everything on sight, also where it takes longer than the statement itself."""
    return policies.builtin("eager").model_copy(
        update={"cost": CostPolicy(max_overhead_share=0.0, min_job_seconds=0.0, min_saving_seconds=0.0)}
    )


def shown(act: Act, connection: Any) -> list[str]:
    """What an action shows, the first time and the second."""
    return [_attempt(act, connection), _attempt(act, connection)]


def _attempt(act: Act, connection: Any) -> str:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            text = _text(act(connection), connection)
        except Exception as error:  # noqa: BLE001 - the error is what is compared
            kind = type(error)
            text = f"raises {kind.__module__}.{kind.__qualname__}: {_without_addresses(str(error))}"
    return "".join([text, *(f"\nwarns {each.message} at {each.filename}:{each.lineno}" for each in seen)])


def _text(value: Any, connection: Any) -> str:
    """A value with its types; what has an address in memory or is used up by looking is written out."""
    if value is connection:
        return "the connection itself"
    if isinstance(value, duckdb.DuckDBPyConnection):
        return "another connection"
    if isinstance(value, duckdb.DuckDBPyRelation):
        columns = ", ".join(f"{n} {t}" for n, t in zip(value.columns, value.types, strict=True))
        return f"relation ({columns}) {_text(value.fetchall(), connection)}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: {_text(each, connection)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple | set):
        inner = sorted(value) if isinstance(value, set) else value
        return f"{type(value).__name__}({', '.join(_text(each, connection) for each in inner)})"
    module = type(value).__module__.partition(".")[0]
    match module:
        case "pyarrow":
            table = value.read_all() if hasattr(value, "read_all") else value
            return f"{type(value).__name__} {table.schema} {table.to_pylist()!r}"
        case "pandas":
            return f"{type(value).__name__} {dict(value.dtypes)!r} {value.to_dict('list')!r}"
        case "polars":
            frame = value.collect() if hasattr(value, "collect") else value
            return f"{type(value).__name__} {frame.schema!r} {frame.rows()!r}"
        case "numpy":
            return (
                f"{type(value).__name__} {value.dtype if hasattr(value, 'dtype') else ''} {value.tolist()!r}"
            )
        case _:
            return _without_addresses(f"{type(value).__qualname__} {value!r}")


def _without_addresses(text: str) -> str:
    return re.sub(r"0x[0-9a-f]+", "0x", text)


def public_names(connection: object) -> Sequence[str]:
    """The public API of a connection."""
    return [name for name in dir(connection) if not name.startswith("_")]


def cases_of(acts: Mapping[Callable[[Any], object], str]) -> tuple[Case, ...]:
    """Cases of functions: what each does stands in its docstring; the names it covers beside it."""
    return tuple(
        Case(act.__name__, (act.__doc__ or "").strip(), tuple(covers.split()), act)
        for act, covers in acts.items()
    )
