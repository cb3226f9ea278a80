"""One SELECT taken apart by its tokens: clauses, items, joins, conjuncts."""

from __future__ import annotations

from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING

from sqlglot import TokenType

from signatures.parsing.layout_model import Clause, FromItem, Span
from signatures.parsing.layout_tokens import (
    ARROWS,
    JOIN_WORDS,
    SET_OPERATORS,
    UNFINISHED,
    TokenRow,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CLAUSES = {
    TokenType.FROM: Clause.FROM,
    TokenType.WHERE: Clause.WHERE,
    TokenType.GROUP_BY: Clause.GROUP_BY,
    TokenType.HAVING: Clause.HAVING,
    TokenType.WINDOW: Clause.WINDOW,
    TokenType.QUALIFY: Clause.QUALIFY,
    TokenType.USING: Clause.SAMPLE,
    TokenType.ORDER_BY: Clause.ORDER_BY,
    TokenType.LIMIT: Clause.LIMIT,
    TokenType.FETCH: Clause.LIMIT,
    TokenType.OFFSET: Clause.OFFSET,
}
_RANKS = {
    Clause.SELECT: 0,
    Clause.FROM: 1,
    Clause.WHERE: 2,
    Clause.GROUP_BY: 3,
    Clause.HAVING: 4,
    Clause.WINDOW: 5,
    Clause.QUALIFY: 5,
    Clause.SAMPLE: 6,
    Clause.ORDER_BY: 7,
    Clause.LIMIT: 8,
    Clause.OFFSET: 8,
}
"""The order in which the grammars have them; clauses of one rank come in either order, each once."""

_REFUSED = (
    frozenset({TokenType.SELECT, TokenType.INTO, TokenType.STRAIGHT_JOIN, TokenType.PIPE_GT})
    | {TokenType.CLUSTER_BY, TokenType.DISTRIBUTE_BY, TokenType.SORT_BY, TokenType.CONNECT_BY}
    | {TokenType.RETURNING}
    | SET_OPERATORS
)
_ONLY_IN_FROM = frozenset({TokenType.JOIN, TokenType.ON, TokenType.USING, TokenType.LATERAL})
_UNSPLITTABLE = ARROWS | {TokenType.OR, TokenType.XOR, TokenType.COMMA}
_STARTS_NO_BODY = UNFINISHED - {
    TokenType.CASE,
    TokenType.COLON,
    TokenType.DASH,
    TokenType.DOT,
    TokenType.GLOB,
    TokenType.NOT,
    TokenType.PLUS,
}

_CASE_STEPS = {TokenType.CASE: 1, TokenType.END: -1}

_DIRECTIONS = frozenset({"LEFT", "RIGHT", "FULL"})
_JOINS = frozenset(
    {"", "INNER", "SEMI", "ANTI", *_DIRECTIONS, *(f"{direction} OUTER" for direction in _DIRECTIONS)}
)
_JOIN_PHRASES = frozenset(
    {*_JOINS, "CROSS", "POSITIONAL", "LEFT SEMI", "LEFT ANTI", "RIGHT SEMI", "RIGHT ANTI"}
    | {f"{prefix} {join}".rstrip() for prefix in ("NATURAL", "ASOF") for join in _JOINS}
)
_WITHOUT_CONDITION = frozenset({"CROSS", "POSITIONAL", "NATURAL"})


class Section:
    """One clause as a range of tokens: from its keyword, and from its body, up to ``behind``."""

    __slots__ = ("behind", "body", "clause", "keyword")

    def __init__(self, clause: Clause, keyword: int, body: int, behind: int) -> None:
        """All four are fixed by ``sections`` and by ``select_sections``."""
        self.clause = clause
        self.keyword = keyword
        self.body = body
        self.behind = behind


def sections(row: TokenRow, level: int, first: int, behind: int) -> list[Section]:
    """Split a range that starts with a clause keyword into clauses, in the order of the text.

    Raises:
        LayoutError: where a clause comes twice, in the wrong place, or has nothing in it.
    """
    starts: list[tuple[Clause, int]] = []
    for index in row.events_within(level, first, behind):
        kind = row.types[index]
        if kind in _REFUSED:
            raise row.error(index, "a clause of this SELECT")
        clause = CLAUSES.get(kind)
        if clause is None or (kind == TokenType.USING and row.upper(index + 1) != "SAMPLE"):
            continue
        if starts:
            rank, last = _RANKS[clause], _RANKS[starts[-1][0]]
            if rank < last or (rank == last and any(clause is earlier for earlier, _ in starts)):
                raise row.error(index, f"no {clause} clause here")
        starts.append((clause, index))
    if not starts or starts[0][1] != first:
        raise row.error(first, "a clause")
    bounds = [index for _, index in starts] + [behind]
    found = [
        Section(clause, index, index + (2 if clause is Clause.SAMPLE else 1), bounds[place + 1])
        for place, (clause, index) in enumerate(starts)
    ]
    for section in found:
        _check_section(row, level, section)
    return found


def _check_section(row: TokenRow, level: int, section: Section) -> None:
    check_body(row, section.body, section.behind)
    if section.clause is not Clause.FROM:
        for index in row.events_within(level, section.body, section.behind):
            if row.types[index] in _ONLY_IN_FROM:
                raise row.error(index, f"an expression of the {section.clause} clause")
    if section.clause is Clause.WINDOW and (
        row.type_at(section.body + 1) != TokenType.ALIAS or row.type_at(section.body + 2) != TokenType.L_PAREN
    ):
        raise row.error(section.body, "a named window")


def check_body(row: TokenRow, first: int, behind: int) -> None:
    """Refuse what cannot be a whole expression or list: there a keyword was taken for what it is not."""
    if first >= behind:
        raise row.error(first, "an expression")
    if row.types[first] in _STARTS_NO_BODY:
        raise row.error(first, "an expression")
    last = row.types[behind - 1]
    if last in UNFINISHED and not (last == TokenType.COMMA and row.dialect == "duckdb"):
        raise row.error(behind, "the rest of an expression")


def select_sections(row: TokenRow, level: int, first: int, behind: int) -> tuple[list[Section], int, int]:
    """Take SELECT and what belongs to it off the front of a block.

    Returns:
        The sections: DISTINCT where there is one, SELECT, then the clauses behind it; the index of the
        first select item, and the index behind the last one.
    """
    body = first + 1
    found: list[Section] = []
    if row.type_at(body) == TokenType.HINT:
        body += 1
    if row.type_at(body) == TokenType.ALL:
        body += 1
    elif row.type_at(body) == TokenType.DISTINCT:
        keyword = body
        body += 1
        if row.type_at(body) == TokenType.ON and row.type_at(body + 1) == TokenType.L_PAREN:
            listed = body + 2
            body = row.closing[body + 1] + 1
            found.append(Section(Clause.DISTINCT, keyword, listed, body))
        else:
            found.append(Section(Clause.DISTINCT, keyword, body, body))
    following = behind
    for index in row.events_within(level, body, behind):
        if row.types[index] in _REFUSED:
            raise row.error(index, "a select item")
        if row.types[index] in CLAUSES:
            following = index
            break
    section = Section(Clause.SELECT, first, body, following)
    _check_section(row, level, section)
    found.append(section)
    if following < behind:
        found.extend(sections(row, level, following, behind))
    return found, body, following


def mappings(row: TokenRow, found: Sequence[Section]) -> tuple[Mapping[str, Span], Mapping[str, Span]]:
    """The sections' bodies, and the same with their keywords."""
    bodies: dict[str, Span] = {}
    whole: dict[str, Span] = {}
    for section in found:
        whole[section.clause] = row.span(section.keyword, section.behind)
        if section.clause is Clause.DISTINCT:
            if section.body == section.behind:
                bodies[section.clause] = Span(row.ends[section.keyword], row.ends[section.keyword])
            else:
                bodies[section.clause] = row.span(section.body, section.behind - 1)
        else:
            bodies[section.clause] = row.span(section.body, section.behind)
    return MappingProxyType(bodies), MappingProxyType(whole)


def comma_split(row: TokenRow, level: int, first: int, behind: int) -> tuple[Span, ...]:
    """The parts between the commas of a level; DuckDB allows one more comma at the end."""
    commas = [
        index for index in row.events_within(level, first, behind) if row.types[index] == TokenType.COMMA
    ]
    if commas and commas[-1] == behind - 1:
        behind = commas.pop()
    parts = []
    for left, right in pairwise([first - 1, *commas, behind]):
        check_body(row, left + 1, right)
        parts.append(row.span(left + 1, right))
    return tuple(parts)


def conjuncts(row: TokenRow, level: int, first: int, behind: int) -> tuple[Span, ...]:
    """The operands of the outermost AND; the whole condition where they cannot be told apart for sure.

    The AND of BETWEEN and those inside CASE are not split at. Arrows bind looser than AND in DuckDB, so
    that ``a AND b -> 'c' = 1`` is no conjunction: a condition with one outside of parentheses stays whole.
    """
    cuts: list[int] = []
    pending = cases = 0
    splittable = True
    for index in row.events_within(level, first, behind):
        kind = row.types[index]
        if kind in _CASE_STEPS:
            cases += _CASE_STEPS[kind]
            if cases < 0:
                raise row.error(index, "CASE before END")
        elif cases:
            continue
        elif kind == TokenType.BETWEEN:
            _check_between(row, first, index)
            pending += 1
        elif kind == TokenType.AND and pending:
            pending -= 1
        elif kind == TokenType.AND:
            cuts.append(index)
        elif kind in _UNSPLITTABLE:
            splittable = False
    if pending or cases:
        raise row.error(first, "BETWEEN with AND, CASE with END")
    if not splittable:
        return (row.span(first, behind),)
    parts = []
    for left, right in pairwise([first - 1, *cuts, behind]):
        check_body(row, left + 1, right)
        parts.append(row.span(left + 1, right))
    return tuple(parts)


def _check_between(row: TokenRow, first: int, index: int) -> None:
    """A column may be called between; the operator stands behind an operand."""
    before = index - 1
    if before > first and row.types[before] == TokenType.NOT:
        before -= 1
    if before < first or row.types[before] in UNFINISHED:
        raise row.error(index, "an operand before BETWEEN")


class _Join:
    """Where an item of FROM starts: the separator before it, and its own first token."""

    __slots__ = ("first", "joined_by", "separator")

    def __init__(self, separator: int, first: int, joined_by: str) -> None:
        self.separator = separator
        self.first = first
        self.joined_by = joined_by


def _joins(row: TokenRow, level: int, first: int, behind: int) -> Iterator[_Join]:
    yield _Join(first, first, "")
    for index in row.events_within(level, first, behind):
        kind = row.types[index]
        if kind == TokenType.COMMA:
            if index < behind - 1:
                yield _Join(index, index + 1, "comma")
        elif kind == TokenType.JOIN:
            start = index
            while start > first and row.types[start - 1] in JOIN_WORDS:
                start -= 1
            phrase = " ".join(row.upper(word) for word in range(start, index))
            if phrase not in _JOIN_PHRASES:
                raise row.error(start, "a kind of join")
            yield _Join(start, index + 1, f"{phrase} JOIN".lstrip())


def from_items(row: TokenRow, level: int, first: int, behind: int) -> tuple[FromItem, ...]:
    """The table expressions of a FROM clause with the way each is joined to those before it.

    Raises:
        LayoutError: for joins whose conditions do not follow their own item: ``a JOIN b JOIN c ON x ON y``.
    """
    if row.types[behind - 1] == TokenType.COMMA:
        behind -= 1
    joins = list(_joins(row, level, first, behind))
    bounds = [join.separator for join in joins[1:]] + [behind]
    return tuple(_from_item(row, level, join, bound) for join, bound in zip(joins, bounds, strict=True))


def _from_item(row: TokenRow, level: int, join: _Join, behind: int) -> FromItem:
    condition = behind
    for index in row.events_within(level, join.first, behind):
        kind = row.types[index]
        if kind in (TokenType.ON, TokenType.USING):
            if condition != behind or join.joined_by in ("", "comma"):
                raise row.error(index, "one condition for each join")
            condition = index
        elif kind == TokenType.LATERAL and index != join.first:
            raise row.error(index, "LATERAL before a table expression")
    check_body(row, join.first, condition)
    opening = row.types[join.first]
    if opening == TokenType.VALUES and row.type_at(join.first + 1) == TokenType.L_PAREN:
        raise row.error(join.first, "VALUES in parentheses")  # its commas look like those of FROM
    on, on_conjuncts, using = _condition(row, level, join, condition, behind)
    return FromItem(
        span=row.span(join.first, condition),
        whole=row.span(join.separator, behind),
        joined_by=join.joined_by,
        on=on,
        on_conjuncts=on_conjuncts,
        using=using,
        lateral=opening == TokenType.LATERAL,
        nested_join=opening == TokenType.L_PAREN and not row.is_query(join.first),
    )


def _condition(
    row: TokenRow, level: int, join: _Join, condition: int, behind: int
) -> tuple[Span | None, tuple[Span, ...], Span | None]:
    if condition == behind:
        return None, (), None
    if join.joined_by.split(" ", 1)[0] in _WITHOUT_CONDITION:
        raise row.error(condition, "no condition for this join")
    if row.types[condition] == TokenType.ON:
        check_body(row, condition + 1, behind)
        return row.span(condition + 1, behind), conjuncts(row, level, condition + 1, behind), None
    listed = condition + 1
    if row.type_at(listed) != TokenType.L_PAREN or row.closing[listed] != behind - 1:
        raise row.error(listed, "a list of columns in parentheses")
    return None, (), row.span(listed + 1, behind - 1)
