"""The logical plan: immutable relational operators over resolved expressions.

Projection is pulled up: a relation that only computes columns leaves no node, its expressions are
substituted where they are used. What stays are the operators that decide which rows there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import assert_never

from signatures.expressions import (
    Call,
    ColumnRef,
    Expression,
    LambdaExpression,
    LambdaParameter,
    Literal,
    Node,
    OrderKey,
    Parameter,
    SubqueryExpression,
    children,
)
from signatures.model import InputIdentity, Reason


@dataclass(frozen=True, slots=True)
class Scan(Node):
    """A base table. Its columns are called by their lower-case names."""

    relation: int
    identity: InputIdentity
    name: str
    hazards: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class TableFunction(Node):
    """A table function or a file read in FROM. ``inputs`` are the files it reads, if any."""

    relation: int
    name: str
    arguments: tuple[Expression, ...]
    options: tuple[tuple[str, str], ...] = ()
    inputs: tuple[InputIdentity, ...] = ()
    hazards: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class ValuesList(Node):
    """Rows written out; columns are called ``o0``, ``o1``, ..."""

    relation: int
    rows: tuple[tuple[Expression, ...], ...]


@dataclass(frozen=True, slots=True)
class Core(Node):
    """Inner join of all sources, filtered by all predicates: a set of each, order without meaning."""

    sources: tuple[Plan, ...]
    predicates: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Join(Node):
    """A join whose sides matter: left, full, semi, anti, asof, asof_left, apply, apply_left."""

    kind: str
    left: Plan
    right: Plan
    condition: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Aggregate(Node):
    """Grouping. Keys are called ``k0``.., measures ``m0``..; ``sets`` are indices of keys per set.

    Measures are not part of what decides the rows: a view may hold more of them than one reader uses.
    """

    relation: int
    input: Plan
    keys: tuple[Expression, ...]
    sets: tuple[tuple[int, ...], ...] | None
    measures: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Window(Node):
    """Window calls ``w0``.. over the rows of the input; all rows and columns of it pass through."""

    relation: int
    input: Plan
    calls: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Project(Node):
    """Computed columns ``o0``.. on the side of an outer join that can be filled with NULLs."""

    relation: int
    input: Plan
    outputs: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Distinct(Node):
    """SELECT DISTINCT: one row for each combination of outputs ``o0``.."""

    relation: int
    input: Plan
    outputs: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class DistinctOn(Node):
    """SELECT DISTINCT ON: the first row in ``order`` for each combination of ``keys``."""

    input: Plan
    keys: tuple[Expression, ...]
    order: tuple[OrderKey, ...]
    tie_sensitive: bool = False


@dataclass(frozen=True, slots=True)
class SetOperation(Node):
    """UNION, INTERSECT, EXCEPT; ``names`` are the columns matched by BY NAME, else empty."""

    relation: int
    kind: str
    all: bool
    left: BoundQuery
    right: BoundQuery
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Limit(Node):
    """The first rows in ``order``. ``percent`` says that the limit is a share of the rows."""

    input: Plan
    order: tuple[OrderKey, ...]
    limit: Expression | None
    offset: Expression | None
    percent: bool = False
    tie_sensitive: bool = False
    hazards: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Sort(Node):
    """ORDER BY of a whole statement. Below the root an order without LIMIT means nothing."""

    input: Plan
    order: tuple[OrderKey, ...]


@dataclass(frozen=True, slots=True)
class Sample(Node):
    """TABLESAMPLE or USING SAMPLE, with everything that it says."""

    input: Plan
    options: tuple[tuple[str, str], ...]
    hazards: tuple[Reason, ...] = ()
    tie_sensitive: bool = True


@dataclass(frozen=True, slots=True)
class Opaque(Node):
    """What isn't understood. It is never equal to anything, itself included."""

    relation: int
    hazards: tuple[Reason, ...]


Plan = (
    Scan
    | TableFunction
    | ValuesList
    | Core
    | Join
    | Aggregate
    | Window
    | Project
    | Distinct
    | DistinctOn
    | SetOperation
    | Limit
    | Sort
    | Sample
    | Opaque
)


_EXPRESSIONS = (
    ColumnRef,
    Literal,
    Parameter,
    Call,
    SubqueryExpression,
    LambdaParameter,
    LambdaExpression,
)
_WITHOUT_NUMBER = (*_EXPRESSIONS, Core, Join, DistinctOn, Limit, Sort, Sample)


@dataclass(frozen=True, slots=True)
class Output:
    """An output column. ``name`` is empty where the engine makes one up."""

    name: str
    expression: Expression


@dataclass(frozen=True, slots=True)
class BoundQuery:
    """A query expression: the rows, and the output columns computed from them in order."""

    plan: Plan
    outputs: tuple[Output, ...]


def inputs(plan: Plan) -> tuple[Plan, ...]:
    """Direct inputs, subqueries in expressions left out."""
    match plan:
        case Core(sources=sources):
            return sources
        case Join(left=left, right=right):
            return (left, right)
        case SetOperation(left=first, right=second):
            return (first.plan, second.plan)
        case Scan() | TableFunction() | ValuesList() | Opaque():
            return ()
        case _:
            return (plan.input,)


def expressions(plan: Plan) -> Iterator[Expression]:
    """Expressions of this node alone."""
    match plan:
        case TableFunction(arguments=arguments):
            yield from arguments
        case ValuesList(rows=rows):
            for row in rows:
                yield from row
        case Core(predicates=predicates):
            yield from predicates
        case Join(condition=condition):
            yield from condition
        case Aggregate(keys=keys, measures=measures):
            yield from keys
            yield from measures
        case Window(calls=calls):
            yield from calls
        case Project(outputs=outputs) | Distinct(outputs=outputs):
            yield from outputs
        case DistinctOn(keys=keys, order=order):
            yield from keys
            yield from (key.expression for key in order)
        case SetOperation(left=left, right=right):
            yield from (output.expression for output in (*left.outputs, *right.outputs))
        case Limit(order=order, limit=limit, offset=offset):
            yield from (key.expression for key in order)
            yield from (part for part in (limit, offset) if part is not None)
        case Sort(order=order):
            yield from (key.expression for key in order)
        case Scan() | Sample() | Opaque():
            return
        case _:
            assert_never(plan)


def walk_plans(plan: Plan) -> Iterator[Plan]:
    """The plan and all plans below it, those of subqueries in expressions included."""
    return (node for node in walk_all(plan) if not isinstance(node, _EXPRESSIONS))


def walk_all(root: Plan | Expression) -> Iterator[Plan | Expression]:
    """Every plan and expression node at or below a root, in no particular order."""
    stack: list[Plan | Expression] = [root]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(_below(node))


def _below(node: Plan | Expression) -> Iterable[Plan | Expression]:
    """Direct parts of a node: inputs, expressions, and what subqueries hold."""
    if isinstance(node, ColumnRef | Literal):
        return ()
    if isinstance(node, SubqueryExpression):
        outputs = (output.expression for output in node.query.outputs)
        return (*children(node), node.query.plan, *outputs)
    if isinstance(node, _EXPRESSIONS):
        return children(node)
    return (*inputs(node), *expressions(node))


def defined_relations(plan: Plan) -> frozenset[int]:
    """Numbers of all relations that a plan defines, also below what is visible."""
    return facts(plan).defined


def free_relations(plan: Plan) -> frozenset[int]:
    """Relations that a plan refers to without defining them: not empty where it is correlated."""
    found = facts(plan)
    return found.referenced - found.defined


def references(expression: Expression) -> frozenset[int]:
    """Relations that an expression refers to; of its subqueries only what they take from outside."""
    if isinstance(expression, ColumnRef):
        return frozenset({expression.relation})
    found = facts(expression)
    return found.referenced - found.defined


@dataclass(frozen=True, slots=True)
class Facts:
    """What one walk over a plan or an expression tells."""

    defined: frozenset[int] = frozenset()
    referenced: frozenset[int] = frozenset()
    hazards: tuple[Reason, ...] = ()
    tie_sensitive: bool = False
    tables: tuple[Scan | TableFunction, ...] = ()


_NOTHING = Facts()


def facts(root: Plan | Expression) -> Facts:
    """Relations defined and referred to, hazards, sensitivity to ties, tables read.

    Worked out once for each node: every subexpression of a statement asks for those of its parts.
    """
    known: Facts | None = getattr(root, "_facts", None)
    if known is None:
        known = _facts_of(root)
        object.__setattr__(root, "_facts", known)
    return known


def _facts_of(node: Plan | Expression) -> Facts:
    if isinstance(node, Literal):
        return _NOTHING
    if isinstance(node, ColumnRef):
        return Facts(referenced=frozenset({node.relation}))
    parts = [found for below in _below(node) if (found := facts(below)) is not _NOTHING]
    own = () if isinstance(node, _WITHOUT_NUMBER) else (node.relation,)
    hazards = node.hazards if isinstance(node, Call | Scan | TableFunction | Sample | Limit | Opaque) else ()
    tied = isinstance(node, Call | Limit | DistinctOn | Sample) and node.tie_sensitive
    if len(parts) <= 1 and not (own or hazards or tied):
        return parts[0] if parts else _NOTHING
    return Facts(
        defined=frozenset(own).union(*(part.defined for part in parts)),
        referenced=frozenset().union(*(part.referenced for part in parts)),
        hazards=tuple(dict.fromkeys((*hazards, *(each for part in parts for each in part.hazards)))),
        tie_sensitive=tied or any(part.tie_sensitive for part in parts),
        tables=(
            *((node,) if isinstance(node, Scan | TableFunction) else ()),
            *(table for part in parts for table in part.tables),
        ),
    )


def visible(plan: Plan) -> tuple[int, ...]:
    """Relations whose columns the operators above may use, in the order they are written."""
    match plan:
        case Core(sources=sources):
            return tuple(number for source in sources for number in visible(source))
        case Join(kind="semi" | "anti", left=left):
            return visible(left)
        case Join(left=left, right=right):
            return (*visible(left), *visible(right))
        case Window(relation=relation, input=below):
            return (*visible(below), relation)
        case DistinctOn(input=below) | Limit(input=below) | Sort(input=below) | Sample(input=below):
            return visible(below)
        case _:
            return (plan.relation,)


def make_core(sources: Iterable[Plan], predicates: Iterable[Expression] = ()) -> Plan:
    """An inner join with everything flattened that can be: joins inside it, and ANDs of predicates."""
    flat: list[Plan] = []
    found: list[Expression] = []
    for source in sources:
        if isinstance(source, Core):
            flat += source.sources
            found += source.predicates
        else:
            flat.append(source)
    for predicate in predicates:
        found += conjuncts(predicate)
    if len(flat) == 1 and not found:
        return flat[0]
    return Core(tuple(flat), tuple(found))


def conjuncts(predicate: Expression) -> tuple[Expression, ...]:
    """Operands of nested ANDs."""
    if isinstance(predicate, Call) and predicate.name == "and":
        return tuple(part for argument in predicate.arguments for part in conjuncts(argument))
    return (predicate,)
