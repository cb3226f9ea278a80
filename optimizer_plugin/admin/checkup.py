"""``respool doctor``: what is wrong, and what to do about it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from optimizer_plugin.admin.options import JsonOption, opened, options
from optimizer_plugin.admin.printing import print_json, say
from optimizer_plugin.doctor import (
    Diagnosis,
    State,
    check_installation,
    check_store,
    check_views,
    repair,
    unreachable,
)
from optimizer_plugin.errors import ReuseError
from optimizer_plugin.settings import Settings
from optimizer_plugin.views.store import Store

EXIT_PROBLEMS = 1


def doctor(
    context: typer.Context,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Remove views that can't be read any more, dead leases, and debris."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check the installation, the metastore and the store; exit code 1 where there is a problem."""
    diagnosis = examine(options(context).settings(), repairing=repair)
    if as_json:
        print_json({"healthy": diagnosis.healthy, **asdict(diagnosis)})
    else:
        print_diagnosis(diagnosis)
    if not diagnosis.healthy:
        raise typer.Exit(EXIT_PROBLEMS)


def examine(settings: Settings, *, repairing: bool = False) -> Diagnosis:
    """Run every check, after repairing where that is asked for."""
    store = Store(settings.store_directory, settings.tenant)
    repairs: tuple[str, ...] = ()
    try:
        with opened(settings) as metastore:
            if repairing:
                repairs = repair(metastore, store)
            kept = check_views(metastore, store)
    except ReuseError as error:
        kept = (unreachable(error),)
    findings = (*check_installation(), *check_store(store), *kept)
    return Diagnosis(findings=findings, repairs=repairs)


def print_diagnosis(diagnosis: Diagnosis) -> None:
    """Print what was repaired, then one line for each finding, and its remedy below."""
    for repaired in diagnosis.repairs:
        say(repaired)
    for finding in diagnosis.findings:
        mark = {State.OK: "ok     ", State.NOTE: "note   ", State.PROBLEM: "PROBLEM"}[finding.state]
        say(f"{mark}  {finding.check:<10}  {finding.text}")
        if finding.remedy:
            say(f"{' ' * 21}{finding.remedy}")
    problems = sum(finding.state is State.PROBLEM for finding in diagnosis.findings)
    say("no problems" if diagnosis.healthy else f"{problems} problem{'s' if problems > 1 else ''}")
