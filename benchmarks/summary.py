"""What the figures of a run come to: medians with their spread, per query, per pass and per view."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.results import Pair, Phase, Repeat, RunResult, ViewFigures

NOTICEABLE_PERCENT = 5.0
"""A change of run time smaller than this counts as none."""

STEP_NAMES = ("sign", "look_up", "rewrite", "spool", "read")
"""Steps that reuse adds to a statement, in the order in which they happen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A median and the smallest and largest value it was taken from."""

    median: float
    minimum: float
    maximum: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StepShare:
    """Seconds of one step, summed over the queries of a pass."""

    name: str
    seconds: Spread
    percent_of_plain: float


@dataclass(frozen=True, slots=True, kw_only=True)
class QuerySummary:
    """One query in one pass, over all repeats. Improvement is in percent of the plain run time."""

    query: int
    phase: Phase
    plain_seconds: Spread
    reuse_seconds: Spread
    improvement_percent: Spread
    builds: int
    reads: int
    loss: str
    """Why it became slower; empty where it did not noticeably."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PassSummary:
    """One pass over all queries, over all repeats."""

    phase: Phase
    plain_seconds: Spread
    reuse_seconds: Spread
    improvement_percent: Spread
    """Of the total run time."""
    speed_up: Spread
    """Plain total divided by the total with reuse."""
    average_improvement_percent: float
    """Mean of the queries' own improvements, each query counting the same."""
    improved: int
    slower: int
    steps: tuple[StepShare, ...]
    queries: tuple[QuerySummary, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewSummary:
    """One view over all repeats that built it. ``readers`` are query numbers."""

    signature: str
    label: str
    rows: int
    size_bytes: int
    build_seconds: Spread
    reads: float
    read_seconds: float
    saved_seconds: float
    builder: int | None
    readers: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalSummary:
    """One reason code: how often it was given, in which queries, with one example."""

    code: str
    text: str
    count: int
    queries: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Everything the page shows beside the raw figures."""

    passes: tuple[PassSummary, ...]
    views: tuple[ViewSummary, ...]
    refusals: tuple[RefusalSummary, ...]
    analysis_seconds: Spread | None


def summarize(result: RunResult) -> Summary:
    """Condense a run."""
    phases = tuple(dict.fromkeys(pair.phase for pair in _pairs(result.repeats)))
    analyses = [repeat.analysis.seconds for repeat in result.repeats if repeat.analysis]
    return Summary(
        passes=tuple(_summarize_pass(phase, result.repeats) for phase in phases),
        views=_summarize_views(result.repeats),
        refusals=_summarize_refusals(result.repeats),
        analysis_seconds=spread(analyses) if analyses else None,
    )


def spread(values: Sequence[float]) -> Spread:
    """Median, minimum and maximum of at least one value."""
    return Spread(median=median(values), minimum=min(values), maximum=max(values))


def improvement(plain_seconds: float, reuse_seconds: float) -> float:
    """Percentage of the plain run time that reuse saved; negative where it cost.

    Source: CloudViews figure 13.
    """
    return 100.0 * (plain_seconds - reuse_seconds) / plain_seconds


def _pairs(repeats: Iterable[Repeat]) -> Iterable[Pair]:
    return (pair for repeat in repeats for pair in repeat.pairs)


def _summarize_pass(phase: Phase, repeats: Sequence[Repeat]) -> PassSummary:
    rounds = [[pair for pair in repeat.pairs if pair.phase is phase] for repeat in repeats]
    plain = [sum(pair.plain_seconds for pair in pairs) for pairs in rounds]
    reuse = [sum(pair.reuse_seconds for pair in pairs) for pairs in rounds]
    by_query: defaultdict[int, list[Pair]] = defaultdict(list)
    for pair in (pair for pairs in rounds for pair in pairs):
        by_query[pair.query].append(pair)
    queries = tuple(_summarize_query(phase, pairs) for _, pairs in sorted(by_query.items()))
    gains = [query.improvement_percent.median for query in queries]
    return PassSummary(
        phase=phase,
        plain_seconds=spread(plain),
        reuse_seconds=spread(reuse),
        improvement_percent=spread(list(map(improvement, plain, reuse))),
        speed_up=spread([one / other for one, other in zip(plain, reuse, strict=True)]),
        average_improvement_percent=sum(gains) / len(gains),
        improved=sum(gain > NOTICEABLE_PERCENT for gain in gains),
        slower=sum(gain < -NOTICEABLE_PERCENT for gain in gains),
        steps=tuple(_step_share(name, rounds, median(plain)) for name in STEP_NAMES),
        queries=queries,
    )


def _step_share(name: str, rounds: Sequence[Sequence[Pair]], plain_seconds: float) -> StepShare:
    seconds = spread([sum(_seconds_of(pair, name) for pair in pairs) for pairs in rounds])
    return StepShare(name=name, seconds=seconds, percent_of_plain=100.0 * seconds.median / plain_seconds)


def _seconds_of(pair: Pair, name: str) -> float:
    return sum(step.seconds for step in pair.report.steps if step.name == name)


def _summarize_query(phase: Phase, pairs: Sequence[Pair]) -> QuerySummary:
    gains = spread([improvement(pair.plain_seconds, pair.reuse_seconds) for pair in pairs])
    return QuerySummary(
        query=pairs[0].query,
        phase=phase,
        plain_seconds=spread([pair.plain_seconds for pair in pairs]),
        reuse_seconds=spread([pair.reuse_seconds for pair in pairs]),
        improvement_percent=gains,
        builds=max(len(pair.report.builds) for pair in pairs),
        reads=max(len(pair.report.reads) for pair in pairs),
        loss=_loss(pairs) if gains.median < -NOTICEABLE_PERCENT else "",
    )


def _loss(pairs: Sequence[Pair]) -> str:
    """Why a query became slower, from what its steps took in the middle one of its runs."""
    ranked = sorted(pairs, key=lambda pair: improvement(pair.plain_seconds, pair.reuse_seconds))
    pair = ranked[len(ranked) // 2]
    lost = pair.reuse_seconds - pair.plain_seconds
    steps = {name: _seconds_of(pair, name) for name in STEP_NAMES}
    before = steps["sign"] + steps["look_up"] + steps["rewrite"]
    if pair.report.builds and steps["spool"] >= lost / 2:
        return f"built {_views(len(pair.report.builds))}: {_milliseconds(steps['spool'])} spooling"
    if before >= lost / 2:
        return f"{_milliseconds(before)} before it ran: signing, look-up, rewriting"
    if pair.report.reads:
        return f"reading {_views(len(pair.report.reads))} cost more than computing"
    return "neither built nor read a view: what equal runs differ by"


def _views(count: int) -> str:
    return "1 view" if count == 1 else f"{count} views"


def _milliseconds(seconds: float) -> str:
    return f"{1000.0 * seconds:.1f} ms"


def _summarize_views(repeats: Sequence[Repeat]) -> tuple[ViewSummary, ...]:
    figures: defaultdict[str, list[ViewFigures]] = defaultdict(list)
    for view in (view for repeat in repeats for view in repeat.views):
        figures[view.signature].append(view)
    views = [_summarize_view(views, repeats) for views in figures.values()]
    return tuple(sorted(views, key=lambda view: -view.saved_seconds))


def _summarize_view(views: Sequence[ViewFigures], repeats: Sequence[Repeat]) -> ViewSummary:
    view = views[0]
    reports = [(pair.query, pair.report) for pair in _pairs(repeats)]
    builders = [query for query, report in reports if view.signature in report.builds]
    readers = {query for query, report in reports if view.signature in report.reads}
    return ViewSummary(
        signature=view.signature,
        label=view.label,
        rows=view.rows,
        size_bytes=view.size_bytes,
        build_seconds=spread([each.build_seconds for each in views]),
        reads=median(each.reads for each in views),
        read_seconds=median(each.read_seconds for each in views),
        saved_seconds=median(each.saved_seconds for each in views),
        builder=builders[0] if builders else None,
        readers=tuple(sorted(readers)),
    )


def _summarize_refusals(repeats: Sequence[Repeat]) -> tuple[RefusalSummary, ...]:
    texts: dict[str, str] = {}
    queries: defaultdict[str, list[int]] = defaultdict(list)
    # One repeat stands for all: the same statements over the same data are refused alike.
    for pair in _pairs(repeats[:1]):
        for refusal in pair.report.not_reused:
            texts.setdefault(refusal.code, refusal.text)
            queries[refusal.code].append(pair.query)
    return tuple(
        RefusalSummary(code=code, text=texts[code], count=len(found), queries=tuple(sorted(set(found))))
        for code, found in sorted(queries.items())
    )
