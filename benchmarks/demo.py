"""``respool demo``: both protocols on a small TPC-DS database.

The command lives here, because ``optimizer_plugin`` does not depend on this package; the command line
finds it through the entry point group ``respool.commands``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.errors import ExtraMissingError
from benchmarks.results import Protocol, RunSettings
from optimizer_plugin.errors import ReuseError


def demo(
    sf: Annotated[float, typer.Option(help="Scale factor: gigabytes of raw data.")] = 1.0,
    queries: Annotated[str, typer.Option(help="Queries to run, such as 1,2,5-9.")] = "all",
    repeat: Annotated[
        int, typer.Option(min=1, help="Rounds, each from an empty store; even numbers balance.")
    ] = 1,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the engine.")] = 2,
    data: Annotated[Path | None, typer.Option(help="Where generated data is kept.")] = None,
    output: Annotated[Path, typer.Option(help="Directory of the reports.")] = Path("respool-demo"),
) -> None:
    """Run TPC-DS queries plain and with reuse, and write a page for each of two protocols."""
    try:
        right = _run_both(sf, queries, repeat, threads, data, output)
    except ReuseError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    if not right:
        raise typer.Exit(1)


def _run_both(
    scale_factor: float, queries: str, repeats: int, threads: int, data: Path | None, output: Path
) -> bool:
    try:
        # The libraries of these modules come with an extra; the command line has to load without it.
        from benchmarks.cli import METASTORE_DIRECTORY, measure
        from benchmarks.tpcds.data import cache_directory
        from benchmarks.tpcds.queries import parse_selection
        from benchmarks.wrapped import Respool
    except ModuleNotFoundError as error:
        raise ExtraMissingError(f"found no {error.name}") from error
    selection = parse_selection(queries)
    every = [
        RunSettings(
            protocol=protocol,
            queries=selection,
            scale_factor=scale_factor,
            repeats=repeats,
            threads=threads,
        )
        for protocol in Protocol
    ]
    console = Console(stderr=True)
    # Both run before either is judged: a wrong result under one does not hide what the other gives.
    directory = cache_directory(data)
    backend = Respool(directory / METASTORE_DIRECTORY)
    right = [measure(each, directory, output, backend, console) for each in every]
    return all(right)
