"""Charts as inline SVG: bars of improvement per query, totals side by side, shares of overhead."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from benchmarks.summary import PassSummary, QuerySummary

_FASTER = "#2f7ed8"
_SLOWER = "#c8553d"
_BUILDER = "#e0a030"
_PLAIN = "#9aa5b1"
_TEXT = "#24292f"
_STEPS = ("#4c78a8", "#72b7b2", "#54a24b", "#e0a030", "#b279a2")
_LOWEST_PERCENT = -100.0
"""Bars are cut here: one query of a millisecond that took three would flatten all the others."""

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "respool",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": _TEXT,
    "axes.labelcolor": _TEXT,
    "axes.edgecolor": "#c9d1d9",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": _TEXT,
    "ytick.color": _TEXT,
}


def improvement_chart(summary: PassSummary, name: str) -> str:
    """Percentage improvement of each query in the order of their numbers; builders are hatched.

    Args:
        summary: one pass.
        name: prefix that keeps the identifiers of several charts on one page apart.

    Source: CloudViews figure 13.
    """
    with rc_context(_STYLE):
        figure = Figure(figsize=(max(7.0, 0.13 * len(summary.queries)), 3.9), layout="constrained")
        axes = figure.add_subplot()
        for place, query in enumerate(summary.queries):
            _draw_bar(axes, place, query)
        axes.axhline(0.0, color=_TEXT, linewidth=0.8)
        axes.set_xticks(range(len(summary.queries)), [str(query.query) for query in summary.queries])
        axes.tick_params(axis="x", labelsize=7 if len(summary.queries) > 40 else 9, rotation=90)
        axes.set_xlim(-0.8, len(summary.queries) - 0.2)
        axes.set_ylim(*_limits(summary.queries))
        axes.set_ylabel("improvement of run time, %")
        axes.set_xlabel("TPC-DS query")
        axes.grid(axis="y", color="#e6e9ec", linewidth=0.7)
        axes.set_axisbelow(True)
        _explain_colours(figure)
        return _svg(figure, name)


def _draw_bar(axes: Axes, place: int, query: QuerySummary) -> None:
    gain = query.improvement_percent
    colour = _BUILDER if query.builds else _FASTER if gain.median >= 0 else _SLOWER
    shown = max(gain.median, _LOWEST_PERCENT)
    axes.bar(
        place,
        shown,
        width=0.78,
        color=colour,
        hatch="///" if query.builds else None,
        edgecolor="white",
        linewidth=0.0,
    )
    low, high = max(gain.minimum, _LOWEST_PERCENT), max(gain.maximum, _LOWEST_PERCENT)
    if high > low:
        axes.vlines(place, low, high, color=_TEXT, linewidth=0.6)


def _limits(queries: Sequence[QuerySummary]) -> tuple[float, float]:
    lowest = min(query.improvement_percent.minimum for query in queries)
    highest = max(query.improvement_percent.maximum for query in queries)
    return max(_LOWEST_PERCENT, min(-10.0, lowest * 1.05)), max(10.0, highest * 1.05)


def _explain_colours(figure: Figure) -> None:
    figure.legend(
        handles=[
            Patch(facecolor=_FASTER, label="faster"),
            Patch(facecolor=_SLOWER, label="slower"),
            Patch(facecolor=_BUILDER, hatch="///", edgecolor="white", label="built a view"),
        ],
        loc="outside upper right",
        ncols=3,
        frameon=False,
    )


def totals_chart(passes: Sequence[PassSummary], name: str) -> str:
    """Total seconds of each pass, plain beside reuse, with the range over the repeats."""
    with rc_context(_STYLE):
        figure = Figure(figsize=(7.0, 0.7 + 0.75 * len(passes)), layout="constrained")
        axes = figure.add_subplot()
        labels = []
        for place, summary in enumerate(reversed(passes)):
            for offset, seconds, colour in (
                (0.2, summary.plain_seconds, _PLAIN),
                (-0.2, summary.reuse_seconds, _FASTER),
            ):
                axes.barh(place + offset, seconds.median, height=0.36, color=colour)
                axes.hlines(place + offset, seconds.minimum, seconds.maximum, color=_TEXT, linewidth=0.8)
                axes.annotate(
                    f"{seconds.median:.2f} s",
                    (seconds.maximum, place + offset),
                    (4, 0),
                    textcoords="offset points",
                    va="center",
                )
            labels.append(f"{summary.phase} pass")
        axes.set_yticks(range(len(labels)), labels)
        axes.margins(x=0.12)
        axes.set_xlabel("seconds in total")
        figure.legend(
            handles=[Patch(facecolor=_PLAIN, label="plain"), Patch(facecolor=_FASTER, label="with reuse")],
            loc="outside upper right",
            ncols=2,
            frameon=False,
        )
        return _svg(figure, name)


def overhead_chart(passes: Sequence[PassSummary], name: str) -> str:
    """Seconds that each step added, one stacked bar for each pass."""
    with rc_context(_STYLE):
        figure = Figure(figsize=(7.0, 0.9 + 0.45 * len(passes)), layout="constrained")
        axes = figure.add_subplot()
        ordered = list(reversed(passes))
        left = [0.0] * len(ordered)
        for step, colour in enumerate(_STEPS):
            widths = [summary.steps[step].seconds.median for summary in ordered]
            label = ordered[0].steps[step].name.replace("_", " ")
            axes.barh(range(len(ordered)), widths, left=left, height=0.6, color=colour, label=label)
            left = [start + width for start, width in zip(left, widths, strict=True)]
        axes.set_yticks(range(len(ordered)), [f"{summary.phase} pass" for summary in ordered])
        axes.set_xlim(0.0, max(left) * 1.05 or 1.0)
        axes.set_xlabel("seconds in total")
        figure.legend(loc="outside upper right", ncols=len(_STEPS), frameon=False)
        return _svg(figure, name)


def _svg(figure: Figure, name: str) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    # Several charts share one page, where an identifier may occur once only.
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r"url\(#", f"url(#{name}-", text)
    text = re.sub(r'xlink:href="#', f'xlink:href="#{name}-', text)
    return re.sub(r"<svg ", f'<svg role="img" aria-label="{name}" ', text, count=1)
