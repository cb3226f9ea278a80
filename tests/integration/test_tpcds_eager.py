"""All 99 TPC-DS queries, plain against wrapped, with everything materialized that can be."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4

import duckdb
import pytest

import optimizer_plugin
from benchmarks.compare import Column, Table, difference
from benchmarks.errors import BenchmarkError
from benchmarks.tpcds.data import Dataset, cache_directory, prepare
from metastore.embedded import embedded_url
from optimizer_plugin import policies
from optimizer_plugin.policies import Policy
from signatures.model import SubexpressionKind

SCALE_FACTOR = float(os.environ.get("RESPOOL_TEST_SCALE_FACTOR", "0.1"))
"""The suite's own is 0.1; at 1 everything at once writes some 30 GB and takes an hour on two cores."""


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """Generated data, kept outside the tree; skipped where it can't be made, an error in CI."""
    try:
        return prepare(cache_directory(), SCALE_FACTOR)
    except BenchmarkError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def url(module_server_directory: Path) -> str:
    """A metastore of this module."""
    return embedded_url(module_server_directory)


@pytest.fixture(scope="module")
def oracle(dataset: Dataset) -> dict[int, Table]:
    """The plain results, with the engine's own sharing of subplans off: it has given wrong rows."""
    with duckdb.connect(str(dataset.database), read_only=True) as connection:
        connection.execute("SET disabled_optimizers = 'common_subplan'")
        return {query.number: table_of(connection, query.text) for query in dataset.queries}


def table_of(connection: object, sql: str) -> Table:
    """A result with its names and types."""
    rows = connection.execute(sql).fetchall()  # type: ignore[attr-defined]
    described = connection.description  # type: ignore[attr-defined]
    columns = tuple(Column(name=item[0], type=str(item[1])) for item in described)
    return Table(columns=columns, rows=tuple(rows))


def one_kind(kind: SubexpressionKind) -> Policy:
    """Everything of one kind is materialized on sight and nothing else, so that it is what is read."""
    eager = policies.builtin("eager")
    reuse = eager.reuse.model_copy(
        update={"whole_results_on_sight": policies.WholeResultsOnSight.NEVER}
        if kind is not SubexpressionKind.STATEMENT
        else {}
    )
    kinds = eager.kinds.model_copy(update={"enabled": (kind,)})
    return eager.model_copy(update={"name": kind.value, "reuse": reuse, "kinds": kinds})


POLICIES = [*(one_kind(kind) for kind in SubexpressionKind), policies.builtin("eager")]


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_no_result_differs(
    policy: Policy, dataset: Dataset, oracle: dict[int, Table], url: str, tmp_path: Path
) -> None:
    """Every query gives the same rows when it spools and when it reads, whatever kind is shared."""
    connection = optimizer_plugin.wrap(
        duckdb.connect(str(dataset.database), read_only=True),
        metastore=url,
        store=tmp_path / "store",
        tenant=f"eager-{uuid4().hex}",
        policy=policy,
        strict=True,
    )
    differing = []
    for query in dataset.queries:
        for run in ("spool", "read"):
            found = difference(oracle[query.number], table_of(connection, query.text))
            if found is not None:
                differing.append((query.number, run, str(found)))
    stats = connection.reuse.stats()
    connection.close()
    assert not differing
    assert stats["reused"] > 0
    assert stats["errors"] == stats["fallbacks"] == 0
