"""A wrapped connection compared with the plain one at one moment after another."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import duckdb

import optimizer_plugin
from optimizer_plugin import policies
from optimizer_plugin.engines.duckdb.connection import ReuseConnection
from optimizer_plugin.engines.duckdb.files import RACY_SECONDS

NEVER_SECONDS = 1e9

Rows = list[tuple[object, ...]]


def eager(extra: str = "") -> policies.Policy:
    """Everything is built on sight, and no view is withdrawn because its readers are slower."""
    policy = policies.builtin("eager")
    cost = policy.cost.model_copy(update={"min_saving_seconds": NEVER_SECONDS})
    staleness = policies.parse(extra).staleness
    return policy.model_copy(update={"cost": cost, "staleness": staleness})


def rows_of(connection: ReuseConnection, sql: str) -> Rows:
    """Rows as a sorted multiset."""
    return sorted(connection.execute(sql).fetchall(), key=repr)


def same_as_plain(connection: ReuseConnection, sql: str) -> bool:
    """Run a statement three times and once without reuse, and compare; whether the last run read a view."""
    return not _reasons(connection, sql)


def refused(connection: ReuseConnection, sql: str) -> set[str]:
    """The same for a statement that must not be reused: the codes of the reasons."""
    reasons = _reasons(connection, sql)
    assert reasons, sql
    return reasons


def _reasons(connection: ReuseConnection, sql: str) -> set[str]:
    """Why the last of three runs read no view; empty where it read one."""
    found = [rows_of(connection, sql) for _ in range(3)]
    report = connection.reuse.last
    assert report is not None
    with connection.reuse.off():
        expected = rows_of(connection, sql)
    assert found == [expected] * 3, sql
    return set() if report.reads else {reason.code for reason in report.not_reused}


def old_enough(*paths: Path) -> None:
    """Wait until the file system can tell one more change of files from the last one."""
    until = time.monotonic() + 5
    while time.monotonic() < until:
        if all(time.time() - path.stat().st_ctime > 2 * RACY_SECONDS for path in paths if path.exists()):
            return
    raise AssertionError("the files stay too young")


@dataclass(slots=True)
class Workbench:
    """Opens connections that share a tenant, a store and a metastore, and closes them."""

    directory: Path
    url: str
    tenant: str = field(default_factory=lambda: f"test-{uuid4().hex}")
    policy: policies.Policy = field(default_factory=eager)
    _opened: list[ReuseConnection] = field(default_factory=list)

    def wrap(self, raw: duckdb.DuckDBPyConnection) -> ReuseConnection:
        """A wrapped connection whose own errors are raised."""
        connection = optimizer_plugin.wrap(
            raw,
            metastore=self.url,
            store=self.directory / "store",
            tenant=self.tenant,
            policy=self.policy,
            strict=True,
        )
        self._opened.append(connection)
        return connection

    def close(self) -> None:
        """Close what was opened."""
        while self._opened:
            self._opened.pop().close()


def workbench(directory: Path, url: str) -> Iterator[Workbench]:
    """For fixtures."""
    bench = Workbench(directory, url)
    yield bench
    bench.close()


Change = Callable[[ReuseConnection, duckdb.DuckDBPyConnection], object]
"""What a program does between two moments, through the wrapped connection or past it."""
