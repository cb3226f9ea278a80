"""Filters before selection, in order: each says why it turns a candidate away.

Sources: CloudViews sections 5.2 and 7.1 (frequency, share of the job's cost), 5.5 (user constraints).
"""

from __future__ import annotations

from collections.abc import Callable

from optimizer_plugin.analyzer.candidates import Candidate
from optimizer_plugin.policies import Policy

Filter = Callable[[Candidate, Policy], str | None]


def frequency(candidate: Candidate, policy: Policy) -> str | None:
    """At least ``selection.min_frequency`` occurrences."""
    if candidate.occurrences >= policy.selection.min_frequency:
        return None
    return f"{candidate.occurrences} occurrences, the policy asks for {policy.selection.min_frequency}"


def kind(candidate: Candidate, policy: Policy) -> str | None:
    """Of a kind that the policy selects and reuses."""
    if candidate.kind in policy.selection.kinds and candidate.kind in policy.kinds.enabled:
        return None
    return f"the policy does not select subexpressions of kind {candidate.kind}"


def tables(candidate: Candidate, policy: Policy) -> str | None:
    """Over tables that the policy admits."""
    named = [identity.rpartition("#")[2] or identity for identity in candidate.tables]
    return None if policy.selection.admits(named) else "the policy leaves out one of its tables"


def cost_share(candidate: Candidate, policy: Policy) -> str | None:
    """At least ``selection.min_cost_share`` of the cost of a job that it stands in."""
    least = policy.selection.min_cost_share
    if not least or (candidate.job_share is not None and candidate.job_share >= least):
        return None
    share = "unknown" if candidate.job_share is None else f"{candidate.job_share:.1%}"
    return f"its share of the job's cost is {share}, the policy asks for {least:.1%}"


def size(candidate: Candidate, policy: Policy) -> str | None:
    """No larger than ``cost.max_view_rows`` and ``cost.max_view_bytes``."""
    rows, size_bytes = policy.cost.max_view_rows, policy.cost.max_view_bytes
    if rows and candidate.rows is not None and candidate.rows > rows:
        return f"{candidate.rows:.0f} rows, the policy allows {rows}"
    if size_bytes and candidate.size_bytes is not None and candidate.size_bytes > size_bytes:
        return f"{candidate.size_bytes:.0f} bytes, the policy allows {size_bytes}"
    return None


def utility(candidate: Candidate, policy: Policy) -> str | None:
    """Saves more in its readers than it costs to build, by ``cost.min_saving_seconds``."""
    least = policy.cost.min_saving_seconds
    if candidate.utility_seconds > least or (not least and candidate.utility_seconds >= 0):
        return None
    return f"it saves {candidate.utility_seconds:.3f} s a round, the policy asks for more than {least:.3f} s"


FILTERS: tuple[Filter, ...] = (frequency, kind, tables, cost_share, size, utility)
