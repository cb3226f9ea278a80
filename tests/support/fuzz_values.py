"""Tables of many types for the differential fuzzer, and expressions over them.

The values are those that tend to be treated wrongly: NULLs, duplicates, values that are equal and yet not
the same (``-0.0`` and ``0.0``, one month and thirty days, letters of two cases under NOCASE), NaN,
infinities, the ends of ranges. Floating-point numbers add up exactly in any order, so that sums compare.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.support.random_sql import Choices

POOLS: Mapping[str, tuple[str, ...]] = {
    "int": ("NULL", "0", "1", "1", "2", "3", "-1", "7"),
    "big": ("NULL", "0", "1", "9007199254740993", "-9223372036854775807", "2"),
    "huge": ("NULL", "0", "1", "170141183460469231731687303715884105727", "-5", "18446744073709551616"),
    "dbl": (
        "NULL", "0.0", "'-0.0'::DOUBLE", "1.5", "'nan'::DOUBLE", "'inf'::DOUBLE", "'-inf'::DOUBLE", "2.25",
    ),
    "dec": ("NULL", "0.00", "1.10", "-2.25", "99999.99", "1.1", "3"),
    "str": (
        "NULL", "''", "'a'", "'A'", "'b'", "'ä'", "'a '", "'O''Brien'", "'%'", "'a_b'", "'日本'", "'1'",
        "'01'", "'😀'", "'x\ty'", "'NULL'", "'--'", "'{0.a}'",
    ),
    "noc": ("NULL", "'a'", "'A'", "'b'", "'B'", "'ä'"),
    "date": ("NULL", "DATE '2024-02-29'", "DATE '2024-01-01'", "DATE '2023-12-31'", "DATE '1992-01-01'"),
    "ts": (
        "NULL", "TIMESTAMP '2024-02-29 12:00:00'", "TIMESTAMP '2024-01-01 00:00:00'",
        "TIMESTAMP '2023-12-31 23:59:59.999999'",
    ),
    "tz": ("NULL", "TIMESTAMPTZ '2024-03-31 01:30:00+00'", "TIMESTAMPTZ '2024-01-01 00:00:00+05'"),
    "iv": ("NULL", "INTERVAL 1 MONTH", "INTERVAL 30 DAY", "INTERVAL 720 HOUR", "INTERVAL 1 DAY"),
    "bool": ("NULL", "true", "false", "true"),
    "list": ("NULL", "[]", "[1, 2]", "[2, 1, NULL]", "[1, 1]", "[NULL]"),
    "struct": ("NULL", "{'a': 1, 'b': 'x'}", "{'a': NULL, 'b': 'X'}", "{'a': 2, 'b': NULL}"),
    "map": ("NULL", "MAP {'a': 1}", "MAP {'a': 2, 'b': NULL}", "MAP {}"),
    "enum": ("NULL", "'low'", "'high'", "'mid'"),
    "blob": ("NULL", "'\\x00\\xFF'::BLOB", "'a'::BLOB", "''::BLOB"),
}  # fmt: skip
"""Literals of each type."""

_SQL_TYPES = {
    "int": "INTEGER", "big": "BIGINT", "huge": "HUGEINT", "dbl": "DOUBLE", "dec": "DECIMAL(10,2)",
    "str": "VARCHAR", "noc": "VARCHAR COLLATE NOCASE", "date": "DATE", "ts": "TIMESTAMP",
    "tz": "TIMESTAMPTZ", "iv": "INTERVAL", "bool": "BOOLEAN", "list": "INTEGER[]",
    "struct": "STRUCT(a INTEGER, b VARCHAR)", "map": "MAP(VARCHAR, INTEGER)", "enum": "grade",
    "blob": "BLOB",
}  # fmt: skip

TABLES: Mapping[str, Mapping[str, str]] = {
    "f": {
        "id": "int", "k": "int", "i": "int", "b": "big", "h": "huge", "d": "dbl", "n": "dec", "s": "str",
        "z": "noc", "day": "date", "ts": "ts", "tz": "tz", "iv": "iv", "bo": "bool", "l": "list",
        "st": "struct", "mp": "map", "e": "enum", "bl": "blob",
    },
    "g": {
        "id": "int", "k": "int", "i": "int", "d": "dbl", "n": "dec", "s": "str", "z": "noc", "day": "date",
        "bo": "bool", "l": "list", "e": "enum",
    },
    "o": {
        "k": "int", "v": "int", "s": "str", "Odd Name": "dec",
    },
}  # fmt: skip
"""Columns and their types; tables share the names of most columns."""

SMALL_ROWS = 14


def create_tables(choices: Choices) -> Iterator[str]:
    """Statements that create the tables with random rows, some of them twice."""
    yield "CREATE TYPE grade AS ENUM ('low', 'mid', 'high')"
    # A table with a collation of its own is not eligible: in most scenarios none has one.
    types = {**_SQL_TYPES, "noc": choices.of("VARCHAR", "VARCHAR", "VARCHAR", "VARCHAR COLLATE NOCASE")}
    for table, columns in TABLES.items():
        declared = ", ".join(f'"{name}" {types[kind]}' for name, kind in columns.items())
        yield f"CREATE TABLE {table}({declared})"
        yield f"INSERT INTO {table} VALUES {rows(choices, table, 4 + choices.below(SMALL_ROWS))}"
        yield f"INSERT INTO {table} SELECT * FROM {table} LIMIT 2"


def rows(choices: Choices, table: str, count: int) -> str:
    """VALUES of a table."""
    return ", ".join(
        f"({', '.join(choices.of(*POOLS[kind]) for kind in TABLES[table].values())})" for _ in range(count)
    )


@dataclass(frozen=True, slots=True)
class Scope:
    """Columns that can be named at a place: text and type of each."""

    columns: tuple[tuple[str, str], ...]

    def of_type(self, kind: str) -> tuple[str, ...]:
        """The columns of a type."""
        return tuple(text for text, found in self.columns if found == kind)

    def and_also(self, other: Scope) -> Scope:
        """The columns of both."""
        return Scope(self.columns + other.columns)


_FORMS: Mapping[str, tuple[str, ...]] = {
    "int": (
        "<int> + <int>", "<int> % 3", "length(<str>)", "coalesce(<int>, 0)", "-<int>", "<int> - 1",
        "2 * <int>", "CASE WHEN <bool> THEN <int> ELSE <int> END", "<struct>.a", "len(<list>)", "<list>[1]",
        "abs(<int>)", "year(<date>)", "extract('month' FROM <date>)", "date_diff('day', <date>, <date>)",
        "<bool>::INT", "try_cast(<str> AS INT)", "<map>['a']", "nullif(<int>, 1)", "least(<int>, <int>)",
        "list_sum(<list>)", "<int> // 2", "<int> & 3", "position('a' IN <str>)", "greatest(<int>, 2)",
        "CASE <int> WHEN 1 THEN 5 END", "strlen(<str>)", "<int>::BIGINT", "if(<bool>, <int>, 4)",
        "ifnull(<int>, 9)", "sign(<dbl>)::INT", "list_position(<list>, 1)", "<big> % 5", "(<int>)",
        "enum_code(<enum>)", "octet_length(<blob>)",
    ),
    "big": ("<big> // 2", "<int>::BIGINT", "coalesce(<big>, <int>)", "<big> - 1"),
    "huge": ("<huge> // 3", "<int>::HUGEINT", "coalesce(<huge>, 1)"),
    "dbl": (
        "<dbl> * 2", "<int> / 2", "<dec>::DOUBLE", "round(<dbl>, 1)", "-<dbl>", "greatest(<dbl>, 1.5)",
        "sqrt(abs(<int>))", "<dbl> + 0.5", "CASE WHEN <bool> THEN <dbl> ELSE 0.5 END", "nullif(<dbl>, 0)",
        "<int> ** 2", "floor(<dbl>)", "<dec> / 4", "try_cast(<str> AS DOUBLE)", "<dbl>::FLOAT",
    ),
    "dec": (
        "<dec> + <dec>", "<dec> * 2", "<int>::DECIMAL(10,2)", "round(<dec>, 1)", "1.50", "<dec> - 0.1",
        "abs(<dec>)", "coalesce(<dec>, 0)", "<dec>::DECIMAL(18,4)", "<dec> % 1",
        "CASE WHEN <bool> THEN <dec> END",
    ),
    "str": (
        "upper(<str>)", "<str> || <str>", "substr(<str>, 1, 2)", "<int>::VARCHAR",
        "coalesce(<str>, 'none')", "concat(<str>, <int>)", "replace(<str>, 'a', 'z')", "trim(<str>)",
        "<date>::VARCHAR", "'q'", "<enum>::VARCHAR", "strftime(<date>, '%Y-%m')", "<struct>.b",
        "CASE <int> WHEN 1 THEN 'x' ELSE <str> END", "<str>[1:2]", "string_split(<str>, '_')[1]",
        "array_to_string(<list>, ',')", "<noc>", "lower(<noc>)", "<str> || '!'", "printf('%d', <int>)",
        "typeof(<int>)", "<dec>::VARCHAR", "reverse(<str>)", "lpad(<str>, 3, '*')", "left(<str>, 1)",
        "regexp_replace(<str>, '[a-b]', 'R')", "<dbl>::VARCHAR", "nullif(<str>, '')",
        "<str> COLLATE NOCASE", "<tz>::VARCHAR", "hex(<blob>)", "<iv>::VARCHAR", "md5(<str>)",
        "dayname(<date>)", "<noc> || <str>",
    ),
    "noc": ("coalesce(<noc>, 'a')", "<str> COLLATE NOCASE"),
    "date": (
        "<ts>::DATE", "DATE '2024-01-01'", "<date> + 1", "last_day(<date>)",
        "coalesce(<date>, DATE '2000-01-01')",
    ),
    "ts": (
        "<date> + INTERVAL 1 DAY", "date_trunc('month', <ts>)", "<date>::TIMESTAMP",
        "<ts> - INTERVAL 1 HOUR", "<ts> + <iv>", "<tz>::TIMESTAMP",
    ),
    "tz": (
        "<tz> + INTERVAL 1 DAY", "date_trunc('day', <tz>)", "<ts>::TIMESTAMPTZ", "<tz> AT TIME ZONE 'UTC'",
    ),
    "iv": ("<iv> + INTERVAL 1 DAY", "<ts> - <ts>", "INTERVAL (<int>) DAY", "-<iv>"),
    "list": (
        "list_sort(<list>)", "[<int>, <int>]", "list_transform(<list>, lambda x: x + 1)", "<list> || [1]",
        "list_filter(<list>, lambda x: x > 1)", "[x FOR x IN <list> IF x > 1]", "range(<int> % 4)",
        "list_reverse(<list>)", "<list>[2:]", "list_prepend(<int>, <list>)",
    ),
    "struct": ("{'a': <int>, 'b': <str>}", "struct_pack(a := <int>, b := <str>)"),
    "map": ("MAP {'a': <int>}",),
    "enum": ("CASE WHEN <bool> THEN <enum> END", "'low'::grade"),
    "blob": ("<str>::BLOB", "<blob> || 'a'::BLOB"),
    "bool": (
        "<int> = <int>", "<int> < <int>", "<int> >= 1", "<int> <> <int>", "<int> IS NULL",
        "<str> IS NOT NULL", "<str> LIKE 'a%'", "<str> ILIKE '%A%'", "<int> IN (1, 2)", "<int> IN (2, 1)",
        "<int> NOT IN (1, <int>)", "<int> BETWEEN 0 AND 2", "(<int> >= 0 AND <int> <= 2)", "NOT (<bool>)",
        "(<bool>) AND (<bool>)", "(<bool>) OR (<bool>)", "<int> IS DISTINCT FROM <int>", "<str> = <str>",
        "<noc> = <noc>", "<noc> = 'A'", "<noc> < 'b'", "<dec> > 1", "<dec> = <dec>", "<dbl> > 1",
        "<dbl> = <dbl>", "<dbl> < <int>", "<date> >= DATE '2024-01-01'", "<date> = <date>", "<ts> > <date>",
        "list_contains(<list>, 1)", "<int> = ANY(<list>)", "<bool> IS NOT TRUE", "<struct>.a = 1",
        "<struct> = <struct>", "<list> = <list>", "<list> > [1]", "regexp_matches(<str>, 'a|b')",
        "<str> SIMILAR TO '[a-z]*'", "isnan(<dbl>)", "<enum> > 'low'", "<enum> = 'mid'",
        "<iv> = INTERVAL 30 DAY", "<iv> > INTERVAL 29 DAY", "<huge> > 1", "<big> = <int>",
        "starts_with(<str>, 'a')", "<str> GLOB 'a*'", "contains(<str>, 'a')", "<str> > <noc>",
        "(<int>, <str>) = (<int>, 'a')", "<int> = <dec>", "<str> <> ''", "coalesce(<bool>, false)",
        "<tz> > TIMESTAMPTZ '2024-01-01'", "<int> IS NOT DISTINCT FROM 1", "<int> = '1'", "1 = <int>",
        "2 > <int>", "<str> BETWEEN 'A' AND 'b'", "<blob> = <blob>",
    ),
}  # fmt: skip

ALL_TYPES = tuple(POOLS)
_SLOT = re.compile(r"<(\w+)>")


def value(choices: Choices, scope: Scope, kind: str, depth: int) -> str:
    """An expression of a type: a column where there is one, a literal, or a call."""
    columns = scope.of_type(kind)
    columns = scope.of_type(kind)
    if depth <= 0 or (columns and choices.below(3) > 0):
        if columns and choices.below(8) > 0:
            return choices.of(*columns)
        return f"({choices.of(*POOLS[kind])}::{_SQL_TYPES[kind].removesuffix(' COLLATE NOCASE')})"
    return filled(choices, scope, choices.of(*_FORMS[kind]), depth)


def filled(choices: Choices, scope: Scope, form: str, depth: int) -> str:
    """A form with expressions in its slots."""
    return _SLOT.sub(lambda slot: value(choices, scope, slot[1], depth - 1), form)


def condition(choices: Choices, scope: Scope, depth: int = 2) -> str:
    """A condition that is rarely a bare column."""
    return filled(choices, scope, choices.of(*_FORMS["bool"]), depth)
