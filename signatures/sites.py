"""Where in the user's text a subexpression stands, and how the text around it uses its columns.

Offsets are half-open and count characters of the statement's text. The rewriter replaces ranges of the
user's own text and prints nothing anew.
"""

from __future__ import annotations

from dataclasses import dataclass

from signatures.model import Subexpression, Tags
from signatures.plan import BoundQuery


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRange:
    """A range of the statement's text."""

    start: int
    end: int

    def contains(self, other: TextRange) -> bool:
        """Whether another range lies inside this one."""
        return self.start <= other.start and other.end <= self.end

    def of(self, text: str) -> str:
        """The text in the range."""
        return text[self.start : self.end]


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteOutput:
    """An output column of a query expression: its name there and its key in a view."""

    name: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteUse:
    """A place outside a block's replaced part that names one of its columns.

    ``bare`` is the output's name where the place is a whole SELECT item without an alias.
    """

    place: TextRange
    key: str
    bare: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CteText:
    """A common table expression that a place can see: ``name [(columns)] AS (...)``."""

    name: str
    place: TextRange


@dataclass(frozen=True, slots=True, kw_only=True)
class QuerySite:
    """A whole query expression that a scan of a view can stand for."""

    place: TextRange
    outputs: tuple[SiteOutput, ...]
    ctes: tuple[CteText, ...]
    recursive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """The grouping of a block that a view stands for: its GROUP BY goes, its HAVING filters the view.

    ``keys`` are (key, text) pairs of all grouping keys, ``clause`` the text behind GROUP BY where it can't be
    written as a list of keys, as with ROLLUP.
    """

    group_clause: TextRange | None
    having_keyword: TextRange | None
    keys: tuple[tuple[str, str], ...]
    clause: TextRange | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockSite:
    """The FROM and WHERE of a block, or some of its inner-joined items, that a view can stand for.

    ``items`` and ``conjuncts`` are what is replaced, ``kept_items`` and ``kept_conjuncts`` what stays
    beside the view. Where nothing stays, ``from_body`` and ``where_body`` are used as they stand.
    ``aliases`` are the names in the text of the canonical sources, empty where a source has none.
    """

    from_clause: TextRange
    where_clause: TextRange | None
    from_body: TextRange
    where_body: TextRange | None
    items: tuple[TextRange, ...]
    conjuncts: tuple[TextRange, ...]
    kept_items: tuple[TextRange, ...]
    kept_conjuncts: tuple[TextRange, ...]
    uses: tuple[SiteUse, ...]
    aliases: tuple[str, ...]
    ctes: tuple[CteText, ...]
    recursive: bool = False
    grouping: Grouping | None = None
    """Set where the view also takes the place of the block's grouping."""


Site = QuerySite | BlockSite


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledStatement:
    """Everything that is known of a statement's text, and nothing that changes between its runs.

    ``sites`` stand beside ``subexpressions``; a site is None where the text could not be placed, so
    that the subexpression is known to the history and can't be replaced. ``definitions`` are their bound
    plans, with every output named by its key.
    """

    text: str
    template: str
    template_text: str
    tags: Tags
    subexpressions: tuple[Subexpression, ...]
    sites: tuple[Site | None, ...]
    definitions: tuple[BoundQuery, ...]
    statement: int | None
    """Ordinal of the whole statement, None where it was not understood."""
    unaliased_items: tuple[tuple[int, int], ...]
    """(end offset, ordinal) of root SELECT items whose name the engine makes up."""
    has_parameters: bool
    unresolved: tuple[str, ...]
    is_query: bool
