"""Both protocols through a wrapped connection, with a real store and an embedded metastore."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.protocols import run_protocol
from benchmarks.results import Phase, Protocol, RunResult, RunSettings
from benchmarks.tpcds.data import Dataset, prepare
from benchmarks.wrapped import Respool, run_policy
from optimizer_plugin.errors import PolicyError

SCALE = 0.01


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A small database."""
    return prepare(tmp_path_factory.mktemp("data"), SCALE)


def run(protocol: Protocol, queries: tuple[int, ...], dataset: Dataset, directory: Path) -> RunResult:
    """One repeat of a protocol."""
    settings = RunSettings(protocol=protocol, queries=queries, scale_factor=SCALE, top_k=3)
    return run_protocol(settings, dataset, Respool(directory / "metastore"))


def test_repeat_reads_what_it_captured(dataset: Dataset, server_directory: Path) -> None:
    """Every result is captured once and read once, and both are right."""
    result = run(Protocol.REPEAT, (3, 42, 52), dataset, server_directory)

    assert result.passed
    (repeat,) = result.repeats
    captured = [pair.report.builds for pair in repeat.pairs if pair.phase is Phase.CAPTURE]
    read = [pair.report.reads for pair in repeat.pairs if pair.phase is Phase.READ]
    assert [len(each) for each in captured] == [1, 1, 1]
    assert read == captured
    assert {view.signature for view in repeat.views} == {each[0] for each in captured}


def test_cloudviews_analyzes_what_it_recorded(dataset: Dataset, server_directory: Path) -> None:
    """The history pass builds nothing, the analysis selects, the last pass builds and reads."""
    result = run(Protocol.CLOUDVIEWS, (4, 11, 74), dataset, server_directory)

    assert result.passed
    (repeat,) = result.repeats
    history = [pair.report for pair in repeat.pairs if pair.phase is Phase.HISTORY]
    reuse = [pair.report for pair in repeat.pairs if pair.phase is Phase.REUSE]
    assert not any(report.builds or report.reads for report in history)
    assert repeat.analysis is not None
    assert sorted(repeat.analysis.order) == [4, 11, 74]
    # Whether anything pays at this size depends on the machine; what was selected is what is built.
    assert sum(len(report.builds) for report in reuse) == len(repeat.views)


@pytest.mark.parametrize("protocol", list(Protocol))
def test_policies_of_the_protocols(protocol: Protocol) -> None:
    """Each protocol's own policy is valid, and the number of views comes from the command line."""
    policy = run_policy(RunSettings(protocol=protocol, queries=(1,), top_k=3))

    assert policy.name == f"benchmark-{protocol}"
    assert policy.selection.top_k == 3


def test_a_policy_by_name_or_path(tmp_path: Path) -> None:
    """A policy may be a built-in one or a file; anything else is refused."""
    (tmp_path / "mine.toml").write_text("[selection]\ntop_k = 99\nmax_per_job = 2\n")

    def chosen(policy: str) -> tuple[str, int]:
        found = run_policy(RunSettings(protocol=Protocol.REPEAT, queries=(1,), policy=policy))
        return found.name, found.selection.top_k

    assert chosen("eager") == ("eager", 10)
    assert chosen(str(tmp_path / "mine.toml")) == ("mine", 10)
    with pytest.raises(PolicyError, match="nothing"):
        chosen("nothing")
