"""What is measured: a connection wrapped by ``optimizer_plugin``, with a store and a metastore of its own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import tomlkit

from benchmarks.errors import ReuseMissingError
from benchmarks.results import Analysis, Counter, Protocol, Refusal, Report, RunSettings, Step, ViewFigures
from benchmarks.reuse import TENANT, Answer, Reuse, run_statement


class Respool:
    """Opens wrapped connections whose metastore is an embedded server that began empty."""

    name = "respool"

    def open(
        self,
        connection: duckdb.DuckDBPyConnection,
        directory: Path,
        settings: RunSettings,
        /,
    ) -> Reuse:
        """Wrap a connection.

        Raises:
            ReuseMissingError: the plugin is not installed whole.
            PolicyError: there is no such policy.
        """
        wrap = _attribute("optimizer_plugin", "wrap")
        metastore = _attribute("metastore.opening", "open_metastore")(
            None, data_directory=directory / "metastore"
        )
        try:
            path = _write_policy(directory / "policy.toml", settings)
            wrapped = wrap(
                connection,
                metastore=metastore.url,
                store=directory / "store",
                tenant=TENANT,
                policy=path,
                strict=True,
            )
        except BaseException:
            metastore.close()
            raise
        return WrappedReuse(wrapped, metastore, path)


class WrappedReuse:
    """One wrapped connection, its metastore and its policy."""

    def __init__(self, wrapped: Any, metastore: Any, policy: Path) -> None:
        self._wrapped = wrapped
        self._metastore = metastore
        self._policy = policy
        self._started_at = datetime.now(UTC) - timedelta(minutes=1)

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
        run = _attribute("optimizer_plugin.analyzer.running", "analyze")
        self._flush()
        jobs = self._metastore.jobs(TENANT, self._started_at, datetime.now(UTC) + timedelta(minutes=1))
        started = time.perf_counter()
        result = run(self._metastore, tenant=TENANT, policy=self._policy)
        seconds = time.perf_counter() - started
        # Jobs come back in the order in which they ran, one for each recorded query.
        numbers = dict(zip((job.template for job in jobs), recorded, strict=False))
        return Analysis(
            seconds=seconds,
            order=tuple(numbers[template] for template in result.order if template in numbers),
            selected=len(result.annotations),
        )

    def views(self) -> tuple[ViewFigures, ...]:
        """Every view in the metastore, named after the subexpression it was built for."""
        self._flush()
        occurrences = self._metastore.occurrences(
            TENANT, self._started_at, datetime.now(UTC) + timedelta(minutes=1)
        )
        labels = {occurrence.normalized: occurrence.label for occurrence in occurrences}
        return tuple(
            ViewFigures(
                signature=view.precise,
                label=labels.get(view.normalized, ""),
                rows=view.rows,
                size_bytes=view.size_bytes,
                build_seconds=view.build_seconds + view.write_seconds,
                reads=view.reads,
                read_seconds=view.read_seconds,
                saved_seconds=view.saved_seconds,
            )
            for view in self._metastore.views(TENANT)
        )

    def counters(self) -> tuple[Counter, ...]:
        """The session's own counters."""
        stats = self._wrapped.reuse.stats()
        return tuple(Counter(name=name, value=float(value)) for name, value in sorted(stats.items()))

    def close(self) -> None:
        """End the session's background work and the metastore."""
        try:
            self._wrapped.reuse.close()
        finally:
            self._metastore.close()

    def _flush(self) -> None:
        # History is written off the query's path: the analyzer must see all of it.
        self._wrapped.reuse.flush()


def _attribute(module: str, name: str) -> Any:
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ReuseMissingError(
            f"found no {module}.{name}", expected="it in the installed respool"
        ) from error


def _write_policy(path: Path, settings: RunSettings) -> Path:
    """Write the policy of a run: the one asked for, or the protocol's own, with the number of views set."""
    document = tomlkit.parse(_policy_text(settings.protocol, settings.policy))
    document.setdefault("selection", tomlkit.table())["top_k"] = settings.top_k
    path.write_text(tomlkit.dumps(document), encoding="utf-8")
    return path


def _policy_text(protocol: Protocol, policy: str | None) -> str:
    if policy is None:
        return (files("benchmarks") / "policies" / f"{protocol}.toml").read_text(encoding="utf-8")
    if Path(policy).is_file():
        return Path(policy).read_text(encoding="utf-8")
    resolved = _attribute("optimizer_plugin.policies", "builtin")(policy)
    return str(_attribute("optimizer_plugin.policies", "to_toml")(resolved))
