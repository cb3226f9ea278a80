"""Compiled statements, kept by their exact text while the catalog stays the same.

A hit skips parsing, planning and signing; only versions of inputs are filled in.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from xxhash import xxh3_128_hexdigest

from optimizer_plugin.engines.ports import Engine, OutputColumn, Parameters, Profile
from optimizer_plugin.redaction import redacted
from optimizer_plugin.views.offers import statement_tag
from rewriter import rejections
from signatures.catalog import Catalog
from signatures.compiler import compile_statement
from signatures.encoding import precise_signature
from signatures.model import (
    InputIdentity,
    InputVersion,
    PreciseSignature,
    Reason,
    Subexpression,
    SubexpressionKind,
)
from signatures.sites import CompiledStatement

MAX_SEEN = 16

FILES = "files:"
"""How the identities of inputs begin that are files."""

Versions = Mapping[InputIdentity, InputVersion | None]


@dataclass(frozen=True, slots=True)
class Parts:
    """What history keeps of a statement's subexpressions, and the digest that stands for it."""

    digest: str
    fields: tuple[Mapping[str, Any], ...]
    """Fields of ``metastore.records.Occurrence`` for each subexpression, without what was measured."""


@dataclass(slots=True)
class Template:
    """One compiled statement and what was learnt of it while it ran."""

    compiled: CompiledStatement
    candidates: tuple[Subexpression, ...]
    """Subexpressions that are eligible and have a place in the text."""
    inputs: tuple[InputIdentity, ...]
    tags: frozenset[str]
    rewritten: dict[tuple[tuple[int, PreciseSignature, str], ...], str | Reason] = field(default_factory=dict)
    last_seconds: float | None = None
    """Run time of the last run without reuse."""
    profile: Profile | None = None
    """Of the last run with profiling on."""
    compiled_for: tuple[InputVersion | None, ...] = ()
    """Versions of its files when it was compiled."""
    _parts: Parts | None = None
    _outputs: tuple[str, tuple[OutputColumn, ...]] | None = None
    _precise: dict[tuple[int, str, tuple[InputVersion | None, ...]], PreciseSignature] = field(
        default_factory=dict
    )
    _seen: OrderedDict[PreciseSignature, None] = field(default_factory=OrderedDict)

    def outputs(self, engine: Engine, parameters: Parameters, environment: str) -> tuple[OutputColumn, ...]:
        """Names and types of the original's outputs, asked of the engine once where no parameter matters."""
        if parameters is not None:
            return engine.describe(self.compiled.text, parameters)
        if self._outputs is None or self._outputs[0] != environment:
            self._outputs = (environment, engine.describe(self.compiled.text))
        return self._outputs[1]

    @property
    def files(self) -> tuple[InputIdentity, ...]:
        """Its inputs whose columns are those of files, not of a catalog."""
        return tuple(identity for identity in self.inputs if identity.startswith(FILES))

    def file_versions(self, versions: Versions) -> tuple[InputVersion | None, ...]:
        """Of all versions those of its files."""
        return tuple(versions.get(identity) for identity in self.files)

    def is_of(self, versions: Versions) -> bool:
        """Whether it was compiled when its files were of these versions."""
        return self.compiled_for == self.file_versions(versions)

    @property
    def parts(self) -> Parts:
        """Worked out at the first run; every run is recorded with it."""
        if self._parts is None:
            parts = tuple(_part(subexpression) for subexpression in self.compiled.subexpressions)
            self._parts = Parts(xxh3_128_hexdigest(repr(parts).encode()), parts)
        return self._parts

    def precise(
        self, subexpression: Subexpression, versions: Versions, environment: str, parameters: object
    ) -> PreciseSignature | Reason:
        """The precise signature now, or why there is none."""
        for identity in subexpression.inputs:
            if versions.get(identity) is None:
                return rejections.version_unknown(identity)
        key = (subexpression.ordinal, environment, tuple(versions[i] for i in subexpression.inputs))
        found = self._precise.get(key) if parameters is None else None
        if found is None:
            canonical = subexpression.canonical
            if parameters is not None:
                canonical += f" (parameters {_typed(parameters)})"
            known = [
                (identity, version)
                for identity in subexpression.inputs
                if (version := versions[identity]) is not None
            ]
            found = precise_signature(canonical, known, environment)
            if parameters is None:
                self._precise[key] = found
        return found

    def beside(
        self, precise: PreciseSignature, subexpression: Subexpression, held: frozenset[str]
    ) -> PreciseSignature:
        """The signature to go by where a view has it: its own, unless the view lacks columns.

        A view can't be widened once it is published. The job's columns then make a signature of their own, so
        that the first job over a core does not keep all others with other columns from having theirs.
        """
        keys = {column.key for column in subexpression.columns}
        if keys <= held:
            return precise
        return precise_signature(f"{precise} (columns {' '.join(sorted(keys))})", (), "")

    def seen_before(self, precise: PreciseSignature) -> bool:
        """Whether the whole statement ran before on the same inputs."""
        return precise in self._seen

    def remember(self, versions: Versions, environment: str, parameters: object) -> None:
        """Note that the whole statement ran on these inputs."""
        statement = self.compiled.statement
        if statement is None or not versions:
            return
        precise = self.precise(self.compiled.subexpressions[statement], versions, environment, parameters)
        if isinstance(precise, str):
            self._seen[precise] = None
            self._seen.move_to_end(precise)
            while len(self._seen) > MAX_SEEN:
                self._seen.popitem(last=False)


def _typed(parameters: object) -> str:
    """Parameter values with their types: 1, 1.0 and True are three different parameters."""
    if isinstance(parameters, Mapping):
        pairs = sorted((str(name), value) for name, value in parameters.items())
    elif isinstance(parameters, Sequence) and not isinstance(parameters, str | bytes):
        pairs = [(str(index), value) for index, value in enumerate(parameters)]
    else:
        pairs = [("", parameters)]
    return ", ".join(f"{name}={type(value).__qualname__}:{value!r}" for name, value in pairs)


@dataclass(slots=True)
class Templates:
    """A bounded cache of compiled statements of one connection."""

    dialect: str
    kinds: frozenset[SubexpressionKind]
    """Kinds of subexpressions that the policy has any use for."""
    capacity: int = 512
    script: str = ""
    _kept: OrderedDict[str, Template] = field(default_factory=OrderedDict)
    _catalog: Catalog | None = None

    def find(self, text: str, catalog: Catalog) -> Template:
        """The compiled statement of a text; compiled anew where the catalog is another one."""
        if catalog is not self._catalog:
            self._kept.clear()
            self._catalog = catalog
        found = self._kept.get(text)
        if found is None:
            found = self._kept[text] = compile_template(text, catalog, self.dialect, self.script, self.kinds)
            while len(self._kept) > self.capacity:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(text)
        return found

    def anew(self, text: str, catalog: Catalog, before: Template) -> Template:
        """The statement compiled once more, with what was measured of it before."""
        found = compile_template(text, catalog, self.dialect, self.script, self.kinds)
        found.last_seconds, found.profile = before.last_seconds, before.profile
        self._kept[text] = found
        return found

    def drop(self, text: str) -> None:
        """Compile a text anew next time."""
        self._kept.pop(text, None)

    def known(self, text: str) -> Template | None:
        """What a text was when it was last found; names may mean something else by now."""
        return self._kept.get(text)

    def use(self, kinds: frozenset[SubexpressionKind]) -> None:
        """Go by other kinds from the next statement on."""
        if kinds != self.kinds:
            self.kinds = kinds
            self._kept.clear()

    def all(self) -> tuple[Template, ...]:
        """Compiled statements that are kept now, least recently used first."""
        return tuple(self._kept.values())


def compile_template(
    text: str, catalog: Catalog, dialect: str, script: str, kinds: frozenset[SubexpressionKind]
) -> Template:
    """Compile a statement and work out what can be reused of it at all."""
    compiled = compile_statement(text, catalog, dialect, script=script, kinds=kinds)
    candidates = tuple(
        subexpression
        for subexpression, site in zip(compiled.subexpressions, compiled.sites, strict=True)
        if subexpression.eligible and site is not None
    )
    inputs = {identity for subexpression in candidates for identity in subexpression.inputs}
    tags = compiled.tags.all() | {statement_tag(s.normalized) for s in candidates}
    return Template(compiled, candidates, tuple(sorted(inputs)), frozenset(tags))


def _part(subexpression: Subexpression) -> dict[str, Any]:
    return {
        "ordinal": subexpression.ordinal,
        "kind": subexpression.kind,
        "label": redacted(subexpression.label),
        "normalized": subexpression.normalized,
        "canonical_digest": xxh3_128_hexdigest(subexpression.canonical.encode()),
        "tables": tuple(map(redacted, subexpression.inputs)),
        "columns": tuple((c.normalized_key, c.kept_expression) for c in subexpression.columns),
        "sort_columns": subexpression.properties.sort_columns,
        "contains": tuple(sorted(subexpression.contains)),
        "source_count": subexpression.source_count,
        "ineligible": tuple((reason.code, redacted(reason.text)) for reason in subexpression.ineligible),
    }
