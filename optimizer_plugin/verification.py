"""Judges one statement that read views: runs it again both ways and finds the views to blame.

Where the rows of the whole statement are fixed by its text, they are what is compared. Where they are not
(``random()`` beside a view, a LIMIT without order), each view is compared with its own computation.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from metastore.records import Reproduction, View
from optimizer_plugin.engines.ports import Checker, Comparison, Parameters
from optimizer_plugin.templates import Template, Versions, compile_template
from rewriter.model import Build
from rewriter.rendering import NO_COLUMN, spool_query
from signatures.compiler import text_without_literals
from signatures.model import InputIdentity, InputVersion, SubexpressionKind
from signatures.plan import Limit, Sort, facts
from signatures.sites import CompiledStatement
from signatures.verification import fills

ScanView = Callable[[View, Sequence[tuple[str, str]]], str]
"""SQL that reads a view: (column key, output name) pairs in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A statement that read views, and the state of the world that it read them in."""

    text: str
    executed: str
    parameters: Parameters
    template: Template
    versions: Versions
    environment: str
    reads: tuple[tuple[int, View], ...]
    """Views by the ordinal of the subexpression that each took the place of."""
    scan: ScanView
    script: str
    kinds: frozenset[SubexpressionKind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of a sample. ``void`` says why nothing can be said; it is empty where something can."""

    void: str = ""
    comparison: Comparison | None = None
    blamed: tuple[View, ...] = ()
    views_wrong: bool = False
    """Whether a view differs from its own computation; if not, the rewriting is to blame."""


def verify(sample: Sample, checker: Checker) -> Verdict:
    """Run a statement again both ways and compare; void where the world has moved on.

    Raises:
        Exception: whatever the engine raises; it says nothing about the rows.
    """
    engine = checker.engine
    moment = engine.look()
    if moment.environment != sample.environment:
        return Verdict(void="other settings")
    compiled = compile_template(
        sample.text, moment.catalog, engine.dialect, sample.script, sample.kinds
    ).compiled
    judged = _whole(sample)
    ordinals = (judged,) if judged is not None else tuple(ordinal for ordinal, _ in sample.reads)
    if not _same_computations(compiled, sample.template.compiled, ordinals):
        return Verdict(void="names mean something else")
    if not _current(sample, ordinals, checker):
        return Verdict(void="inputs changed")
    parts = _Parts(sample, checker)
    verdict = parts.verdict() if judged is None else _of_statement(sample, judged, parts, checker)
    return verdict if _current(sample, ordinals, checker) else Verdict(void="inputs changed")


def reproduction(sample: Sample, verdict: Verdict, tenant: str, checker: Checker) -> Reproduction:
    """What is kept of a mismatch: no literal, no value."""
    comparison, compiled = verdict.comparison, sample.template.compiled
    if comparison is None or comparison.difference is None:
        message = "a reproduction is of a difference: verify the sample first"
        raise ValueError(message)
    return Reproduction(
        tenant=tenant,
        reproduction_id=str(uuid.uuid4()),
        found_at=datetime.now(UTC),
        engine=f"{checker.engine.name} {checker.release}",
        environment=sample.environment,
        template=compiled.template,
        template_text=compiled.template_text,
        rewritten_text=text_without_literals(sample.executed, sample.text, checker.engine.dialect),
        inputs=_known(sample.versions),
        views=tuple(view.precise for view in verdict.blamed),
        normalized=tuple(view.normalized for view in verdict.blamed),
        views_wrong=verdict.views_wrong,
        difference=comparison.difference,
        original_rows=comparison.original_rows,
        rewritten_rows=comparison.rewritten_rows,
        missing_rows=comparison.missing_rows,
        surplus_rows=comparison.surplus_rows,
        digests=(
            *(("missing", digest) for digest in comparison.missing),
            *(("surplus", digest) for digest in comparison.surplus),
        ),
    )


def _whole(sample: Sample) -> int | None:
    """Ordinal of the whole statement where its rows are fixed by its text and its inputs' versions."""
    compiled = sample.template.compiled
    if compiled.statement is None:
        return None
    whole = compiled.subexpressions[compiled.statement]
    told = all(sample.versions.get(identity) is not None for identity in whole.inputs)
    return compiled.statement if whole.eligible and told and not _tied(compiled, whole.ordinal) else None


def _tied(compiled: CompiledStatement, ordinal: int) -> bool:
    """Whether the rows depend on which of equal ones the engine puts first."""
    definition = compiled.definitions[ordinal]
    expressions = [output.expression for output in definition.outputs]
    return any(facts(part).tie_sensitive for part in (definition.plan, *expressions))


def _same_computations(here: CompiledStatement, there: CompiledStatement, ordinals: Sequence[int]) -> bool:
    """Whether the text means on our connection what it meant on the user's.

    It need not: temporary tables and the search path are a connection's own.
    """
    return len(here.subexpressions) == len(there.subexpressions) and all(
        here.subexpressions[ordinal].canonical == there.subexpressions[ordinal].canonical
        and here.subexpressions[ordinal].eligible
        for ordinal in ordinals
    )


def _current(sample: Sample, ordinals: Sequence[int], checker: Checker) -> bool:
    """Whether the inputs have the versions now that they had for the user's statement."""
    subexpressions = sample.template.compiled.subexpressions
    inputs = {identity for ordinal in ordinals for identity in subexpressions[ordinal].inputs}
    now = checker.engine.versions(inputs)
    return all(now[each] is not None and now[each] == sample.versions.get(each) for each in inputs)


def _of_statement(sample: Sample, ordinal: int, parts: _Parts, checker: Checker) -> Verdict:
    order = _order(sample.template.compiled, ordinal)
    comparison = checker.compare(sample.text, sample.executed, sample.parameters, order)
    if comparison.difference is None:
        return Verdict(comparison=comparison)
    wrong = parts.wrong()
    everything = tuple(view for _, view in sample.reads)
    return Verdict(comparison=comparison, blamed=wrong or everything, views_wrong=bool(wrong))


def _order(compiled: CompiledStatement, ordinal: int) -> tuple[int, ...]:
    """Places of the output columns by which the rows are sorted, up to the first key that is no output."""
    definition = compiled.definitions[ordinal]
    if not isinstance(definition.plan, Sort | Limit):
        return ()
    outputs = [output.expression for output in definition.outputs]
    found: list[int] = []
    for key in definition.plan.order:
        if key.expression not in outputs:
            break
        found.append(outputs.index(key.expression))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Parts:
    """The views of a statement, each beside its own computation."""

    sample: Sample
    checker: Checker

    def verdict(self) -> Verdict:
        """Of a statement whose own rows are not fixed."""
        compared = [(view, self._compare(ordinal, view)) for ordinal, view in self.sample.reads]
        different = [(view, found) for view, found in compared if found is not None and found.difference]
        if different:
            blamed = tuple(view for view, _ in different)
            return Verdict(comparison=different[0][1], blamed=blamed, views_wrong=True)
        return Verdict(void="" if all(found for _, found in compared) else "rows not fixed by the statement")

    def wrong(self) -> tuple[View, ...]:
        """Views whose rows are not those of their computation."""
        compared = [(view, self._compare(ordinal, view)) for ordinal, view in self.sample.reads]
        return tuple(view for view, found in compared if found is not None and found.difference)

    def _compare(self, ordinal: int, view: View) -> Comparison | None:
        """None where the computation can't be run by itself, or has ties that the engine breaks."""
        compiled = self.sample.template.compiled
        subexpression = compiled.subexpressions[ordinal]
        if _tied(compiled, ordinal):
            return None
        build = Build(ordinal=ordinal, keys=tuple(column.key for column in subexpression.columns))
        sql, keys = spool_query(compiled, build)
        engine = self.checker.engine
        if ordinal == compiled.statement:
            return self.checker.compare(sql, self._scan(view, keys), self.sample.parameters, ())
        if not fills(sql, subexpression.canonical, keys, engine.look().catalog, engine.dialect):
            return None
        return self.checker.compare(sql, self._scan(view, keys), None, ())

    def _scan(self, view: View, keys: Sequence[str]) -> str:
        if tuple(keys) != (NO_COLUMN,):
            return self.sample.scan(view, [(key, f"c{index}") for index, key in enumerate(keys)])
        # Only rows are needed of it: any of its columns has as many.
        inner = self.sample.scan(view, [(view.columns[0][0], "c0")])
        return f"SELECT 1 FROM ({inner}) AS q"


def _known(
    versions: Mapping[InputIdentity, InputVersion | None],
) -> tuple[tuple[InputIdentity, InputVersion], ...]:
    return tuple((identity, version) for identity, version in sorted(versions.items()) if version is not None)
