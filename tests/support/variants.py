"""Equivalent rewritings of a statement, made on sqlglot's tree or the text, none by the code under test."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from sqlglot import exp
from sqlglot.tokenizer_core import TokenType
from sqlglot.tokens import Tokenizer

VIEW = "wrapped_view"


@dataclass(frozen=True, slots=True)
class Variant:
    """A rewritten statement. ``view`` is the text of a view that it reads, with the view's columns."""

    kind: str
    text: str
    view: str = ""
    columns: tuple[str, ...] = ()
    same_outputs: bool = True
    """False where the output columns come in another order."""


def variants(tree: exp.Expr, random: Random) -> Iterator[Variant]:
    """One variant of each kind that the statement has room for, and one of all tree changes together."""
    text = tree.sql("duckdb")
    yield Variant("letter case", _letter_case(text, random))
    yield Variant("blanks and comments", _blanks(text, random))
    every = tree.copy()
    for kind, change in _CHANGES:
        alone = tree.copy()
        if change(alone, random):
            yield Variant(kind, alone.sql("duckdb"))
        change(every, random)
    yield Variant("all changes", every.sql("duckdb"))
    yield from _nested(tree, text)
    yield from _reordered(tree)
    yield from _views(tree)


def _letter_case(text: str, random: Random) -> str:
    words = Tokenizer().tokenize(text)
    letters = list(text)
    for word in words:
        if word.token_type not in (TokenType.STRING, TokenType.IDENTIFIER, TokenType.NUMBER):
            chosen = random.choice((str.upper, str.lower, str.title))
            letters[word.start : word.end + 1] = chosen(text[word.start : word.end + 1])
    return "".join(letters)


def _blanks(text: str, random: Random) -> str:
    parts, position = [], 0
    for word in Tokenizer().tokenize(text):
        if text[position : word.start].isspace():
            parts.append(random.choice(("\n", "  \t", " /* a comment */ ", " -- another\n ", " ")))
        else:
            parts.append(text[position : word.start])
        parts.append(text[word.start : word.end + 1])
        position = word.end + 1
    return "".join(parts) + text[position:]


def _aliases(tree: exp.Expr, random: Random) -> bool:
    """Rename the aliases of FROM items, each in its own block and the blocks inside it."""
    changed = False
    for select in list(tree.find_all(exp.Select)):
        first = select.args.get("from_")
        items = [first.this] if first is not None else []
        items += [join.this for join in select.args.get("joins") or []]
        names = [item.alias_or_name for item in items]
        for item in items:
            name = item.alias_or_name
            inner = [node for block in select.find_all(exp.Select) for node in block.find_all(exp.Table)]
            again = [node for node in inner if node.alias_or_name == name and node is not item]
            if not name or names.count(name) > 1 or again:
                continue
            new = f"{name}_{random.randrange(100)}"
            for column in select.find_all(exp.Column):
                if column.table.lower() == name.lower() and len(column.parts) == 2:
                    column.set("table", exp.to_identifier(new))
            alias = item.args.get("alias") or exp.TableAlias()
            alias.set("this", exp.to_identifier(new))
            item.set("alias", alias)
            changed = True
    return changed


def _conjunct_order(tree: exp.Expr, random: Random) -> bool:
    changed = False
    for node in list(tree.find_all(exp.And, exp.Or)):
        if type(node.parent) is type(node):
            continue
        parts = list(node.flatten(unnest=False))
        random.shuffle(parts)
        node.replace(_joined(type(node), [part.copy() for part in parts]))
        changed = True
    return changed


def _joined(kind: type[exp.Expr], parts: list[exp.Expr]) -> exp.Expr:
    result = parts[0]
    for part in parts[1:]:
        result = kind(this=result, expression=part)
    return result


def _from_order(tree: exp.Expr, random: Random) -> bool:
    """Another order of a FROM clause of commas only, where no item looks at its neighbours."""
    changed = False
    for select in tree.find_all(exp.Select):
        joins = select.args.get("joins") or []
        first = select.args.get("from_")
        plain = all({k for k, v in join.args.items() if v} == {"this"} for join in joins)
        starred = any(item.is_star for item in select.expressions)
        if first is None or not joins or not plain or starred:
            continue
        items = [first.this.copy(), *(join.this.copy() for join in joins)]
        random.shuffle(items)
        first.set("this", items[0])
        select.set("joins", [exp.Join(this=item) for item in items[1:]])
        changed = True
    return changed


def _comma_as_join(tree: exp.Expr, random: Random) -> bool:
    """``FROM a, b WHERE a.x = b.x`` as ``FROM a JOIN b ON true WHERE ...`` and as CROSS JOIN."""
    changed = False
    for select in tree.find_all(exp.Select):
        joins = select.args.get("joins") or []
        if any({k for k, v in join.args.items() if v} != {"this"} for join in joins):
            continue
        where = select.args.get("where")
        for join in joins:
            changed = True
            join.set("kind", "CROSS")
        if joins and where is not None:
            parts = (
                list(where.this.flatten(unnest=False)) if isinstance(where.this, exp.And) else [where.this]
            )
            movable = [part for part in parts if isinstance(part, exp.EQ) and not part.find(exp.Query)]
            if movable:
                joins[-1].set("kind", None)
                joins[-1].set("on", movable[0].copy())
                rest = [part.copy() for part in parts if part is not movable[0]]
                select.set("where", exp.Where(this=_joined(exp.And, rest)) if rest else None)
    return changed


def _join_as_comma(tree: exp.Expr, random: Random) -> bool:
    """``a JOIN b ON x`` as ``a, b WHERE x``, where all joins of the block are inner ones."""
    changed = False
    for select in tree.find_all(exp.Select):
        joins = select.args.get("joins") or []
        inner = [{k for k, v in join.args.items() if v} <= {"this", "on", "kind"} for join in joins]
        kinds = {str(join.args.get("kind") or "").upper() for join in joins}
        if not joins or not all(inner) or not kinds <= {"", "INNER"}:
            continue
        conditions = [join.args["on"].copy() for join in joins if join.args.get("on")]
        if not conditions:
            continue
        where = select.args.get("where")
        conditions += [where.this.copy()] if where is not None else []
        for join in joins:
            join.set("on", None)
            join.set("kind", None)
        wrapped = [exp.Paren(this=condition) for condition in conditions]
        select.set("where", exp.Where(this=_joined(exp.And, list(wrapped))))
        changed = True
    return changed


_MIRROR = {
    exp.EQ: exp.EQ,
    exp.NEQ: exp.NEQ,
    exp.LT: exp.GT,
    exp.GT: exp.LT,
    exp.LTE: exp.GTE,
    exp.GTE: exp.LTE,
}
_OPPOSITE = {
    exp.EQ: exp.NEQ,
    exp.NEQ: exp.EQ,
    exp.LT: exp.GTE,
    exp.GTE: exp.LT,
    exp.GT: exp.LTE,
    exp.LTE: exp.GT,
}


def _mirrored(tree: exp.Expr, random: Random) -> bool:
    changed = False
    for node in list(tree.find_all(*_MIRROR)):
        if not isinstance(node.expression, exp.Any | exp.All):
            sides = {"this": node.expression.copy(), "expression": node.this.copy()}
            node.replace(_MIRROR[type(node)](**sides))
            changed = True
    return changed


def _negated(tree: exp.Expr, random: Random) -> bool:
    """``a = b`` as ``NOT (a <> b)``."""
    changed = False
    for node in list(tree.find_all(*_OPPOSITE)):
        if not isinstance(node.expression, exp.Any | exp.All) and not node.find(exp.Query):
            opposite = _OPPOSITE[type(node)](this=node.this.copy(), expression=node.expression.copy())
            node.replace(exp.Paren(this=exp.Not(this=exp.Paren(this=opposite))))
            changed = True
    return changed


def _between(tree: exp.Expr, random: Random) -> bool:
    """BETWEEN bounds of one type as two comparisons; of two types the engine compares otherwise."""
    changed = False
    for node in list(tree.find_all(exp.Between)):
        low, high = node.args["low"], node.args["high"]
        literal = all(isinstance(bound, exp.Literal) for bound in (low, high))
        if literal and low.is_string == high.is_string and _scale(low) == _scale(high):
            node.replace(
                exp.Paren(
                    this=exp.And(
                        this=exp.GTE(this=node.this.copy(), expression=low.copy()),
                        expression=exp.LTE(this=node.this.copy(), expression=high.copy()),
                    )
                )
            )
            changed = True
    return changed


def _scale(literal: exp.Expr) -> tuple[int, ...]:
    parts = str(literal.this).split(".")
    return tuple(len(part) for part in parts) if len(parts) > 1 else ()


def _in_list(tree: exp.Expr, random: Random) -> bool:
    changed = False
    for node in tree.find_all(exp.In):
        if len(node.expressions) > 1:
            members = [member.copy() for member in node.expressions]
            random.shuffle(members)
            node.set("expressions", [*members, members[0].copy()])
            changed = True
    return changed


def _parentheses(tree: exp.Expr, random: Random) -> bool:
    changed = False
    for node in list(tree.find_all(exp.Column, exp.EQ, exp.In, exp.Mul, exp.Div)):
        above = node.parent
        if isinstance(above, exp.Binary | exp.Where | exp.Having | exp.Paren):
            node.replace(exp.Paren(this=exp.Paren(this=node.copy())))
            changed = True
    return changed


def _cte_as_derived(tree: exp.Expr, random: Random) -> bool:
    """Put each CTE's text in the places that read it, first to last."""
    with_ = tree.args.get("with_")
    if with_ is None:
        return False
    ctes = [cte for cte in with_.expressions if not cte.args["alias"].args.get("columns")]
    if len(ctes) != len(with_.expressions) or len({cte.alias for cte in ctes}) < len(ctes):
        return False
    for cte in ctes:
        for table in list(tree.find_all(exp.Table)):
            if table.name == cte.alias and not table.db:
                alias = exp.TableAlias(this=exp.to_identifier(table.alias_or_name))
                table.replace(exp.Subquery(this=cte.this.copy(), alias=alias))
    tree.set("with_", None)
    return True


def _derived_as_cte(tree: exp.Expr, random: Random) -> bool:
    """Lift derived tables of a statement without WITH into CTEs, outermost block only."""
    if tree.args.get("with_") is not None or not isinstance(tree, exp.Select):
        return False
    places = [tree.args["from_"].this] if tree.args.get("from_") else []
    places += [join.this for join in tree.args.get("joins") or []]
    found = [place for place in places if isinstance(place, exp.Subquery) and place.alias]
    ctes = []
    for number, place in enumerate(found):
        name = f"lifted_{number}"
        ctes.append(exp.CTE(this=place.this.copy(), alias=exp.TableAlias(this=exp.to_identifier(name))))
        place.replace(exp.Table(this=exp.to_identifier(name), alias=place.args["alias"].copy()))
    if ctes:
        tree.set("with_", exp.With(expressions=ctes))
    return bool(ctes)


def _union_order(tree: exp.Expr, random: Random) -> bool:
    """Sides of UNION and INTERSECT, where both call their columns the same."""
    changed = False
    for node in tree.find_all(exp.Union, exp.Intersect):
        named = [_names(side) for side in (node.this, node.expression)]
        if named[0] and named[0] == named[1] and not isinstance(node.this, exp.SetOperation):
            one, other = node.this.copy(), node.expression.copy()
            node.set("this", other)
            node.set("expression", one)
            changed = True
    return changed


def _names(node: exp.Expr) -> list[str]:
    return [item.alias_or_name for item in node.expressions] if isinstance(node, exp.Select) else []


_CHANGES = (
    ("aliases", _aliases),
    ("order of conjuncts", _conjunct_order),
    ("order of FROM", _from_order),
    ("JOIN for comma", _comma_as_join),
    ("comma for JOIN", _join_as_comma),
    ("sides of comparisons", _mirrored),
    ("NOT of the opposite", _negated),
    ("two comparisons for BETWEEN", _between),
    ("order of IN-lists", _in_list),
    ("parentheses", _parentheses),
    ("derived table for CTE", _cte_as_derived),
    ("CTE for derived table", _derived_as_cte),
    ("order of UNION", _union_order),
)


def _nested(tree: exp.Expr, text: str) -> Iterator[Variant]:
    """The statement as a derived table; ORDER BY without LIMIT means nothing inside, so it is left out."""
    if tree.args.get("order") and not tree.args.get("limit"):
        return
    if not tree.args.get("order"):
        yield Variant("nested in SELECT *", f"SELECT * FROM ({text})")
        yield Variant("nested twice", f"SELECT q.* FROM (SELECT * FROM ({text}) AS p) AS q")
        yield Variant("as a CTE", f"WITH whole AS ({text}) SELECT * FROM whole")


def _reordered(tree: exp.Expr) -> Iterator[Variant]:
    """Outputs in another order and by other names; ordinals would mean other columns then."""
    keys = [*(tree.args["order"].expressions if tree.args.get("order") else [])]
    keys = [key.this for key in keys]
    group = tree.args.get("group")
    keys += group.expressions if group is not None else []
    plain = isinstance(tree, exp.Select) and not any(item.is_star for item in tree.expressions)
    if not plain or any(isinstance(key, exp.Literal) for key in keys) or tree.args.get("distinct"):
        return
    changed = tree.copy()
    changed.set("expressions", [item.copy() for item in reversed(tree.expressions)])
    yield Variant("order of outputs", changed.sql("duckdb"), same_outputs=False)


def _views(tree: exp.Expr) -> Iterator[Variant]:
    """The first CTE's text in a view of the engine's own."""
    with_ = tree.args.get("with_")
    if with_ is None:
        return
    cte = with_.expressions[0]
    columns = tuple(column.name for column in cte.args["alias"].args.get("columns") or [])
    columns = columns or tuple(cte.this.named_selects)
    if not all(columns) or cte.this.is_star or len(set(columns)) < len(columns):
        return
    changed = tree.copy()
    for table in changed.find_all(exp.Table):
        if table.name == cte.alias and not table.db:
            alias = table.args.get("alias") or exp.TableAlias(this=exp.to_identifier(cte.alias))
            table.set("alias", alias.copy())
            table.set("this", exp.to_identifier(VIEW))
    rest = [other.copy() for other in changed.args["with_"].expressions[1:]]
    changed.set("with_", exp.With(expressions=rest) if rest else None)
    text = re.sub(r"^WITH\s*$", "", changed.sql("duckdb"))
    yield Variant("view for CTE", text, cte.this.sql("duckdb"), columns)
