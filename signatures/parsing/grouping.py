"""GROUP BY: keys, grouping sets, and putting keys and measures in place of what computes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import product

from sqlglot import exp

from signatures.eligibility import NotUnderstood
from signatures.expressions import Call, ColumnRef, Expression, map_expression, walk
from signatures.parsing.calls import is_aggregate, is_window
from signatures.rebuilding import rewrite_query

MAX_SETS = 256

Sets = tuple[tuple[int, ...], ...]


@dataclass(slots=True)
class Grouping:
    """Keys of one block as they are found; a key written twice is one key."""

    keys: list[Expression] = field(default_factory=list)
    spellings: dict[int, set[str]] = field(default_factory=dict)
    """How the text writes each key, in lower case."""

    def index(self, key: Expression) -> int:
        """The key's place, added if it is new."""
        if key not in self.keys:
            self.keys.append(key)
        return self.keys.index(key)


def grouping_sets(
    node: exp.Group, bind_key: Callable[[exp.Expr], Expression], grouping: Grouping
) -> Sets | None:
    """Collect the keys of a GROUP BY and return its grouping sets, None for a plain one.

    Elements are multiplied as the standard says: ``GROUP BY a, ROLLUP (b)`` is ``(a, b), (a)``.
    """
    if any(value for key, value in node.args.items() if key not in ("expressions", "all")):
        raise NotUnderstood("form of GROUP BY")
    elements = [_element(part, bind_key, grouping) for part in node.expressions]
    if all(len(element) == 1 for element in elements):
        return None
    sets = tuple(
        tuple(dict.fromkeys(index for chosen in combination for index in chosen))
        for combination in product(*elements)
    )
    if len(sets) > MAX_SETS:
        raise NotUnderstood(f"more than {MAX_SETS} grouping sets")
    if any(len(spellings) > 1 for spellings in grouping.spellings.values()):
        # ROLLUP (t.a, a) has two keys for DuckDB and ROLLUP (a, a) one: their rows differ.
        raise NotUnderstood("a key of grouping sets that is written in two ways")
    return sets


def _element(
    node: exp.Expr, bind_key: Callable[[exp.Expr], Expression], grouping: Grouping
) -> list[tuple[int, ...]]:
    def group(part: exp.Expr) -> tuple[int, ...]:
        while isinstance(part, exp.Paren):
            part = part.this
        members = part.expressions if isinstance(part, exp.Tuple) else [part]
        return tuple(key(member) for member in members)

    def key(member: exp.Expr) -> int:
        index = grouping.index(bind_key(member))
        grouping.spellings.setdefault(index, set()).add(member.sql().lower())
        return index

    match node:
        case exp.Rollup():
            groups = [group(part) for part in node.expressions]
            return [_flat(groups[:length]) for length in range(len(groups), -1, -1)]
        case exp.Cube():
            groups = [group(part) for part in node.expressions]
            if 2 ** len(groups) > MAX_SETS:
                raise NotUnderstood(f"more than {MAX_SETS} grouping sets")
            return [
                _flat(part for part, chosen in zip(groups, choice, strict=True) if chosen)
                for choice in product((True, False), repeat=len(groups))
            ]
        case exp.GroupingSets():
            return [chosen for part in node.expressions for chosen in _element(part, bind_key, grouping)]
        case _:
            return [group(node)]


def _flat(groups: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(index for part in groups for index in part)


@dataclass(slots=True)
class Lifting:
    """Puts references to an Aggregate in place of its keys and of the aggregates over its input."""

    relation: int
    keys: tuple[Expression, ...]
    measures: list[Expression] = field(default_factory=list)

    def lift(self, expression: Expression) -> Expression:
        """The expression over the grouped rows; of subqueries only what they take from outside."""
        return map_expression(expression, self._change, lambda query: rewrite_query(query, self._key, {}))

    def _key(self, part: Expression) -> Expression | None:
        if part in self.keys:
            return ColumnRef(self.relation, f"k{self.keys.index(part)}")
        return None

    def _change(self, part: Expression) -> Expression | None:
        key = self._key(part)
        if key is not None:
            return key
        if is_aggregate(part):
            if part not in self.measures:
                self.measures.append(part)
            return ColumnRef(self.relation, f"m{self.measures.index(part)}")
        return None


@dataclass(slots=True)
class Windowing:
    """Puts references to a Window in place of window calls."""

    relation: int
    calls: list[Expression] = field(default_factory=list)

    def lift(self, expression: Expression) -> Expression:
        """The expression over the rows with window columns."""
        return map_expression(expression, self._change)

    def _change(self, part: Expression) -> Expression | None:
        if not is_window(part):
            return None
        if part not in self.calls:
            self.calls.append(part)
        return ColumnRef(self.relation, f"w{self.calls.index(part)}")


def nested_windows(calls: Iterable[Expression]) -> bool:
    """Whether a window call has another one inside."""
    return any(
        is_window(part)
        for call in calls
        if isinstance(call, Call)
        for argument in (*call.arguments, *(key.expression for key in call.order))
        for part in walk(argument)
    )
