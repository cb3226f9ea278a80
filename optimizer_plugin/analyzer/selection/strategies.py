"""View selection: from candidates to annotations, behind one protocol.

A strategy ranks; the limits that all share (top-k, so many per job, storage) are applied to its ranking.
Plug-ins are entry points of the group ``respool.selection`` with the same signature.

Source: CloudViews section 5.2 (top-k by utility, by utility per storage, one per job).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points

from optimizer_plugin.analyzer.candidates import Candidate, Rejected
from optimizer_plugin.errors import PolicyError
from optimizer_plugin.policies import SelectionPolicy

ENTRY_POINTS = "respool.selection"

Ranking = Callable[[Sequence[Candidate]], Sequence[Candidate]]
"""Candidates in order of preference; those left out are not selected."""


def by_utility(candidates: Sequence[Candidate]) -> Sequence[Candidate]:
    """Highest utility first."""
    return sorted(candidates, key=lambda c: (-c.utility_seconds, c.normalized))


def by_utility_per_byte(candidates: Sequence[Candidate]) -> Sequence[Candidate]:
    """Highest utility per byte of storage first; what was never stored comes last."""

    def rank(candidate: Candidate) -> tuple[bool, float, str]:
        size = candidate.size_bytes
        return (size is None, -candidate.utility_seconds / max(size or 1.0, 1.0), candidate.normalized)

    return sorted(candidates, key=rank)


BUILT_IN: dict[str, Ranking] = {"utility": by_utility, "utility_per_byte": by_utility_per_byte}


def ranking(name: str) -> Ranking:
    """A built-in strategy, or a plug-in's.

    Raises:
        PolicyError: where there is none of that name.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]
    for point in entry_points(group=ENTRY_POINTS, name=name):
        loaded: Ranking = point.load()
        return loaded
    plugged = sorted(point.name for point in entry_points(group=ENTRY_POINTS))
    raise PolicyError(
        f"selection strategy {name!r} is unknown",
        expected=f"one of {', '.join([*BUILT_IN, *plugged])}",
        remedy="correct selection.strategy or install the plug-in that brings it",
    )


def select(
    candidates: Sequence[Candidate], policy: SelectionPolicy
) -> tuple[tuple[Candidate, ...], tuple[Rejected, ...]]:
    """The best candidates within the policy's limits, and why the others were left out."""
    chosen: list[Candidate] = []
    rejected: list[Rejected] = []
    per_job: Counter[str] = Counter()
    stored = 0.0
    ranked = ranking(policy.strategy)(candidates)
    for candidate in ranked:
        reason = _overshadowed(candidate, chosen)
        crowded = [job for job in candidate.jobs if per_job[job] >= policy.max_per_job]
        if reason:
            pass
        elif len(chosen) >= policy.top_k:
            reason = f"not among the best {policy.top_k}"
        elif policy.max_per_job and crowded:
            reason = f"{len(crowded)} of its jobs have {policy.max_per_job} selected already"
        elif policy.storage_bytes and stored + (candidate.size_bytes or 0) > policy.storage_bytes:
            reason = f"it does not fit into the {policy.storage_bytes} bytes of storage"
        if reason:
            rejected.append(Rejected(label=candidate.label, reason=reason))
            continue
        chosen.append(candidate)
        per_job.update(candidate.jobs)
        stored += candidate.size_bytes or 0
    return tuple(chosen), tuple(rejected)


def _overshadowed(candidate: Candidate, chosen: Sequence[Candidate]) -> str:
    """View interaction: of two views over the same part of a job, only one can be read there."""
    left = dict(candidate.saved_seconds)
    for other in chosen:
        for job, blocks in candidate.blocks.items():
            if blocks & other.blocks.get(job, frozenset()):
                left.pop(job, None)
    if len(left) == len(candidate.saved_seconds):
        return ""
    remaining = sum(left.values()) - candidate.build_seconds
    return "" if remaining > 0 and len(left) > 1 else "better views stand in the same place of its jobs"
