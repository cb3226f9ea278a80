"""A block's FROM items and conjuncts with their places in the text, and which of them hang together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from signatures.encoding import Text
from signatures.expressions import Call, Expression
from signatures.parsing.context import BlockRecord, ColumnUse, Context
from signatures.parsing.layout_model import BlockLayout, Span, StatementLayout
from signatures.placing import text_range, visible_ctes
from signatures.plan import Scan, TableFunction, references, visible
from signatures.sites import BlockSite, SiteUse, TextRange

MAX_SUBSETS_PER_BLOCK = 64
MAX_SUBSET_SIZE = 5


@dataclass(frozen=True, slots=True)
class Conjunct:
    """A conjunct of WHERE or ON with its place."""

    place: TextRange
    expression: Expression
    over: frozenset[int]


@dataclass(slots=True)
class BlockPlaces:
    """A block's layout and record side by side, with what is asked again and again."""

    statement: StatementLayout
    layout: BlockLayout
    record: BlockRecord
    uses: tuple[ColumnUse, ...]
    conjuncts: list[Conjunct] = field(init=False)

    def __post_init__(self) -> None:
        self.conjuncts = [
            Conjunct(text_range(span), expression, references(expression))
            for span, expression in zip(self.layout.where_conjuncts, self.record.conjuncts, strict=True)
        ]
        for item, bound in zip(self.layout.from_items, self.record.items, strict=True):
            if not bound.using:
                self.conjuncts += [
                    Conjunct(text_range(span), expression, references(expression))
                    for span, expression in zip(item.on_conjuncts, bound.on, strict=True)
                ]

    def uses_of(self, chosen: Sequence[int], inner: Sequence[int], *, whole: bool) -> list[ColumnUse] | None:
        """Uses of the replaced items' columns in what stays; None where one mixes both sides."""
        if whole:
            gone = [
                text_range(self.layout.keyword_spans[name])
                for name in ("from", "where")
                if name in self.layout.keyword_spans
            ]
            relations = frozenset(r for item in self.record.items for r in visible(item.plan))
        else:
            gone = [text_range(self.layout.from_items[index].span) for index in chosen]
            gone += [self.conjuncts[index].place for index in inner]
            relations = relations_of(self.record, chosen)
        found = []
        for use in self.uses:
            over = references(use.expression)
            if not (whole or over & relations) and not over <= relations:
                continue
            if any(place.start <= use.start < place.end for place in gone):
                continue
            if not (whole or over <= relations):
                return None
            found.append(use)
        return found

    def site(
        self,
        chosen: Sequence[int],
        inner: Sequence[int],
        *,
        whole: bool,
        order: Sequence[int],
        keys: dict[ColumnUse, Text],
    ) -> BlockSite:
        """Where the replaced part stands."""
        items = self.layout.from_items
        clauses, keywords = self.layout.clauses, self.layout.keyword_spans
        kept = [] if whole else [index for index in range(len(items)) if index not in chosen]
        stay = [] if whole else [i for i in range(len(self.conjuncts)) if i not in inner]
        from_clause = text_range(keywords["from"])
        ctes, recursive = visible_ctes(self.statement, from_clause)
        return BlockSite(
            from_clause=from_clause,
            where_clause=_optional(keywords.get("where")),
            from_body=text_range(clauses["from"]),
            where_body=_optional(clauses.get("where")),
            items=tuple(text_range(items[index].span) for index in chosen),
            conjuncts=tuple(self.conjuncts[index].place for index in inner),
            kept_items=tuple(text_range(items[index].span) for index in kept),
            kept_conjuncts=tuple(self.conjuncts[index].place for index in stay),
            uses=tuple(
                SiteUse(place=TextRange(start=use.start, end=use.end), key=key.precise, bare=use.bare)
                for use, key in keys.items()
            ),
            aliases=tuple(self._alias(relation) for relation in order),
            ctes=ctes,
            recursive=recursive,
        )

    def _alias(self, relation: int) -> str:
        """The name in the text of a canonical source, empty where it lies inside a derived table."""
        for item in self.record.items:
            if isinstance(item.plan, Scan | TableFunction) and item.plan.relation == relation:
                return item.alias
        return ""


def uses_in(context: Context, record: BlockRecord) -> tuple[ColumnUse, ...]:
    """Uses of the block's columns, each place once, inside the block and its ORDER BY."""
    unique = {(use.start, use.end): use for use in context.uses if use.block == record.number}
    return tuple(unique[place] for place in sorted(unique))


def _optional(span: Span | None) -> TextRange | None:
    return None if span is None else text_range(span)


def relations_of(record: BlockRecord, chosen: Iterable[int]) -> frozenset[int]:
    """Relations that the chosen FROM items show."""
    return frozenset(r for index in chosen for r in visible(record.items[index].plan))


def connected_subsets(record: BlockRecord, conjuncts: Iterable[Expression]) -> Iterator[tuple[int, ...]]:
    """Connected subsets of the items, small ones first, bounded (Q64 of TPC-DS has 4,921)."""
    count = len(record.items)
    if count < 3:
        return
    owner = {r: index for index, item in enumerate(record.items) for r in visible(item.plan)}
    neighbours = [0] * count
    for predicate in conjuncts:
        # Only equality connects: a join over anything else can be as large as a product.
        if isinstance(predicate, Call) and predicate.name == "eq":
            over = {owner[r] for r in references(predicate) if r in owner}
            if len(over) == 2:
                first, second = over
                neighbours[first] |= 1 << second
                neighbours[second] |= 1 << first
    given = 0
    for size in range(2, min(count - 1, MAX_SUBSET_SIZE) + 1):
        for subset in combinations(range(count), size):
            if _connected(subset, neighbours):
                yield subset
                given += 1
                if given >= MAX_SUBSETS_PER_BLOCK:
                    return


def _connected(subset: tuple[int, ...], neighbours: Sequence[int]) -> bool:
    """Whether the items hang together; ``neighbours`` holds a set of items for each, as bits."""
    wanted = sum(1 << index for index in subset)
    reached, before = 1 << subset[0], 0
    while reached != before:
        before = reached
        for index in subset:
            if reached >> index & 1:
                reached |= neighbours[index] & wanted
    return reached == wanted
