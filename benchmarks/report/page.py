"""One page that holds everything: charts, tables and style are inside it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from jinja2 import Environment, PackageLoader, StrictUndefined

from benchmarks.report import charts
from benchmarks.results import Phase, Protocol, RunResult
from benchmarks.summary import NOTICEABLE_PERCENT, STEP_NAMES, RefusalSummary, Spread, summarize

_PASS_TITLES = {
    Phase.HISTORY: "History pass: recording only, nothing to reuse yet",
    Phase.REUSE: "Reuse pass: coordinated order, building included",
    Phase.CAPTURE: "Capture pass: every result is written as a view",
    Phase.READ: "Read pass: the same queries again",
}
_PROTOCOL_TITLES = {
    Protocol.CLOUDVIEWS: "CloudViews protocol",
    Protocol.REPEAT: "Repeat protocol",
}


def render_page(result: RunResult) -> str:
    """Render a run as one self-contained HTML page."""
    summary = summarize(result)
    template = _environment().get_template("page.html.j2")
    return template.render(
        result=result,
        summary=summary,
        title=_PROTOCOL_TITLES[result.settings.protocol],
        pass_titles=_PASS_TITLES,
        noticeable=NOTICEABLE_PERCENT,
        steps=STEP_NAMES,
        refusals_by_query=_by_query(summary.refusals),
        improvement_charts={
            each.phase: charts.improvement_chart(each, f"improvement-{each.phase}") for each in summary.passes
        },
        totals_chart=charts.totals_chart(summary.passes, "totals"),
        overhead_chart=charts.overhead_chart(summary.passes, "overhead"),
    )


def _by_query(refusals: Iterable[RefusalSummary]) -> list[tuple[int, list[str]]]:
    codes: defaultdict[int, list[str]] = defaultdict(list)
    for refusal in refusals:
        for query in refusal.queries:
            codes[query].append(refusal.code)
    return sorted(codes.items())


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("benchmarks.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["seconds"] = _seconds
    environment.filters["percent"] = _percent
    environment.filters["size"] = _size
    return environment


def _seconds(value: float | Spread) -> str:
    """Seconds with a unit that fits; a spread as median and range."""
    if isinstance(value, Spread):
        if value.minimum == value.maximum:
            return _seconds(value.median)
        return f"{_seconds(value.median)} ({_seconds(value.minimum)} to {_seconds(value.maximum)})"
    if abs(value) < 1.0:
        return f"{value * 1000.0:.1f} ms"
    return f"{value:.2f} s"


def _percent(value: float | Spread) -> str:
    if isinstance(value, Spread):
        if value.minimum == value.maximum:
            return _percent(value.median)
        return f"{_percent(value.median)} ({_percent(value.minimum)} to {_percent(value.maximum)})"
    return f"{value:+.1f} %"


def _size(size_bytes: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if size_bytes < 1024:
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1024
    return f"{size_bytes:.1f} GiB"
