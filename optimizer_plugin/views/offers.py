"""Between the metastore's records, the policy's words and the rewriter's: one translation each."""

from __future__ import annotations

from metastore.records import View
from optimizer_plugin.policies import Materialize, Policy
from rewriter.model import AvailableView, DecisionPolicy
from signatures.model import NormalizedSignature, SubexpressionKind

ENOUGH_READS = 3
"""Reads after which their mean saving is taken for what the view is worth."""


def offered(view: View) -> AvailableView:
    """A view as the rewriter sees it."""
    return AvailableView(
        precise=view.precise,
        canonical=view.canonical,
        environment=view.environment,
        inputs=view.inputs,
        keys=frozenset(column[0] for column in view.columns),
        ordered=view.ordered,
        rows=view.rows,
        size_bytes=view.size_bytes,
        compute_seconds=view.build_seconds,
        read_seconds=view.read_seconds / view.reads if view.reads and view.read_seconds else None,
        mean_saved_seconds=view.saved_seconds / view.reads if view.reads >= ENOUGH_READS else None,
    )


def decision_policy(
    policy: Policy, *, statement_on_sight: bool, last_seconds: float | None = None
) -> DecisionPolicy:
    """A policy as the rewriter needs it for one job, whose last run without reuse took ``last_seconds``."""
    too_short = last_seconds is not None and last_seconds < policy.cost.min_job_seconds
    kinds = set(policy.kinds.enabled)
    if not policy.reuse.whole_results:
        kinds.discard(SubexpressionKind.STATEMENT)
    return DecisionPolicy(
        read=policy.reuse.read,
        kinds=frozenset(kinds),
        on_sight=policy.reuse.materialize is Materialize.ON_SIGHT,
        statements_on_sight=statement_on_sight,
        max_builds=0 if too_short else policy.reuse.max_builds_per_job,
        max_view_rows=policy.cost.max_view_rows or None,
        max_read_share=policy.cost.max_read_share or None,
        min_saving_seconds=policy.cost.min_saving_seconds,
    )


def statement_tag(normalized: NormalizedSignature) -> str:
    """The tag under which views of a normalized signature are found."""
    return f"signature:{normalized}"
