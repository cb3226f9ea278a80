"""The life of one query, as ordered steps behind one boundary that fails open.

``prepare`` takes a statement before it runs and gives back what is to run in its place; ``finish`` takes
what was measured. Whatever goes wrong inside, the user's own statement runs, unchanged, and the error
is counted; ``strict`` raises it instead.

Source: CloudViews section 6; docs/architecture.md ("Life of a query").
"""

from __future__ import annotations

import getpass
import os
import random
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from metastore.ports import Metastore
from metastore.records import Annotation, JobStatus, View, ViewRead, ViewState
from optimizer_plugin.engines.ports import Engine, Moment, OutputColumn, Parameters, Profile
from optimizer_plugin.meaning import keeps_meaning
from optimizer_plugin.policies import Materialize, Policy, WholeResultsOnSight
from optimizer_plugin.recording import Finished, Recorder
from optimizer_plugin.staleness import Staleness, Tolerated, whole_read
from optimizer_plugin.templates import Template, Templates, Versions
from optimizer_plugin.verification import Sample
from optimizer_plugin.verifying import Verifier
from optimizer_plugin.views.building import Builder, BuildingJob
from optimizer_plugin.views.offers import decision_policy, offered
from rewriter import rejections
from rewriter.matching import decide
from rewriter.model import Decision, Read, Rejection, Wanted
from rewriter.rendering import rewrite
from signatures.model import InputIdentity, InputVersion, NormalizedSignature, PreciseSignature, Reason

OVERHEAD_WEIGHT = 0.1
"""How much one statement counts in the moving average of our overhead."""

_TOO_SHORT = (Rejection(ordinal=0, reason=rejections.too_short()),)
_OFF = (Rejection(ordinal=0, reason=rejections.reuse_off()),)

STEPS = ("sign", "look_up", "rewrite", "spool")
"""Steps before a statement runs, as they are named in reports; matching and deciding count as rewriting."""


@dataclass(slots=True)
class Report:
    """What was done for one statement: the answer to "why was it not reused?"."""

    job_id: str
    text: str
    executed: str
    parameters: Parameters = None
    builds: tuple[PreciseSignature, ...] = ()
    built: dict[int, View] = field(default_factory=dict)
    """Views built, by the ordinal of the subexpression."""
    reads: tuple[PreciseSignature, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    rejections: tuple[Rejection, ...] = ()
    error: str = ""
    template: Template | None = None
    versions: Mapping[InputIdentity, InputVersion | None] = field(default_factory=dict)
    moment: Moment | None = None
    """What the connection showed when the statement was signed."""
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    stale: Tolerated | None = None
    """Older versions that the policy let this job go by, where it read a view of them."""
    profiled: bool = False
    whole: bool = False
    """A view of the whole statement was read."""
    given: Parameters = None
    """Parameters as the program gave them, for the original."""
    sources: tuple[tuple[int, View], ...] = ()
    """Views that were read, by the ordinal of the subexpression that each took the place of."""
    left_alone: bool = False
    """It was passed on at once: reuse is off, or cannot gain."""

    @property
    def environment(self) -> str:
        """Engine and settings that the statement was signed under."""
        return self.moment.environment if self.moment else ""

    @property
    def not_reused(self) -> tuple[Reason, ...]:
        """Why subexpressions were not reused, each reason once."""
        return tuple(dict.fromkeys(rejection.reason for rejection in self.rejections))

    @property
    def rewritten(self) -> bool:
        """Whether something else than the user's own text runs."""
        return self.executed is not self.text


@dataclass(slots=True)
class Counters:
    """What ``con.reuse.stats()`` shows."""

    queries: int = 0
    spooled: int = 0
    reused: int = 0
    stale: int = 0
    fallbacks: int = 0
    bypassed: int = 0
    errors: int = 0
    overhead_seconds: float = 0.0
    saved_seconds: float = 0.0


@dataclass(slots=True)
class Session:
    """One wrapped connection's reuse. Not for several threads at once; the recorder has its own."""

    engine: Engine
    metastore: Metastore
    builder: Builder
    recorder: Recorder
    templates: Templates
    verifier: Verifier
    policy: Policy
    tenant: str
    strict: bool = False
    script: str = ""
    user: str = field(default_factory=getpass.getuser)
    counters: Counters = field(default_factory=Counters)
    last: Report | None = None
    last_error: str = ""
    enabled: bool = True
    staleness: Staleness = field(default_factory=Staleness)
    usual_overhead: float | None = None
    """Seconds before a statement whose template was known, as a moving average."""
    sampling: random.Random = field(default_factory=random.Random)
    policy_to_come: Callable[[], Policy] | None = None
    """Finds the tenant's policy, where the metastore did not answer when the session began."""
    process: int = field(default_factory=os.getpid)
    """A process forked from this one shares no connections and threads with it: there reuse is off."""
    at_step: Callable[[str], None] | None = None
    """Called at the start of each step; tests inject failures here."""

    def prepare(self, text: str, parameters: Parameters = None) -> Report:
        """Everything before a SELECT runs; ``executed`` of the report is what to run.

        Raises:
            Exception: only with ``strict``.
        """
        report = Report(secrets.token_hex(16), text, text, parameters, given=parameters)
        self.last = report
        self.counters.queries += 1
        if self._leave_alone(report):
            return report
        started = time.perf_counter()
        try:
            self._prepare(report)
        except Exception as error:  # noqa: BLE001 - the boundary that fails open
            self._failed(report, error)
        spent = time.perf_counter() - started - report.seconds.get("spool", 0.0)
        self.counters.overhead_seconds += spent
        template = report.template
        if template is not None and template.last_seconds is not None and not report.builds:
            before = spent if self.usual_overhead is None else self.usual_overhead
            self.usual_overhead = before + OVERHEAD_WEIGHT * (spent - before)
        return report

    def _leave_alone(self, report: Report) -> bool:
        """A job that is over before we could know what it can reuse is not made to wait for that."""
        template = self.templates.known(report.text)
        share = self.policy.cost.max_overhead_share
        enabled = self.enabled and self.process == os.getpid()
        if enabled and (
            template is None
            or template.last_seconds is None
            or self.usual_overhead is None
            or not share
            or self.usual_overhead <= share * template.last_seconds
        ):
            return False
        report.template = template
        report.left_alone = True
        report.rejections = _TOO_SHORT if enabled else _OFF
        self.counters.bypassed += 1
        return True

    def _failed(self, report: Report, error: Exception) -> None:
        """The one boundary: count, remember, and let the user's own statement run."""
        self.counters.errors += 1
        report.error = self.last_error = f"{type(error).__name__}: {error}"
        report.executed, report.reads = report.text, ()
        if self.strict:
            raise error

    @contextmanager
    def _timed(self, report: Report, step: str) -> Iterator[None]:
        started = time.perf_counter()
        if self.at_step is not None:
            self.at_step(step)
        try:
            yield
        finally:
            report.seconds[step] = report.seconds.get(step, 0.0) + time.perf_counter() - started

    def _prepare(self, report: Report) -> None:
        if self.policy_to_come is not None:
            self.use(self.policy_to_come())
            self.policy_to_come = None
        with self._timed(report, "sign"):
            asked_at = self.staleness.clock()
            moment = report.moment = self.engine.look()
            if moment.in_transaction:
                self._pass_by(report)
                return
            template = self.templates.find(report.text, moment.catalog)
            template, report.versions = self.with_versions(template, report.text, moment)
            report.template = template
            if not self._worth_a_look(template, report):
                return
        with self._timed(report, "look_up"):
            views, annotations = self._look_up(template, report)
        if self._read_stale(template, report, views, asked_at):
            return
        with self._timed(report, "rewrite"):
            precise = self._precise(template, report, views, annotations)
            decision = self._decide(template, report, precise, views, annotations)
        if decision.builds:
            with self._timed(report, "spool"):
                job = BuildingJob(
                    job_id=report.job_id,
                    moment=moment,
                    versions=report.versions,
                    parameters=report.parameters,
                    views=views,
                )
                views, refused = self._spool(template, report, job, decision, precise, views, annotations)
            with self._timed(report, "rewrite"):
                decision = self._decide(template, report, precise, views, annotations)
                report.rejections = (*refused, *report.rejections)
        if decision.reads:
            decision = self._sound(template, report, decision, precise, views, annotations)
        if decision.reads:
            with self._timed(report, "rewrite"):
                self._rewrite(template, report, decision, views)

    def _pass_by(self, report: Report) -> None:
        """Inside an explicit transaction nothing is looked at: what is known of the text is all there is."""
        report.template = self.templates.known(report.text)
        report.rejections = (Rejection(ordinal=0, reason=rejections.in_transaction()),)
        self.counters.bypassed += 1

    def with_versions(self, template: Template, text: str, moment: Moment) -> tuple[Template, Versions]:
        """Versions of the inputs, and the template again where files may have other columns by now.

        The engine told their columns while the statement was compiled: what was compiled before these
        files were there is not of them. Where they change once more in between, nothing is told.
        """
        versions = self.engine.versions(template.inputs, since=moment)
        if template.files and not template.is_of(versions):
            template = self.templates.anew(text, moment.catalog, template)
            again = self.engine.versions(template.inputs, since=moment)
            template.compiled_for = template.file_versions(versions)
            versions = again if template.is_of(again) else dict.fromkeys(again)
        return template, versions

    def _worth_a_look(self, template: Template, report: Report) -> bool:
        """Nothing is looked up for what can't be reused; the report says why."""
        compiled = template.compiled
        if not compiled.is_query or not template.candidates:
            self.counters.bypassed += 1
            report.rejections = tuple(
                Rejection(ordinal=s.ordinal, reason=s.ineligible[0])
                for s in compiled.subexpressions
                if s.ineligible
            )
            return False
        return True

    def _read_stale(
        self,
        template: Template,
        report: Report,
        views: Mapping[PreciseSignature, View],
        asked_at_seconds: float,
    ) -> bool:
        """Read the whole result of older versions that the policy puts up with, where there is one."""
        stale = self.staleness.tolerated(report.versions, self.policy.staleness, asked_at_seconds)
        if stale is None:
            return False
        decision = whole_read(template, stale, report.environment, report.parameters, views, self.policy)
        if not decision.reads:
            return False
        with self._timed(report, "rewrite"):
            self._rewrite(template, report, decision, views)
        if report.reads:
            report.stale, report.versions = stale, stale.versions
            self.counters.stale += 1
        return bool(report.reads)

    def _look_up(
        self, template: Template, report: Report
    ) -> tuple[dict[PreciseSignature, View], dict[NormalizedSignature, Annotation]]:
        """One request for the job (CloudViews 6.1)."""
        found = self.metastore.lookup(self.tenant, template.tags, report.environment)
        barred = self.verifier.barred
        views = {view.precise: view for view in found.views if view.precise not in barred}
        if self.policy.reuse.materialize is Materialize.NEVER:
            return views, {}
        return views, {annotation.normalized: annotation for annotation in found.annotations}

    def use(self, policy: Policy) -> None:
        """Go by another policy from the next statement on."""
        self.policy = policy
        self.builder = replace(self.builder, policy=policy)
        self.templates.use(frozenset(policy.kinds.enabled))

    def _precise(
        self,
        template: Template,
        report: Report,
        views: Mapping[PreciseSignature, View],
        annotations: Mapping[NormalizedSignature, Annotation],
    ) -> dict[int, PreciseSignature | Reason]:
        """Precise signatures of what an annotation, a view or the policy names, and of nothing else."""
        named = {view.normalized for view in views.values()} | set(annotations)
        everything = self.policy.reuse.materialize is Materialize.ON_SIGHT
        statement = template.compiled.statement
        result: dict[int, PreciseSignature | Reason] = {}
        for subexpression in template.candidates:
            if everything or subexpression.ordinal == statement or subexpression.normalized in named:
                signature = template.precise(
                    subexpression, report.versions, report.environment, report.parameters
                )
                if isinstance(signature, str) and (view := views.get(signature)) is not None:
                    signature = template.beside(signature, subexpression, offered(view).keys)
                result[subexpression.ordinal] = signature
        return result

    def _decide(
        self,
        template: Template,
        report: Report,
        precise: Mapping[int, PreciseSignature | Reason],
        views: Mapping[PreciseSignature, View],
        annotations: Mapping[NormalizedSignature, Annotation],
    ) -> Decision:
        available = {key: offered(view) for key, view in views.items()}
        wanted = {
            key: Wanted(
                normalized=key,
                columns=annotation.columns,
                utility_seconds=annotation.utility_seconds,
                places=frozenset(annotation.places),
            )
            for key, annotation in annotations.items()
        }
        versions = {key: value for key, value in report.versions.items() if value is not None}
        statement = template.compiled.statement
        seen = None
        if statement is not None:
            whole = template.compiled.subexpressions[statement]
            seen = template.precise(whole, report.versions, report.environment, report.parameters)
        rules = decision_policy(
            self.policy,
            statement_on_sight=self._keep_result(template, seen),
            last_seconds=template.last_seconds,
        )
        decision = decide(template.compiled, precise, versions, available, wanted, rules)
        report.rejections = decision.rejections
        self._withdraw(decision, precise)
        return decision

    def _sound(
        self,
        template: Template,
        report: Report,
        decision: Decision,
        precise: Mapping[int, PreciseSignature | Reason],
        views: Mapping[PreciseSignature, View],
        annotations: Mapping[NormalizedSignature, Annotation],
    ) -> Decision:
        """The decision without views whose files are gone or damaged."""
        refused: list[Rejection] = []
        while True:
            found = [(read, self.builder.unsound(views[read.view.precise])) for read in decision.reads]
            bad = [
                Rejection(ordinal=read.ordinal, reason=reason) for read, reason in found if reason is not None
            ]
            if not bad:
                report.rejections = (*refused, *report.rejections)
                return decision
            refused += bad
            unsound = {read.view.precise for read, reason in found if reason is not None}
            views = {key: view for key, view in views.items() if key not in unsound}
            decision = self._decide(template, report, precise, views, annotations)

    def _withdraw(self, decision: Decision, precise: Mapping[int, PreciseSignature | Reason]) -> None:
        """Views whose readers got slower are not offered again."""
        for rejection in decision.rejections:
            signature = precise.get(rejection.ordinal)
            if rejection.reason.code == rejections.READERS_GOT_SLOWER and isinstance(signature, str):
                text = rejection.reason.text
                self.metastore.set_view_state(self.tenant, signature, ViewState.WITHDRAWN, text)

    def _keep_result(self, template: Template, precise: PreciseSignature | Reason | None) -> bool:
        """Whether the whole result is captured without an annotation."""
        reuse = self.policy.reuse
        if not reuse.whole_results or not isinstance(precise, str):
            return False
        statement = template.compiled.statement
        tied = statement is not None and template.compiled.subexpressions[statement].same_text_only
        if tied and not reuse.tied_whole_results:
            return False
        match reuse.whole_results_on_sight:
            case WholeResultsOnSight.ALWAYS:
                return True
            case WholeResultsOnSight.ON_REPEAT:
                return template.seen_before(precise) and self._long_enough(template)
            case _:
                return False

    def _long_enough(self, template: Template) -> bool:
        seconds = template.last_seconds
        return seconds is not None and seconds >= self.policy.cost.min_job_seconds

    def _spool(
        self,
        template: Template,
        report: Report,
        job: BuildingJob,
        decision: Decision,
        precise: Mapping[int, PreciseSignature | Reason],
        views: Mapping[PreciseSignature, View],
        annotations: Mapping[NormalizedSignature, Annotation],
    ) -> tuple[dict[PreciseSignature, View], list[Rejection]]:
        """Build what is missing, smallest first; each view is published as soon as it is written."""
        built = dict(views)
        refused: list[Rejection] = []
        for build in decision.builds:
            signature = precise[build.ordinal]
            if not isinstance(signature, str):
                continue
            if signature in self.verifier.barred:
                # The metastore still has its view as ready, and would hand that out.
                refused.append(Rejection(ordinal=build.ordinal, reason=rejections.quarantined()))
                continue
            subexpression = template.compiled.subexpressions[build.ordinal]
            outcome = self.builder.build(
                template,
                build,
                signature,
                annotations.get(subexpression.normalized),
                job,
            )
            if outcome.waited_seconds:
                report.seconds["wait"] = report.seconds.get("wait", 0.0) + outcome.waited_seconds
            if outcome.reason is not None:
                refused.append(Rejection(ordinal=build.ordinal, reason=outcome.reason))
            if outcome.view is None:
                continue
            built[signature] = outcome.view
            if outcome.view.producer == report.job_id:
                self.counters.spooled += 1
                report.builds = (*report.builds, signature)
                report.built[build.ordinal] = outcome.view
        return built, refused

    def _rewrite(
        self,
        template: Template,
        report: Report,
        decision: Decision,
        views: Mapping[PreciseSignature, View],
    ) -> None:
        """Edit the user's text, check that it still means the same, and that its shape is the same."""
        key = tuple(
            (read.ordinal, read.view.precise, views[read.view.precise].path) for read in decision.reads
        )
        text = template.rewritten.get(key)
        if text is None:
            text = self._edited(template, report, decision.reads, views)
            template.rewritten[key] = text
        if isinstance(text, Reason):
            report.rejections = (*report.rejections, Rejection(ordinal=0, reason=text))
            return
        report.executed = text
        report.reads = tuple(read.view.precise for read in decision.reads)
        report.sources = tuple((read.ordinal, views[read.view.precise]) for read in decision.reads)
        report.whole = any(read.ordinal == template.compiled.statement for read in decision.reads)
        if template.compiled.has_parameters:
            report.parameters = None
        self.counters.reused += 1

    def _edited(
        self,
        template: Template,
        report: Report,
        reads: Sequence[Read],
        views: Mapping[PreciseSignature, View],
    ) -> str | Reason:
        outputs = template.outputs(self.engine, report.parameters, report.environment)
        names = [output.name for output in outputs]

        def scan(read: Read, pairs: Sequence[tuple[str, str]]) -> str:
            return self.builder.scan(views[read.view.precise], pairs)

        text = rewrite(template.compiled, reads, scan, names)
        if any(read.ordinal == template.compiled.statement for read in reads):
            return text if self._same_shape(text, outputs) else rejections.other_shape("names or types")
        if not keeps_meaning(template, reads, names, self.engine):
            return rejections.not_verified()
        return text if self._same_shape(text, outputs) else rejections.other_shape("names or types")

    def _same_shape(self, text: str, outputs: Sequence[OutputColumn]) -> bool:
        return tuple(self.engine.describe(text)) == tuple(outputs)

    def wants_profile(self, report: Report) -> bool:
        """Whether this job is one of the sample that runs with profiling on."""
        if report.template is None or report.left_alone or report.rewritten or not self.policy.history.record:
            return False
        report.profiled = self.sampling.random() < self.policy.history.profile_share
        return report.profiled

    def is_consistent(self, report: Report) -> bool:
        """Whether the views that were read and the tables beside them are of one moment.

        A whole result is of one moment by itself. A view beside a table is not, where somebody
        committed between the look at the versions and the start of the statement.
        """
        template = report.template
        if template is None or report.whole:
            return True
        try:
            now = self.engine.versions(template.inputs, since=report.moment, rows_waiting=True)
            return dict(now) == dict(report.versions)
        except Exception as error:  # noqa: BLE001 - the boundary that fails open
            self._failed(report, error)
            return False

    def overtaken(self, report: Report) -> None:
        """Inputs changed while a rewritten statement began: the original runs, the views are sound."""
        self.counters.fallbacks += 1
        self.last_error = "an input changed while the statement began"
        report.executed, report.reads = report.text, ()

    def fall_back(self, report: Report, error: Exception) -> tuple[PreciseSignature, ...]:
        """A rewritten statement failed: the original is to run once. Gives the views that it read."""
        self.counters.fallbacks += 1
        self.last_error = f"{type(error).__name__}: {error}"
        reads = report.reads
        report.executed, report.reads = report.text, ()
        return reads

    def blame(self, report: Report, reads: Sequence[PreciseSignature], error: Exception) -> None:
        """The original ran where the rewritten statement failed: its views are in doubt.

        Where the original fails as well nothing is: the statement divides by zero with or without us.
        """
        try:
            for view in self.metastore.find_views(self.tenant, reads):
                if self.builder.unsound(view) is None:
                    reason = f"a statement that read it failed: {type(error).__name__}"
                    self.metastore.set_view_state(self.tenant, view.precise, ViewState.SUSPECT, reason)
        except Exception as problem:  # noqa: BLE001 - the boundary that fails open
            self._failed(report, problem)

    def finish(
        self,
        report: Report,
        elapsed_seconds: float,
        *,
        rows: int | None = None,
        profile: Profile | None = None,
        failed: bool = False,
    ) -> None:
        """Take what was measured; recording happens on a thread of its own."""
        report.seconds["run"] = elapsed_seconds
        template = report.template
        if template is None:
            return
        if failed and not template.candidates:
            self.templates.drop(report.text)  # a file that was not there may be there the next time
        if report.left_alone:
            template.last_seconds = template.last_seconds if failed else elapsed_seconds
            return
        try:
            self._finish(report, template, elapsed_seconds, rows, profile, failed=failed)
        except Exception as error:  # noqa: BLE001 - the boundary that fails open
            self._failed(report, error)

    def _sample(self, report: Report, template: Template) -> Sample:
        return Sample(
            text=report.text,
            executed=report.executed,
            parameters=report.given,
            template=template,
            versions=report.versions,
            environment=report.environment,
            reads=report.sources,
            scan=self.builder.scan,
            script=self.templates.script,
            kinds=self.templates.kinds,
        )

    def fetched(self, report: Report, seconds: float) -> None:
        """Rows of a statement that runs while they are fetched took so long to fetch."""
        template = report.template
        if template is not None and template.last_seconds is not None and not report.rewritten:
            template.last_seconds += seconds

    def _finish(
        self,
        report: Report,
        template: Template,
        elapsed_seconds: float,
        rows: int | None,
        profile: Profile | None,
        *,
        failed: bool,
    ) -> None:
        if self.at_step is not None:
            self.at_step("record")
        if report.reads:
            report.seconds["read"] = elapsed_seconds
            known = template.last_seconds is not None
            saved = (template.last_seconds or 0.0) - elapsed_seconds if known else 0.0
            self.counters.saved_seconds += saved
            if not failed and self.sampling.random() < self.policy.reuse.verify_share:
                self.verifier.offer(self._sample(report, template))
            self.recorder.note_reads(
                [
                    ViewRead(
                        precise=signature,
                        saved_seconds=saved / len(report.reads),
                        # Of a part of a statement, nobody can tell reading from the rest.
                        read_seconds=elapsed_seconds if report.whole else 0.0,
                    )
                    for signature in report.reads
                ]
            )
        elif not failed:
            template.last_seconds = elapsed_seconds
            template.profile = profile or template.profile
        if not failed:
            template.remember(report.versions, report.environment, report.parameters)
        if self.policy.history.record:
            self.recorder.add(
                Finished(
                    report=report,
                    user=self.user,
                    engine=self.engine.name,
                    script=self.script,
                    elapsed_seconds=elapsed_seconds,
                    rows=rows,
                    profile=profile,
                    status=JobStatus.FAILED if failed else JobStatus.SUCCEEDED,
                )
            )
