"""Links executed operators back to logical subexpressions, so that each carries what it cost.

An operator computes a subexpression where it reads the same base tables, each as often, and where the
constants of the subexpression's filters are among the filters of its scans. Its inclusive time is then the
subexpression's: time inside the reader, with pushdown and join filters at work, which is what a view saves.
It is no estimate of what building a view costs; that is measured when one is spooled.

Source: CloudViews section 5.1 (feedback loop); design, sections 6 and 9.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from optimizer_plugin.engines.ports import Operator, Profile
from signatures.expressions import Literal
from signatures.model import Subexpression, SubexpressionKind
from signatures.plan import Aggregate, Distinct, Plan, Scan, facts, walk_all, walk_plans
from signatures.sites import CompiledStatement

_RELATIONAL = re.compile(r"JOIN|SCAN|FILTER|CROSS_PRODUCT", re.IGNORECASE)
"""Operators that a core can end in; grouping and projection above it are not its work."""

_GROUPING = re.compile(r"GROUP_BY|AGGREGATE|DISTINCT", re.IGNORECASE)
"""Operators that make groups."""


@dataclass(frozen=True, slots=True)
class Attributed:
    """What a subexpression took inside one job."""

    seconds: float
    rows: int


def attribute(compiled: CompiledStatement, profile: Profile) -> dict[int, Attributed]:
    """Attributed time and rows by ordinal, for those that an operator stands for without doubt."""
    operators = defaultdict(list)
    for each in _operators(profile.root):
        operators[_bare(each.scans)].append(each)
    found: dict[int, Attributed] = {}
    taken: set[tuple[str, int]] = set()
    for subexpression in compiled.subexpressions:
        if subexpression.ordinal == compiled.statement:
            found[subexpression.ordinal] = Attributed(profile.elapsed_seconds, profile.rows)
        elif subexpression.inputs:
            plan = compiled.definitions[subexpression.ordinal].plan
            operator = _operator_of(subexpression, plan, operators)
            if operator is not None:
                # One operator for two equal subexpressions: the engine computes them once by itself.
                first = (subexpression.canonical, id(operator)) not in taken
                taken.add((subexpression.canonical, id(operator)))
                seconds = operator.inclusive_seconds() if first else 0.0
                found[subexpression.ordinal] = Attributed(seconds, operator.rows)
    return found


def _operators(root: Operator) -> Iterator[Operator]:
    """All operators, a parent before its children."""
    stack = [root]
    while stack:
        operator = stack.pop()
        yield operator
        stack.extend(reversed(operator.children))


def _operator_of(
    subexpression: Subexpression, plan: Plan, operators: Mapping[tuple[str, ...], list[Operator]]
) -> Operator | None:
    """The topmost operator over the same scans; None where several could be meant.

    Above a block's joins there are its groups, and above them HAVING is a filter again: of the operators over
    the same scans a subexpression has those with as many groupings at or below them as it has itself.
    """
    tables = _table_names(plan)
    over_them = operators.get(tables)
    if not tables or not over_them:
        return None
    matching = over_them
    groupings = sum(
        isinstance(node, Aggregate | Distinct) and _table_names(node) == tables for node in walk_plans(plan)
    )
    grouping = {id(o) for o in over_them if _GROUPING.search(o.name)}
    level = [o for o in matching if sum(id(b) in grouping for b in _operators(o)) == groupings]
    match subexpression.kind:
        case SubexpressionKind.AGGREGATE:
            matching = [o for o in level if _GROUPING.search(o.name)]
        case SubexpressionKind.CORE | SubexpressionKind.JOIN_SUBSET:
            matching = [o for o in level if _RELATIONAL.search(o.name)]
        case _:
            matching = level or matching
    tops = [o for o in matching if not any(o is not other and _inside(o, other) for other in matching)]
    if len(tops) > 1:
        wanted = _literals(plan)
        scores = [sum(text in " ".join(o.filters) for text in wanted) for o in tops]
        best = max(scores)
        tops = [o for o, score in zip(tops, scores, strict=True) if score == best]
    return tops[0] if len(tops) == 1 else None


def _inside(operator: Operator, other: Operator) -> bool:
    return any(operator is below for below in _operators(other) if below is not other)


def _table_names(plan: Plan) -> tuple[str, ...]:
    return tuple(sorted(node.name for node in facts(plan).tables if isinstance(node, Scan)))


def _bare(scans: tuple[str, ...]) -> tuple[str, ...]:
    """Names without catalog and schema: profiles of some releases give no more."""
    return tuple(sorted(scan.rpartition(".")[2].lower() for scan in scans))


def _literals(plan: Plan) -> frozenset[str]:
    return frozenset(node.text for node in walk_all(plan) if isinstance(node, Literal))
