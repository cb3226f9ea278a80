"""Rewrites statements over views that are plain tables, without a session or a metastore around it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import duckdb

from rewriter.matching import decide
from rewriter.model import AvailableView, DecisionPolicy, Read
from rewriter.rendering import quote, rewrite, spool_query
from signatures.compiler import compile_statement
from signatures.model import PreciseSignature, SubexpressionKind
from signatures.sites import CompiledStatement
from tests.support.catalog import catalog_of

Rows = Counter[tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewriting:
    """A statement with views in place of subexpressions, and the queries that fill the views."""

    text: str
    views: tuple[tuple[SubexpressionKind, str, str], ...]
    """(kind, name, query), smallest first."""


def everything(kinds: Iterable[SubexpressionKind]) -> DecisionPolicy:
    """A policy that builds and reads all of some kinds."""
    return DecisionPolicy(
        read=True,
        kinds=frozenset(kinds),
        on_sight=True,
        statements_on_sight=True,
        max_builds=1000,
        max_view_rows=None,
        max_read_share=None,
    )


def signature_of(canonical: str) -> PreciseSignature:
    """One signature for equal plans, fit to be told apart by eye."""
    return PreciseSignature(f"plan {canonical}")


def compiled(connection: duckdb.DuckDBPyConnection, sql: str) -> CompiledStatement:
    """A statement compiled against the names of a database."""
    return compile_statement(sql, catalog_of(connection), "duckdb")


def rewriting(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    kinds: Sequence[SubexpressionKind],
    *,
    only: int | None = None,
) -> Rewriting:
    """Build and read everything of some kinds; the views become tables ``view_0``, ``view_1``, ...

    With ``only`` all are built and the view of that number is the one that may be read.
    """
    statement = compiled(connection, sql)
    precise = {s.ordinal: signature_of(s.canonical) for s in statement.subexpressions}
    first = decide(statement, precise, {}, {}, {}, everything(kinds))
    offered: dict[PreciseSignature, AvailableView] = {}
    names: dict[PreciseSignature, tuple[str, tuple[str, ...]]] = {}
    views = []
    for number, build in enumerate(first.builds):
        query, keys = spool_query(statement, build)
        subexpression = statement.subexpressions[build.ordinal]
        signature = signature_of(subexpression.canonical)
        if only in (None, number):
            offered[signature] = available(subexpression.canonical, keys)
        names[signature] = (f"view_{number}", keys)
        columns = ", ".join(f"c{index}" for index in range(len(keys)))
        connection.execute(f"CREATE OR REPLACE TEMP TABLE view_{number}({columns}) AS {_body(query)}")
        views.append((subexpression.kind, f"view_{number}", query))

    def scan(read: Read, pairs: Sequence[tuple[str, str]]) -> str:
        name, keys = names[read.view.precise]
        listed = ", ".join(f"c{keys.index(key)} AS {quote(as_name)}" for key, as_name in pairs)
        return f"SELECT {listed} FROM {name}"

    second = decide(statement, precise, {}, offered, {}, everything(kinds))
    outputs = [name for name, _ in described(connection, sql)]
    return Rewriting(text=rewrite(statement, second.reads, scan, outputs), views=tuple(views))


def _body(query: str) -> str:
    """Without the semicolon and the comment that a whole statement may end with."""
    return f"FROM ({query.strip().rstrip(';')}\n)"


def available(canonical: str, keys: Iterable[str], *, rows: int = 0) -> AvailableView:
    """A view of a plan that has these columns."""
    return AvailableView(
        precise=signature_of(canonical),
        canonical=canonical,
        environment="",
        inputs=(),
        keys=frozenset(keys),
        ordered=False,
        rows=rows,
        size_bytes=0,
        compute_seconds=None,
        read_seconds=None,
    )


def described(connection: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[str, str]]:
    """Names and types of a statement's outputs."""
    return [(row[0], row[1]) for row in connection.execute(f"DESCRIBE {sql}").fetchall()]


def multiset(connection: duckdb.DuckDBPyConnection, sql: str) -> Rows:
    """The rows of a statement without their order; values by their text, so that NaN equals NaN."""
    return Counter(tuple(repr(value) for value in row) for row in connection.execute(sql).fetchall())
