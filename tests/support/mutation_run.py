"""Compares the signatures of one statement's mutants with its own, in a process of their own if need be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import sqlglot

from signatures.compiler import compile_statement
from signatures.sites import CompiledStatement, QuerySite, TextRange
from signatures.verification import meaning
from tests.support.catalog import FixedCatalog
from tests.support.mutants import known_names, mutants

Meaning = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the mutants of one statement gave."""

    number: int
    understood: int
    not_understood: int
    subexpressions: int
    kinds: tuple[str, ...]
    false_matches: tuple[str, ...]


def compare_mutants(number: int, text: str, catalog: FixedCatalog, per_kind: int) -> Outcome:
    """Compile the mutants of a statement; those whose signature stayed are false matches.

    ``catalog`` holds the twins of its tables too. Places are drawn with the statement's number as seed.
    """
    tree = sqlglot.parse_one(text, read="duckdb")
    original = compile_statement(tree.sql("duckdb"), catalog, "duckdb")
    before = meaning(original)
    if before is None or before != meaning(compile_statement(text, catalog, "duckdb")):
        return Outcome(number, 0, 0, 0, (), (f"query {number} is not understood as printed",))
    kinds, matches = [], []
    missed = compared = 0
    for mutant in mutants(tree, known_names(catalog), Random(number), per_kind=per_kind):
        changed = compile_statement(mutant.text, catalog, "duckdb")
        after = meaning(changed)
        if after is None:
            missed += 1
            continue
        kinds.append(mutant.kind)
        if after == before:
            matches.append(f"query {number}, {mutant.kind}: {mutant.text}")
        for label, same in _inner_matches(original, changed):
            compared += 1
            if same:
                matches.append(f"query {number}, {mutant.kind}, {label}: {mutant.text}")
    return Outcome(number, len(kinds), missed, compared, tuple(kinds), tuple(matches))


def _inner_matches(original: CompiledStatement, changed: CompiledStatement) -> Iterator[tuple[str, bool]]:
    """Query expressions around the changed place, and whether they kept their meaning.

    They are told apart by their order, so only statements of the same subexpressions are compared.
    """
    if [s.kind for s in original.subexpressions] != [s.kind for s in changed.subexpressions]:
        return
    place = _changed(original.text, changed.text)
    for ordinal, site in enumerate(original.sites):
        # At the edge of a query a text put in may lie outside of it, such as ALL behind an operand.
        if isinstance(site, QuerySite) and site.place.start < place.start and place.end < site.place.end:
            label = original.subexpressions[ordinal].label
            yield label, _meaning(original, ordinal) == _meaning(changed, ordinal)


def _meaning(compiled: CompiledStatement, ordinal: int) -> Meaning:
    outputs = tuple(output.name for output in compiled.definitions[ordinal].outputs)
    return compiled.subexpressions[ordinal].canonical, outputs


def _changed(before: str, after: str) -> TextRange:
    """The range of the first text outside of which both are the same."""
    shortest = min(len(before), len(after))
    start = next((i for i in range(shortest) if before[i] != after[i]), shortest)
    rest = shortest - start
    end = next((i for i in range(rest) if before[-1 - i] != after[-1 - i]), rest)
    return TextRange(start=start, end=len(before) - end)
