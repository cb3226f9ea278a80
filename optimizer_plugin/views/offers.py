"""Between the metastore's records, the policy's words and the rewriter's: one translation each."""

from __future__ import annotations

from metastore.records import View
from optimizer_plugin.policies import Materialize, Policy
from rewriter.model import AvailableView, DecisionPolicy
from signatures.model import NormalizedSignature, SubexpressionKind


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
        read_seconds=view.read_seconds / view.reads if view.reads else None,
    )


def decision_policy(policy: Policy, *, statement_on_sight: bool) -> DecisionPolicy:
    """A policy as the rewriter needs it for one job."""
    kinds = set(policy.kinds.enabled)
    if not policy.reuse.whole_results:
        kinds.discard(SubexpressionKind.STATEMENT)
    return DecisionPolicy(
        read=policy.reuse.read,
        kinds=frozenset(kinds),
        on_sight=policy.reuse.materialize is Materialize.ON_SIGHT,
        statements_on_sight=statement_on_sight,
        max_builds=policy.reuse.max_builds_per_job,
        max_view_rows=policy.cost.max_view_rows or None,
        max_read_share=policy.cost.max_read_share or None,
    )


def statement_tag(normalized: NormalizedSignature) -> str:
    """The tag under which views of a normalized signature are found."""
    return f"signature:{normalized}"
