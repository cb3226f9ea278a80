"""A tenant with a database, a store and the command line pointed at both."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import pytest

import optimizer_plugin
from metastore.opening import open_metastore
from optimizer_plugin import policies
from optimizer_plugin.admin import cli
from optimizer_plugin.policies import CostPolicy, HistoryPolicy, Policy
from optimizer_plugin.views.store import Store

TOTALS = "SELECT region, sum(amount) AS total FROM orders JOIN shops ON shops.id = shop GROUP BY region"
HIGHEST = "SELECT max(amount) AS highest FROM orders WHERE shop = 3"
LUCKY = "SELECT random() AS luck FROM shops"


@dataclass(frozen=True, slots=True)
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Its output, read as JSON."""
        return json.loads(self.out)


@dataclass(frozen=True, slots=True)
class Workplace:
    """A tenant of its own, with its database, its store and the command line pointed at both."""

    url: str
    tenant: str
    database: Path
    store: Path
    run: Callable[..., Result]

    @property
    def files(self) -> Store:
        """The tenant's store."""
        return Store(self.store, self.tenant)

    def work(self, *statements: str, policy: str | Policy = "eager") -> None:
        """Run statements through a wrapped connection."""
        connection = optimizer_plugin.wrap(
            duckdb.connect(str(self.database)),
            metastore=self.url,
            store=self.store,
            tenant=self.tenant,
            policy=policy,
            strict=True,
        )
        for statement in statements:
            connection.execute(statement).fetchall()
        connection.close()

    def views(self) -> list[dict[str, Any]]:
        """What ``views list`` lists."""
        found: list[dict[str, Any]] = self.run("views", "list", "--json").json()
        return found


def new_workplace(url: str, directory: Path, capsys: pytest.CaptureFixture[str]) -> Workplace:
    """A workplace without any history."""
    database = directory / "shop.duckdb"
    with duckdb.connect(str(database)) as connection:
        connection.execute(
            "CREATE TABLE orders AS SELECT range AS id, range % 20 AS shop, range % 97 AS amount "
            "FROM range(5000)"
        )
        connection.execute(
            "CREATE TABLE shops AS SELECT range AS id, CASE WHEN range % 3 > 0 THEN range % 4 END AS region "
            "FROM range(20)"
        )
    tenant = f"test-{uuid4().hex}"
    store = directory / "store"

    def run(*arguments: str) -> Result:
        capsys.readouterr()
        common = ["--metastore", url, "--store", str(store), "--tenant", tenant]
        code = cli.main([*common, *arguments])
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return Workplace(url, tenant, database, store, run)


def short_lived() -> Policy:
    """A policy whose views have expired by the time that anybody looks."""
    eager = policies.builtin("eager")
    return eager.model_copy(update={"views": eager.views.model_copy(update={"expires_after_hours": 1e-9})})


def recording() -> Policy:
    """A policy that profiles every job and builds nothing."""
    reuse = policies.builtin("off").reuse
    history = HistoryPolicy(record=True, profile_share=1.0)
    cost = CostPolicy(max_overhead_share=0.0)
    return Policy(name="recording", reuse=reuse, cost=cost, history=history)


def lenient(place: Workplace) -> Path:
    """A policy file under which the smallest saving is worth an annotation."""
    file = place.store.parent / "lenient.toml"
    file.write_text("[cost]\nmin_saving_seconds = 0.0\n[selection]\nmax_per_job = 0\n")
    return file


def annotated(place: Workplace) -> list[str]:
    """Normalized signatures of the annotations in force."""
    metastore = open_metastore(place.url, data_directory=place.store)
    try:
        return [annotation.normalized for annotation in metastore.annotations(place.tenant)]
    finally:
        metastore.close()
