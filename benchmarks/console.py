"""Say in a few lines of text what a run came to."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from benchmarks.report.document import Written
from benchmarks.results import RunResult
from benchmarks.summary import Spread, summarize


def print_outcome(console: Console, result: RunResult, written: Written) -> None:
    """Print totals side by side, whether the results were right, and where the report lies."""
    summary = summarize(result)
    table = Table(title=f"TPC-DS, scale factor {result.settings.scale_factor:g}, {result.settings.protocol}")
    table.add_column("pass")
    for name in ("plain", "with reuse", "speed", "faster", "slower"):
        table.add_column(name, justify="right")
    for each in summary.passes:
        table.add_row(
            each.phase,
            _text(each.plain_seconds, " s"),
            _text(each.reuse_seconds, " s"),
            _text(each.speed_up, " times"),
            str(each.improved),
            str(each.slower),
        )
    console.print(table)
    _print_check(console, result)
    console.print(f"views: {len(summary.views)}")
    # Paths are for copying: no line breaks, no colours inside.
    console.print(f"page: {written.page}", soft_wrap=True, highlight=False)
    console.print(f"figures: {written.json}", soft_wrap=True, highlight=False)


def _print_check(console: Console, result: RunResult) -> None:
    for mismatch in result.mismatches:
        where = "plain" if mismatch.phase is None else f"{mismatch.phase} pass, repeat {mismatch.repeat}"
        cause = " (DuckDB's own common_subplan defect)" if mismatch.engine_defect else ""
        console.print(
            f"query {mismatch.query}, {where}: {mismatch.difference.problem}{cause}",
            soft_wrap=True,
            markup=False,
        )
        for row in mismatch.difference.missing:
            console.print(f"  missing    {row}", soft_wrap=True, markup=False, highlight=False)
        for row in mismatch.difference.unexpected:
            console.print(f"  unexpected {row}", soft_wrap=True, markup=False, highlight=False)
    wrong = len(result.wrong_results)
    console.print(
        f"results: {result.checked_results} compared, "
        + ("all right" if result.passed else f"{wrong} wrong with reuse")
    )


def _text(value: Spread, unit: str) -> str:
    if value.minimum == value.maximum:
        return f"{value.median:.2f}{unit}"
    return f"{value.median:.2f}{unit} ({value.minimum:.2f} to {value.maximum:.2f})"
