"""The values that leave this package: inputs, columns, subexpressions, compiled statements.

Everything here is immutable and free of sqlglot nodes, so that the other packages depend on these
types only. Words follow ``docs/glossary.md``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType

SIGNATURE_VERSION = 1
"""Version of the canonical encoding. Raise it whenever an encoding of any plan changes."""

PreciseSignature = NewType("PreciseSignature", str)
"""32 hexadecimal digits: a subexpression and its exact inputs (CloudViews section 3)."""

NormalizedSignature = NewType("NormalizedSignature", str)
"""32 hexadecimal digits: the same with what changes between recurring instances taken out."""

InputIdentity = NewType("InputIdentity", str)
"""Names one input for ever: ``table:<database>#<schema>.<name>``, ``files:<format>:<glob>``."""

InputVersion = NewType("InputVersion", str)
"""A token that never repeats for different content of the same input (design, section 5)."""


class SubexpressionKind(StrEnum):
    """Where in a statement a subexpression stands, which also says how it can be replaced."""

    STATEMENT = "statement"
    CTE = "cte"
    DERIVED_TABLE = "derived_table"
    SET_OPERAND = "set_operand"
    SUBQUERY = "subquery"
    AGGREGATE = "aggregate"
    CORE = "core"
    JOIN_SUBSET = "join_subset"

    @property
    def is_query(self) -> bool:
        """Whether it is a whole query expression, with its output columns in a fixed order."""
        return self not in _PROJECTION_APART

    @property
    def keeps_projection_apart(self) -> bool:
        """Whether a view of it may hold more columns than one reader needs (column superset)."""
        return self in _PROJECTION_APART


_PROJECTION_APART = frozenset(
    {SubexpressionKind.AGGREGATE, SubexpressionKind.CORE, SubexpressionKind.JOIN_SUBSET}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why something was not reused: a stable code and a sentence.

    Codes: REUSE-1xx eligibility, 2xx input version, 3xx structure, 4xx cost, 5xx policy and leases.
    """

    code: str
    text: str
    """Without any value of the statement or of its rows, since it is kept in the history."""
    detail: str = ""
    """What may hold values: shown to the program, never kept."""

    def __str__(self) -> str:
        return f"{self.code}: {self.text}: {self.detail}" if self.detail else f"{self.code}: {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NeededColumn:
    """One column that a subexpression hands to the rest of its statement.

    ``key`` is its canonical name: equal keys of equal canonical plans are the same values. For a
    whole query the key is the output's ordinal. ``expression`` is a template of SQL in which
    ``{0.ss_item_sk}`` stands for a column of a numbered source, so that another statement with the same
    canonical plan can compute a column that it does not itself use; it is empty for whole queries.
    """

    key: str
    normalized_key: str = ""
    expression: str = ""

    @property
    def kept_expression(self) -> str:
        """The expression as it may be kept for other statements; empty where it holds a literal.

        Such a one would be of no use to them: their key of the column has their own literal in it.
        """
        return self.expression if self.key == self.normalized_key else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhysicalProperties:
    """How the rows leave a subexpression, or how its parent wants them (CloudViews 5.3)."""

    partition_columns: tuple[str, ...] = ()
    sort_columns: tuple[tuple[str, str], ...] = ()
    """(column key, "asc" or "desc") pairs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subexpression:
    """A subgraph of one statement's logical plan, rooted at one operator.

    ``canonical`` is the canonical plan as text: two subexpressions with the same text and the same
    versions of ``inputs`` have the same rows. It holds literals and table identities, no versions.
    """

    ordinal: int
    kind: SubexpressionKind
    canonical: str
    normalized: NormalizedSignature
    inputs: tuple[InputIdentity, ...]
    columns: tuple[NeededColumn, ...]
    properties: PhysicalProperties = field(default_factory=PhysicalProperties)
    ineligible: tuple[Reason, ...] = ()
    same_text_only: bool = False
    """Rows depend on how the engine breaks ties, so only the very same statement may read it."""
    contains: frozenset[int] = frozenset()
    """Ordinals of the subexpressions of the same statement that lie inside this one."""
    source_count: int = 1
    label: str = ""
    """What it is, for people: ``cte customer_total_return``, ``join of store_sales, date_dim``."""

    @property
    def eligible(self) -> bool:
        """Whether it may be materialized and read at all."""
        return not self.ineligible


@dataclass(frozen=True, slots=True, kw_only=True)
class Tags:
    """What the metastore's inverted index is asked with: one look-up a job (CloudViews 6.1)."""

    tables: frozenset[str] = frozenset()
    template: str = ""
    script: str = ""

    def all(self) -> frozenset[str]:
        """Every tag as one string each: ``table:...``, ``template:...``, ``script:...``."""
        tags = {f"table:{table}" for table in self.tables}
        if self.template:
            tags.add(f"template:{self.template}")
        if self.script:
            tags.add(f"script:{self.script}")
        return frozenset(tags)
