"""Scenarios: tables, then statements that share parts, with writes, DDL and settings between."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import sqlglot

from signatures.model import SubexpressionKind
from tests.support import analyst_statements, random_sql
from tests.support.fuzz_queries import Query, query
from tests.support.fuzz_texts import FILES, text
from tests.support.fuzz_values import TABLES, create_tables, rows
from tests.support.mutants import Known, mutants
from tests.support.random_sql import Choices
from tests.support.variants import variants

STEPS = 60
"""Steps after the tables have been made."""

_NAMES = """
CREATE VIEW by_key AS SELECT k, count(*) AS c FROM f GROUP BY k;
CREATE VIEW joined AS SELECT f.k, g.n, f.s FROM f JOIN g ON f.k = g.k WHERE f.i > 0;
CREATE MACRO twice(x) AS x * 2;
CREATE MACRO of_key(x) AS TABLE SELECT id, i FROM g WHERE k = x;
CREATE SEQUENCE counter;
SET VARIABLE w = 1;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A statement as a program sends it.

    ``__DIR__`` in it stands for a directory of the program's own. ``cursor`` says which of the program's
    cursors it goes to; ``raw`` that the wrapped program goes around the wrapper.
    """

    sql: str
    parameters: tuple[object, ...] | None = None
    is_query: bool = False
    ordered: bool = False
    cursor: int = 0
    raw: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A program: what it sends, what may be reused of it, and where its database lies."""

    seed: int
    kinds: tuple[SubexpressionKind, ...]
    in_file: bool
    steps: tuple[Step, ...]


def scenario(seed: int) -> Scenario:
    """The scenario of a seed."""
    choices = Choices(Random(seed))
    world = _WORLDS[choices.below(len(_WORLDS))]
    return Scenario(
        seed=seed,
        kinds=_kinds(choices),
        in_file=choices.below(6) == 0,
        steps=tuple(world(choices)),
    )


def _kinds(choices: Choices) -> tuple[SubexpressionKind, ...]:
    """Whole results hide everything below them from readers: most scenarios go without."""
    everything = tuple(SubexpressionKind)
    parts = tuple(kind for kind in everything if kind is not SubexpressionKind.STATEMENT)
    match choices.below(6):
        case 0 | 5:
            return everything
        case 1:
            return (parts[choices.below(len(parts))],)
        case 2:
            return tuple(kind for kind in parts if choices.below(2))
        case _:
            return parts


def _many_types(choices: Choices) -> Iterator[Step]:
    """All types and clauses, over tables that are written to."""
    for sql in (*create_tables(choices), _NAMES):
        yield Step(sql=sql)
    families: list[Choices] = []
    sent: list[Query] = []
    for _ in range(STEPS):
        match choices.below(20):
            case 0 | 1:
                yield Step(sql=_write(choices), cursor=choices.below(4) // 3, raw=choices.below(12) == 0)
            case 2:
                yield from _between(choices)
            case _:
                found = _next_query(choices, families, sent)
                yield from _asked(choices, found, sent)


def _next_query(choices: Choices, families: list[Choices], sent: list[Query]) -> Query:
    """A query like one before in all but a choice, or a new one."""
    if families and choices.below(4):
        made = families[choices.below(len(families))].neighbour()
    else:
        made = Choices(choices.random)
    found = query(made)
    if len(families) < 4 or choices.below(10) == 0:
        families[choices.below(4) : choices.below(4) + 1] = [made]
    sent.append(found)
    return found


def _asked(choices: Choices, found: Query, sent: list[Query]) -> Iterator[Step]:
    """A query as it is, as part of another statement, or with parameters."""
    text, cursor = found.text, choices.below(5) // 4
    match choices.below(12):
        case 0:
            yield Step(sql=f"SELECT * FROM ({text}) q", is_query=True, cursor=cursor)
        case 1:
            yield Step(sql=f"SELECT count(*) FROM ({text}) q", is_query=True, cursor=cursor)
        case 2:
            yield Step(
                sql=f"WITH q AS ({text}) SELECT * FROM q, (SELECT 1) one", is_query=True, cursor=cursor
            )
        case 3:
            other = sent[choices.below(len(sent))].text
            yield Step(
                sql=f"SELECT (SELECT count(*) FROM ({text})), (SELECT count(*) FROM ({other}))", is_query=True
            )
        case 4:
            name = choices.of("q1", "q2")
            yield Step(sql=f"CREATE OR REPLACE {choices.of('', 'TEMP ')}VIEW {name} AS {text}")
            yield Step(sql=f"SELECT * FROM {name}", is_query=True, cursor=cursor)
        case 5:
            yield with_parameters(text)
        case 6:
            yield Step(sql=f"CREATE OR REPLACE {choices.of('', 'TEMP ')}TABLE kept AS {text}")
            yield Step(sql="FROM kept", is_query=True, cursor=cursor)
        case _:
            pass
    yield Step(sql=text, is_query=True, ordered=found.ordered, cursor=cursor)


_NUMBER = re.compile(r"(?<![\w.'\"(,])(\d)(?![\w.'\"%])")


def with_parameters(text: str) -> Step:
    """The first numbers of a statement as parameters."""
    values: list[object] = []

    def placeholder(match: re.Match[str]) -> str:
        if len(values) == 2:
            return match[0]
        values.append(int(match[1]))
        return f"${len(values)}"

    sql = _NUMBER.sub(placeholder, text)
    return Step(sql=sql, parameters=tuple(values) or None, is_query=True)


def _write(choices: Choices) -> str:
    table = choices.of(*TABLES)
    number = choices.below(4)
    return choices.of(
        f"INSERT INTO {table} VALUES {rows(choices, table, 1)}",
        f"INSERT INTO {table} SELECT * FROM {table} WHERE k = {number}",
        f"UPDATE {table} SET k = k + 1 WHERE k = {number}",
        f"UPDATE {table} SET s = 'w{number}' WHERE k IS NULL",
        f"DELETE FROM {table} WHERE k = {number}",
        f"DELETE FROM {table} WHERE rowid % 5 = {number}",
        f"CREATE OR REPLACE TABLE {table} AS SELECT * FROM {table} ORDER BY ALL DESC",
        f"INSERT INTO o(k, v) VALUES ({number}, {number}) RETURNING k",
        f"MERGE INTO o USING (SELECT {number} AS k) x ON o.k = x.k "
        "WHEN MATCHED THEN UPDATE SET v = o.v + 1 WHEN NOT MATCHED THEN INSERT (k, v) VALUES (x.k, 0)",
        f"INSERT INTO {table}(k) SELECT sum(k) FROM (SELECT k FROM {table} LIMIT 3)",
        "TRUNCATE o",
        f"INSERT INTO {table} VALUES ('not a number')",
    )


_SETTINGS = (
    "SET default_null_order = 'nulls_first'",
    "RESET default_null_order",
    "SET default_order = 'desc'",
    "RESET default_order",
    "SET integer_division = true",
    "RESET integer_division",
    "SET TimeZone = 'America/New_York'",
    "SET TimeZone = 'UTC'",
    "SET ieee_floating_point_ops = false",
    "RESET ieee_floating_point_ops",
    "SET default_collation = 'nocase'",
    "RESET default_collation",
    "SET preserve_identifier_case = false",
    "RESET preserve_identifier_case",
    "SET preserve_insertion_order = false",
    "RESET preserve_insertion_order",
    "SET VARIABLE w = 2",
    "SET VARIABLE w = 1",
    "SET scalar_subquery_error_on_multiple_rows = false",
    "SET old_implicit_casting = true",
    "RESET old_implicit_casting",
)

_DDL = (
    "CREATE OR REPLACE VIEW by_key AS SELECT k, count(*) + 1 AS c FROM f GROUP BY k",
    "CREATE OR REPLACE VIEW by_key AS SELECT k, count(*) AS c FROM g GROUP BY k",
    "CREATE OR REPLACE VIEW joined AS SELECT f.k, g.n, f.s FROM f LEFT JOIN g ON f.k = g.k",
    "CREATE OR REPLACE MACRO twice(x) AS x * 3",
    "CREATE OR REPLACE MACRO twice(x) AS x * 2",
    "CREATE OR REPLACE MACRO of_key(x) AS TABLE SELECT id, i + 1 AS i FROM g WHERE k = x",
    "CREATE TEMP TABLE o AS SELECT 5 AS k, 6 AS v, 'temp' AS s, 1.0::DECIMAL(10,2) AS \"Odd Name\"",
    "DROP TABLE IF EXISTS temp.o",
    "CREATE TEMP VIEW o AS SELECT 1 AS k, 2 AS v, 's' AS s",
    "DROP VIEW IF EXISTS temp.o",
    "CREATE SCHEMA IF NOT EXISTS other",
    "CREATE TABLE IF NOT EXISTS other.g AS SELECT * FROM g LIMIT 3",
    "SET search_path = 'other,main'",
    "USE main",
    "RESET search_path",
    "ALTER TABLE o ADD COLUMN extra INT DEFAULT 3",
    "ALTER TABLE o DROP COLUMN extra",
    "ALTER TABLE g ALTER k SET DATA TYPE BIGINT",
    "ALTER TABLE g ALTER k SET DATA TYPE INTEGER",
    "ALTER TABLE g RENAME TO g_away",
    "ALTER TABLE IF EXISTS g_away RENAME TO g",
    "ALTER TABLE IF EXISTS g_away RENAME TO g",
    "ALTER TABLE IF EXISTS g_away RENAME TO g",
    "CREATE MACRO abs(x) AS -x",
    "DROP MACRO abs",
    "CREATE INDEX IF NOT EXISTS g_k ON g(k)",
    "DROP INDEX IF EXISTS g_k",
    "ANALYZE",
    "CHECKPOINT",
    "ATTACH IF NOT EXISTS ':memory:' AS more",
    "CREATE TABLE IF NOT EXISTS more.g AS SELECT k + 1 AS k, i, s FROM g",
    "USE more",
    "USE memory",
    "DETACH more",
    "SELECT * FROM no_such_table",
    "PREPARE p AS SELECT k, count(*) FROM g WHERE k > $1 GROUP BY k",
    "EXECUTE p(0)",
    "SELECT 1; SELECT k FROM o",
    "CALL pragma_version()",
)


def _between(choices: Choices) -> Iterator[Step]:
    """A setting, names that change, or a transaction."""
    cursor = choices.below(4) // 3
    match choices.below(4):
        case 0:
            yield Step(sql=choices.of(*_SETTINGS), cursor=cursor)
        case 1 | 2:
            yield Step(sql=choices.of(*_DDL), cursor=cursor)
        case _:
            yield Step(sql="BEGIN", cursor=cursor)
            asked = query(Choices(choices.random)).text
            for _ in range(1 + choices.below(3)):
                yield Step(sql=choices.of(_write(choices), _write(choices), *_DDL), cursor=cursor)
                yield Step(sql=asked, is_query=True, cursor=cursor)
                yield Step(sql=asked, is_query=True, cursor=1 - cursor)
            yield Step(sql=choices.of("COMMIT", "COMMIT", "ROLLBACK"), cursor=cursor)
            yield Step(sql=asked, is_query=True, cursor=cursor)


def _integers(choices: Choices) -> Iterator[Step]:
    """Three tables of integers, and statements that differ in one choice."""
    for sql in random_sql.SCHEMA:
        yield Step(sql=sql)
    made = Choices(choices.random)
    for number in range(STEPS):
        if choices.below(15) == 0:
            table = choices.of("t", "u", "v")
            yield Step(
                sql=choices.of(f"DELETE FROM {table} WHERE b = 3", f"INSERT INTO {table} VALUES (1, 2, 3)")
            )
        made = Choices(choices.random) if number == 0 or choices.below(8) == 0 else made.neighbour()
        sql = random_sql.statement(made)
        yield Step(sql=sql, is_query=True, ordered=sql.endswith("ORDER BY ALL"))


_SHOP = Known(
    {
        "sales": ("id", "shop", "item", "day", "qty", "amount", "note", "tags", "info"),
        "shops": ("id", "name", "region", "opened"),
        "items": ("item", "price", "Group", "two words"),
    },
    {
        "shop": "sales",
        "qty": "sales",
        "amount": "sales",
        "region": "shops",
        "name": "shops",
        "price": "items",
    },
)


def _analysts(choices: Choices) -> Iterator[Step]:
    """A shop's statements as analysts write them, with equivalent and nearly equivalent ones beside them."""
    yield Step(sql=analyst_statements.SCHEMA)
    for _ in range(STEPS // 6):
        text = choices.of(*analyst_statements.STATEMENTS)
        yield Step(sql=text, is_query=True)
        for other in _like(text, choices.random):
            yield Step(sql=other, is_query=True)
        if choices.below(4) == 0:
            yield Step(
                sql=choices.of("DELETE FROM sales WHERE id % 17 = 3", "UPDATE items SET price = price + 1")
            )


def _like(text: str, random: Random) -> list[str]:
    """Statements that mean the same, and some that nearly do; none where sqlglot can't take one apart."""
    try:
        tree = sqlglot.parse_one(text, read="duckdb")
        same = [variant.text for variant in variants(tree, random) if not variant.view]
        others = [mutant.text for mutant in mutants(tree, _SHOP, random, per_kind=1)]
    except (sqlglot.errors.SqlglotError, AssertionError):
        return []
    return random.sample(same, min(3, len(same))) + random.sample(others, min(3, len(others)))


def _texts(choices: Choices) -> Iterator[Step]:
    """Statements written to go wrong, over the tables of all types."""
    for sql in (*create_tables(choices), _NAMES, *FILES):
        yield Step(sql=sql)
    for _ in range(STEPS):
        match choices.below(20):
            case 0:
                yield Step(sql=choices.of(_write(choices), *FILES), cursor=choices.below(4) // 3)
            case 1:
                yield from _between(choices)
            case 2:
                yield with_parameters(text(choices))
            case _:
                sql = text(choices)
                ordered = sql.endswith("ORDER BY ALL")
                yield Step(sql=sql, is_query=True, ordered=ordered, cursor=choices.below(5) // 4)


_WORLDS = (_many_types, _many_types, _many_types, _texts, _texts, _texts, _integers, _analysts)
