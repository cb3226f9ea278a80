"""The order in which recurring jobs are best submitted, so that each view is built once and early.

Source: CloudViews section 6.5: jobs with the same overlapping computation form a group, a job with several
overlaps is in several groups; of each group the shortest job goes first (of equals the one with fewest
overlaps); these builders run before all others, ordered by run time and number of overlaps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def submission_order(run_seconds: Mapping[str, float], groups: Sequence[frozenset[str]]) -> tuple[str, ...]:
    """Jobs in the order in which to submit them.

    Args:
        run_seconds: Run time of each job; the order of the mapping is the order in which they came.
        groups: For each selected view, the jobs that contain it.
    """
    overlaps = {job: sum(job in group for group in groups) for job in run_seconds}

    def rank(job: str) -> tuple[float, int]:
        return run_seconds[job], overlaps[job]

    builders = {
        min(members, key=rank) for group in groups if (members := [j for j in run_seconds if j in group])
    }
    first = sorted(builders, key=rank)
    return (*first, *(job for job in run_seconds if job not in builders))
