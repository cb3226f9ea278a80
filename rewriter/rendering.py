"""Edits the user's own text: scans of views in place of subexpressions, and queries that fill views.

Only ranges of the statement are replaced. Nothing else is printed anew, so that what runs beside the view is
what the user wrote, byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rewriter.model import Build, Read
from signatures.sites import (
    BlockSite,
    CompiledStatement,
    CteText,
    Grouping,
    QuerySite,
    SiteUse,
    TextRange,
)

Scan = Callable[[Read, Sequence[tuple[str, str]]], str]
"""SQL that reads a view: (column key, output name) pairs in order."""

NO_COLUMN = ""
"""Key of the constant that a view holds where its readers need rows and no column, as ``count(*)`` does."""

_SLOT = re.compile(r"\{(\d+)\.([^}]*)\}")
_WORD = re.compile(r"\w+")


def quote(name: str) -> str:
    """A quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True, slots=True)
class _Edit:
    """Replace a range by ``text``; in a block, what it keeps follows."""

    place: TextRange
    text: str = ""
    block: BlockSite | None = None


class _Editor:
    """Applies the edits of one statement, also inside the ranges that an edit keeps."""

    def __init__(self, text: str, edits: Sequence[_Edit]) -> None:
        self._text = text
        self._edits = sorted(edits, key=lambda edit: (edit.place.start, -edit.place.end))

    def render(self, place: TextRange) -> str:
        """The text of a range with all edits inside it applied."""
        parts: list[str] = []
        position = place.start
        for edit in self._edits:
            if edit.place.start < position or not place.contains(edit.place):
                continue
            parts.append(self._text[position : edit.place.start])
            parts.append(edit.text if edit.block is None else self._block(edit))
            position = edit.place.end
        parts.append(self._text[position : place.end])
        return "".join(parts)

    def _block(self, edit: _Edit) -> str:
        """FROM or WHERE of a block in which a view stands beside what is kept."""
        site = edit.block
        if site is None:
            return edit.text
        if edit.place == site.from_clause:
            items = ", ".join([edit.text, *(self.render(item) for item in site.kept_items)])
            where = self._where(site) if site.where_clause is None else ""
            return f"FROM {items}{where} "
        return self._where(site)

    def _where(self, site: BlockSite) -> str:
        if not site.kept_conjuncts:
            return " "
        return " WHERE " + " AND ".join(f"({self.render(part)})" for part in site.kept_conjuncts) + " "


def rewrite(
    compiled: CompiledStatement, reads: Sequence[Read], scan: Scan, output_names: Sequence[str]
) -> str:
    """The statement with views in place of subexpressions.

    ``output_names`` are the names that the engine gives the original's outputs: where an item's name comes
    from its text, editing would change it, so it is written out.
    """
    if not reads:
        return compiled.text
    whole = next((read for read in reads if read.ordinal == compiled.statement), None)
    if whole is not None:
        return _whole(compiled, whole, scan, output_names)
    edits: list[_Edit] = []
    for number, read in enumerate(reads):
        site = compiled.sites[read.ordinal]
        if isinstance(site, QuerySite):
            edits.append(_Edit(site.place, scan(read, _named_outputs(site, output_names))))
        elif isinstance(site, BlockSite):
            edits += _block_edits(site, read, f"reused_{number}", scan, output_names)
    edits += [
        _Edit(TextRange(start=end, end=end), f" AS {quote(output_names[index])}")
        for end, index in compiled.unaliased_items
        if index < len(output_names)
    ]
    text = compiled.text
    return _Editor(text, edits).render(TextRange(start=0, end=len(text)))


def _whole(compiled: CompiledStatement, read: Read, scan: Scan, output_names: Sequence[str]) -> str:
    site = compiled.sites[read.ordinal]
    if not isinstance(site, QuerySite):
        message = "a whole statement stands at a query site: the statement was compiled wrongly"
        raise TypeError(message)
    pairs = [(output.key, name) for output, name in zip(site.outputs, output_names, strict=True)]
    return scan(read, pairs)


def _named_outputs(site: QuerySite, output_names: Sequence[str]) -> list[tuple[str, str]]:
    """Keys and names of a query's outputs.

    The first operand of a statement's UNION names the statement's outputs; where it leaves that to the
    engine, the engine's name is written. Anywhere else such a name can't be referred to.
    """
    whole = len(site.outputs) == len(output_names)
    return [
        (
            output.key,
            _spelled(output.name, output_names) or (output_names[index] if whole else f"_{index}"),
        )
        for index, output in enumerate(site.outputs)
    ]


def _spelled(name: str, output_names: Sequence[str]) -> str:
    """A name in the letter case that the engine shows it in: that of the column, not of the text."""
    if name in output_names:
        return name
    return next((shown for shown in output_names if shown.lower() == name.lower()), name)


def _block_edits(
    site: BlockSite, read: Read, alias: str, scan: Scan, output_names: Sequence[str]
) -> list[_Edit]:
    keys = list(dict.fromkeys(use.key for use in site.uses))
    names = {key: f"c{index}" for index, key in enumerate(keys)}
    if keys:
        inner = scan(read, [(key, names[key]) for key in keys])
    else:
        inner = scan(read, [(sorted(read.view.keys)[0], "c0")])
    edits = [_Edit(site.from_clause, f"({inner}) AS {alias}", site)]
    if site.where_clause is not None:
        edits.append(_Edit(site.where_clause, "", site))
    if site.grouping is not None:
        if site.grouping.group_clause is not None:
            edits.append(_Edit(site.grouping.group_clause, " "))
        if site.grouping.having_keyword is not None:
            edits.append(_Edit(site.grouping.having_keyword, "WHERE"))
    edits += [_Edit(use.place, _use_text(use, alias, names, output_names)) for use in site.uses]
    return edits


def _use_text(use: SiteUse, alias: str, names: Mapping[str, str], output_names: Sequence[str]) -> str:
    named = f"{alias}.{names[use.key]}"
    return f"{named} AS {quote(_spelled(use.bare, output_names))}" if use.bare else named


def spool_query(compiled: CompiledStatement, build: Build) -> tuple[str, tuple[str, ...]]:
    """The query that fills a view, and the keys of its output columns in order."""
    site = compiled.sites[build.ordinal]
    text = compiled.text
    if isinstance(site, QuerySite):
        keys = tuple(output.key for output in site.outputs)
        body = site.place.of(text)
        if build.ordinal == compiled.statement:
            return body, keys
        prefix = _with(text, site.ctes, body, recursive=site.recursive)
        return (f"{prefix}SELECT * FROM ({body})" if prefix else body), keys
    if isinstance(site, BlockSite):
        return _block_query(text, site, build)
    message = "a view can't be built from a place that is not known"
    raise TypeError(message)


def _block_query(text: str, site: BlockSite, build: Build) -> tuple[str, tuple[str, ...]]:
    named = {use.key: use.place.of(text) for use in site.uses}
    expressions = [(key, named[key]) for key in build.keys if key in named]
    for key, template in build.extra:
        expression = _from_template(template, site.aliases)
        if expression is not None:
            expressions.append((key, expression))
    if not expressions:
        expressions = [(NO_COLUMN, "1")]
    if site.kept_items or site.kept_conjuncts:
        source = ", ".join(item.of(text) for item in site.items)
        conjuncts = [f"({part.of(text)})" for part in site.conjuncts]
        where = " AND ".join(conjuncts)
    else:
        source = site.from_body.of(text)
        where = "" if site.where_body is None else site.where_body.of(text)
    body = f"SELECT {', '.join(expression for _, expression in expressions)} FROM {source}"
    if where:
        body += f" WHERE {where}"
    if site.grouping is not None:
        body += _group_by(text, site.grouping)
    prefix = _with(text, site.ctes, body, recursive=site.recursive)
    return prefix + body, tuple(key for key, _ in expressions)


def _group_by(text: str, grouping: Grouping) -> str:
    if grouping.clause is not None:
        return f" GROUP BY {grouping.clause.of(text)}"
    names = ", ".join(name for _, name in grouping.keys)
    return f" GROUP BY {names}" if names else ""


def _from_template(template: str, aliases: Sequence[str]) -> str | None:
    """``sum({1.ss_item_sk})`` as this statement names it, None where a source has no name here."""
    missing = False

    def named(match: re.Match[str]) -> str:
        nonlocal missing
        position = int(match.group(1))
        if position >= len(aliases) or not aliases[position]:
            missing = True
            return ""
        return f"{quote(aliases[position])}.{quote(match.group(2))}"

    text = _SLOT.sub(named, template)
    return None if missing else text


def _with(text: str, ctes: Sequence[CteText], body: str, *, recursive: bool) -> str:
    """WITH for the CTEs that a part of the statement uses, directly or through others."""
    needed: list[CteText] = []
    words = {word.lower() for word in _WORD.findall(body)}
    for cte in reversed(ctes):
        if cte.name in words or not _WORD.fullmatch(cte.name):
            needed.append(cte)
            words |= {word.lower() for word in _WORD.findall(cte.place.of(text))}
    if not needed:
        return ""
    listed = ", ".join(cte.place.of(text) for cte in reversed(needed))
    return f"WITH {'RECURSIVE ' if recursive else ''}{listed} "
