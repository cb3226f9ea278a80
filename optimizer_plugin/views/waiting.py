"""Wait for a view that another job is building, or compute: whichever is predicted to be faster.

The prediction takes the lease's age by the metastore's clock, what building took before, and what a reader
saves. Without both of the latter nobody waits. A wait is bounded: by what it can gain at most, by half as
much again as was predicted, and by ``LONGEST_WAIT_SECONDS``.

Source: CloudViews section 6.1 (build-build and build-use synchronization); there the later job computes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from metastore.ports import Metastore
from metastore.records import Annotation, BuildInProgress, View
from rewriter import rejections
from signatures.model import NormalizedSignature, PreciseSignature, Reason

LONGEST_WAIT_SECONDS = 30.0
FIRST_LOOK_SECONDS = 0.005
LONGEST_LOOK_SECONDS = 0.1
ALLOWANCE = 1.5
"""How much longer than predicted a build is waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What is known of a computation before it is built; None for what was never measured."""

    build_seconds: float | None = None
    saving_seconds: float | None = None
    """What one reader saves."""


def forecast(
    normalized: NormalizedSignature,
    views: Mapping[PreciseSignature, View],
    annotation: Annotation | None,
    margin: float,
    last_seconds: float | None,
) -> Forecast:
    """Predict from earlier instances of the view, its annotation, or the statement's last run, in that order.

    Args:
        normalized: What is to be built.
        views: Those that the job's look-up brought; instances for earlier inputs are among them.
        annotation: That of the computation, if there is one.
        margin: By which factor its lease is longer than its mined build.
        last_seconds: The statement's last run without reuse, where the statement as a whole is the
            computation; else None.
    """
    earlier = [view for view in views.values() if view.normalized == normalized]
    build = max((view.build_seconds for view in earlier), default=None)
    if build is None and annotation is not None:
        build = annotation.lease_seconds / margin
    if build is None:
        build = last_seconds
    saving = last_seconds
    reads = sum(view.reads for view in earlier)
    if saving is None and reads:
        saving = sum(view.saved_seconds for view in earlier) / reads
    if saving is None and annotation is not None:
        saving = annotation.utility_seconds / max(1, annotation.frequency)
    return Forecast(build_seconds=build, saving_seconds=saving)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waited:
    """How a wait ended: with the view, with a reason to compute, or with a lease that is free again."""

    view: View | None = None
    reason: Reason | None = None
    seconds: float = 0.0


def wait_or_compute(
    metastore: Metastore,
    tenant: str,
    precise: PreciseSignature,
    expected: Forecast,
    stopped: threading.Event,
) -> Waited:
    """Look for the view until it is there, its builder has given up, or waiting can't gain any more.

    Args:
        metastore: Where it will be published.
        tenant: Whose it is.
        precise: What is being built.
        expected: The prediction.
        stopped: Set where the user interrupts the statement: nobody waits on.

    Raises:
        MetastoreError: where the metastore does not answer.
    """
    building = metastore.build_in_progress(tenant, precise)
    if building is None:
        return Waited(view=_readable(metastore, tenant, precise))
    limit = _limit(building, expected)
    if isinstance(limit, Reason):
        return Waited(reason=limit)
    started, pause = time.monotonic(), FIRST_LOOK_SECONDS
    while True:
        view = _readable(metastore, tenant, precise)
        seconds = time.monotonic() - started
        if view is not None:
            return Waited(view=view, seconds=seconds)
        if metastore.build_in_progress(tenant, precise) is None:
            # Published between the two questions, or given up.
            return Waited(view=_readable(metastore, tenant, precise), seconds=seconds)
        if seconds >= limit or stopped.wait(min(pause, limit - seconds)):
            return Waited(reason=rejections.waited_in_vain(seconds), seconds=seconds)
        pause = min(1.5 * pause, LONGEST_LOOK_SECONDS)


def _limit(building: BuildInProgress, expected: Forecast) -> float | Reason:
    """Seconds to wait at most, or why not to wait at all."""
    if expected.build_seconds is None or expected.saving_seconds is None:
        return rejections.lease_held()
    remaining = max(0.0, expected.build_seconds - building.elapsed_seconds)
    if building.elapsed_seconds > ALLOWANCE * expected.build_seconds + LONGEST_LOOK_SECONDS:
        return rejections.waited_in_vain(
            building.elapsed_seconds
        )  # late already: nobody knows how late it will be
    if remaining >= expected.saving_seconds:
        return rejections.not_worth_waiting(remaining, expected.saving_seconds)
    return min(
        ALLOWANCE * remaining + LONGEST_LOOK_SECONDS,
        expected.saving_seconds,
        building.remaining_seconds,
        LONGEST_WAIT_SECONDS,
    )


def _readable(metastore: Metastore, tenant: str, precise: PreciseSignature) -> View | None:
    return next(iter(metastore.find_views(tenant, [precise])), None)
