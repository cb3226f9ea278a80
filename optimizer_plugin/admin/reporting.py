"""``respool report``: what a tenant's history says."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from optimizer_plugin import reports
from optimizer_plugin.admin.analysis import parse_moment
from optimizer_plugin.admin.lineage import readable
from optimizer_plugin.admin.options import JsonOption, opened, options
from optimizer_plugin.admin.printing import counted, moment, print_json, print_table, say, size
from optimizer_plugin.reports import TenantReport

DEFAULT_HOURS = 168.0
ROWS_SHOWN = 20


def report(
    context: typer.Context,
    since: Annotated[str | None, typer.Option(help="Start of the range, in ISO 8601.")] = None,
    window_hours: Annotated[
        float, typer.Option(min=0, help="Hours up to now, without --since.")
    ] = DEFAULT_HOURS,
    as_json: JsonOption = False,
) -> None:
    """Report jobs, time, reads, builds, savings, overlaps, and what is not eligible and why."""
    settings = options(context).settings()
    now = datetime.now(UTC)
    start = now - timedelta(hours=window_hours) if since is None else parse_moment(since)
    with opened(settings) as metastore:
        # Clocks of programs differ a little, and a job of just now belongs in.
        found = reports.report(
            metastore, tenant=settings.tenant, since=start, until=now + timedelta(minutes=1)
        )
    if as_json:
        print_json(asdict(found))
    else:
        print_report(found)


def print_report(found: TenantReport) -> None:
    """Print a report."""
    share = found.overlapping_jobs / found.jobs if found.jobs else 0.0
    say(f"tenant    {found.tenant}, {moment(found.since)} to {moment(found.until)}")
    say(f"jobs      {found.jobs} by {counted(found.users, 'user')}, {found.failed_jobs} failed")
    say(
        f"time      {found.elapsed_seconds:.3f} s, reuse decided in {found.overhead_seconds:.3f} s, "
        f"views written in {found.building_seconds:.3f} s"
    )
    say(f"reuse     {found.reads} reads in {counted(found.reading_jobs, 'job')}, {found.builds} builds")
    say(f"views     {found.views}, {size(found.view_bytes)}, {found.saved_seconds:.3f} s saved since built")
    say(f"overlap   {found.overlapping_jobs} jobs ({share:.0%}) share a computation with another job")
    _print_overlaps(found)
    print_table(
        ("code", "not eligible because", "occurrences", "jobs"),
        [(each.code, each.text, each.occurrences, each.jobs) for each in found.not_eligible],
    )


def _print_overlaps(found: TenantReport) -> None:
    print_table(
        ("input", "recurring computations", "jobs", "users", "time in them (s)"),
        [
            (readable(each.input), each.recurring, each.jobs, each.users, each.seconds)
            for each in found.by_input[:ROWS_SHOWN]
        ],
    )
    print_table(
        ("user", "jobs", "that overlap", "time (s)"),
        [
            (each.user, each.jobs, each.overlapping_jobs, each.elapsed_seconds)
            for each in found.by_user[:ROWS_SHOWN]
        ],
    )
    print_table(
        ("kind", "computations", "that recur"),
        [(each.kind.value, each.distinct, each.recurring) for each in found.by_kind],
    )
