"""Records jobs and their subexpressions on a thread of its own, bounded in memory.

Nothing here is on a query's path: ``add`` puts a value into a queue and returns. When the queue is full the
job is dropped and counted, so that a slow metastore never slows a query.
"""

from __future__ import annotations

import atexit
import os
import queue
import threading
import time
import weakref
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from metastore.ports import Metastore
from metastore.records import Job, JobStatus, Occurrence, ViewRead
from optimizer_plugin.analyzer.feedback import attribute
from optimizer_plugin.engines.ports import Profile
from optimizer_plugin.redaction import redacted

if TYPE_CHECKING:
    from optimizer_plugin.session import Report

QUEUE_LIMIT = 2_000
BATCH = 50
LINGER_SECONDS = 0.5
"""How long a finished job may wait for others: a transaction for each would cost more than its rows."""
CLOSING_SECONDS = 10.0
"""How long the end of a connection waits for a metastore that takes its time."""
LEAVING_SECONDS = 2.0
"""The same for the end of a program that never closed its connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A job that has run, as the session hands it over."""

    report: Report
    user: str
    engine: str
    script: str
    elapsed_seconds: float
    rows: int | None
    profile: Profile | None
    status: JobStatus


Item = Finished | list[ViewRead] | threading.Event | None
"""A job, uses of views, somebody who waits for all before him to be written, or the end."""


@dataclass(slots=True, weakref_slot=True, eq=False)
class Recorder:
    """Writes history in batches. ``dropped`` and ``failed`` count what did not get there.

    It belongs to the process that made it: in one that is forked later it does nothing, since the thread and
    whoever held its locks are not there.
    """

    metastore: Metastore
    tenant: str
    dropped: int = 0
    failed: int = 0
    last_error: str = ""
    _queue: queue.Queue[Item] = field(default_factory=lambda: queue.Queue(QUEUE_LIMIT))
    _thread: threading.Thread | None = None
    _process: int = field(default_factory=os.getpid)

    def add(self, finished: Finished) -> None:
        """Hand over a finished job."""
        self._put(finished)

    def note_reads(self, reads: list[ViewRead]) -> None:
        """Hand over uses of views."""
        self._put(reads)

    def flush(self, timeout_seconds: float = 30.0) -> bool:
        """Wait until everything handed over so far has been written; False where time ran out."""
        if self._thread is None or self._forked():
            return True
        until = time.monotonic() + timeout_seconds
        done = threading.Event()
        try:
            self._queue.put(done, timeout=timeout_seconds)
        except queue.Full:
            return False
        return done.wait(max(0.0, until - time.monotonic()))

    def close(self, timeout_seconds: float = CLOSING_SECONDS) -> None:
        """Write what is left and end the thread, unless that takes too long."""
        if self._thread is None or self._forked():
            return
        until = time.monotonic() + timeout_seconds
        with suppress(queue.Full):
            self._queue.put(None, timeout=timeout_seconds)
        self._thread.join(timeout=max(0.0, until - time.monotonic()))
        self._thread = None

    def _forked(self) -> bool:
        return self._process != os.getpid()

    def _put(self, item: Finished | list[ViewRead]) -> None:
        if self._forked():
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="respool-recorder", daemon=True)
            self._thread.start()
            _running.add(self)
        try:
            self._queue.put_nowait(item)
        except queue.Full:
            self.dropped += 1

    def _run(self) -> None:
        item: Item = self._queue.get()
        while item is not None:
            jobs: list[Finished] = []
            reads: list[ViewRead] = []
            item = self._gather(item, jobs, reads)
            self._write(jobs)
            self._write_reads(reads)
            if isinstance(item, threading.Event):
                item.set()
            if item is not None:
                item = self._queue.get()

    def _gather(self, item: Item, jobs: list[Finished], reads: list[ViewRead]) -> Item:
        """Collect what comes in a short time, up to somebody who waits; gives what it stopped at."""
        until = time.monotonic() + LINGER_SECONDS
        while item is not None and not isinstance(item, threading.Event):
            if isinstance(item, Finished):
                jobs.append(item)
            else:
                reads += item
            if len(jobs) >= BATCH:
                break
            try:
                item = self._queue.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
        return item

    def _write_reads(self, reads: Sequence[ViewRead]) -> None:
        if not reads:
            return
        try:
            self.metastore.note_reads(self.tenant, reads)
        except Exception as error:  # noqa: BLE001 - the recorder lives on
            self._lost(error, len(reads))

    def _write(self, batch: Sequence[Finished]) -> None:
        if not batch:
            return
        try:
            jobs = [job_record(finished, self.tenant) for finished in batch]
            occurrences = [found for finished in batch for found in occurrence_records(finished)]
            self.metastore.record(jobs, occurrences)
        except Exception as error:  # noqa: BLE001 - the recorder lives on, whatever one job holds
            self._lost(error, len(batch))

    def _lost(self, error: Exception, count: int) -> None:
        self.failed += count
        self.last_error = f"{type(error).__name__}: {error}"


def _leave() -> None:
    """A program that ends without closing its connections has its last jobs in the history too."""
    for recorder in tuple(_running):
        recorder.close(LEAVING_SECONDS)


_running: weakref.WeakSet[Recorder] = weakref.WeakSet()
atexit.register(_leave)


def job_record(finished: Finished, tenant: str) -> Job:
    """A finished job as history keeps it: the text without its literals."""
    report = finished.report
    template = report.template
    compiled = None if template is None else template.compiled
    return Job(
        job_id=report.job_id,
        tenant=tenant,
        user=finished.user,
        engine=finished.engine,
        template="" if compiled is None else compiled.template,
        template_text="" if compiled is None else compiled.template_text,
        statement="" if template is None else template.parts.digest,
        script=finished.script,
        tags=() if compiled is None else tuple(sorted(map(redacted, compiled.tags.all()))),
        started_at=report.started_at,
        elapsed_seconds=finished.elapsed_seconds,
        cpu_seconds=None if finished.profile is None else finished.profile.cpu_seconds,
        rows=finished.rows,
        status=finished.status,
        overhead=tuple(report.seconds.items()),
        builds=report.builds,
        reads=report.reads,
        not_reused=tuple((reason.code, redacted(reason.text)) for reason in report.not_reused),
        profile_seconds=None if finished.profile is None else finished.profile.root.inclusive_seconds(),
    )


def occurrence_records(finished: Finished) -> list[Occurrence]:
    """The subexpressions of a job, with their share of its measured time."""
    report = finished.report
    template = report.template
    if template is None:
        return []
    compiled = template.compiled
    measured = {} if finished.profile is None else attribute(compiled, finished.profile)
    found = []
    for subexpression, part in zip(compiled.subexpressions, template.parts.fields, strict=True):
        precise = None
        if subexpression.eligible and report.versions:
            outcome = template.precise(subexpression, report.versions, report.environment, report.parameters)
            precise = outcome if isinstance(outcome, str) else None
        attributed = measured.get(subexpression.ordinal)
        built = report.built.get(subexpression.ordinal)
        found.append(
            Occurrence(
                **part,
                job_id=report.job_id,
                precise=precise,
                attributed_seconds=None if attributed is None else attributed.seconds,
                standalone_seconds=None if built is None else built.build_seconds,
                rows=built.rows if built else attributed.rows if attributed else None,
                size_bytes=None if built is None else built.size_bytes,
            )
        )
    return found
