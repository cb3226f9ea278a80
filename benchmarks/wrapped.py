"""What is measured: a connection wrapped by ``optimizer_plugin``, with a store and a tenant of its own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb

from benchmarks.results import Analysis, Counter, Protocol, Refusal, Report, RunSettings, Step, ViewFigures
from benchmarks.reuse import Answer, Reuse, run_statement
from metastore.embedded import embedded_url
from metastore.errors import MetastoreError
from metastore.opening import open_metastore
from metastore.ports import Metastore
from optimizer_plugin import policies, wrap
from optimizer_plugin.errors import MetastoreUnavailableError

_MARGIN = timedelta(minutes=1)
"""By how much the metastore's clock may differ from this process's."""


class Respool:
    """Opens wrapped connections.

    They share one embedded metastore, kept apart from the user's own; each gets a new tenant in it, which
    is all that one connection sees, and thus begins with nothing.

    Args:
        data_directory: where the embedded metastore lives.
    """

    name = "respool"

    def __init__(self, data_directory: Path) -> None:
        self._data_directory = data_directory

    def check(self, settings: RunSettings, /) -> None:
        """Read the policy.

        Raises:
            PolicyError: the policy that the settings name cannot be read.
        """
        run_policy(settings)

    def open(self, connection: duckdb.DuckDBPyConnection, directory: Path, settings: RunSettings, /) -> Reuse:
        """Wrap a connection.

        Raises:
            MetastoreUnavailableError: the embedded metastore does not start.
        """
        policy = run_policy(settings)
        tenant = f"benchmark-{uuid4().hex}"
        try:
            url = embedded_url(self._data_directory)
            metastore = open_metastore(url, data_directory=self._data_directory)
        except MetastoreError as error:
            raise MetastoreUnavailableError(str(error), remedy="pass another --data") from error
        try:
            wrapped = wrap(
                connection,
                metastore=url,
                store=directory / "store",
                tenant=tenant,
                policy=policy,
                strict=True,
            )
        except BaseException:
            metastore.close()
            raise
        return WrappedReuse(wrapped, metastore, tenant, policy)


class WrappedReuse:
    """One wrapped connection, its metastore, its tenant and its policy."""

    def __init__(self, wrapped: Any, metastore: Metastore, tenant: str, policy: policies.Policy) -> None:
        self._wrapped = wrapped
        self._metastore = metastore
        self._tenant = tenant
        self._policy = policy
        self._since = datetime.now(UTC) - _MARGIN

    def run(self, sql: str) -> Answer:
        """Run a statement through the wrapper and fetch every row."""
        return run_statement(self._wrapped, sql)

    def last(self) -> Report:
        """What reuse did for the last statement."""
        last = self._wrapped.reuse.last
        return Report(
            builds=tuple(last.builds),
            reads=tuple(last.reads),
            steps=tuple(Step(name=str(name), seconds=value) for name, value in last.seconds.items()),
            not_reused=tuple(Refusal(code=each.code, text=each.text) for each in last.not_reused),
        )

    def analyze(self, recorded: Sequence[int], /) -> Analysis:
        """Run the analyzer over the history and turn its order of templates into query numbers."""
        self._flush()
        jobs = self._metastore.jobs(self._tenant, self._since, datetime.now(UTC) + _MARGIN)
        started = time.perf_counter()
        result = self._wrapped.reuse.analyze(probe=True)
        seconds = time.perf_counter() - started
        # The history is complete: from here on no run carries the cost of a profile.
        quiet = self._policy.history.model_copy(update={"profile_share": 0.0})
        self._wrapped.reuse.use(self._policy.model_copy(update={"history": quiet}))
        # Jobs come back in the order in which they ran, one for each recorded query.
        numbers = dict(zip((job.template for job in jobs), recorded, strict=False))
        return Analysis(
            seconds=seconds,
            order=tuple(numbers[template] for template in result.order if template in numbers),
            selected=len(result.annotations),
        )

    def views(self) -> tuple[ViewFigures, ...]:
        """Every view of the tenant, called after the subexpression that it was built for."""
        self._flush()
        occurrences = self._metastore.occurrences(self._tenant, self._since, datetime.now(UTC) + _MARGIN)
        labels = {occurrence.normalized: occurrence.label for occurrence in occurrences}
        return tuple(
            ViewFigures(
                signature=view.precise,
                label=labels.get(view.normalized, ""),
                rows=view.rows,
                size_bytes=view.size_bytes,
                build_seconds=view.build_seconds,
                reads=view.reads,
                read_seconds=view.read_seconds,
                saved_seconds=view.saved_seconds,
            )
            for view in self._metastore.views(self._tenant)
        )

    def counters(self) -> tuple[Counter, ...]:
        """The session's own counters."""
        stats = self._wrapped.reuse.stats()
        return tuple(Counter(name=name, value=float(value)) for name, value in sorted(stats.items()))

    def close(self) -> None:
        """End the session's background work and forget the tenant."""
        try:
            self._wrapped.reuse.close()
            views = self._metastore.views(self._tenant)
            self._metastore.delete_views(self._tenant, [view.precise for view in views])
            self._metastore.forget_history(self._tenant, datetime.now(UTC) + _MARGIN)
        finally:
            self._metastore.close()

    def _flush(self) -> None:
        # History is written off the query's path, and here every job of it is asked for.
        self._wrapped.reuse.flush()


def run_policy(settings: RunSettings) -> policies.Policy:
    """The policy of a run: the one asked for or the protocol's own, with the number of views set.

    Raises:
        PolicyError: it is unknown, cannot be read or is not valid.
    """
    policy = _own_policy(settings.protocol) if settings.policy is None else policies.resolve(settings.policy)
    selection = policy.selection.model_copy(update={"top_k": settings.top_k})
    return policy.model_copy(update={"selection": selection})


def _own_policy(protocol: Protocol) -> policies.Policy:
    with as_file(files("benchmarks") / "policies" / f"{protocol}.toml") as path:
        return policies.load(path)
