"""Explains a statement: what of it would be read or built, and why the rest would not.

Nothing is built and the statement does not run. Signing, look-up and decision are those of a job, so that an
explanation says what the next run would do; beyond that, every view of the tenant is compared, in
whatever state, for the nearest miss.

Source: design, sections 4 (life of a query) and 6 ("not reused" is a value with a code and a sentence).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from metastore.records import Annotation, Lookup, View
from optimizer_plugin.misses import nearest_miss
from optimizer_plugin.policies import Materialize, WholeResultsOnSight
from optimizer_plugin.session import Session
from optimizer_plugin.staleness import Tolerated, whole_read
from optimizer_plugin.templates import Template, Versions
from optimizer_plugin.views.offers import decision_policy, offered
from rewriter import rejections
from rewriter.matching import decide
from rewriter.model import Decision, Read, Rejection, Wanted
from rewriter.rendering import rewrite
from signatures.model import PreciseSignature, Reason, Subexpression, SubexpressionKind

LABEL_CHARACTERS = 90
SIGNATURE_CHARACTERS = 12


class Outcome(StrEnum):
    """What the next run would do with a subexpression."""

    READ = "read"
    BUILD = "build"
    NOT_REUSED = "not_reused"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedSubexpression:
    """One subexpression and what would become of it.

    ``parent`` is the ordinal of the smallest subexpression around it. ``view`` is the view that would be
    read; ``nearest`` says in which way the nearest view falls short.
    """

    ordinal: int
    parent: int | None
    kind: SubexpressionKind
    label: str
    eligible: bool
    outcome: Outcome
    reason: Reason | None = None
    annotated: bool = False
    precise: PreciseSignature | None = None
    view: View | None = None
    nearest: str = ""

    def sentence(self) -> str:
        """What would become of it, in one line."""
        match self.outcome:
            case Outcome.READ if self.view is not None:
                return f"reads view {self.view.precise[:SIGNATURE_CHARACTERS]} ({self.view.rows} rows)"
            case Outcome.BUILD:
                cause = "an annotation asks for it" if self.annotated else "the policy asks for it"
                return f"builds a view and reads it: {cause}"
            case _:
                asked = " (an annotation asks for it)" if self.annotated else ""
                return f"{self.reason}{asked}" if self.reason else f"not reused{asked}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What would be reused of a statement; ``str()`` of it is a tree for people.

    Attributes:
        text: The statement.
        tenant: Whose views and annotations were looked at.
        policy: Name of the policy in force.
        subexpressions: In the order of their ordinals.
        rewritten: What would run now in its place, None where that is the statement itself.
        notes: What holds for the statement as a whole.
    """

    text: str
    tenant: str
    policy: str
    subexpressions: tuple[ExplainedSubexpression, ...] = ()
    rewritten: str | None = None
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"tenant {self.tenant}, policy {self.policy}", *(f"note: {note}" for note in self.notes)]
        lines += _branch(self.subexpressions, None, "")
        if self.rewritten is None:
            lines.append("runs as written")
        else:
            lines += ["runs as", self.rewritten]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, object]:
        """The same as plain values, for JSON. Views are named by their precise signature."""
        return {
            "text": self.text,
            "tenant": self.tenant,
            "policy": self.policy,
            "notes": list(self.notes),
            "subexpressions": [_plain(each) for each in self.subexpressions],
            "rewritten": self.rewritten,
        }


def explain(session: Session, sql: str) -> Explanation:
    """Explain what the next run of a statement would do.

    Like signing for a job, this asks the engine through the connection itself: rows of an earlier statement
    that were not fetched yet are lost.

    Raises:
        MetastoreError: where the metastore does not answer.
    """
    asked_at = session.staleness.clock()
    moment = session.engine.look()
    if moment.in_transaction:
        note = str(rejections.in_transaction())
        return Explanation(text=sql, tenant=session.tenant, policy=session.policy.name, notes=(note,))
    template = session.templates.find(sql, moment.catalog)
    template, versions = session.with_versions(template, sql, moment)
    notes = _notes(session, template)
    if not template.compiled.is_query:
        return _refused(session, template, notes)
    environment = moment.environment
    found = session.metastore.lookup(session.tenant, template.tags, environment)
    stale = session.staleness.tolerated(versions, session.policy.staleness, asked_at)
    if stale is not None and _stale_read(session, template, stale, environment, found):
        versions = stale.versions
        notes = (*notes, stale.note(session.policy.staleness))
    precise = {
        each.ordinal: _signature(template, each, versions, environment, found) for each in template.candidates
    }
    decision = _decision(session, template, precise, versions, found)
    rewritten, problem = _rewritten(session, template, decision.reads, found, environment)
    if problem is not None:
        refused = tuple(Rejection(ordinal=read.ordinal, reason=problem) for read in decision.reads)
        decision = Decision(builds=decision.builds, rejections=(*refused, *decision.rejections))
    known = {str(key): value for key, value in versions.items() if value is not None}
    views = session.metastore.views(session.tenant)
    explained = _explained(template, precise, decision, found)
    return Explanation(
        text=sql,
        tenant=session.tenant,
        policy=session.policy.name,
        subexpressions=tuple(
            _with_nearest(each, template.compiled.subexpressions[each.ordinal], views, known, environment)
            for each in explained
        ),
        rewritten=rewritten,
        notes=notes,
    )


def _stale_read(
    session: Session, template: Template, stale: Tolerated, environment: str, found: Lookup
) -> bool:
    views = {view.precise: view for view in found.views}
    return bool(whole_read(template, stale, environment, None, views, session.policy).reads)


def _signature(
    template: Template, subexpression: Subexpression, versions: Versions, environment: str, found: Lookup
) -> PreciseSignature | Reason:
    """As a job takes it: where a view lacks columns, the one that the job would build beside it."""
    signature = template.precise(subexpression, versions, environment, None)
    view = next((view for view in found.views if view.precise == signature), None)
    if view is None or not isinstance(signature, str):
        return signature
    return template.beside(signature, subexpression, offered(view).keys)


def _notes(session: Session, template: Template) -> tuple[str, ...]:
    compiled = template.compiled
    notes: list[str] = []
    if not compiled.is_query:
        notes.append("not a single SELECT: it runs as written")
    if not session.enabled or session.policy.name == "off":
        notes.append("reuse is off: the statement runs as written")
    if compiled.unresolved:
        notes.append(f"names that were not found: {', '.join(compiled.unresolved)}")
    if compiled.has_parameters:
        notes.append("whole results are kept per value of the parameters, which are not known here")
    if session.policy.reuse.whole_results_on_sight is WholeResultsOnSight.ON_REPEAT:
        notes.append("policy: a whole result is kept from the second run on unchanged inputs")
    return tuple(notes)


def _refused(session: Session, template: Template, notes: tuple[str, ...]) -> Explanation:
    """What is known of a statement that is not a query."""
    compiled = template.compiled
    refused = [
        Rejection(ordinal=each.ordinal, reason=each.ineligible[0])
        for each in compiled.subexpressions
        if each.ineligible
    ]
    return Explanation(
        text=compiled.text,
        tenant=session.tenant,
        policy=session.policy.name,
        subexpressions=_explained(template, {}, Decision(rejections=tuple(refused)), Lookup()),
        notes=notes,
    )


def _decision(
    session: Session,
    template: Template,
    precise: Mapping[int, PreciseSignature | Reason],
    versions: Versions,
    found: Lookup,
) -> Decision:
    if not session.enabled:
        return Decision()
    policy = session.policy
    never = policy.reuse.materialize is Materialize.NEVER
    annotations: tuple[Annotation, ...] = () if never else found.annotations
    return decide(
        template.compiled,
        precise,
        {key: value for key, value in versions.items() if value is not None},
        {view.precise: offered(view) for view in found.views},
        {each.normalized: _wanted(each) for each in annotations},
        decision_policy(policy, statement_on_sight=_kept_on_sight(session, template, precise)),
    )


def _wanted(annotation: Annotation) -> Wanted:
    return Wanted(
        normalized=annotation.normalized,
        columns=annotation.columns,
        utility_seconds=annotation.utility_seconds,
        places=frozenset(annotation.places),
    )


def _kept_on_sight(
    session: Session, template: Template, precise: Mapping[int, PreciseSignature | Reason]
) -> bool:
    """Whether the next run keeps the whole result without an annotation."""
    reuse = session.policy.reuse
    statement = template.compiled.statement
    signature = None if statement is None else precise.get(statement)
    if statement is None or not reuse.whole_results or not isinstance(signature, str):
        return False
    if template.compiled.subexpressions[statement].same_text_only and not reuse.tied_whole_results:
        return False
    if reuse.whole_results_on_sight is WholeResultsOnSight.ALWAYS:
        return True
    long_enough = (template.last_seconds or 0.0) >= session.policy.cost.min_job_seconds
    repeats = reuse.whole_results_on_sight is WholeResultsOnSight.ON_REPEAT
    return repeats and long_enough and template.seen_before(signature)


def _rewritten(
    session: Session, template: Template, reads: Sequence[Read], found: Lookup, environment: str
) -> tuple[str | None, Reason | None]:
    """The edited statement, or why its views can't be read after all. Its rows are not asked for."""
    if not reads:
        return None, None
    views = {view.precise: view for view in found.views}

    def scan(read: Read, pairs: Sequence[tuple[str, str]]) -> str:
        return session.builder.scan(views[read.view.precise], pairs)

    try:
        outputs = template.outputs(session.engine, None, environment)
        text = rewrite(template.compiled, reads, scan, [output.name for output in outputs])
        same = tuple(session.engine.describe(text)) == tuple(outputs)
    except Exception as error:  # noqa: BLE001 - engines raise errors of their own, and a job would go on too
        lines = str(error).splitlines() or [type(error).__name__]
        return None, rejections.other_shape(f"it can't be bound: {lines[0]}")
    return (text, None) if same else (None, rejections.other_shape("names or types"))


def _explained(
    template: Template,
    precise: Mapping[int, PreciseSignature | Reason],
    decision: Decision,
    found: Lookup,
) -> tuple[ExplainedSubexpression, ...]:
    views = {view.precise: view for view in found.views}
    reads = {read.ordinal: views[read.view.precise] for read in decision.reads}
    # Subexpressions with the same precise signature share one view, which is built once.
    builds = {precise[build.ordinal] for build in decision.builds}
    asked = {
        (annotation.normalized, each.ordinal)
        for annotation in found.annotations
        for each in template.compiled.subexpressions
        if _wanted(annotation).names(template.compiled.template, each.ordinal)
    }
    reasons: dict[int, Reason] = {}
    for rejection in decision.rejections:
        # The decision on reading comes first; a limit on building says more than "no view".
        if rejection.ordinal not in reasons or reasons[rejection.ordinal] == rejections.no_view():
            reasons[rejection.ordinal] = rejection.reason
    everything = template.compiled.subexpressions
    result = []
    for each in everything:
        signature = precise.get(each.ordinal)
        outcome = Outcome.NOT_REUSED
        if each.ordinal in reads:
            outcome = Outcome.READ
        elif isinstance(signature, str) and signature in builds:
            outcome = Outcome.BUILD
        result.append(
            ExplainedSubexpression(
                ordinal=each.ordinal,
                parent=_parent(each, everything),
                kind=each.kind,
                label=each.label or each.kind.value,
                eligible=each.eligible,
                outcome=outcome,
                reason=reasons.get(each.ordinal) if outcome is Outcome.NOT_REUSED else None,
                annotated=(each.normalized, each.ordinal) in asked,
                precise=signature if isinstance(signature, str) else None,
                view=reads.get(each.ordinal),
            )
        )
    return tuple(result)


def _parent(each: Subexpression, everything: Sequence[Subexpression]) -> int | None:
    around = [other for other in everything if each.ordinal in other.contains]
    smallest = min(around, key=lambda other: (len(other.contains), other.ordinal), default=None)
    return None if smallest is None else smallest.ordinal


def _with_nearest(
    each: ExplainedSubexpression,
    subexpression: Subexpression,
    views: Sequence[View],
    versions: Mapping[str, str],
    environment: str,
) -> ExplainedSubexpression:
    if each.outcome is not Outcome.NOT_REUSED or not each.eligible or each.precise is None:
        return each
    if each.reason is not None and each.reason != rejections.no_view():
        return each
    return replace(each, nearest=nearest_miss(subexpression, views, versions, environment))


def _branch(everything: Sequence[ExplainedSubexpression], parent: int | None, indent: str) -> list[str]:
    """The tree below a subexpression; join subsets with nothing but the same reason share a line."""
    lines: list[str] = []
    alike: dict[str, int] = {}
    for each in everything:
        if each.parent != parent:
            continue
        below = _branch(everything, each.ordinal, indent + "  ")
        plain = each.outcome is Outcome.NOT_REUSED and not each.nearest and not each.annotated
        if each.kind is SubexpressionKind.JOIN_SUBSET and plain and not below:
            alike[each.sentence()] = alike.get(each.sentence(), 0) + 1
            continue
        label = each.label
        if len(label) > LABEL_CHARACTERS:
            label = f"{label[: LABEL_CHARACTERS - 3]}..."
        lines.append(f"{indent}{label}: {each.sentence()}")
        if each.nearest:
            lines.append(f"{indent}  nearest: {each.nearest}")
        lines += below
    return lines + [
        f"{indent}{count} join subset{'s' if count > 1 else ''}: {sentence}"
        for sentence, count in alike.items()
    ]


def _plain(each: ExplainedSubexpression) -> dict[str, object]:
    return {
        "ordinal": each.ordinal,
        "parent": each.parent,
        "kind": each.kind.value,
        "label": each.label,
        "eligible": each.eligible,
        "outcome": each.outcome.value,
        "reason": None if each.reason is None else asdict(each.reason),
        "annotated": each.annotated,
        "precise": each.precise,
        "view": None if each.view is None else each.view.precise,
        "nearest": each.nearest,
    }
