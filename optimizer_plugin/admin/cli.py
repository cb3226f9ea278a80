"""The command ``respool``.

Exit codes: 0 done; 1 done, and something is wrong with what was looked at (a policy, an installation); 2 it
could not be done, as one line on standard error says; 130 interrupted.
"""

from __future__ import annotations

import importlib.metadata
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from metastore.errors import MetastoreError
from optimizer_plugin.admin import analysis, checkup, explaining, policy, reporting, views
from optimizer_plugin.admin.options import (
    MetastoreUrl,
    Options,
    StoreDirectory,
    Tenant,
    Verbose,
    options,
    with_common_options,
)
from optimizer_plugin.errors import ReuseError
from optimizer_plugin.opening import in_our_words

ENTRY_POINTS = "respool.commands"
"""Other distributions add commands through entry points of this group; built-in names win."""

EXIT_UNUSABLE = 2
EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code.

    Whatever goes wrong is one line on standard error, with a traceback before it for ``--verbose``.
    """
    given = Options()
    try:
        # Typer hands the exit code back where a command ends by raising ``typer.Exit``.
        code = application()(args=arguments, prog_name="respool", obj=given, standalone_mode=False)
        return int(code or 0)
    except (typer.Abort, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    except typer.TyperException as error:
        return _misused(error.format_message(), given)
    except MetastoreError as error:
        return _fail(str(in_our_words(error)), given)
    except ReuseError as error:
        return _fail(str(error), given)
    except Exception as error:  # noqa: BLE001 - the last resort of a program, in place of a traceback
        found = f"unexpected {type(error).__name__}: {error}"
        return _fail(f"{found}; run it with --verbose and report what it prints", given)


def application() -> typer.Typer:
    """All commands, those of other distributions included."""
    app = typer.Typer(
        name="respool",
        help="Administer the reuse of computations across queries.",
        add_completion=False,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(_common)
    app.command("analyze")(with_common_options(analysis.analyze))
    app.command("explain")(with_common_options(explaining.explain))
    app.command("report")(with_common_options(reporting.report))
    app.command("doctor")(with_common_options(checkup.doctor))
    app.add_typer(views.commands(), name="views")
    app.add_typer(policy.commands(), name="policy")
    built_in = {"analyze", "explain", "report", "doctor", "views", "policy"}
    for point in importlib.metadata.entry_points(group=ENTRY_POINTS):
        if point.name not in built_in:
            _add(app, point)
    return app


def version() -> str:
    """The release that is installed."""
    try:
        return importlib.metadata.version("respool")
    except importlib.metadata.PackageNotFoundError:
        return "not installed: running from a directory"


def _add(app: typer.Typer, point: importlib.metadata.EntryPoint) -> None:
    """One plug-in that can't be loaded must not take the other commands with it."""
    try:
        function = point.load()
    except Exception as error:  # noqa: BLE001 - a plug-in may raise anything
        sys.stderr.write(f"respool: command {point.name!r} is left out: {_line(str(error))}\n")
    else:
        app.command(point.name)(function)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"respool {version()}")
        raise typer.Exit


def _common(
    context: typer.Context,
    metastore: MetastoreUrl = None,
    store: StoreDirectory = None,
    tenant: Tenant = None,
    verbose: Verbose = False,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    given = options(context)
    given.metastore, given.store, given.tenant, given.verbose = metastore, store, tenant, verbose


def _misused(message: str, given: Options) -> int:
    """A usage error; where no command was named the message is the help text itself."""
    if "\n" in message:
        sys.stderr.write(f"{message}\n")
        return EXIT_UNUSABLE
    return _fail(
        f"{message[:1].lower()}{message[1:].rstrip('.')}; 'respool --help' says what there is", given
    )


def _fail(message: str, given: Options) -> int:
    if given.verbose:
        traceback.print_exc()
    sys.stderr.write(f"respool: {_line(message)}\n")
    return EXIT_UNUSABLE


def _line(message: str) -> str:
    return " ".join(message.split())
