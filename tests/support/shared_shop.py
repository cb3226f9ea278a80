"""Data in Parquet files that many processes read, and wrapped connections that share what they build."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import duckdb

import optimizer_plugin
from metastore.opening import open_metastore
from metastore.records import Lease, View, ViewState
from optimizer_plugin import policies
from optimizer_plugin.admin.checkup import examine
from optimizer_plugin.doctor import Diagnosis
from optimizer_plugin.engines.duckdb.connection import ReuseConnection
from optimizer_plugin.policies import KindsPolicy, Policy
from optimizer_plugin.settings import Settings
from optimizer_plugin.views.store import Store
from signatures.model import SubexpressionKind

Rows = list[tuple[object, ...]]

ROOT = Path(__file__).parents[2]
DEADLINE_SECONDS = 60.0
TOTALS = "SELECT shop, sum(amount) AS total, count(*) AS orders FROM orders GROUP BY shop"
HIGHEST = "SELECT max(amount) AS highest FROM orders WHERE shop = 3"


@dataclass(frozen=True, slots=True)
class SharedShop:
    """A tenant of its own over one folder of data."""

    url: str
    directory: Path
    tenant: str = field(default_factory=lambda: f"test-{uuid4().hex}")

    @property
    def data(self) -> Path:
        """The file of the table ``orders``."""
        return self.directory / "orders.parquet"

    @property
    def store(self) -> Store:
        """Where the tenant's views lie."""
        return Store(self.directory / "store", self.tenant)

    def write(self, rows: int = 20_000, extra: int = 0) -> None:
        """Replace the data, in one step as far as readers can tell."""
        partial = self.directory / f"orders.{uuid4().hex}.partial"
        with duckdb.connect() as connection:
            connection.execute(
                f"COPY (SELECT range AS id, range % 20 AS shop, range * 7919 % 1000 + {extra} AS amount "
                f"FROM range({rows})) TO '{partial}' (FORMAT parquet)"
            )
        partial.rename(self.data)

    def connect(self) -> duckdb.DuckDBPyConnection:
        """A plain connection that knows the table by its name."""
        connection = duckdb.connect()
        connection.execute(f"CREATE VIEW orders AS SELECT * FROM read_parquet('{self.data}')")
        return connection

    def wrap(self, policy: object = "eager", *, strict: bool = False, url: str = "") -> ReuseConnection:
        """A wrapped connection."""
        return optimizer_plugin.wrap(
            self.connect(),
            metastore=url or self.url,
            store=self.store.root,
            tenant=self.tenant,
            policy=policy,  # type: ignore[arg-type]
            strict=strict,
        )

    def plain(self, sql: str) -> Rows:
        """What the statement gives without reuse, sorted."""
        with self.connect() as connection:
            return sorted(connection.execute(sql).fetchall(), key=repr)

    def views(self, state: ViewState | None = None) -> tuple[View, ...]:
        """The tenant's views, of one state or all."""
        metastore = open_metastore(self.url, data_directory=self.directory)
        try:
            found = metastore.views(self.tenant)
        finally:
            metastore.close()
        return tuple(view for view in found if state is None or view.state is state)

    def leases(self) -> tuple[Lease, ...]:
        """Leases that run now."""
        metastore = open_metastore(self.url, data_directory=self.directory)
        try:
            return metastore.leases(self.tenant)
        finally:
            metastore.close()

    def end_leases(self) -> None:
        """Let every lease of a crashed job run out, as if its time had passed."""
        metastore = open_metastore(self.url, data_directory=self.directory)
        try:
            for lease in metastore.leases(self.tenant):
                metastore.acquire_lease(self.tenant, lease.precise, lease.holder, 0.0)
        finally:
            metastore.close()

    def doctor(self, *, repair: bool = False) -> Diagnosis:
        """What ``respool doctor`` finds."""
        settings = Settings.resolve(
            metastore=self.url, store=self.store.root, tenant=self.tenant, strict=True
        )
        return examine(settings, repairing=repair)

    def files(self) -> list[Path]:
        """Everything in the tenant's store but the folders around views."""
        return sorted(path for path in self.store.base.rglob("*") if path.is_file())


def whole_results() -> Policy:
    """Eager, for whole statements alone: whose time without reuse is known once they have run."""
    kinds = KindsPolicy(enabled=(SubexpressionKind.STATEMENT,))
    return policies.builtin("eager").model_copy(update={"kinds": kinds})


def rows_of(connection: ReuseConnection, sql: str) -> Rows:
    """The rows of a statement, sorted."""
    return sorted(connection.execute(sql).fetchall(), key=repr)


def codes(connection: ReuseConnection) -> set[str]:
    """Why the last statement was not reused."""
    report = connection.reuse.last
    return set() if report is None else {reason.code for reason in report.not_reused}


def threads_of_ours() -> set[threading.Thread]:
    """Threads that a closed connection should have ended; other tests may have some of their own."""
    return {thread for thread in threading.enumerate() if thread.name.startswith("respool-")}


def wait_until(condition: Callable[[], bool]) -> None:
    """Ask until it holds.

    Raises:
        TimeoutError: where it never does.
    """
    until = time.monotonic() + DEADLINE_SECONDS
    pause = threading.Event()
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError("the condition did not come true")
        pause.wait(0.01)


def python(code: str, *arguments: str) -> subprocess.Popen[str]:
    """Another Python process with this tree on its path."""
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
