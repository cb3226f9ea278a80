"""Measures candidates by running them: the view once, each reader with and without it.

A view's stand-alone time says little of what its readers save, because an engine pushes filters and join
filters into the embedded computation. Where the profile has no operator for a subexpression (join orders
hide most join subsets), the only honest figure is the difference that the view makes.

Source: design, section 6 (rank by time saved inside the readers).
"""

from __future__ import annotations

import shutil
import statistics
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from optimizer_plugin.analyzer.candidates import Candidate, Rejected
from optimizer_plugin.engines.ports import Engine, Operator, Profile, Spooled, SpoolRequest, StoredColumn
from optimizer_plugin.meaning import keeps_meaning
from optimizer_plugin.policies import Policy
from optimizer_plugin.templates import Template
from rewriter.matching import decide
from rewriter.model import AvailableView, Build, DecisionPolicy, Read
from rewriter.rendering import rewrite, spool_query
from signatures.model import NormalizedSignature, PreciseSignature, Subexpression, SubexpressionKind
from signatures.plan import Scan, facts
from signatures.sites import BlockSite, QuerySite

PROBE = PreciseSignature("probe")

COLDER = 1.2
"""A job that spools meets colder caches than a probe, which has just counted the same rows, and takes a
lease and publishes: over the views of TPC-DS at scale factor 10 it took 1.1 to 1.3 times as long."""

LOOKED_AT = 5
"""Computations that are looked at for each one that may be built."""


@dataclass(frozen=True, slots=True)
class Place:
    """One occurrence of a shared computation."""

    template: Template
    subexpression: Subexpression


@dataclass(frozen=True, slots=True)
class Shared:
    """Occurrences with the same canonical plan, in one or several statements."""

    places: tuple[Place, ...]
    bound_seconds: float
    """Operator time of the readers that a view could take away, from their profiles."""

    @property
    def templates(self) -> tuple[Template, ...]:
        """Statements that contain it, each once."""
        unique = {id(place.template): place.template for place in self.places}
        return tuple(unique.values())


@dataclass(slots=True)
class Probe:
    """Probes the shared computations of the statements that a session remembers."""

    engine: Engine
    policy: Policy
    scratch: Path
    repetitions: int = 3
    limit: int = 60
    """Views built at most. What is refused before that, as a join of millions of rows is, costs little."""
    progress: Callable[[int, int], None] | None = None
    rejected: list[Rejected] = field(default_factory=list)
    built: int = 0

    def measure(self, templates: Sequence[Template]) -> tuple[Candidate, ...]:
        """Candidates with measured savings, in no particular order."""
        shared = shared_computations(templates, self.policy)[: self.limit * LOOKED_AT]
        found = []
        for number, computation in enumerate(shared):
            self._tell(number, len(shared))
            if self.built >= self.limit:
                break
            candidate = self._probe(computation)
            if candidate is not None:
                found.append(candidate)
        self._tell(len(shared), len(shared))
        return tuple(found)

    def _tell(self, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress(done, total)

    def _probe(self, shared: Shared) -> Candidate | None:
        first = shared.places[0]
        compiled = first.template.compiled
        build = _union_build(shared)
        directory = self.scratch / str(uuid.uuid4())
        try:
            sql, keys = spool_query(compiled, build)
            outputs = self.engine.describe(sql)
            if self.engine.can_spool(outputs) is not None or self._too_many_rows(sql):
                return None
            self.built += 1
            written = self.policy.views
            request = SpoolRequest(
                sql=sql,
                directory=directory,
                outputs=outputs,
                compression=written.compression,
                row_group_rows=written.row_group_rows,
            )
            spooled = self.engine.spool(request)
            build_seconds = spooled.seconds * COLDER
            view = _offer(first.subexpression, keys, spooled)
            saved = self._savings(shared, view, keys, spooled, directory, build_seconds)
        except Exception as error:  # noqa: BLE001 - a candidate that fails is none; the next one is tried
            self.rejected.append(Rejected(label=first.subexpression.label, reason=str(error).splitlines()[0]))
            return None
        finally:
            shutil.rmtree(directory, ignore_errors=True)
        if saved is None:
            return None
        return _measured(shared, spooled, saved, build_seconds)

    def _too_many_rows(self, sql: str) -> bool:
        """Counted before anything is written: a wide join of millions of rows never pays."""
        limit = self.policy.cost.max_view_rows
        if not limit:
            return False
        rows = self.engine.profile(f"SELECT 1 FROM ({sql}) LIMIT {limit + 1}").rows
        if rows > limit:
            self.rejected.append(Rejected(label=sql[:60], reason=f"more than {limit} rows"))
        return rows > limit

    def _savings(
        self,
        shared: Shared,
        view: AvailableView,
        keys: Sequence[str],
        spooled: Spooled,
        directory: Path,
        build_seconds: float,
    ) -> dict[str, float] | None:
        """Seconds saved by job; None once the rest cannot make up for the building."""
        readers = [
            (template, text)
            for template in shared.templates
            if (text := self._rewritten(template, view, keys, spooled, directory)) is not None
        ]
        timed = {t.compiled.template: [self._timed(t, text)] for t, text in readers}
        if sum(_saved(times) for times in timed.values()) < build_seconds * 0.5:
            return None
        for _ in range(self.repetitions - 1):
            for template, text in readers:
                timed[template.compiled.template].append(self._timed(template, text))
        return {name: _saved(times) for name, times in timed.items()}

    def _timed(self, template: Template, rewritten: str) -> tuple[float, float]:
        """Seconds without and with the view, one right after the other."""
        plain = self.engine.profile(template.compiled.text).elapsed_seconds
        return plain, self.engine.profile(rewritten).elapsed_seconds

    def _rewritten(
        self,
        template: Template,
        view: AvailableView,
        keys: Sequence[str],
        spooled: Spooled,
        directory: Path,
    ) -> str | None:
        """The reader's text with the view; None where no job would run it."""
        stored: dict[str, StoredColumn] = {}
        for key, column in zip(keys, spooled.columns, strict=True):
            stored.setdefault(key, column)

        def scan(_read: Read, pairs: Sequence[tuple[str, str]]) -> str:
            return self.engine.scan(directory, [(stored[key], name) for key, name in pairs], ordered=False)

        names = [
            output.name for output in template.outputs(self.engine, None, self.engine.look().environment)
        ]
        reads = _reads(template, view)
        if not reads or not keeps_meaning(template, reads, names, self.engine):
            return None
        return rewrite(template.compiled, reads, scan, names)


def _saved(times: Sequence[tuple[float, float]]) -> float:
    """Fastest run without the view less the median with it: rather too little than too much."""
    return min(plain for plain, _ in times) - statistics.median(rewritten for _, rewritten in times)


def _reads(template: Template, view: AvailableView) -> tuple[Read, ...]:
    """All places of a statement where the view can be read at once."""
    precise = {s.ordinal: PROBE for s in template.candidates if s.canonical == view.canonical}
    rules = DecisionPolicy(
        read=True,
        kinds=frozenset(SubexpressionKind),
        on_sight=False,
        statements_on_sight=False,
        max_builds=0,
        max_view_rows=None,
        max_read_share=None,
    )
    return decide(template.compiled, precise, {}, {PROBE: view}, {}, rules).reads


def _offer(subexpression: Subexpression, keys: Iterable[str], spooled: Spooled) -> AvailableView:
    return AvailableView(
        precise=PROBE,
        canonical=subexpression.canonical,
        environment="",
        inputs=(),
        keys=frozenset(keys),
        ordered=False,
        rows=spooled.rows,
        size_bytes=spooled.size_bytes,
        compute_seconds=None,
        read_seconds=None,
    )


def _union_build(shared: Shared) -> Build:
    """Columns of the first place, and those that the others need besides."""
    first = shared.places[0].subexpression
    keys = tuple(column.key for column in first.columns)
    extra: dict[str, str] = {}
    for place in shared.places[1:]:
        for column in place.subexpression.columns:
            if column.key not in keys and column.expression:
                extra[column.key] = column.expression
    return Build(ordinal=first.ordinal, keys=keys, extra=tuple(extra.items()))


def _measured(shared: Shared, spooled: Spooled, saved: dict[str, float], build_seconds: float) -> Candidate:
    first = shared.places[0].subexpression
    columns: dict[str, str] = {}
    tags: set[str] = set()
    for place in shared.places:
        columns |= {c.normalized_key: c.kept_expression for c in place.subexpression.columns}
        tags |= place.template.compiled.tags.all()
    longest = max((t.last_seconds or 0.0) for t in shared.templates)
    return Candidate(
        normalized=NormalizedSignature(first.normalized),
        kind=first.kind,
        label=first.label,
        occurrences=len(shared.places),
        saved_seconds=saved,
        blocks=_blocks(shared),
        places=frozenset((p.template.compiled.template, p.subexpression.ordinal) for p in shared.places),
        build_seconds=build_seconds,
        rows=float(spooled.rows),
        size_bytes=float(spooled.size_bytes),
        job_share=min(1.0, max(saved.values()) / longest) if longest else None,
        tables=first.inputs,
        tags=tuple(sorted(tags)),
        columns=tuple(columns.items()),
        sort_columns=first.properties.sort_columns,
        source="probe",
    )


def _blocks(shared: Shared) -> dict[str, frozenset[int]]:
    """FROM clauses that each job's places lie in or take away."""
    found: dict[str, set[int]] = defaultdict(set)
    for place in shared.places:
        compiled = place.template.compiled
        site = compiled.sites[place.subexpression.ordinal]
        starts = {s.from_clause.start for s in compiled.sites if isinstance(s, BlockSite)}
        if isinstance(site, BlockSite):
            found[compiled.template].add(site.from_clause.start)
        elif isinstance(site, QuerySite):
            inside = {start for start in starts if site.place.start <= start < site.place.end}
            found[compiled.template] |= inside | {site.place.start}
    return {template: frozenset(places) for template, places in found.items()}


def shared_computations(templates: Sequence[Template], policy: Policy) -> list[Shared]:
    """Computations that occur at least twice, by what a view could take away from their readers."""
    groups: dict[str, list[Place]] = defaultdict(list)
    for template in templates:
        for subexpression in template.candidates:
            if subexpression.kind is not SubexpressionKind.STATEMENT:
                groups[subexpression.canonical].append(Place(template, subexpression))
    least = max(2, policy.selection.min_frequency)
    found = [
        Shared(tuple(places), sum(_bound(place) for place in places))
        for places in groups.values()
        if _count(places) >= least and places[0].subexpression.kind in policy.selection.kinds
    ]
    return sorted(found, key=lambda shared: -shared.bound_seconds)


def _count(places: Sequence[Place]) -> int:
    """Places that stand for themselves: a derived table that is nothing but its grouping is one of them."""
    keys = {(id(place.template), place.subexpression.ordinal) for place in places}
    return sum(
        not any((id(place.template), inside) in keys for inside in place.subexpression.contains)
        for place in places
    )


def _bound(place: Place) -> float:
    """Exclusive seconds of the operators that read nothing but the subexpression's tables."""
    profile = place.template.profile
    if profile is None:
        return place.template.last_seconds or 0.0
    definition = place.template.compiled.definitions[place.subexpression.ordinal]
    tables = Counter(node.name for node in facts(definition.plan).tables if isinstance(node, Scan))
    return _seconds_within(profile, tables)


def _seconds_within(profile: Profile, tables: Counter[str]) -> float:
    total = 0.0
    stack: list[Operator] = [profile.root]
    while stack:
        operator = stack.pop()
        scans = Counter(scan.rpartition(".")[2].lower() for scan in operator.scans)
        if scans and scans <= tables:
            total += operator.seconds
        stack.extend(operator.children)
    return total
