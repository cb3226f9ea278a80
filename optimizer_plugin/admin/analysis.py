"""``respool analyze``: select what is worth materializing from the history of a tenant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from metastore.records import Annotation
from optimizer_plugin.admin.options import JsonOption, PolicyOption, opened, options
from optimizer_plugin.admin.printing import counted, print_json, print_table, say
from optimizer_plugin.analyzer import running
from optimizer_plugin.analyzer.candidates import Rejected
from optimizer_plugin.errors import ConfigurationError
from optimizer_plugin.opening import policy_in_force
from optimizer_plugin.policies import Policy, SelectionPolicy

REJECTED_SHOWN = 20


def analyze(
    context: typer.Context,
    policy: PolicyOption = None,
    since: Annotated[
        str | None,
        typer.Option(help="Start of the history to mine, such as 2026-01-31 or 2026-01-31T08:00Z."),
    ] = None,
    window_hours: Annotated[
        float | None, typer.Option(min=0, help="Hours of history to mine; 0 means all of it.")
    ] = None,
    top_k: Annotated[int | None, typer.Option(min=1, help="Most computations to annotate.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Select, and change nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Mine the history, annotate what is worth materializing, and say why the rest is not."""
    settings = options(context).settings(policy)
    start = None if since is None else parse_moment(since)
    with opened(settings) as metastore:
        chosen = with_limits(policy_in_force(settings, metastore), window_hours, top_k)
        result = running.analyze(
            metastore, tenant=settings.tenant, policy=chosen, since=start, dry_run=dry_run
        )
    if as_json:
        print_json(
            {
                "dry_run": dry_run,
                "analysis": asdict(result.analysis),
                "annotations": [asdict(each) for each in result.annotations],
                "rejected": [asdict(each) for each in result.rejected],
                "order": result.order,
            }
        )
        return
    print_result(result, dry_run=dry_run)


def with_limits(policy: Policy, window_hours: float | None, top_k: int | None) -> Policy:
    """A policy with limits of the command line in place of its own."""
    changes = {"window_hours": window_hours, "top_k": top_k}
    given = {name: value for name, value in changes.items() if value is not None}
    selection = SelectionPolicy.model_validate({**dict(policy.selection), **given})
    return policy.model_copy(update={"selection": selection})


def parse_moment(text: str) -> datetime:
    """A time in ISO 8601; in UTC where it names no zone.

    Raises:
        ConfigurationError: where it is none.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(
            f"time {text!r} cannot be read",
            expected="ISO 8601, such as 2026-01-31T08:00Z",
            remedy="correct it",
        ) from error
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def print_result(result: running.AnalysisResult, *, dry_run: bool) -> None:
    """Print what was annotated and what was not."""
    analysis = result.analysis
    verb = "would be annotated" if dry_run else "annotated"
    say(
        f"tenant {analysis.tenant}: {counted(analysis.jobs_seen, 'job')}, "
        f"{counted(analysis.candidates, 'recurring computation')}, {analysis.selected} {verb}"
    )
    _print_annotations(result.annotations)
    _print_rejected(result.rejected)
    if not analysis.jobs_seen:
        say("no history in this range: run queries through optimizer_plugin.wrap(), or widen the window")
    if len(result.order) > 1 and result.annotations:
        say(f"best order of submission (templates): {', '.join(each[:12] for each in result.order)}")


def _print_annotations(annotations: Sequence[Annotation]) -> None:
    print_table(
        ("computation", "kind", "occurrences", "saves (s)", "signature"),
        [
            (each.label, each.kind.value, each.frequency, each.utility_seconds, each.normalized[:12])
            for each in annotations
        ],
    )


def _print_rejected(rejected: Sequence[Rejected]) -> None:
    print_table(("left out", "why"), [(each.label, each.reason) for each in rejected[:REJECTED_SHOWN]])
    if len(rejected) > REJECTED_SHOWN:
        say(f"and {len(rejected) - REJECTED_SHOWN} more; --json lists all")
