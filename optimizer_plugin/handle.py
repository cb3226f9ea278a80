"""``con.reuse``: what a program, a notebook or a benchmark asks of the reuse around its connection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

from optimizer_plugin.analyzer.candidates import Candidate
from optimizer_plugin.analyzer.probing import Probe
from optimizer_plugin.analyzer.running import AnalysisResult, analyze
from optimizer_plugin.events import Listener
from optimizer_plugin.explain import Explanation, explain
from optimizer_plugin.policies import Policy
from optimizer_plugin.session import Report, Session
from optimizer_plugin.views.store import SCRATCH


@dataclass(slots=True)
class ReuseHandle:
    """Reports and switches of one wrapped connection."""

    session: Session
    on_close: Callable[[], None] = field(default=lambda: None)
    before_flush: Callable[[], None] = field(default=lambda: None)
    before_look: Callable[[], None] = field(default=lambda: None)
    """Raises ``RowsWaitingError`` where the engine can't be asked now."""
    _closed: bool = False

    @property
    def last(self) -> Report | None:
        """What was done for the last SELECT, None before the first."""
        return self.session.last

    def stats(self) -> dict[str, float]:
        """Counters since wrapping.

        ``queries``, ``spooled``, ``reused``, ``stale`` (reused by bounded staleness), ``fallbacks``,
        ``bypassed``, ``errors``, ``overhead_seconds`` (time of ours before statements ran, spooling left
        out), ``saved_seconds``, ``dropped`` (jobs that did not get into the history), and of verified reuse
        ``verified``, ``mismatched``, ``void`` (checks that could say nothing) and ``unverified`` (samples
        that found the verifier busy).
        """
        counters: dict[str, float] = asdict(self.session.counters)
        counters["dropped"] = self.session.recorder.dropped + self.session.recorder.failed
        verifier = self.session.verifier
        counters |= {
            "verified": verifier.confirmed,
            "mismatched": verifier.mismatched,
            "void": verifier.void.total(),
            "unverified": verifier.dropped,
        }
        return counters

    def on_mismatch(self, listener: Listener) -> None:
        """Have a function called, on another thread, when a statement gave other rows with views.

        Its argument has the statement with its literals; the log and the metastore have it without them.
        """
        self.session.verifier.events.listeners.append(listener)

    def wait_for_verification(self, timeout_seconds: float = 30.0) -> bool:
        """Wait until every sampled hit so far was checked; False where that takes longer."""
        return self.session.verifier.wait(timeout_seconds)

    def explain(self, sql: str) -> Explanation:
        """What would be reused of a statement, and why the rest would not. Runs and builds nothing.

        Raises:
            RowsWaitingError: where rows of the last statement were not fetched yet.
        """
        self.before_look()
        return explain(self.session, sql)

    def analyze(
        self, *, probe: bool = False, progress: Callable[[int, int], None] | None = None
    ) -> AnalysisResult:
        """Mine the history of this tenant and put annotations in force.

        Args:
            probe: Also run the shared computations of the statements that this connection remembers,
                each reader with and without its view. Takes time, and measures what profiles can't tell.
            progress: Called with (done, all) while probing.

        Raises:
            PolicyError: where the selection strategy is unknown.
            MetastoreError: where the metastore does not answer.
            RowsWaitingError: with ``probe``, where rows of the last statement were not fetched yet.
        """
        session = self.session
        self.flush()
        probed: tuple[Candidate, ...] | None = None
        if probe:
            self.before_look()
            scratch = session.builder.store.base / SCRATCH
            scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
            measuring = Probe(session.engine, session.policy, scratch)
            if progress is not None:
                measuring.progress = progress
            probed = measuring.measure(session.templates.all())
        return analyze(session.metastore, tenant=session.tenant, policy=session.policy, probed=probed)

    def use(self, policy: Policy) -> None:
        """Go by another policy from the next statement on."""
        self.session.use(policy)

    @contextmanager
    def off(self) -> Iterator[None]:
        """Statements inside run as they are written."""
        before, self.session.enabled = self.session.enabled, False
        try:
            yield
        finally:
            self.session.enabled = before

    def flush(self) -> bool:
        """Wait until the history holds every job so far; False where that takes too long."""
        self.before_flush()
        return self.session.recorder.flush()

    def close(self) -> None:
        """End reuse and write what is left of the history. The connection itself stays open."""
        if not self._closed:
            self._closed = True
            self.before_flush()
            self.session.enabled = False
            self.session.verifier.close()
            self.session.recorder.close()
            self.on_close()
