"""Chains of operators without parentheses, and the same with the parentheses of sqlglot's tree."""

from __future__ import annotations

from random import Random

from sqlglot import exp

TABLE = (
    "CREATE TABLE operands(a INT, b INT, c INT, s VARCHAR, t VARCHAR, x BOOLEAN, y BOOLEAN)",
    """INSERT INTO operands VALUES
        (1, 2, 3, '1', '11', true, false), (0, -2, 2, 'a1', '1', false, false),
        (7, 7, 2, '2', '2', false, true),
        (4, 1, 0, '1true', 'true', NULL, true), (NULL, 3, 1, NULL, '2', true, NULL)""",
)
"""Rows on which another grouping of operators shows."""

_ATOMS = ("a", "b", "c", "1", "2", "3", "s", "x", "y", "'1'", "t")
_INFIX = """+ - * / // % ^ ** & | << >> || = < > <= >= <> != == and or like ilike glob""".split()
_INFIX += ["is distinct from", "is not distinct from", "not like", "+", "-", "*", "and", "or", "="]
_POSTFIX = ("is null", "is not null", "is true", "is not false", "isnull", "notnull", "collate nocase")


def chain(random: Random) -> str:
    """Some operators in a row, prefix operators among them."""
    text = _operand(random)
    for _ in range(random.choice((1, 2, 2, 3, 4))):
        match random.randrange(9):
            case 0:
                text += f" {random.choice(('', 'not '))}in ({_operand(random)}, {_operand(random)})"
            case 1:
                between = f"{random.choice(('', 'not '))}between"
                text += f" {between} {_operand(random)} and {_operand(random)}"
            case 2:
                text += f" {random.choice(_POSTFIX)}"
            case 3:
                text += random.choice(("::int", "::text"))
            case _:
                text += f" {random.choice(_INFIX)} {_operand(random)}"
    return text


def _operand(random: Random) -> str:
    prefix = ""
    while random.random() < 0.2:
        prefix += random.choice(("not ", "- ", "~ ", "+ "))
    return prefix + random.choice(_ATOMS)


_OPERATORS = (exp.Binary, exp.Unary, exp.Between, exp.In, exp.Cast)


def in_parentheses(node: exp.Expr) -> exp.Expr:
    """A copy with every operator in parentheses."""
    copy = node.copy()
    for key, value in list(copy.args.items()):
        if isinstance(value, exp.Expr):
            copy.set(key, in_parentheses(value))
        elif isinstance(value, list):
            copy.set(key, [in_parentheses(part) if isinstance(part, exp.Expr) else part for part in value])
    plain = isinstance(copy, _OPERATORS) and not isinstance(copy, exp.Paren | exp.Dot)
    return exp.Paren(this=copy) if plain else copy
