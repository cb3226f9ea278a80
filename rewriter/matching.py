"""Which views can stand for which subexpressions, and which are to be built.

Reading is tried from the largest subexpression down, building from the smallest up, as in CloudViews 6.2
and 6.3. A match takes four steps, each cheaper to pass than to skip: precise signature, canonical plan byte
for byte (so that a hash collision cannot give a wrong answer), input versions, columns.

Example: the view of ``FROM store_sales, date_dim WHERE ss_sold_date_sk = d_date_sk`` with columns
``{0.d_year}, {1.ss_item_sk}`` serves ``SELECT d_year, count(*) FROM date_dim d JOIN store_sales s ON ...``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rewriter import rejections
from rewriter.model import AvailableView, Build, Decision, DecisionPolicy, Read, Rejection, Wanted
from signatures.model import (
    InputIdentity,
    InputVersion,
    NormalizedSignature,
    PreciseSignature,
    Reason,
    Subexpression,
    SubexpressionKind,
)
from signatures.sites import BlockSite, CompiledStatement, QuerySite, Site, TextRange

Precise = Mapping[int, "PreciseSignature | Reason"]
"""By ordinal: the precise signature, or why there is none now."""

Versions = Mapping[InputIdentity, InputVersion]
"""Of the inputs whose version is known now."""


def decide(
    compiled: CompiledStatement,
    precise: Precise,
    versions: Versions,
    views: Mapping[PreciseSignature, AvailableView],
    wanted: Mapping[NormalizedSignature, Wanted],
    policy: DecisionPolicy,
) -> Decision:
    """Views to read, largest first, and views to build, smallest first, at most ``max_builds``."""
    reads: list[Read] = []
    taken: list[Site] = []
    refused: list[Rejection] = []
    for subexpression in _largest_first(compiled):
        site = compiled.sites[subexpression.ordinal]
        outcome = _match(compiled, subexpression, site, precise, versions, views, policy)
        if isinstance(outcome, AvailableView) and site is not None:
            if any(_conflict(site, other) for other in taken):
                outcome = rejections.inside_another()
            else:
                reads.append(Read(ordinal=subexpression.ordinal, view=outcome))
                taken.append(site)
                continue
        if isinstance(outcome, Reason):
            refused.append(Rejection(ordinal=subexpression.ordinal, reason=outcome))
    builds, more = _builds(compiled, precise, views, wanted, policy, taken)
    return Decision(reads=tuple(reads), builds=tuple(builds), rejections=(*refused, *more))


def _largest_first(compiled: CompiledStatement) -> list[Subexpression]:
    return sorted(compiled.subexpressions, key=_size, reverse=True)


def _size(subexpression: Subexpression) -> tuple[bool, int, bool, int]:
    """Statement, then what holds most others, then whole queries before the cores inside them."""
    return (
        subexpression.kind is SubexpressionKind.STATEMENT,
        len(subexpression.contains),
        subexpression.kind.is_query,
        subexpression.source_count,
    )


def _match(
    compiled: CompiledStatement,
    subexpression: Subexpression,
    site: Site | None,
    precise: Precise,
    versions: Versions,
    views: Mapping[PreciseSignature, AvailableView],
    policy: DecisionPolicy,
) -> AvailableView | Reason:
    hindrance = hindered(compiled, subexpression, site, policy)
    if hindrance is not None:
        return hindrance
    if not policy.read:
        return rejections.reading_off()
    signature = precise.get(subexpression.ordinal)
    if signature is None or isinstance(signature, Reason):
        return signature or rejections.no_view()
    view = views.get(signature)
    if view is None:
        return rejections.no_view()
    return _usable(subexpression, view, versions, policy)


def hindered(
    compiled: CompiledStatement, subexpression: Subexpression, site: Site | None, policy: DecisionPolicy
) -> Reason | None:
    """Why neither reading nor building is possible, whatever views there are."""
    if subexpression.ineligible:
        return subexpression.ineligible[0]
    if subexpression.kind not in policy.kinds:
        return rejections.kind_not_enabled(subexpression.kind)
    if site is None:
        return rejections.no_place()
    if compiled.has_parameters and subexpression.kind is not SubexpressionKind.STATEMENT:
        return rejections.with_parameters()
    return None


def _usable(
    subexpression: Subexpression,
    view: AvailableView,
    versions: Versions,
    policy: DecisionPolicy,
) -> AvailableView | Reason:
    if view.canonical != subexpression.canonical:
        return rejections.different_plan()
    known = dict(view.inputs)
    for identity in subexpression.inputs:
        if known.get(identity) != versions.get(identity):
            return rejections.version_changed(identity)
    missing = frozenset(column.key for column in subexpression.columns) - view.keys
    if missing:
        return rejections.missing_columns(missing)
    if policy.max_view_rows is not None and view.rows > policy.max_view_rows:
        return rejections.too_many_rows(view.rows, policy.max_view_rows)
    return _affordable(view, policy)


def _affordable(view: AvailableView, policy: DecisionPolicy) -> AvailableView | Reason:
    """A view is read only where that was measured to be cheaper than computing it (CloudViews 6.3)."""
    saved = view.mean_saved_seconds
    if saved is not None and saved < -policy.min_saving_seconds:
        return rejections.readers_got_slower(-saved)
    if policy.max_read_share is None or view.read_seconds is None or view.compute_seconds is None:
        return view
    if view.read_seconds > policy.max_read_share * view.compute_seconds:
        return rejections.read_too_expensive(view.read_seconds, view.compute_seconds)
    return view


def _builds(
    compiled: CompiledStatement,
    precise: Precise,
    views: Mapping[PreciseSignature, AvailableView],
    wanted: Mapping[NormalizedSignature, Wanted],
    policy: DecisionPolicy,
    taken: Sequence[Site],
) -> tuple[list[Build], list[Rejection]]:
    builds: list[Build] = []
    refused: list[Rejection] = []
    seen: set[PreciseSignature] = set()
    for subexpression in reversed(_largest_first(compiled)):
        signature = precise.get(subexpression.ordinal)
        site = compiled.sites[subexpression.ordinal]
        if not isinstance(signature, str) or signature in views or signature in seen or site is None:
            continue
        if hindered(compiled, subexpression, site, policy) is not None:
            continue
        annotation = wanted.get(subexpression.normalized)
        if annotation is not None and not annotation.names(compiled.template, subexpression.ordinal):
            annotation = None
        if annotation is None and not _on_sight(subexpression, policy):
            continue
        if any(_conflict(site, other) for other in taken):
            continue
        if len(builds) >= policy.max_builds:
            refused.append(
                Rejection(ordinal=subexpression.ordinal, reason=rejections.build_limit(policy.max_builds))
            )
            continue
        seen.add(signature)
        builds.append(_build(subexpression, annotation))
    return builds, refused


def _on_sight(subexpression: Subexpression, policy: DecisionPolicy) -> bool:
    if subexpression.kind is SubexpressionKind.STATEMENT:
        return policy.statements_on_sight or policy.on_sight
    return policy.on_sight


def _build(subexpression: Subexpression, annotation: Wanted | None) -> Build:
    """Own columns, and those of the annotation that any statement with this plan can name."""
    keys = tuple(column.key for column in subexpression.columns)
    if annotation is None or not subexpression.kind.keeps_projection_apart:
        return Build(ordinal=subexpression.ordinal, keys=keys)
    extra = tuple((key, template) for key, template in annotation.columns if key not in keys and template)
    return Build(ordinal=subexpression.ordinal, keys=keys, extra=extra)


def _ranges(site: Site) -> Iterable[TextRange]:
    if isinstance(site, QuerySite):
        return (site.place,)
    return (*site.items, *site.conjuncts)


def _conflict(first: Site, second: Site) -> bool:
    """Whether two edits would touch the same text."""
    if (
        isinstance(first, BlockSite)
        and isinstance(second, BlockSite)
        and (first.from_clause == second.from_clause)
    ):
        return True
    return any(
        one.contains(other) or other.contains(one) for one in _ranges(first) for other in _ranges(second)
    )
