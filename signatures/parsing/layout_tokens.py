"""The token stream of a statement, prepared for its layout: one pass over the tokens, each seen once.

What matters at one level of parentheses (clause keywords, commas, AND) is listed per level, so that
nothing is looked at twice. A keyword that stands where only a name can stand is turned into a name here.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING

from sqlglot import Dialect, TokenType
from sqlglot.errors import SqlglotError

from signatures.parsing.layout_model import LayoutError, Span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlglot import Token

DIALECTS = frozenset({"duckdb", "spark"})
"""Dialects whose use of keywords as names was looked into."""

NAME = TokenType.VAR
TOP = -1
"""The level outside of all parentheses; other levels are named by the index of their opening one."""

SET_OPERATORS = frozenset({TokenType.UNION, TokenType.EXCEPT, TokenType.INTERSECT})
MODIFIERS = frozenset({TokenType.ORDER_BY, TokenType.LIMIT, TokenType.OFFSET, TokenType.FETCH})
JOIN_WORDS = frozenset(
    {TokenType.NATURAL, TokenType.LEFT, TokenType.RIGHT, TokenType.FULL, TokenType.INNER, TokenType.OUTER}
    | {TokenType.CROSS, TokenType.SEMI, TokenType.ANTI, TokenType.ASOF, TokenType.POSITIONAL}
)
ARROWS = frozenset({TokenType.ARROW, TokenType.DARROW, TokenType.FARROW, TokenType.COLON_EQ})
EVENTS = (
    SET_OPERATORS
    | MODIFIERS
    | ARROWS
    | {TokenType.SELECT, TokenType.FROM, TokenType.WHERE, TokenType.GROUP_BY, TokenType.HAVING}
    | {TokenType.QUALIFY, TokenType.WINDOW, TokenType.USING, TokenType.ON, TokenType.JOIN, TokenType.COMMA}
    | {TokenType.INTO, TokenType.LATERAL, TokenType.RETURNING, TokenType.WITH, TokenType.PIPE_GT}
    | {TokenType.CLUSTER_BY, TokenType.DISTRIBUTE_BY, TokenType.SORT_BY, TokenType.CONNECT_BY}
    | {TokenType.STRAIGHT_JOIN, TokenType.AND, TokenType.OR, TokenType.XOR, TokenType.BETWEEN}
    | {TokenType.CASE, TokenType.END}
)
"""Tokens that can matter to the layout of the level on which they stand."""

UNFINISHED = frozenset(
    {TokenType.PLUS, TokenType.DASH, TokenType.SLASH, TokenType.DIV, TokenType.DPIPE, TokenType.DOT}
    | {TokenType.EQ, TokenType.NEQ, TokenType.LT, TokenType.LTE, TokenType.GT, TokenType.GTE}
    | {TokenType.AND, TokenType.OR, TokenType.XOR, TokenType.NOT, TokenType.IN, TokenType.IS}
    | {TokenType.LIKE, TokenType.ILIKE, TokenType.BETWEEN, TokenType.CASE, TokenType.WHEN, TokenType.THEN}
    | {TokenType.ELSE, TokenType.COMMA, TokenType.COLON, TokenType.DCOLON, TokenType.ON, TokenType.ALIAS}
    | {TokenType.DISTINCT, TokenType.GLOB, TokenType.RLIKE, TokenType.COLLATE}
    | ARROWS
)
"""Tokens with which no expression ends."""

_OPENING = frozenset({TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE})
_CLOSING = {
    TokenType.R_PAREN: TokenType.L_PAREN,
    TokenType.R_BRACKET: TokenType.L_BRACKET,
    TokenType.R_BRACE: TokenType.L_BRACE,
}
_BEFORE_NAME = frozenset({TokenType.DOT, TokenType.ALIAS, TokenType.PARAMETER})
_QUERY_STARTS = frozenset({TokenType.SELECT, TokenType.WITH})
_OTHER_STARTS = frozenset(
    {TokenType.PIVOT, TokenType.UNPIVOT, TokenType.DESCRIBE, TokenType.SUMMARIZE, TokenType.SHOW}
)
_ALSO_NAMES = JOIN_WORDS | _OTHER_STARTS | {TokenType.TABLE, TokenType.VALUES}
_BEFORE_QUERY = frozenset(
    {TokenType.FROM, TokenType.JOIN, TokenType.COMMA, TokenType.L_PAREN, TokenType.IN, TokenType.EXISTS}
    | {TokenType.ALIAS, TokenType.ALL, TokenType.DISTINCT, TokenType.SELECT}
    | SET_OPERATORS
)
_JOINED_NUMBER = re.compile(r"\b\d\w*\.[a-z_]", re.IGNORECASE)
_SPLIT_KEYWORD = re.compile(r"\b(?:group|order|partition)\s*(?:/\*|--)", re.IGNORECASE)

_SPLIT_KEYWORDS = frozenset({("GROUP", "BY"), ("ORDER", "BY"), ("PARTITION", "BY")})


def _tokenize(sql: str, dialect: str) -> list[Token]:
    if dialect not in DIALECTS:
        raise LayoutError(f"found dialect {dialect!r}, expected one of {sorted(DIALECTS)}")
    if dialect == "spark" and _JOINED_NUMBER.search(sql):
        # 1.FROM is one token to the tokenizer and two to the engine.
        raise LayoutError("found a number joined to a word, expected a blank between them")
    try:
        tokens = Dialect.get_or_raise(dialect).tokenize(sql)
    except SqlglotError as error:
        raise LayoutError(f"found text that is no sequence of tokens: {error}") from error
    while tokens and tokens[-1].token_type == TokenType.SEMICOLON:
        tokens.pop()
    if not tokens:
        raise LayoutError("found no statement, expected one")
    return tokens


class TokenRow:
    """The tokens of one statement with their levels.

    Attributes:
        types: the type of each token, ``NAME`` for keywords that can only be names where they stand.
        starts: the offset of the first character of each token.
        ends: the offset behind the last character of each token.
        closing: for each opening parenthesis, bracket or brace the index of the closing one.
        events: for each level the tokens that can matter to its layout, in the order of the text.
    """

    __slots__ = (
        "_queries",
        "_query_set",
        "_tokens",
        "closing",
        "dialect",
        "ends",
        "events",
        "sql",
        "starts",
        "types",
    )

    def __init__(self, sql: str, dialect: str) -> None:
        """Tokenize and pair.

        Raises:
            LayoutError: for an unknown dialect, several statements, or parentheses that do not match.
        """
        self.sql = sql
        self.dialect = dialect
        self._tokens = _tokenize(sql, dialect)
        self.types = [token.token_type for token in self._tokens]
        self.starts = [token.start for token in self._tokens]
        self.ends = [token.end + 1 for token in self._tokens]
        self.closing: dict[int, int] = {}
        self.events: dict[int, list[int]] = {TOP: []}
        self._query_set: set[int] = set()
        self._pair()
        self._queries = sorted(self._query_set)
        if _SPLIT_KEYWORD.search(sql):
            self._refuse_split_keywords()

    def __len__(self) -> int:
        return len(self.types)

    def text(self, index: int) -> str:
        """A token's text, quotes taken off."""
        return str(self._tokens[index].text)

    def upper(self, index: int) -> str:
        """A token's text in upper case; empty behind the last token."""
        return self.text(index).upper() if index < len(self.types) else ""

    def word(self, index: int) -> TokenType:
        """The type that the tokenizer gave, also where the token is a name by its place."""
        return self._tokens[index].token_type

    def type_at(self, index: int) -> TokenType | None:
        """A token's type; None outside of the statement."""
        return self.types[index] if 0 <= index < len(self.types) else None

    def span(self, first: int, behind: int) -> Span:
        """The text of the tokens from ``first`` up to, not including, ``behind``."""
        if first >= behind:
            at = self.starts[first] if first < len(self.starts) else len(self.sql)
            raise LayoutError(f"found nothing at offset {at}, expected an expression")
        return Span(self.starts[first], self.ends[behind - 1])

    def error(self, index: int, expected: str) -> LayoutError:
        """The error for the token at ``index``."""
        if index >= len(self.types):
            return LayoutError(f"found the end of the statement, expected {expected}")
        found = self.text(index)
        return LayoutError(f"found {found!r} at offset {self.starts[index]}, expected {expected}")

    def is_query(self, opening: int) -> bool:
        """Whether the parenthesis at ``opening`` encloses a query expression."""
        return opening in self._query_set

    def queries_within(self, first: int, behind: int) -> list[int]:
        """The opening parentheses of the outermost queries in a range of tokens."""
        queries = self._queries
        found = []
        at = bisect_left(queries, first)
        while at < len(queries) and queries[at] < behind:
            found.append(queries[at])
            at = bisect_left(queries, self.closing[queries[at]], at)
        return found

    def events_within(self, level: int, first: int, behind: int) -> Sequence[int]:
        """The events of a level in a range of tokens."""
        events = self.events[level]
        return events[bisect_left(events, first) : bisect_left(events, behind)]

    def starts_query(self, index: int, *, before: TokenType | None) -> bool:
        """Whether a query expression starts at ``index``, with the token ``before`` in front of its place."""
        kind = self.types[index]
        following = self.type_at(index + 1)
        if kind in _QUERY_STARTS:
            return True
        if kind == TokenType.FROM:
            return before != NAME  # trim(FROM x) is a call
        if kind == TokenType.VALUES:
            return following == TokenType.L_PAREN
        if kind == TokenType.TABLE:
            return following in (NAME, TokenType.IDENTIFIER)
        return kind in _OTHER_STARTS and self.dialect == "duckdb"

    def _pair(self) -> None:
        types, events = self.types, self.events
        open_levels: list[int] = []
        current = events[TOP]
        for index, kind in enumerate(types):
            if kind in EVENTS:
                if self._is_name(index):
                    types[index] = NAME
                else:
                    current.append(index)
            elif kind in _OPENING:
                open_levels.append(index)
                current = events[index] = []
            elif kind in _CLOSING:
                if not open_levels or types[open_levels[-1]] != _CLOSING[kind]:
                    raise self.error(index, "parentheses that match")
                opening = open_levels.pop()
                self.closing[opening] = index
                current = events[open_levels[-1] if open_levels else TOP]
                if kind == TokenType.R_PAREN and self._encloses_query(opening, index):
                    self._query_set.add(opening)
            elif kind == TokenType.SEMICOLON or kind in (TokenType.BLOCK_START, TokenType.BLOCK_END):
                raise self.error(index, "one statement without templates")
            elif kind in _ALSO_NAMES and index and self._names(index - 1, kind):
                types[index] = NAME
        if open_levels:
            raise self.error(open_levels[-1], "parentheses that match")

    def _is_name(self, index: int) -> bool:
        """Keywords behind a dot, behind AS, behind ``$`` or in ``IS DISTINCT FROM`` start nothing here."""
        if not index:
            return False
        before = self.types[index - 1]
        kind = self.types[index]
        if before in _BEFORE_NAME:
            # CREATE TABLE t AS SELECT, CAST(x AS ...): the first AS of a CREATE is no alias.
            created = self.types[0] == TokenType.CREATE and index - 1 == self.created_as()
            if kind == TokenType.COMMA or kind in ARROWS:
                raise self.error(index, "a name")
            return not created
        if kind == TokenType.FROM and before == TokenType.DISTINCT and index > 1:
            return self.types[index - 2] in (TokenType.IS, TokenType.NOT)
        return kind == TokenType.UNION and before == TokenType.DCOLON

    def _names(self, before: int, kind: TokenType) -> bool:
        if self.types[before] == TokenType.ALIAS:
            return kind in JOIN_WORDS  # CREATE TABLE t AS VALUES, AS TABLE u, AS PIVOT u: no names
        return self.types[before] in _BEFORE_NAME

    def created_as(self) -> int:
        """The index of the first AS outside of parentheses, or -1."""
        depth = 0
        for index, kind in enumerate(self.types):
            if kind in _OPENING:
                depth += 1
            elif kind in _CLOSING:
                depth -= 1
            elif kind == TokenType.ALIAS and not depth:
                return index
        return -1

    def _encloses_query(self, opening: int, closing: int) -> bool:
        inner = opening + 1
        before = self.types[opening - 1] if opening else None
        if self.types[inner] != TokenType.L_PAREN:
            return self.starts_query(inner, before=before)
        if inner not in self._query_set:
            return False
        following = self.closing[inner] + 1
        if following == closing:
            # f((SELECT 1)): the outer parentheses are the call's own, a query cannot take their place.
            return before is None or before in _BEFORE_QUERY
        return self.types[following] in SET_OPERATORS or self.types[following] in MODIFIERS

    def _refuse_split_keywords(self) -> None:
        """GROUP /* why */ BY is two tokens to the tokenizer and one clause to the engine."""
        for index in range(len(self.types) - 1):
            words = (self.upper(index), self.upper(index + 1))
            if self.types[index] == NAME and words in _SPLIT_KEYWORDS:
                raise self.error(index, "no comment inside of the keywords")
