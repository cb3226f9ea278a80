"""Checks that operators without parentheses bind in the tree as they bind in the engine.

sqlglot has one order of precedence for many dialects. In DuckDB ``~a + b`` is ``~(a + b)`` and ``a = b == c``
is ``a = (b == c)``. A tree that the engine's grammar cannot give for the text is not understood.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlglot import exp

from signatures.eligibility import NotUnderstood

Level = tuple[int, str]
"""Strength, and which operand may be an operator of the same strength: left, right or none."""

_COMPARISON: Level = (5, "none")
_RANGE: Level = (6, "none")
_OPERATOR: Level = (8, "left")

DUCKDB: Mapping[type[exp.Expr], Level] = {
    exp.Or: (1, "both"),
    exp.And: (2, "both"),
    exp.Not: (3, "right"),
    exp.Is: (4, "none"),
    exp.EQ: _COMPARISON,
    exp.NEQ: _COMPARISON,
    exp.LT: _COMPARISON,
    exp.LTE: _COMPARISON,
    exp.GT: _COMPARISON,
    exp.GTE: _COMPARISON,
    exp.NullSafeEQ: (4, "none"),
    exp.NullSafeNEQ: (4, "none"),
    exp.Between: _RANGE,
    exp.In: _RANGE,
    exp.Like: _RANGE,
    exp.ILike: _RANGE,
    exp.Glob: _RANGE,
    exp.SimilarTo: _RANGE,
    exp.Escape: (7, "none"),
    exp.DPipe: _OPERATOR,
    exp.BitwiseAnd: _OPERATOR,
    exp.BitwiseOr: _OPERATOR,
    exp.BitwiseLeftShift: _OPERATOR,
    exp.BitwiseRightShift: _OPERATOR,
    exp.BitwiseNot: (8, "right"),
    exp.Add: (9, "left"),
    exp.Sub: (9, "left"),
    exp.Mul: (10, "left"),
    exp.Div: (10, "left"),
    exp.IntDiv: (10, "left"),
    exp.Mod: (10, "left"),
    exp.Pow: (11, "left"),
    exp.AtTimeZone: (12, "left"),
    exp.Collate: (13, "left"),
    exp.Neg: (14, "right"),
}
"""DuckDB's grammar (libpg_query), weakest first."""

_UNARY = (exp.Not, exp.Neg, exp.BitwiseNot)
_ENCLOSED = (exp.Any, exp.All)


def check_precedence(tree: exp.Expr, *, equals_twice: bool) -> None:
    """Compare each operator with the operators below it that have no parentheses.

    ``equals_twice`` says that the text has a ``==``, which binds like ``||`` and not like ``=``, and which
    the tree does not tell from it.

    Raises:
        NotUnderstood: where the engine reads the text otherwise.
    """
    for node in tree.walk():
        if not _is_operator(node):
            continue
        if isinstance(node, exp.Is) and not isinstance(node.expression, exp.Null | exp.Boolean):
            raise NotUnderstood("IS with something else than NULL, TRUE or FALSE")
        for side, operand in _operands(node):
            fits = _fits(node, DUCKDB.get(type(node)), side, operand)
            if equals_twice and isinstance(node, exp.EQ):
                fits = fits and _fits(node, _OPERATOR, side, operand)
            if not fits:
                raise NotUnderstood(f"{operand.key} inside {node.key} without parentheses")


def _is_operator(node: exp.Expr) -> bool:
    return type(node) in DUCKDB or (
        isinstance(node, exp.Binary) and not isinstance(node, exp.Dot | exp.PropertyEQ | exp.Kwarg)
    )


def _fits(node: exp.Expr, level: Level | None, side: str, operand: exp.Expr) -> bool:
    if not _is_operator(operand):
        return True
    inner = DUCKDB.get(type(operand))
    if level is None or inner is None:
        return False
    if inner[0] == level[0]:
        # DuckDB 2 puts || above | and &, DuckDB 1 beside them.
        alike = type(node) is type(operand) or level[0] != _OPERATOR[0]
        return alike and level[1] in (side, "both")
    return inner[0] > level[0]


def _operands(node: exp.Expr) -> Iterator[tuple[str, exp.Expr]]:
    """Operands that no comma, bracket or keyword encloses, with their side."""
    for key, value in node.args.items():
        if not isinstance(value, exp.Expr) or isinstance(value, _ENCLOSED):
            continue
        if isinstance(node, exp.In) and key != "this":
            continue
        side = "left" if key == "this" and not isinstance(node, _UNARY) else "right"
        yield side, value
