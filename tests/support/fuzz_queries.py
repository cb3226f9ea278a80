"""Random queries over the fuzzer's tables: every clause that DuckDB has, in small statements."""

from __future__ import annotations

from dataclasses import dataclass

from tests.support.fuzz_values import ALL_TYPES, POOLS, TABLES, Scope, condition, filled, value
from tests.support.random_sql import Choices

_KEYS = ("int", "str", "noc", "date", "bool", "dec", "enum", "dbl", "iv", "list")
_AGGREGATES = (
    ("int", "count(*)"), ("int", "count(<any>)"), ("big", "sum(<int>)"), ("int", "min(<int>)"),
    ("str", "max(<str>)"), ("dec", "sum(<dec>)"), ("dbl", "sum(<dbl>)"), ("dbl", "avg(<int>)"),
    ("int", "count(DISTINCT <any>)"), ("big", "sum(DISTINCT <int>)"), ("dec", "min(<dec>)"),
    ("date", "max(<date>)"), ("dbl", "max(<dbl>)"), ("bool", "bool_and(<bool>)"),
    ("str", "string_agg(<str>, ',' ORDER BY <str>)"), ("list", "list(<int> ORDER BY <int>)"),
    ("int", "any_value(<int>)"), ("int", "first(<int>)"), ("int", "arg_max(<int>, <int>)"),
    ("int", "mode(<int>)"), ("dbl", "median(<int>)"), ("dbl", "quantile_cont(<int>, 0.5)"),
    ("int", "bit_and(<int>)"), ("list", "list(<int>)"), ("str", "string_agg(<str>, '-')"),
    ("int", "max(<int> ORDER BY <int>)"), ("dec", "max(<dec>) - min(<dec>)"), ("int", "count(*) + 1"),
    ("str", "min(<noc>)"), ("int", "count(DISTINCT <noc>)"), ("int", "last(<int> ORDER BY <int>)"),
    ("dbl", "avg(<dec>)"), ("iv", "max(<iv>)"), ("bool", "bool_or(<bool>)"),
    ("int", "approx_count_distinct(<int>)"), ("huge", "sum(<huge>)"), ("int", "count_if(<bool>)"),
    ("map", "histogram(<int>)"), ("str", "max(<enum>)::VARCHAR"),
)  # fmt: skip
_WINDOWS = (
    ("int", "row_number()"), ("int", "rank()"), ("int", "dense_rank()"), ("big", "sum(<int>)"),
    ("int", "count(*)"), ("int", "lag(<int>)"), ("str", "first_value(<str>)"), ("int", "max(<int>)"),
    ("int", "ntile(2)"), ("str", "lead(<str>, 1, 'z')"), ("int", "last_value(<int> IGNORE NULLS)"),
    ("dec", "sum(<dec>)"), ("dbl", "percent_rank()"), ("int", "nth_value(<int>, 2)"),
    ("int", "count(DISTINCT <int>)"), ("dbl", "cume_dist()"),
)  # fmt: skip
_FRAMES = (
    "", "", "", "", " ROWS BETWEEN 1 PRECEDING AND CURRENT ROW",
    " RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
    " GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
    " ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE TIES",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Query:
    """A query's text and the type of each output, which are called c0, c1, ..."""

    text: str
    types: tuple[str, ...]
    ordered: bool = False
    """Whether its ORDER BY fixes the order of all its rows."""

    def scope(self, alias: str) -> Scope:
        """Its outputs under an alias."""
        return Scope(tuple((f"{alias}.c{place}", kind) for place, kind in enumerate(self.types)))


def query(choices: Choices, depth: int = 2) -> Query:
    """A query of one or more blocks."""
    match choices.below(12) if depth else 11:
        case 0:
            first = _block(choices, depth - 1)
            second = _block(choices, depth - 1, first.types)
            operator = choices.of(
                "UNION",
                "UNION ALL",
                "EXCEPT",
                "EXCEPT ALL",
                "INTERSECT",
                "INTERSECT ALL",
                "UNION ALL BY NAME",
            )
            return Query(f"({first.text}) {operator} ({second.text})", first.types)
        case 1 | 2:
            return _behind_cte(choices, depth)
        case 3:
            inner = _block(choices, depth - 1)
            return _ordered(choices, inner)
        case 4:
            return _special(choices)
        case _:
            return _block(choices, depth)


def _behind_cte(choices: Choices, depth: int) -> Query:
    inner = _block(choices, depth - 1)
    hint = choices.of("", "", " MATERIALIZED", " NOT MATERIALIZED")
    cte = f"WITH w AS{hint} ({inner.text}) "
    scope = inner.scope("w")
    match choices.below(4):
        case 0:
            body = _over(choices, "w", scope, depth - 1)
        case 1:
            both = scope.and_also(inner.scope("x"))
            body = _over(choices, f"w JOIN w x ON w.c0 {choices.of('=', '<')} x.c0", both, depth - 1)
        case 2:
            table, known = _table(choices, "r")
            body = _over(choices, f"w, {table}", scope.and_also(known), depth - 1)
        case _:
            return Query(f"{cte}SELECT * FROM w UNION ALL SELECT * FROM w", inner.types)
    return Query(cte + body.text, body.types)


def _ordered(choices: Choices, inner: Query) -> Query:
    order = choices.of(
        "ORDER BY ALL",
        "ORDER BY ALL DESC",
        "ORDER BY ALL NULLS FIRST",
        "ORDER BY 1",
        "ORDER BY c0 DESC NULLS LAST",
    )
    total = "ALL" in order
    limit = choices.of(
        "", "", f" LIMIT {choices.below(6)}", f" LIMIT 3 OFFSET {choices.below(3)}", " LIMIT 40%"
    )
    return Query(f"{inner.text} {order}{limit}", inner.types, ordered=total)


_SPECIAL = (
    (
        (
            "WITH RECURSIVE t(n) AS (SELECT min(i) FROM g WHERE i >= 0 UNION ALL SELECT n + 1 FROM t "
            "WHERE n < 4) SELECT n AS c0 FROM t"
        ),
        ("int",),
    ),
    ("SELECT c0: k, c1: sum(i) FROM f GROUP BY ALL", ("int", "big")),
    ("PIVOT (SELECT k, s, i FROM g) ON s IN ('a', 'b') USING sum(i) GROUP BY k", ("int", "big", "big")),
    ("PIVOT g ON e USING count(*) GROUP BY k", ()),
    ("UNPIVOT (SELECT id, i, k FROM g) ON i, k INTO NAME n VALUE v", ("int", "str", "int")),
    ("FROM f SELECT k AS c0, i AS c1 WHERE k > 0", ("int", "int")),
    ("FROM o", ()),
    ("SELECT * EXCLUDE (tz, iv) FROM f", ()),
    ("SELECT * REPLACE (i + 1 AS i) FROM g", ()),
    ("SELECT COLUMNS('^[ik]$') FROM g JOIN o USING (k)", ()),
    ("SELECT COLUMNS(*)::VARCHAR FROM o", ()),
    ("SELECT max(COLUMNS(['i', 'k'])) FROM g", ()),
    ("SELECT unnest(l) AS c0, k AS c1 FROM f", ("int", "int")),
    ("SELECT k AS c0, u AS c1 FROM g, unnest(g.l) AS w(u)", ("int", "int")),
    (
        (
            "SELECT g.k AS c0, x.m AS c1 FROM g, LATERAL (SELECT max(i) AS m FROM f WHERE f.k = g.k) "
            "x"
        ),
        ("int", "int"),
    ),
    ("SELECT f.k AS c0, o.v AS c1 FROM f ASOF JOIN o ON f.k = o.k AND f.i >= o.v", ("int", "int")),
    ("SELECT f.k AS c0, o.v AS c1 FROM f POSITIONAL JOIN o", ("int", "int")),
    ("SELECT k AS c0 FROM f USING SAMPLE 50% (bernoulli, 7)", ("int",)),
    ("SELECT k AS c0 FROM g TABLESAMPLE reservoir(3 ROWS) REPEATABLE (3)", ("int",)),
    (
        (
            "SELECT c0, count(*) AS c1 FROM (VALUES (1), (2), (NULL), (1)) v(c0) JOIN g ON g.k = c0 "
            "GROUP BY c0"
        ),
        ("int", "int"),
    ),
    ("SELECT r AS c0, g.i AS c1 FROM range(4) t(r) LEFT JOIN g ON g.k = r", ("int", "int")),
    ("SELECT k AS c0, c AS c1 FROM by_key", ("int", "int")),
    ("SELECT v.k AS c0, v.n AS c1 FROM joined v WHERE v.k > 0", ("int", "dec")),
    ("SELECT twice(i) AS c0 FROM g", ("int",)),
    ("SELECT * FROM of_key(1)", ()),
    ("SELECT * FROM of_key(x := 2)", ()),
    ("SELECT DISTINCT ON (k) k AS c0, i AS c1 FROM g ORDER BY k, i DESC NULLS LAST", ("int", "int")),
    ("SELECT DISTINCT ON (z) z AS c0, k AS c1 FROM f", ("str", "int")),
    ("SELECT grouping(k, i) AS c0, count(*) AS c1 FROM g GROUP BY CUBE (k, i)", ("int", "int")),
    ("SUMMARIZE o", ()),
    ("DESCRIBE SELECT k, sum(n) FROM f GROUP BY k", ()),
    ("SELECT rowid AS c0, k AS c1 FROM g", ("int", "int")),
    ("SELECT o AS c0 FROM o", ("struct",)),
    ("SELECT f.* FROM f SEMI JOIN g USING (k)", ()),
    ("TABLE o", ()),
    ("SELECT getvariable('w') AS c0, count(*) AS c1 FROM g WHERE k = getvariable('w')", ("int", "int")),
    ("SELECT count(*) AS c0 FROM f WHERE ts < now() AND day < current_date", ("int",)),
    ("SELECT nextval('counter') AS c0, k AS c1 FROM o", ("int", "int")),
    ("SELECT current_schema() AS c0, count(*) AS c1 FROM o", ("str", "int")),
    ("SELECT random() < 2 AS c0, k AS c1 FROM o", ("bool", "int")),
    ("SELECT \"Odd Name\" AS c0, sum(v) AS c1 FROM o GROUP BY \"Odd Name\"", ("dec", "big")),
    ("SELECT K AS c0, O.S AS c1 FROM O", ("int", "str")),
    ("SELECT k, k, s AS k FROM o", ()),
    ("SELECT i.s AS c0, i.k AS c1 FROM g AS i WHERE i.i > 0", ("str", "int")),
    ("SELECT s AS c0 FROM g s WHERE s.k = 1", ("struct",)),
    ("SELECT st.a AS c0 FROM f AS st", ()),
    ("SELECT k AS i, i AS c1 FROM g WHERE i > 1", ("int", "int")),
    ("SELECT k + 1 AS k, count(*) AS c1 FROM g GROUP BY k HAVING k > 1", ("int", "int")),
    ("SELECT k + 1 AS q, q * 2 AS c1 FROM g WHERE q > 1", ("int", "int")),
    ("SELECT i + 1 AS k, sum(k) AS c1 FROM g GROUP BY ALL ORDER BY ALL", ("int", "big")),
)  # fmt: skip


def _special(choices: Choices) -> Query:
    text, types = _SPECIAL[choices.below(len(_SPECIAL))]
    return Query(text, types)


def _block(choices: Choices, depth: int, types: tuple[str, ...] = ()) -> Query:
    source, scope = _from(choices, depth)
    return _over(choices, source, scope, depth, types)


def _over(choices: Choices, source: str, scope: Scope, depth: int, types: tuple[str, ...] = ()) -> Query:
    """SELECT from a source: of groups, of windows, or of rows."""
    where = choices.of("", f" WHERE {_filter(choices, scope, depth)}")
    width = 1 + choices.below(3)
    kinds = types or tuple(
        choices.of(*ALL_TYPES) if choices.below(3) == 0 else choices.of("int", "str", "dec")
        for _ in range(width)
    )
    form = choices.below(6)
    if form <= 1 and not types:
        return _grouped(choices, source + where, scope)
    if form == 2 and not types:
        chosen = [_WINDOWS[choices.below(len(_WINDOWS))] for _ in range(width)]
        calls = [f"{_any(choices, scope, call)} OVER ({_window(choices, scope)})" for _, call in chosen]
        qualify = choices.of(
            "", "", f" QUALIFY row_number() OVER ({_window(choices, scope)}) <= 2", " QUALIFY c0 > 1"
        )
        return Query(
            f"SELECT {_items(calls)} FROM {source}{where}{qualify}", tuple(kind for kind, _ in chosen)
        )
    items = [_shown(choices, scope, kind, depth) for kind in kinds]
    distinct = choices.of("", "", "", "DISTINCT ")
    return Query(f"SELECT {distinct}{_items(items)} FROM {source}{where}", kinds)


def _shown(choices: Choices, scope: Scope, kind: str, depth: int) -> str:
    if kind == "int" and depth and choices.below(10) == 0:
        table, known = _table(choices, "y")
        inner = f" WHERE {condition(choices, known.and_also(scope), 1)}"
        call = _any(choices, known, choices.of("max(<int>)", "count(*)", "sum(<int>)"))
        return f"(SELECT {call} FROM {table}{inner})"
    text = value(choices, scope, kind, choices.below(3))
    # The client can't show times with a zone without another library.
    return f"({text})::VARCHAR" if kind == "tz" else text


def _items(items: list[str]) -> str:
    return ", ".join(f"{item} AS c{place}" for place, item in enumerate(items))


def _any(choices: Choices, scope: Scope, call: str) -> str:
    return filled(choices, scope, call.replace("<any>", f"<{choices.of(*POOLS)}>"), 1)


def _grouped(choices: Choices, rest: str, scope: Scope) -> Query:
    kinds = [choices.of(*_KEYS) for _ in range(1 + choices.below(2))]
    keys = [value(choices, scope, kind, choices.below(2)) for kind in kinds]
    measures = [_AGGREGATES[choices.below(len(_AGGREGATES))] for _ in range(1 + choices.below(2))]
    calls = [_measure(choices, scope, call) for _, call in measures]
    having = choices.of(
        "",
        "",
        f" HAVING {_measure(choices, scope, 'count(*)')} > {choices.below(3)}",
        " HAVING c0 IS NOT NULL",
    )
    types = tuple(kind for kind, _ in measures)
    if choices.below(5) == 0:
        return Query(
            f"SELECT {_items(calls)} FROM {rest}{having.replace(' HAVING c0 IS NOT NULL', '')}", types
        )
    grouping = choices.of(
        "{0}",
        "{0}",
        "{0}",
        "ALL",
        "ROLLUP ({0})",
        "CUBE ({0})",
        "GROUPING SETS (({0}), ({1}))",
        "GROUPING SETS (({0}), ())",
    ).format(", ".join(keys), keys[-1])
    order = choices.of("", "", "", " ORDER BY ALL", " ORDER BY ALL LIMIT 3")
    text = f"SELECT {_items([*keys, *calls])} FROM {rest} GROUP BY {grouping}{having}{order}"
    return Query(text, (*kinds, *types), ordered=bool(order))


def _measure(choices: Choices, scope: Scope, call: str) -> str:
    text = _any(choices, scope, call)
    if (
        choices.below(6) == 0
        and text.count("(")
        and " + " not in call
        and " - " not in call
        and "::" not in call
    ):
        text += f" FILTER (WHERE {condition(choices, scope, 1)})"
    return text


def _window(choices: Choices, scope: Scope) -> str:
    partition = choices.of("", f"PARTITION BY {value(choices, scope, choices.of(*_KEYS), 0)} ")
    keys = [value(choices, scope, choices.of(*_KEYS), 0) for _ in range(1 + choices.below(3))]
    direction = choices.of("", " DESC", " NULLS FIRST", " DESC NULLS LAST")
    return f"{partition}ORDER BY {', '.join(keys)}{direction}{choices.of(*_FRAMES)}"


def _table(choices: Choices, alias: str) -> tuple[str, Scope]:
    name = choices.of("f", "f", "g", "g", "o")
    columns = tuple(
        (f'{alias}."{column}"' if " " in column else f"{alias}.{column}", kind)
        for column, kind in TABLES[name].items()
    )
    return f"{name} {alias}", Scope(columns)


def _source(choices: Choices, alias: str, depth: int) -> tuple[str, Scope]:
    if depth and choices.below(5) == 0:
        inner = query(choices, depth - 1)
        return f"({inner.text}) {alias}", inner.scope(alias)
    return _table(choices, alias)


def _from(choices: Choices, depth: int) -> tuple[str, Scope]:
    left, known = _source(choices, choices.of("a", "m"), depth)
    if choices.below(3) == 0:
        return left, known
    right, other = _source(choices, "r", depth)
    both = known.and_also(other)
    kind = choices.of("int", "int", "int", "str", "noc", "dec", "date", "dbl")
    one, another = value(choices, known, kind, 0), value(choices, other, kind, 0)
    comparison = choices.of("=", "=", "=", "<", "IS NOT DISTINCT FROM")
    on = f"{one} {comparison} {another}{choices.of('', '', f' AND {condition(choices, both, 1)}')}"
    text = choices.of(
        f"{left} JOIN {right} ON {on}",
        f"{left}, {right}",
        f"{left} LEFT JOIN {right} ON {on}",
        f"{left} RIGHT JOIN {right} ON {on}",
        f"{left} FULL JOIN {right} ON {on}",
        f"{left} SEMI JOIN {right} ON {on}",
        f"{left} ANTI JOIN {right} ON {on}",
        f"{left} JOIN {right} USING (k)",
        f"{left} LEFT JOIN {right} USING (k)",
        f"{left} FULL JOIN {right} USING (k, s)",
        f"{left} CROSS JOIN {right}",
        f"{right} JOIN {left} ON {on}",
    )
    if " SEMI " in text or " ANTI " in text:
        return text, known
    if choices.below(5) == 0:
        third, more = _table(choices, "t")
        join = choices.of(", {}", " JOIN {} ON t.k = r.k", " LEFT JOIN {} ON t.k = r.k AND t.k > 0")
        return text + join.format(third), both.and_also(more)
    return text, both


def _filter(choices: Choices, scope: Scope, depth: int) -> str:
    conditions = [_predicate(choices, scope, depth) for _ in range(1 + choices.below(3))]
    return " AND ".join(conditions)


def _predicate(choices: Choices, scope: Scope, depth: int) -> str:
    if depth and choices.below(6) == 0:
        table, known = _table(choices, "y")
        inner = f"FROM {table} WHERE {condition(choices, known.and_also(scope), 1)}"
        kind = choices.of("int", "str", "dec")
        one, other = value(choices, scope, kind, 0), value(choices, known, kind, 0)
        return choices.of(
            f"EXISTS (SELECT 1 {inner})",
            f"NOT EXISTS (SELECT 1 {inner})",
            f"{one} IN (SELECT {other} {inner})",
            f"{one} NOT IN (SELECT {other} {inner})",
            f"{one} >= ALL (SELECT {other} {inner})",
            f"{one} = ANY (SELECT {other} {inner})",
            f"{one} < (SELECT max({other}) {inner})",
        )
    return condition(choices, scope, choices.below(3))
