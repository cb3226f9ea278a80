"""The differential fuzzer: ``python -m tests.support.fuzz`` runs until it finds a difference."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import duckdb
import typer

from tests.support.fuzz_oracle import Counts, Finding, play
from tests.support.fuzz_shrinking import shrunk
from tests.support.fuzz_steps import Scenario, scenario


def seeds(first: int, *, number: int = 0, of: int = 1) -> Iterator[int]:
    """The seeds of one of several processes that share the work."""
    seed = first + number
    while True:
        yield seed
        seed += of


def reproduction(program: Scenario, finding: Finding) -> str:
    """What to send to see the difference, one statement a line, and what it was."""
    kinds = ",".join(program.kinds)
    steps = [
        f"[{step.cursor}{' raw' if step.raw else ''}{' twice' if step.is_query else ''}] {step.sql}"
        + (f" -- {step.parameters}" if step.parameters else "")
        for step in program.steps
    ]
    lines = [
        f"seed {program.seed}, DuckDB {duckdb.__version__}, kinds {kinds}, in_file {program.in_file}",
        *steps,
        f"difference in step {finding.step}: {finding.problem}",
        f"executed: {finding.executed}",
    ]
    return "\n".join(lines)


def main(
    seed: Annotated[int | None, typer.Option(help="First seed; a random one without it.")] = None,
    seconds: Annotated[float, typer.Option(help="Stop after so long; 0 for never.")] = 0.0,
    count: Annotated[int, typer.Option(help="Scenarios to run; 0 for no end.")] = 0,
    keep_going: Annotated[bool, typer.Option(help="Go on after a difference.")] = False,
    output: Annotated[Path | None, typer.Option(help="File that findings are appended to.")] = None,
    shrink: Annotated[bool, typer.Option(help="Make findings small.")] = True,
) -> None:
    """Send random programs to a plain and a wrapped connection and compare what comes back."""
    first = secrets.randbelow(1 << 32) if seed is None else seed
    typer.echo(f"seed {first}, DuckDB {duckdb.__version__}")
    counts, findings, started = Counts(), 0, time.monotonic()
    for done, each in enumerate(seeds(first), start=1):
        program = scenario(each)
        finding, more = play(program)
        counts.add(more)
        if finding is not None:
            findings += 1
            _tell(program, finding, output, shrink=shrink)
        over = bool(seconds) and time.monotonic() - started > seconds
        if done % 50 == 0:
            typer.echo(f"{time.monotonic() - started:.0f} s: {counts}")
        if over or done == count or (finding is not None and not keep_going):
            break
    typer.echo(f"{findings} differences in {time.monotonic() - started:.0f} s: {counts}")
    if findings:
        raise typer.Exit(1)


def _tell(program: Scenario, finding: Finding, output: Path | None, *, shrink: bool) -> None:
    text = reproduction(*(shrunk(program, finding) if shrink else (program, finding)))
    typer.echo(text)
    if output is not None:
        with output.open("a") as stream:
            stream.write(f"{text}\n\n")


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
