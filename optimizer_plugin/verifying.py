"""Verified reuse: a sample of hits is run again, without views and with them, and the rows are compared.

That happens on a thread and a connection of its own, one statement at a time, and is dropped rather than
queued without end. A statement is judged only where its inputs have the versions that its views were read at,
before the comparison and after it. Where rows differ the views to blame are quarantined: never read and never
built again until a person deletes them.

Source: design, section 12 (verified reuse).
"""

from __future__ import annotations

import atexit
import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum

from metastore.ports import Metastore
from metastore.records import View
from optimizer_plugin.engines.ports import Checker, Engine
from optimizer_plugin.events import Events, Mismatch
from optimizer_plugin.verification import Sample, Verdict, reproduction, verify
from signatures.model import PreciseSignature

QUEUE_LIMIT = 4
"""Statements that wait for their turn; the next one is dropped."""
CLOSE_SECONDS = 10.0
INTERRUPT_EVERY_SECONDS = 0.05


class Phase(StrEnum):
    """What the thread does."""

    IDLE = "idle"
    WORKING = "working"
    ENDING = "ending"
    CLOSED = "closed"


@dataclass(slots=True)
class Verifier:
    """Checks samples of one wrapped connection. The thread and its connection live while there is work.

    Counters: ``confirmed`` and ``mismatched`` samples; ``void`` ones by reason, which say nothing; those
    ``dropped``, which found the thread busy.
    """

    engine: Engine
    metastore: Metastore
    tenant: str
    events: Events = field(default_factory=Events)
    confirmed: int = 0
    mismatched: int = 0
    dropped: int = 0
    void: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    barred: set[PreciseSignature] = field(default_factory=set)
    """Views found wrong while the metastore could not be told."""
    _queue: deque[Sample] = field(default_factory=deque)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _phase: Phase = Phase.IDLE
    _thread: threading.Thread | None = None
    _checker: Checker | None = None

    def offer(self, sample: Sample) -> None:
        """Hand over a statement that has just read views. Returns at once."""
        with self._changed:
            if self._phase is Phase.IDLE:
                self._start()
            if self._phase is Phase.WORKING and len(self._queue) < QUEUE_LIMIT:
                self._queue.append(sample)
            else:
                self.dropped += 1

    def wait(self, timeout_seconds: float) -> bool:
        """Wait until everything handed over is judged; False where time ran out."""
        with self._changed:
            return self._changed.wait_for(lambda: self._phase in (Phase.IDLE, Phase.CLOSED), timeout_seconds)

    def close(self) -> None:
        """End the thread, with what it is running. A second call does nothing."""
        with self._changed:
            self._phase = Phase.CLOSED
            self.dropped += len(self._queue)
            self._queue.clear()
        thread, until = self._thread, time.monotonic() + CLOSE_SECONDS
        # Again and again, since an interrupt between two statements is lost.
        while thread is not None and thread is not threading.current_thread() and thread.is_alive():
            if time.monotonic() > until:
                break
            if self._checker is not None:
                with suppress(Exception):
                    self._checker.interrupt()
            thread.join(INTERRUPT_EVERY_SECONDS)

    def _start(self) -> None:
        """On the thread of the program, where nothing else uses its connection at this moment."""
        self._checker = checker = self.engine.checker()
        self._phase = Phase.WORKING
        self._thread = threading.Thread(
            target=self._work, args=(checker,), name="respool-verifier", daemon=True
        )
        # A daemon in the middle of a query must not meet the end of the interpreter.
        atexit.register(self.close)
        self._thread.start()

    def _work(self, checker: Checker) -> None:
        try:
            while (sample := self._next()) is not None:
                self._judge(sample, checker)
        finally:
            with suppress(Exception):
                checker.close()
            atexit.unregister(self.close)
            with self._changed:
                self._checker = None
                if self._phase is not Phase.CLOSED:
                    self._phase = Phase.IDLE
                self._changed.notify_all()

    def _next(self) -> Sample | None:
        with self._changed:
            if self._phase is Phase.CLOSED or not self._queue:
                self._phase = Phase.CLOSED if self._phase is Phase.CLOSED else Phase.ENDING
                return None
            return self._queue.popleft()

    def _judge(self, sample: Sample, checker: Checker) -> None:
        started = time.perf_counter()
        try:
            verdict = verify(sample, checker)
        except Exception as error:  # noqa: BLE001 - whatever it is, it says nothing about the rows
            verdict = Verdict(void=f"failed: {type(error).__name__}")
        self.seconds += time.perf_counter() - started
        if verdict.void:
            self.void[verdict.void] += 1
        elif verdict.comparison is None or verdict.comparison.difference is None:
            self.confirmed += 1
        else:
            self.mismatched += 1
            self._report(sample, verdict, checker)

    def _report(self, sample: Sample, verdict: Verdict, checker: Checker) -> None:
        kept = reproduction(sample, verdict, self.tenant, checker)
        reason = (
            f"verification found other {kept.difference.value}: {kept.missing_rows} missing, "
            f"{kept.surplus_rows} too many (reproduction {kept.reproduction_id})"
        )
        try:
            self.metastore.quarantine(verdict.blamed, reason, kept)
        except Exception:  # noqa: BLE001 - then at least this connection reads them no more
            self.barred.update(_signatures(verdict.blamed))
        self.events.mismatch(
            Mismatch(statement=sample.text, executed=sample.executed, views=verdict.blamed, reproduction=kept)
        )


def _signatures(views: Sequence[View]) -> list[PreciseSignature]:
    return [view.precise for view in views]
