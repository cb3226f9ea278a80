"""Statements as analysts write them, plain against wrapped; and rewritten texts in golden files."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import duckdb
import pytest

import optimizer_plugin
from metastore.embedded import embedded_url
from optimizer_plugin import policies
from optimizer_plugin.policies import Policy, WholeResultsOnSight
from signatures.model import SubexpressionKind
from tests.support.analyst_statements import OTHER_SCHEMA, SCHEMA, STATEMENTS
from tests.support.rewriting import described, multiset, rewriting

Kind = SubexpressionKind

GOLDEN = Path(__file__).parents[1] / "golden" / "rewriting"

TOGETHER = {
    "everything": tuple(Kind),
    "parts": tuple(kind for kind in Kind if kind is not Kind.STATEMENT),
    "blocks": (Kind.AGGREGATE, Kind.CORE, Kind.JOIN_SUBSET),
    "queries": (Kind.CTE, Kind.DERIVED_TABLE, Kind.SET_OPERAND, Kind.SUBQUERY),
    "joins_in_queries": (Kind.JOIN_SUBSET, Kind.CTE, Kind.SUBQUERY),
    **{kind.value: (kind,) for kind in Kind},
}
"""Kinds that are reused at once: places of several kinds lie inside each other and beside each other."""

LEAST_READS = {
    "everything": 200,
    "parts": 150,
    "statement": 200,
    "core": 80,
    "aggregate": 70,
    "join_subset": 4,
}


@pytest.fixture(scope="module")
def url(module_server_directory: Path) -> str:
    """A metastore of this module."""
    return embedded_url(module_server_directory)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The analysts' shop, closed."""
    path = tmp_path_factory.mktemp("shop") / "shop.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(SCHEMA + OTHER_SCHEMA)
    return path


@dataclass(frozen=True, slots=True)
class Result:
    """Names, types and rows without their order."""

    columns: tuple[tuple[str, str], ...]
    rows: Counter[str]


def result(connection: object, sql: str) -> Result:
    """Run a statement and fetch everything."""
    rows = connection.execute(sql).fetchall()  # type: ignore[attr-defined]
    names = connection.description  # type: ignore[attr-defined]
    return Result(tuple((name[0], str(name[1])) for name in names), Counter(map(repr, rows)))


@pytest.fixture(scope="module")
def plain(database: Path) -> tuple[Result, ...]:
    """What DuckDB gives alone; its own sharing of subplans is off, for it has given wrong rows."""
    with duckdb.connect(str(database), read_only=True) as connection:
        connection.execute("SET disabled_optimizers = 'common_subplan'")
        return tuple(result(connection, sql) for sql in STATEMENTS)


def on_sight(name: str, kinds: tuple[SubexpressionKind, ...]) -> Policy:
    """Everything of some kinds is materialized on sight."""
    eager = policies.builtin("eager")
    whole = WholeResultsOnSight.ALWAYS if Kind.STATEMENT in kinds else WholeResultsOnSight.NEVER
    return eager.model_copy(
        update={
            "name": name,
            "reuse": eager.reuse.model_copy(update={"whole_results_on_sight": whole}),
            "kinds": eager.kinds.model_copy(update={"enabled": kinds}),
        }
    )


@pytest.mark.parametrize("name", TOGETHER)
def test_analysts_statements_give_the_same_results(
    name: str, database: Path, plain: tuple[Result, ...], url: str, tmp_path: Path
) -> None:
    """Each statement gives the plain result when it spools and when it reads, and nothing of ours fails."""
    connection = optimizer_plugin.wrap(
        duckdb.connect(str(database), read_only=True),
        metastore=url,
        store=tmp_path / "store",
        tenant=f"analysts-{uuid4().hex}",
        policy=on_sight(name, TOGETHER[name]),
        strict=True,
    )
    differing = [
        (run, sql)
        for sql, expected in zip(STATEMENTS, plain, strict=True)
        for run in ("spool", "read")
        if result(connection, sql) != expected
    ]
    stats = connection.reuse.stats()
    connection.close()
    assert differing == []
    assert stats["errors"] == stats["fallbacks"] == 0
    assert stats["reused"] >= LEAST_READS.get(name, 8)


@dataclass(frozen=True, slots=True)
class Case:
    """A statement of a golden file, with what updating the file can't change."""

    name: str
    kinds: tuple[SubexpressionKind, ...]
    views: int
    sql: str


_CASE = re.compile(
    r"^-- name: (?P<name>\w+)\n-- kinds: (?P<kinds>[\w, ]+)\n-- views: (?P<views>\d+)\n"
    r"(?P<sql>.*?)(?=^-- name: |\Z)",
    re.MULTILINE | re.DOTALL,
)


def cases_of(text: str) -> list[Case]:
    """The cases of a file. ``views:`` is how many of the views built are read: updating can't bless that."""
    return [
        Case(
            name=found["name"],
            kinds=tuple(Kind(kind.strip()) for kind in found["kinds"].split(",")),
            views=int(found["views"]),
            sql=found["sql"].strip(),
        )
        for found in _CASE.finditer(text)
    ]


@pytest.fixture
def memory() -> Iterator[duckdb.DuckDBPyConnection]:
    """The shop in memory."""
    connection = duckdb.connect()
    connection.execute(SCHEMA)
    connection.execute("SET disabled_optimizers = 'common_subplan'")
    yield connection
    connection.close()


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.sql")), ids=lambda path: path.stem)
def test_golden(path: Path, memory: duckdb.DuckDBPyConnection, update_golden: bool) -> None:
    """Texts are those of the file, and the rows are those of the original."""
    text = path.read_text(encoding="utf-8")
    cases = cases_of(text)
    assert len(cases) == text.count("-- name: ")
    shown = []
    for case in cases:
        found = rewriting(memory, case.sql, case.kinds)
        lines = [f"-- name: {case.name}", found.text]
        lines += [f"-- {name} ({kind}): {' '.join(query.split())}" for kind, name, query in found.views]
        shown.append("\n".join(lines))
        read = sum(f"FROM {name}" in found.text for _, name, _ in found.views)
        assert (case.name, read) == (case.name, case.views)
        assert multiset(memory, found.text) == multiset(memory, case.sql), case.name
        assert described(memory, found.text) == described(memory, case.sql), case.name
    golden = path.with_suffix(".golden")
    complete = "\n\n".join(shown) + "\n"
    if update_golden:
        golden.write_text(complete, encoding="utf-8")
    assert complete == golden.read_text(encoding="utf-8")
