"""Builds that failed are not tried again at once: a full disk or too little memory stays so for a while."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from signatures.model import NormalizedSignature

FIRST_PAUSE_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 3_600.0
KEPT = 1_024


class Setbacks:
    """How long each computation is not built for. Pauses double while its builds keep failing."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: OrderedDict[NormalizedSignature, tuple[float, float]] = OrderedDict()

    def wait_seconds(self, normalized: NormalizedSignature) -> float:
        """Seconds until it may be tried again; 0 where it may be now."""
        until, _ = self._until.get(normalized, (0.0, 0.0))
        return max(0.0, until - self._clock())

    def failed(self, normalized: NormalizedSignature) -> None:
        """Its build has failed."""
        _, pause = self._until.pop(normalized, (0.0, 0.0))
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS) or FIRST_PAUSE_SECONDS
        self._until[normalized] = (self._clock() + pause, pause)
        while len(self._until) > KEPT:
            self._until.popitem(last=False)

    def succeeded(self, normalized: NormalizedSignature) -> None:
        """Its build has succeeded."""
        self._until.pop(normalized, None)
