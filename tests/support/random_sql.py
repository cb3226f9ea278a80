"""Random small statements over three tiny tables, drawn from choices that can be replayed with one changed.

Two statements of the same choices but one are alike enough that wrong signatures would take them for equal,
and often are equal: ``a < b`` against ``b > a``, a comma against JOIN ON, a CTE against a derived table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

SCHEMA = (
    "CREATE TABLE t(a INT, b INT, c INT)",
    "CREATE TABLE u(a INT, b INT, d INT)",
    "CREATE TABLE v(k INT, b INT, a INT)",
    "INSERT INTO t VALUES (1,1,1),(1,2,1),(2,1,NULL),(2,1,NULL),(NULL,3,2),(3,NULL,2),(1,1,1)",
    "INSERT INTO u VALUES (1,1,5),(2,2,1),(2,NULL,1),(NULL,1,2),(4,3,3),(1,1,5)",
    "INSERT INTO v VALUES (1,2,1),(2,2,1),(3,NULL,3),(NULL,1,1),(1,2,2)",
)
"""Three tables with NULLs and equal rows, which share the names of some columns."""

_COLUMNS = {"t": ("a", "b", "c"), "u": ("a", "b", "d"), "v": ("k", "b", "a")}


@dataclass(slots=True)
class Choices:
    """A sequence of choices: those given first, random ones after them."""

    random: Random
    given: Sequence[int] = ()
    made: list[int] = field(default_factory=list)

    def below(self, count: int) -> int:
        """A number from zero up to but not including ``count``."""
        place = len(self.made)
        number = self.given[place] % count if place < len(self.given) else self.random.randrange(count)
        self.made.append(number)
        return number

    def of(self, *options: str) -> str:
        """One of several texts."""
        return options[self.below(len(options))]

    def neighbour(self) -> Choices:
        """The same choices with one of them drawn again."""
        changed = list(self.made)
        changed[self.random.randrange(len(changed))] = self.random.randrange(60)
        return Choices(self.random, changed)


@dataclass(frozen=True, slots=True)
class Names:
    """Columns that can be named at a place, each as it has to be written there."""

    columns: tuple[str, ...]

    def with_outer(self, outer: Names | None) -> Names:
        """The same with the columns of the query around it."""
        return self if outer is None else Names(self.columns + outer.columns)


def statement(choices: Choices) -> str:
    """A statement of one or two blocks, perhaps behind a CTE."""
    match choices.below(7):
        case 0:
            operator = choices.of("UNION", "UNION ALL", "EXCEPT", "EXCEPT ALL", "INTERSECT", "INTERSECT ALL")
            return f"{_block(choices, width=2)} {operator} {_block(choices, width=2)}"
        case 1:
            body = _block(choices, width=2, names=("x", "y"))
            return f"WITH q AS ({body}) SELECT {choices.of('x, y', 'y, x', 'x', 'q.y, count(*)')} FROM q" + (
                choices.of("", " WHERE x > 1", " WHERE 1 < q.x")
                if "count" not in body
                else choices.of(" GROUP BY ALL", " GROUP BY q.y")
            )
        case 2:
            body = _block(choices, width=2, names=("x", "y"))
            return f"SELECT {choices.of('x, y', 'y, x', 'x')} FROM ({body}) q" + choices.of(
                "", " WHERE x > 1", " WHERE 1 < q.x", " JOIN t ON t.a = x", " LEFT JOIN t ON t.a = x"
            )
        case _:
            return _block(choices)


def _block(choices: Choices, *, width: int = 0, names: tuple[str, ...] = ()) -> str:
    source, known = _from(choices)
    where = choices.of("", f" WHERE {_predicate(choices, known, 2)}")
    width = width or 1 + choices.below(3)
    match choices.below(5):
        case 0:
            return _grouped(choices, source + where, known, width, names)
        case 1:
            windows = [_window(choices, known) for _ in range(width)]
            qualify = choices.of("", "", f" QUALIFY {_window(choices, known)} > 1")
            return f"SELECT {_items(windows, names)} FROM {source}{where}{qualify}"
        case _:
            items = [_value(choices, known, 1) for _ in range(width)]
            distinct = choices.of("", "", "DISTINCT ")
            order = choices.of("", "", "", " ORDER BY ALL", f" ORDER BY ALL LIMIT {1 + choices.below(3)}")
            if names or width == 2:
                order = ""
            return f"SELECT {distinct}{_items(items, names)} FROM {source}{where}{order}"


def _items(items: Sequence[str], names: Sequence[str]) -> str:
    if not names:
        return ", ".join(items)
    return ", ".join(f"{item} AS {name}" for item, name in zip(items, names, strict=True))


def _grouped(choices: Choices, rest: str, known: Names, width: int, names: Sequence[str]) -> str:
    keys = [_column(choices, known) for _ in range(1 + choices.below(2))]
    grouping = choices.of(
        "{0}",
        "{0}",
        "ROLLUP ({0})",
        "CUBE ({0})",
        "GROUPING SETS (({0}), ({1}))",
        "GROUPING SETS (({0}), ())",
    )
    items = [
        choices.of(keys[0], keys[-1], _measure(choices, known), _measure(choices, known))
        for _ in range(width)
    ]
    having = choices.of("", "", f" HAVING {_measure(choices, known)} > {choices.below(3)}")
    group = grouping.format(", ".join(keys), keys[-1])
    return f"SELECT {_items(items, names)} FROM {rest} GROUP BY {group}{having}"


def _measure(choices: Choices, known: Names) -> str:
    call = choices.of(
        "count(*)", "count({})", "sum({})", "min({})", "max({})", "count(DISTINCT {})", "sum(DISTINCT {})"
    ).format(_column(choices, known))
    return call + choices.of("", "", "", f" FILTER (WHERE {_predicate(choices, known, 0)})")


def _window(choices: Choices, known: Names) -> str:
    call = choices.of("sum({})", "count({})", "max({})", "rank()", "dense_rank()").format(
        _column(choices, known)
    )
    partition = choices.of("", f"PARTITION BY {_column(choices, known)}")
    direction = choices.of("", " DESC", " NULLS FIRST", " DESC NULLS LAST")
    order = f" ORDER BY {_column(choices, known)}{direction}"
    frame = choices.of("", "", " RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING")
    return f"{call} OVER ({partition}{choices.of(order, '') or order}{frame})"


def _from(choices: Choices) -> tuple[str, Names]:
    first, left = choices.of("t", "u", "v"), choices.of("l", "m")
    columns = tuple(f"{left}.{name}" for name in _COLUMNS[first])
    if choices.below(4) == 0:
        return f"{first} {left}", Names(columns + _COLUMNS[first])
    second, right = choices.of("t", "u", "v"), choices.of("r", "n")
    both = Names(columns + tuple(f"{right}.{name}" for name in _COLUMNS[second]))
    on = f"{left}.{choices.of('a', 'b')} {choices.of('=', '=', '<', '>')} {right}.{choices.of('a', 'b')}"
    item = choices.of(second, second, f"(SELECT * FROM {second})", f"(SELECT * FROM {second} WHERE b = 1)")
    using = choices.of("a", "b", "a, b")
    text = choices.of(
        f"{first} {left} JOIN {item} {right} ON {on}",
        f"{first} {left}, {item} {right}",
        f"{item} {right}, {first} {left}",
        f"{first} {left} LEFT JOIN {item} {right} ON {on}",
        f"{item} {right} RIGHT JOIN {first} {left} ON {on}",
        f"{first} {left} RIGHT JOIN {item} {right} ON {on}",
        f"{first} {left} FULL JOIN {item} {right} ON {on}",
        f"{first} {left} SEMI JOIN {item} {right} ON {on}",
        f"{first} {left} ANTI JOIN {item} {right} ON {on}",
        f"{first} {left} JOIN {item} {right} USING ({using})",
        f"{first} {left} LEFT JOIN {item} {right} USING ({using})",
        f"{first} {left} RIGHT JOIN {item} {right} USING ({using})",
        f"{first} {left} FULL JOIN {item} {right} USING ({using})",
        f"{first} {left} NATURAL JOIN {item} {right}",
    )
    if " SEMI " in text or " ANTI " in text:
        return text, Names(columns)
    if "USING" in text:
        both = Names((*both.columns, *using.split(", ")))
    third = choices.of("", "", "", "", ", v w", " CROSS JOIN v w", " RIGHT JOIN v w ON w.k = 1")
    return text + third, Names(both.columns + (("w.k", "w.b") if third else ()))


def _column(choices: Choices, known: Names) -> str:
    return known.columns[choices.below(len(known.columns))]


def _value(choices: Choices, known: Names, depth: int) -> str:
    column = _column(choices, known)
    if depth and choices.below(9) == 0:
        return f"(SELECT {choices.of('max', 'count', 'sum')}({{}}) {_inner(choices, known)})".format("i.b")
    return choices.of(
        "{}", "{}", "{} + 1", "1 + {}", "coalesce({}, 0)", "-{}", "CASE WHEN {} > 1 THEN 1 ELSE 2 END", "1"
    ).format(column)


def _inner(choices: Choices, known: Names) -> str:
    table = choices.of("t", "u", "v")
    inner = Names(tuple(f"i.{name}" for name in _COLUMNS[table]))
    return f"FROM {table} i WHERE {_predicate(choices, inner.with_outer(known), 0)}"


def _predicate(choices: Choices, known: Names, depth: int) -> str:
    one, other, number = _column(choices, known), _column(choices, known), str(choices.below(4))
    if depth:
        match choices.below(8):
            case 0:
                connector = choices.of("AND", "OR")
                pair = _predicate(choices, known, depth - 1), _predicate(choices, known, depth - 1)
                return f"({pair[0]} {connector} {pair[1]})"
            case 1:
                return f"NOT ({_predicate(choices, known, depth - 1)})"
            case 2:
                return f"{choices.of('', 'NOT ')}EXISTS (SELECT 1 {_inner(choices, known)})"
            case 3:
                return f"{one} {choices.of('', 'NOT ')}IN (SELECT i.b {_inner(choices, known)})"
            case 4:
                comparison = choices.of("= ANY", "> ALL", "<> ALL", "< ANY")
                return f"{one} {comparison} (SELECT i.b {_inner(choices, known)})"
            case _:
                pass
    return choices.of(
        f"{one} = {other}", f"{other} = {one}", f"{one} < {other}", f"{other} > {one}", f"{one} <> {number}",
        f"{one} >= {number}", f"{number} <= {one}", f"{one} IS NULL", f"{one} IS NOT NULL",
        f"{one} IN ({number}, 1)", f"{one} IN (1, {number})", f"{one} NOT IN (2, {number})",
        f"{one} BETWEEN 1 AND {number}", f"({one} >= 1 AND {one} <= {number})",
        f"{one} IS DISTINCT FROM {other}", f"NOT {one} = {other}", f"{one} IS NOT DISTINCT FROM {number}",
    )  # fmt: skip
