"""Medians, spreads, reasons for losses: computed from figures that are given."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.machine import describe_machine
from benchmarks.results import (
    Analysis,
    Pair,
    Phase,
    Protocol,
    Refusal,
    Repeat,
    Report,
    RunResult,
    RunSettings,
    Step,
    ViewFigures,
)
from benchmarks.summary import Spread, improvement, summarize


def pair(query: int, plain: float, reuse: float, report: Report | None = None) -> Pair:
    """One measured pair of the pass with reuse."""
    return Pair(
        query=query,
        phase=Phase.REUSE,
        plain_seconds=plain,
        reuse_seconds=reuse,
        plain_first=True,
        report=report or Report(),
    )


def view(signature: str, build_seconds: float) -> ViewFigures:
    """A view that was built in so many seconds and read three times."""
    return ViewFigures(
        signature=signature,
        label="join of store_sales, date_dim",
        rows=10,
        size_bytes=2048,
        build_seconds=build_seconds,
        reads=3,
        read_seconds=0.01,
        saved_seconds=0.5,
    )


def run(*rounds: tuple[Pair, ...], views: tuple[tuple[ViewFigures, ...], ...] = ()) -> RunResult:
    """A run with one repeat for each round."""
    repeats = tuple(
        Repeat(
            number=number,
            order=tuple(each.query for each in pairs),
            pairs=pairs,
            analysis=Analysis(seconds=float(number), order=(), selected=1),
            views=views[number - 1] if views else (),
            counters=(),
        )
        for number, pairs in enumerate(rounds, 1)
    )
    return RunResult(
        settings=RunSettings(protocol=Protocol.CLOUDVIEWS, queries=(1, 2), repeats=len(rounds)),
        command="",
        machine=describe_machine(),
        backend="plain",
        database=Path("sf1.duckdb"),
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        finished_at=datetime(2026, 1, 1, tzinfo=UTC),
        checked_results=0,
        repeats=repeats,
        mismatches=(),
    )


def test_totals_and_queries() -> None:
    """Totals weigh queries by their time, the mean of improvements weighs them alike."""
    summary = summarize(
        run(
            (pair(1, 8.0, 4.0), pair(2, 2.0, 3.0)),
            (pair(1, 8.0, 2.0), pair(2, 2.0, 3.0)),
            (pair(1, 8.0, 6.0), pair(2, 2.0, 3.0)),
        )
    )
    (reuse,) = summary.passes

    assert reuse.plain_seconds == Spread(median=10.0, minimum=10.0, maximum=10.0)
    assert reuse.reuse_seconds == Spread(median=7.0, minimum=5.0, maximum=9.0)
    assert reuse.improvement_percent == Spread(median=30.0, minimum=10.0, maximum=50.0)
    assert reuse.speed_up.maximum == pytest.approx(2.0)
    assert reuse.average_improvement_percent == pytest.approx(0.0)
    assert (reuse.improved, reuse.slower) == (1, 1)
    assert [query.improvement_percent.median for query in reuse.queries] == [50.0, -50.0]
    assert summary.analysis_seconds == Spread(median=2.0, minimum=1.0, maximum=3.0)


def test_improvement_is_a_share_of_plain() -> None:
    """Half the time is 50 %, twice the time is -100 %."""
    assert improvement(2.0, 1.0) == 50.0
    assert improvement(1.0, 2.0) == -100.0


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (Report(builds=("a",), steps=(Step(name="spool", seconds=0.9),)), "built 1 view: 900.0 ms spooling"),
        (Report(reads=("a", "b")), "reading 2 views cost more than computing"),
        (
            Report(reads=("a",), steps=(Step(name="sign", seconds=0.3), Step(name="look_up", seconds=0.4))),
            "700.0 ms before it ran: signing, look-up, rewriting",
        ),
        (Report(), "neither built nor read a view: what equal runs differ by"),
    ],
)
def test_why_a_query_lost(report: Report, expected: str) -> None:
    """A query that lost says which of its steps took most of the loss."""
    (reuse,) = summarize(run((pair(1, 1.0, 2.0, report),))).passes

    assert reuse.queries[0].loss == expected


def test_a_small_change_is_no_loss() -> None:
    """Four percent slower is within what equal runs differ by."""
    (reuse,) = summarize(run((pair(1, 1.0, 1.04, Report(builds=("a",))),))).passes

    assert reuse.queries[0].loss == ""
    assert reuse.slower == 0


def test_steps_of_a_pass() -> None:
    """Each step is summed over the queries of a pass and compared with the plain total."""
    report = Report(steps=(Step(name="sign", seconds=0.1), Step(name="run", seconds=5.0)))
    (reuse,) = summarize(run((pair(1, 2.0, 2.0, report), pair(2, 2.0, 2.0, report)))).passes

    shares = {share.name: share for share in reuse.steps}
    assert list(shares) == ["sign", "look_up", "rewrite", "spool", "read"]
    assert shares["sign"].seconds.median == pytest.approx(0.2)
    assert shares["sign"].percent_of_plain == pytest.approx(5.0)
    assert shares["spool"].seconds.median == 0.0


def test_views_over_repeats() -> None:
    """The same view of two repeats is one line, with who built it and who read it."""
    pairs = (pair(2, 1.0, 1.0, Report(builds=("s",))), pair(1, 1.0, 1.0, Report(reads=("s",))))
    (found,) = summarize(run(pairs, pairs, views=((view("s", 1.0),), (view("s", 3.0),)))).views

    assert found.build_seconds == Spread(median=2.0, minimum=1.0, maximum=3.0)
    assert (found.builder, found.readers) == (2, (1,))


def test_refusals_by_code() -> None:
    """Reasons are counted by code, with the queries in which they were given."""
    refusal = Refusal(code="REUSE-104", text="volatile function")
    other = Refusal(code="REUSE-401", text="reading costs more")
    report = Report(not_reused=(refusal, refusal, other))
    found = summarize(run((pair(2, 1.0, 1.0, report), pair(1, 1.0, 1.0, Report(not_reused=(refusal,))))))

    assert [(each.code, each.count, each.queries) for each in found.refusals] == [
        ("REUSE-104", 3, (1, 2)),
        ("REUSE-401", 1, (2,)),
    ]
