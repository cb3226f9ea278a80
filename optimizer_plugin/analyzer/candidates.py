"""Candidates for materialization, as selection sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from signatures.model import NormalizedSignature, SubexpressionKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A subexpression that recurs, with what was measured of it.

    ``saved_seconds`` is the time that its readers save in one round of the workload, by job (template and
    run), builders included; ``build_seconds`` is what building it in that round costs beyond what it saves.
    ``utility_seconds`` is their difference.

    Sources: CloudViews 5.2 (utility); design, section 6 (time saved inside the readers).
    """

    normalized: NormalizedSignature
    kind: SubexpressionKind
    label: str
    occurrences: int
    saved_seconds: Mapping[str, float]
    """By job: seconds."""
    blocks: Mapping[str, frozenset[int]] = field(default_factory=dict)
    """By job: the parts of the statement that it takes away, told apart by numbers. Two candidates that share
    one in a job can't both be read there."""
    places: frozenset[tuple[str, int]] = frozenset()
    """(template, ordinal) pairs where it is shared with another place."""
    build_seconds: float
    instances: int = 1
    """How often it is built in one round: once for each instance of a recurring computation."""
    rows: float | None
    size_bytes: float | None
    job_share: float | None
    """Largest share of a job's time."""
    tables: tuple[str, ...]
    tags: tuple[str, ...]
    columns: tuple[tuple[str, str], ...]
    sort_columns: tuple[tuple[str, str], ...] = ()
    source: str = "profile"
    """How it was measured: ``profile`` (attributed operator time) or ``probe`` (with and without)."""

    @property
    def utility_seconds(self) -> float:
        """Seconds that one round of the workload takes less with the view, its building included."""
        return sum(self.saved_seconds.values()) - self.build_seconds

    @property
    def jobs(self) -> frozenset[str]:
        """Jobs that contain it."""
        return frozenset(self.saved_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A candidate that was left out, and why."""

    label: str
    reason: str
