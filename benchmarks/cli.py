"""The command line of the harness: ``python -m benchmarks tpcds ...`` and ``... conformance PATH``.

Exit codes: 0 everything measured and every result right; 1 a result differs; 2 the run could not be made.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import duckdb
import typer
from rich.console import Console
from rich.progress import track

from benchmarks.conformance.pytests import compare_pytests, print_pytests
from benchmarks.conformance.suite import compare_all, files_below, print_summary, write_results
from benchmarks.console import print_outcome
from benchmarks.errors import BenchmarkError
from benchmarks.overhead import measure_overhead, print_overhead
from benchmarks.progress import progress_bar
from benchmarks.protocols import planned_steps, run_protocol
from benchmarks.report.document import check_output, write_report
from benchmarks.results import EngineName, Protocol, RunSettings
from benchmarks.reuse import Backend, Plain
from benchmarks.soak.running import SoakSettings, run_soak
from benchmarks.tpcds.data import cache_directory, export_parquet, prepare
from benchmarks.tpcds.queries import parse_selection
from benchmarks.wrapped import Respool
from metastore.embedded import embedded_url
from optimizer_plugin.errors import ReuseError

METASTORE_DIRECTORY = "metastore"
"""Where the metastore of benchmark runs lives, beside the data."""

EXIT_DIFFERENCE = 1
"""Exit code of a run in which a result with reuse was not the right one."""

EXIT_UNUSABLE = 2
"""Exit code of a run that could not be made."""

PYTEST_SECONDS = 3600.0
"""The least time that a run of a folder of pytest files is given."""

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)


@app.callback()
def benchmarks() -> None:
    """Measure queries with reuse beside the same queries without it."""


@app.command()
def tpcds(
    sf: Annotated[float, typer.Option(help="Scale factor: gigabytes of raw data.")] = 1.0,
    protocol: Annotated[Protocol, typer.Option(help="What is run in which order.")] = Protocol.CLOUDVIEWS,
    engine: Annotated[EngineName, typer.Option(help="The engine that runs the queries.")] = EngineName.DUCKDB,
    top_k: Annotated[int, typer.Option(min=1, help="How many computations the analyzer selects.")] = 10,
    queries: Annotated[str, typer.Option(help="Queries to run, such as 1,2,5-9.")] = "all",
    repeat: Annotated[
        int, typer.Option(min=1, help="Rounds, each from an empty store; even numbers balance.")
    ] = 1,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the engine.")] = 2,
    data: Annotated[Path | None, typer.Option(help="Where generated data is kept.")] = None,
    output: Annotated[Path, typer.Option(help="Directory of the report.")] = Path("benchmark-report"),
    policy: Annotated[str | None, typer.Option(help="Name or path of a view-selection policy.")] = None,
    baseline: Annotated[bool, typer.Option(help="Compare plain with plain: the noise.")] = False,
    parquet: Annotated[
        bool, typer.Option("--export-parquet", help="Only write the data as Parquet files.")
    ] = False,
) -> None:
    """Run the TPC-DS queries plain and with reuse, check every result, write a report."""
    settings = RunSettings(
        protocol=protocol,
        engine=engine,
        queries=parse_selection(queries),
        scale_factor=_positive(sf),
        repeats=repeat,
        threads=threads,
        top_k=top_k,
        policy=policy,
    )
    console = Console(stderr=True)
    directory = cache_directory(data)
    if parquet:
        typer.echo(export_parquet(directory, sf))
        return
    backend = Plain() if baseline else Respool(directory / METASTORE_DIRECTORY)
    if not measure(settings, directory, output, backend, console):
        raise typer.Exit(EXIT_DIFFERENCE)


@app.command()
def soak(
    processes: Annotated[int, typer.Option(min=1, help="Processes that share a metastore and a store.")] = 8,
    threads: Annotated[int, typer.Option(min=1, help="Threads of each, with a cursor each.")] = 4,
    seconds: Annotated[float, typer.Option(min=1.0, help="How long they run.")] = 120.0,
    statements: Annotated[int, typer.Option(min=1, help="Recurring statements.")] = 200,
    write_seconds: Annotated[float, typer.Option(min=0.1, help="Seconds between two versions.")] = 5.0,
    output: Annotated[Path, typer.Option(help="File of the figures.")] = Path("soak.json"),
) -> None:
    """Run recurring statements in many processes beside a writer, and check every result."""
    settings = SoakSettings(
        processes=processes,
        threads=threads,
        seconds=seconds,
        statements=statements,
        write_seconds=write_seconds,
    )
    figures = run_soak(settings)
    output.write_text(json.dumps(asdict(figures), indent=2) + "\n")
    typer.echo(str(figures))
    if not figures.passed:
        raise typer.Exit(EXIT_DIFFERENCE)


@app.command()
def conformance(
    path: Annotated[Path, typer.Argument(exists=True, help="A sqllogictest file, or a folder of them.")],
    pytest: Annotated[bool, typer.Option("--pytest", help="The folder holds pytest files.")] = False,
    root: Annotated[Path, typer.Option(help="Where relative paths in the files start.")] = Path(),
    workers: Annotated[int, typer.Option(min=1, help="Files at a time.")] = 2,
    seconds: Annotated[float, typer.Option(min=1, help="Longest time for one file.")] = 120.0,
    output: Annotated[Path | None, typer.Option(help="File for all results, a JSON object a line.")] = None,
) -> None:
    """Run somebody's tests of the engine plain and wrapped, and list what differs."""
    console = Console(soft_wrap=True)
    if pytest:
        tests = compare_pytests(path, seconds=max(seconds, PYTEST_SECONDS))
        print_pytests(tests, console)
        raise typer.Exit(EXIT_DIFFERENCE if tests.differences else 0)
    files = files_below(path)
    compared = compare_all(files, root.absolute(), workers=workers, seconds=seconds)
    results = list(track(compared, "comparing", len(files), console=Console(stderr=True)))
    if output is not None:
        write_results(results, output)
    print_summary(results, console)
    if any(result.differences for result in results):
        raise typer.Exit(EXIT_DIFFERENCE)


@app.command()
def overhead(
    repeats: Annotated[int, typer.Option(min=10, help="Measured runs of each statement.")] = 2_000,
) -> None:
    """Time statements that can't use reuse, plain and wrapped in turns: what the wrapper itself costs."""
    metastore = embedded_url(cache_directory(None) / METASTORE_DIRECTORY)
    print_overhead(Console(), measure_overhead(repeats, metastore))


def measure(settings: RunSettings, data: Path, output: Path, backend: Backend, console: Console) -> bool:
    """Run one protocol with a progress bar, write its report, print what came out.

    Returns:
        Whether every result with reuse was the right one.

    Raises:
        BenchmarkError: the run could not be made.
    """
    check_output(output)
    with console.status(f"TPC-DS at scale factor {settings.scale_factor:g}: preparing data"):
        dataset = prepare(data, settings.scale_factor)
    with progress_bar(console, settings.protocol, planned_steps(settings)) as advance:
        result = run_protocol(settings, dataset, backend, command=_command(), advance=advance)
    written = write_report(result, output)
    print_outcome(Console(), result, written)
    return result.passed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; every failure of the user's making is one line on standard error."""
    try:
        code = app(args=arguments, standalone_mode=False)
    except typer.TyperException as error:
        return _fail(error.format_message())
    except typer.Abort:
        return _fail("interrupted")
    except (ReuseError, duckdb.Error) as error:
        return _fail(str(error))
    return int(code or 0)


def _fail(message: str) -> int:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return EXIT_UNUSABLE


def _positive(scale_factor: float) -> float:
    if scale_factor <= 0:
        raise BenchmarkError(f"found scale factor {scale_factor:g} in --sf", expected="more than 0")
    return scale_factor


def _command() -> str:
    return shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]])
