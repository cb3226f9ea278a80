"""Enumerates the subexpressions of a bound statement, with their signatures, columns and places.

Sources: CloudViews section 3 (signatures of each subgraph) and 5.3 (physical properties).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from signatures import eligibility
from signatures.block_places import BlockPlaces, connected_subsets, relations_of, uses_in
from signatures.encoding import Encoder, Text, normalized_signature
from signatures.expressions import ColumnRef, Expression
from signatures.grouped import grouped_uses
from signatures.model import (
    InputIdentity,
    NeededColumn,
    PhysicalProperties,
    Reason,
    Subexpression,
    SubexpressionKind,
)
from signatures.parsing.context import BlockRecord, Context, QueryRecord
from signatures.parsing.layout_model import StatementLayout
from signatures.placing import place_block, place_query
from signatures.plan import (
    Aggregate,
    BoundQuery,
    Facts,
    Limit,
    Output,
    Plan,
    Sample,
    Scan,
    Sort,
    facts,
    free_relations,
    make_core,
    references,
    visible,
    walk_plans,
)
from signatures.sites import BlockSite, QuerySite, Site, SiteOutput, SiteUse, TextRange

_OF_BLOCKS = frozenset({SubexpressionKind.CORE, SubexpressionKind.AGGREGATE, SubexpressionKind.JOIN_SUBSET})


@dataclass(frozen=True, slots=True)
class Found:
    """A subexpression with its place and its bound plan."""

    subexpression: Subexpression
    site: Site | None
    query: BoundQuery
    names: tuple[str, ...] = ()
    """Names of a query's outputs, empty where the engine makes one up."""


@dataclass(slots=True)
class Enumerator:
    """Collects the subexpressions of one statement, largest kinds first."""

    context: Context
    layout: StatementLayout | None
    same_text: str
    kinds: frozenset[SubexpressionKind]
    encoder: Encoder = field(default_factory=Encoder)
    found: list[Found] = field(default_factory=list)

    def enumerate(self) -> list[Found]:
        """All subexpressions, numbered in order; what lies inside what is worked out at the end."""
        for record in reversed(self.context.queries):
            kind = SubexpressionKind(record.kind)
            if kind in self.kinds or kind is SubexpressionKind.STATEMENT:
                self._query(record, kind)
        if self.kinds & _OF_BLOCKS:
            for block in self.context.blocks:
                self._block(block)
        self._keep_order()
        return _with_contents(self.found)

    def _keep_order(self) -> None:
        """Nothing is replaced where the statement's result depends on the order of rows.

        ``SELECT list(x) FROM (SELECT ... )``: the list is in the order in which the inner query gives its
        rows, and a view gives the same rows in another one.
        """
        whole = SubexpressionKind.STATEMENT
        for found in self.found:
            if found.subexpression.kind is not whole:
                continue
            codes = {reason.code for reason in found.subexpression.ineligible}
            sampled = any(isinstance(node, Sample) for node in walk_plans(found.query.plan))
            if sampled or codes & eligibility.ORDER_CODES:
                reason = eligibility.order_around()
                self.found = [other if other is found else _refused(other, reason) for other in self.found]
                return

    def _query(self, record: QueryRecord, kind: SubexpressionKind) -> None:
        plan = record.query.plan
        if free_relations(plan) or any(
            references(output.expression) - set(visible(plan)) for output in record.query.outputs
        ):
            return
        text, order = self.encoder.plan(plan)
        labels = (self.encoder.labels(order),)
        keys = [self.encoder.expression(output.expression, labels) for output in record.query.outputs]
        placed = None if self.layout is None else place_query(self.layout, record)
        site = None
        if placed is not None:
            outputs = tuple(
                SiteOutput(name=output.name, key=key.precise)
                for output, key in zip(record.query.outputs, keys, strict=True)
            )
            site = QuerySite(
                place=placed.place, outputs=outputs, ctes=placed.ctes, recursive=placed.recursive
            )
        columns = tuple(
            NeededColumn(key=key.precise, normalized_key=key.normalized) for key in dict.fromkeys(keys)
        )
        label = f"{record.kind.replace('_', ' ')} {record.label}".strip()
        definition = BoundQuery(
            plan,
            tuple(
                Output(key.precise, output.expression)
                for key, output in zip(keys, record.query.outputs, strict=True)
            ),
        )
        names = tuple(output.name for output in record.query.outputs)
        self._add(kind, plan, text, columns, site, definition, label, names)
        if record.ordered:
            self.found[-1] = _refused(self.found[-1], eligibility.order_around())

    def _block(self, record: BlockRecord) -> None:
        known = record.complete and not record.bracketed and not record.has_star
        if record.core is None or not known or self.layout is None:
            return
        layout = place_block(self.layout, record)
        if layout is None or free_relations(record.core):
            return
        places = BlockPlaces(self.layout, layout, record, uses_in(self.context, record))
        core = SubexpressionKind.CORE in self.kinds
        if core and (len(record.items) > 1 or len(facts(record.core).tables) > 1):
            self._part(places, tuple(range(len(record.items))), SubexpressionKind.CORE)
        if SubexpressionKind.AGGREGATE in self.kinds:
            self._aggregate(places)
        if SubexpressionKind.JOIN_SUBSET not in self.kinds:
            return
        if record.plain_joins and not any(item.using for item in record.items):
            for subset in connected_subsets(record, [part.expression for part in places.conjuncts]):
                self._part(places, subset, SubexpressionKind.JOIN_SUBSET)

    def _part(self, places: BlockPlaces, chosen: tuple[int, ...], kind: SubexpressionKind) -> None:
        """A block's core, or the inner join of some of its items with the conjuncts over them."""
        record = places.record
        whole = kind is SubexpressionKind.CORE
        if whole and record.core is not None:
            plan = record.core
            inner = list(range(len(places.conjuncts)))
        else:
            relations = relations_of(record, chosen)
            inner = [i for i, part in enumerate(places.conjuncts) if part.over and part.over <= relations]
            plan = make_core(
                [record.items[index].plan for index in chosen],
                [places.conjuncts[index].expression for index in inner],
            )
        text, order = self.encoder.plan(plan)
        labels = (self.encoder.labels(order),)
        uses = places.uses_of(chosen, inner, whole=whole)
        if uses is None:
            return
        keys = {use: self.encoder.expression(use.expression, labels) for use in uses}
        site = places.site(chosen, inner, whole=whole, order=order, keys=keys)
        positions = {relation: index for index, relation in enumerate(order)}
        columns = {
            key.precise: NeededColumn(
                key=key.precise,
                normalized_key=key.normalized,
                expression=_template(use.expression, positions),
            )
            for use, key in keys.items()
        }
        names = ", ".join(item.alias or "?" for item in (record.items[index] for index in chosen))
        label = f"{'core over' if whole else 'join of'} {names}"
        outputs = tuple(Output(key.precise, use.expression) for use, key in keys.items())
        self._add(kind, plan, text, tuple(columns.values()), site, BoundQuery(plan, outputs), label)

    def _aggregate(self, places: BlockPlaces) -> None:
        """A block's grouping, measures kept apart: readers of one view may use different ones."""
        record = places.record
        plan = record.aggregate
        if not isinstance(plan, Aggregate) or free_relations(plan):
            return
        text, order = self.encoder.plan(plan)
        labels = (self.encoder.labels(order),)
        grouped = grouped_uses(self.context, places.layout, record, plan)
        if grouped is None:
            return

        def key_of(expression: Expression) -> Text:
            return self.encoder.expression(expression, labels)

        whole = places.site(
            tuple(range(len(record.items))),
            tuple(range(len(places.conjuncts))),
            whole=True,
            order=self.encoder.plan(plan.input)[1],
            keys={},
        )
        uses = tuple(
            SiteUse(
                place=TextRange(start=use.start, end=use.end),
                key=key_of(use.expression).precise,
                bare=use.bare,
            )
            for use in grouped.uses
        )
        keys = tuple((key_of(part).precise, name) for part, name in grouped.keys)
        site = replace(whole, uses=uses, grouping=replace(grouped.grouping, keys=keys))
        positions = {relation: str(i) for i, relation in enumerate(self.encoder.plan(plan.input)[1])}
        columns: dict[str, NeededColumn] = {}
        for use in grouped.uses:
            named = key_of(use.expression)
            columns[named.precise] = NeededColumn(
                key=named.precise,
                normalized_key=named.normalized,
                expression=grouped.template(use, positions, self.context.text),
            )
        outputs = tuple(Output(key_of(use.expression).precise, use.expression) for use in grouped.uses)
        names = ", ".join(item.alias or "?" for item in record.items)
        self._add(
            SubexpressionKind.AGGREGATE,
            plan,
            text,
            tuple(columns.values()),
            site,
            BoundQuery(plan, outputs),
            f"grouping of {names}",
        )

    def _add(
        self,
        kind: SubexpressionKind,
        plan: Plan,
        text: Text,
        columns: tuple[NeededColumn, ...],
        site: Site | None,
        query: BoundQuery,
        label: str,
        names: tuple[str, ...] = (),
    ) -> None:
        known = [facts(plan)]
        known += [facts(o.expression) for o in query.outputs if not isinstance(o.expression, ColumnRef)]
        reasons = [reason for part in known for reason in part.hazards]
        inputs = _inputs(known)
        if not inputs:
            reasons.append(eligibility.constant_rows())
        tied = any(part.tie_sensitive for part in known)
        if tied and kind is not SubexpressionKind.STATEMENT:
            reasons.append(eligibility.tied_rows())
        tied = tied or (kind is SubexpressionKind.STATEMENT and self.context.same_text_only)
        canonical, normalized = text.precise, text
        if tied:
            canonical = f"{text.precise} (same-text {self.same_text})"
            normalized = Text(text.normalized + " (same-text)", canonical)
        subexpression = Subexpression(
            ordinal=len(self.found),
            kind=kind,
            canonical=canonical,
            normalized=normalized_signature(normalized),
            inputs=inputs,
            columns=columns,
            properties=_properties(plan),
            ineligible=tuple(dict.fromkeys(reasons)),
            same_text_only=tied,
            source_count=len(known[0].tables),
            label=label,
        )
        self.found.append(Found(subexpression, site, query, names))


def _refused(found: Found, reason: Reason) -> Found:
    reasons = tuple(dict.fromkeys((*found.subexpression.ineligible, reason)))
    return replace(found, subexpression=replace(found.subexpression, ineligible=reasons))


def _template(expression: Expression, positions: dict[int, int]) -> str:
    """``{0.ss_item_sk}`` for a column of a table, which any statement with that table can name."""
    if isinstance(expression, ColumnRef) and expression.relation in positions:
        return f"{{{positions[expression.relation]}.{expression.column}}}"
    return ""


def _inputs(known: Iterable[Facts]) -> tuple[InputIdentity, ...]:
    found: set[InputIdentity] = set()
    for part in known:
        for node in part.tables:
            found |= {node.identity} if isinstance(node, Scan) else set(node.inputs)
    return tuple(sorted(found))


def _properties(plan: Plan) -> PhysicalProperties:
    """Order of the rows at the root, else the first that is found below (CloudViews 5.3)."""
    node: Plan = plan
    while True:
        if isinstance(node, Sort | Limit):
            keys = tuple(
                (key.expression.column, "desc" if key.descending else "asc")
                for key in node.order
                if isinstance(key.expression, ColumnRef)
            )
            return PhysicalProperties(sort_columns=keys)
        below = getattr(node, "input", None)
        if below is None:
            return PhysicalProperties()
        node = below


def _with_contents(found: Sequence[Found]) -> list[Found]:
    """Note for each subexpression which others lie in the text that it replaces.

    Subsets of one join are left out as outer ones: there are many, and their order follows from their size.
    """
    covers = [_covered(item.site) for item in found]
    bounds = [
        (min(place.start for place in places), max(place.end for place in places)) if places else None
        for places in covers
    ]
    result = []
    for index, item in enumerate(found):
        bound = bounds[index]
        if bound is None or item.subexpression.kind is SubexpressionKind.JOIN_SUBSET:
            result.append(item)
            continue
        start, end = bound
        inside = [
            other
            for other, limits in enumerate(bounds)
            if limits is not None and other != index and start <= limits[0] and limits[1] <= end
        ]
        contents = frozenset(other for other in inside if _all_inside(covers[other], covers[index]))
        result.append(replace(item, subexpression=replace(item.subexpression, contains=contents)))
    return result


def _all_inside(inner: tuple[TextRange, ...], outer: tuple[TextRange, ...]) -> bool:
    return inner != outer and all(any(place.contains(part) for place in outer) for part in inner)


def _covered(site: Site | None) -> tuple[TextRange, ...]:
    match site:
        case QuerySite(place=place):
            return (place,)
        case BlockSite(items=items, conjuncts=conjuncts):
            return (*items, *conjuncts)
        case None:
            return ()
