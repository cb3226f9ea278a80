"""Reads a statement's text: tokens, template, syntax tree, and checks that the parser lost nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise

from sqlglot import Dialect, exp
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType
from xxhash import xxh3_128_hexdigest

from signatures.eligibility import NotUnderstood
from signatures.parsing.precedence import check_precedence

_NUMBERS = frozenset({TokenType.NUMBER})
_STRINGS = frozenset(
    {
        TokenType.STRING,
        TokenType.NATIONAL_STRING,
        TokenType.RAW_STRING,
        TokenType.BYTE_STRING,
        TokenType.HEX_STRING,
        TokenType.BIT_STRING,
        TokenType.HEREDOC_STRING,
        TokenType.UNICODE_STRING,
    }
)
_NAMES = frozenset({TokenType.VAR, TokenType.IDENTIFIER})
_PARAMETERS = frozenset({TokenType.PLACEHOLDER, TokenType.PARAMETER})
_CHECKED = _NUMBERS | _STRINGS | _NAMES | {TokenType.TRUE, TokenType.FALSE, TokenType.NULL}
_SYNTAX = frozenset(
    """at by current exclude first following groups if ignore lambda last materialized name no nulls only
    others percent preceding replace repeatable respect row sample siblings ties unbounded within
    zone""".split()
)
"""Words of the grammar that the tokenizer takes for names, and that leave no name in the tree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """What a recurring statement has in common across its instances: its text without literals."""

    digest: str
    text: str
    literals: tuple[str, ...]
    has_parameters: bool = False


def tokens_of(text: str, dialect: str) -> list[Token]:
    """Tokens of a statement.

    Raises:
        NotUnderstood: where the text can't be read, or a number runs into a name: the parser takes
            ``SELECT 0x1F`` for ``SELECT 0 AS x1F``.
    """
    try:
        tokens = list(Dialect.get_or_raise(dialect).tokenize(text))
    except SqlglotError:
        # Without its message, which repeats the text with its literals.
        raise NotUnderstood("text that cannot be read") from None
    for token, following in pairwise(tokens):
        if (
            token.token_type in _NUMBERS
            and following.start == token.end + 1
            and (following.token_type in _NAMES or text[following.start].isalpha())
        ):
            raise NotUnderstood("a number that runs into a name")
    return tokens


def template_of(tokens: list[Token], *, known_names: Collection[str] | None = None) -> Template:
    """The template of a statement; literals are replaced by placeholders of their kind.

    So are quoted names that are not among the known ones, where those are given: an engine calls a column
    ``(price * 1.19)``, literal and all.
    """
    parts, literals = [], []
    for token in tokens:
        if token.token_type in _NUMBERS:
            parts.append("?n")
            literals.append(token.text)
        elif token.token_type in _STRINGS:
            parts.append("?s")
            literals.append(token.text)
        elif (
            token.token_type == TokenType.IDENTIFIER
            and known_names is not None
            and token.text not in known_names
        ):
            parts.append("?i")
        elif token.token_type == TokenType.IDENTIFIER:
            parts.append('"' + token.text + '"')
        else:
            parts.append(token.text.lower())
    shown = " ".join(parts)
    return Template(
        digest=xxh3_128_hexdigest(shown.encode()),
        text=shown,
        literals=tuple(literals),
        has_parameters=any(token.token_type in _PARAMETERS for token in tokens),
    )


def same_text_digest(tokens: list[Token]) -> str:
    """Digest of the statement's words and literals: blanks and comments don't count, letter case does."""
    words = "\x00".join(f"{token.token_type.value}:{token.text}" for token in tokens)
    return xxh3_128_hexdigest(words.encode())


def parse(text: str, tokens: list[Token], dialect: str) -> exp.Expr:
    """The syntax tree of the one statement in a text.

    Raises:
        NotUnderstood: where the parser fails, falls back to raw text, finds several statements, or
            left a name or a literal of the text out of the tree.
    """
    try:
        trees = Dialect.get_or_raise(dialect).parser().parse(tokens, text)
    except SqlglotError as error:
        raise NotUnderstood(str(error).splitlines()[0]) from None
    except RecursionError:
        raise NotUnderstood("a statement nested too deeply") from None
    found = [tree for tree in trees if tree is not None]
    if len(found) != 1:
        raise NotUnderstood(f"{len(found)} statements in one text")
    if isinstance(found[0], exp.Query):
        _check_complete(found[0], tokens)
        if dialect == "duckdb":
            check_precedence(found[0], equals_twice=any(token.text == "==" for token in tokens))
    return found[0]


def _check_complete(tree: exp.Expr, tokens: list[Token]) -> None:
    """Every name and literal of the text has to be in the tree, as often as in the text.

    Builders of the parser leave arguments out: of ``list_sort(l, 'DESC')`` the order is lost.
    """
    leaves = _leaves(tree)
    for place, (token, following) in enumerate(zip(tokens, [*tokens[1:], None], strict=True)):
        if token.token_type not in _CHECKED or _is_length(tokens, place):
            continue
        called = following is not None and following.token_type == TokenType.L_PAREN
        text = token.text.lower()
        if token.token_type == TokenType.VAR and (called or text in _SYNTAX):
            continue
        for word in (text, text.replace("_", "")):
            if leaves[word] > 0:
                leaves[word] -= 1
                break
        else:
            if token.token_type == TokenType.VAR or not _take_words(text, leaves):
                found = repr(token.text) if token.token_type in _NAMES else "a literal"
                raise NotUnderstood(f"{found}, which the parser left out")


def _is_length(tokens: list[Token], place: int) -> bool:
    """The length in ``x::varchar(10)``, which neither the parser nor the engine looks at."""
    if place < 3 or tokens[place].token_type not in _NUMBERS:
        return False
    cast, name, bracket = tokens[place - 3 : place]
    return (
        cast.token_type in (TokenType.DCOLON, TokenType.ALIAS)
        and name.text.lower() in ("varchar", "char", "bpchar")
        and bracket.token_type == TokenType.L_PAREN
    )


def _leaves(tree: exp.Expr) -> Counter[str]:
    """Names and literals of a tree, in lower case."""
    leaves: Counter[str] = Counter()
    for node in tree.walk():
        if isinstance(node, exp.Bracket):
            # The parser counts list indices from zero, and so changes those that are written as numbers.
            leaves.update(_written_index(part) for part in node.expressions)
        if isinstance(node, exp.Boolean | exp.Null):
            leaves["null" if isinstance(node, exp.Null) else str(node.this).lower()] += 1
        for value in node.args.values():
            for part in value if isinstance(value, list) else [value]:
                if isinstance(part, exp.DType):
                    leaves[part.value.lower()] += 1
                elif isinstance(part, str | int) and not isinstance(part, bool):
                    leaves[str(part).lower()] += 1
    return leaves


def _written_index(node: exp.Expr) -> str:
    sign = -1 if isinstance(node, exp.Neg) else 1
    number = node.this if isinstance(node, exp.Neg) else node
    if isinstance(number, exp.Literal) and not number.is_string and str(number.this).isdigit():
        return str(abs(sign * int(str(number.this)) + 1))
    return ""


def _take_words(text: str, leaves: Counter[str]) -> bool:
    """Whether a text such as ``3 months`` is in the tree word by word."""
    for word in text.split():
        found = next((form for form in (word, word.rstrip("s")) if leaves[form] > 0), None)
        if found is None:
            return False
        leaves[found] -= 1
    return True
