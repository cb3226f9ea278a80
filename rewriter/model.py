"""What the rewriter is given and what it decides. It knows no engine and no metastore."""

from __future__ import annotations

from dataclasses import dataclass

from signatures.model import InputIdentity, InputVersion, NormalizedSignature, PreciseSignature, Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class AvailableView:
    """A published view as far as matching and cost need it.

    ``keys`` are the canonical names of its columns. ``compute_seconds`` is what the subexpression costs
    inside its readers, ``read_seconds`` what reading the view was measured to cost; None where unknown.
    """

    precise: PreciseSignature
    canonical: str
    environment: str
    inputs: tuple[tuple[InputIdentity, InputVersion], ...]
    keys: frozenset[str]
    ordered: bool
    rows: int
    size_bytes: int
    compute_seconds: float | None
    read_seconds: float | None
    mean_saved_seconds: float | None = None
    """What a reader saves on average, measured over enough readers; negative where they got slower."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An annotation: materialize this normalized signature, with these columns.

    ``columns`` are (normalized key, SQL template) pairs, the union of what its readers need.
    """

    normalized: NormalizedSignature
    columns: tuple[tuple[str, str], ...]
    utility_seconds: float
    places: frozenset[tuple[str, int]] = frozenset()
    """(template, ordinal) pairs where it is shared; empty where it may be built wherever it stands."""

    def names(self, template: str, ordinal: int) -> bool:
        """Whether it is to be built at a place: only where it was found to be shared, if that is known."""
        return not self.places or (template, ordinal) in self.places


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionPolicy:
    """What a policy says about reading and building, in the rewriter's terms."""

    read: bool
    kinds: frozenset[str]
    on_sight: bool
    statements_on_sight: bool
    max_builds: int
    max_view_rows: int | None
    max_read_share: float | None
    min_saving_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """Read a view in place of the subexpression of that ordinal."""

    ordinal: int
    view: AvailableView


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """Materialize the subexpression of that ordinal; ``keys`` are the columns, ``extra`` those of others.

    ``extra`` holds (key, SQL template) of columns that this statement does not use itself.
    """

    ordinal: int
    keys: tuple[str, ...]
    extra: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """Why a subexpression of that ordinal was not reused."""

    ordinal: int
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What happens to a statement: views read, views to build first, and what was refused."""

    reads: tuple[Read, ...] = ()
    builds: tuple[Build, ...] = ()
    rejections: tuple[Rejection, ...] = ()
