"""Options that every command takes, before the command's name or after it, and what follows from them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, cast

import typer

from metastore.errors import MetastoreError
from metastore.opening import open_metastore
from metastore.ports import Metastore
from optimizer_plugin.opening import in_our_words
from optimizer_plugin.settings import Settings

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
PolicyOption = Annotated[
    str | None, typer.Option("--policy", help="Name or path of a policy; the tenant's own without it.")
]


@dataclass(slots=True)
class Options:
    """What the command line said about where things lie. Typer hands one to every command."""

    metastore: str | None = None
    store: str | None = None
    tenant: str | None = None
    verbose: bool = False

    def settings(self, policy: str | Path | None = None) -> Settings:
        """Options over environment over defaults.

        Raises:
            ConfigurationError: where a value can't be used.
        """
        return Settings.resolve(
            metastore=self.metastore, store=self.store, tenant=self.tenant, policy=policy, strict=True
        )


MetastoreUrl = Annotated[
    str | None, typer.Option("--metastore", help="URL of a Postgres server; an embedded one without it.")
]
StoreDirectory = Annotated[str | None, typer.Option("--store", help="Directory of the views.")]
Tenant = Annotated[str | None, typer.Option("--tenant", help="Unit of policy, sharing and reports.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Show tracebacks.")]

_COMMON = {"metastore": MetastoreUrl, "store": StoreDirectory, "tenant": Tenant, "verbose": Verbose}


def options(context: typer.Context) -> Options:
    """What the command line said."""
    return context.ensure_object(Options)


def with_common_options(function: Callable[..., None]) -> Callable[..., None]:
    """Let a command take the common options after its name too; it finds them in its context.

    Typer reads a command's options from its signature, so that is what grows.
    """
    own = inspect.signature(function, eval_str=True)
    added = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=False if name == "verbose" else None,
            annotation=annotation,
        )
        for name, annotation in _COMMON.items()
    ]

    @functools.wraps(function)
    def command(**given: object) -> None:
        found = options(cast(typer.Context, given["context"]))
        for name in _COMMON:
            value = given.pop(name)
            # An empty text is a mistake to be told of: it must not mean the default tenant.
            if value is not None and value is not False:
                setattr(found, name, value)
        function(**given)

    parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own.parameters.values()]
    signature = own.replace(parameters=[*parameters, *added])
    command.__dict__["__signature__"] = signature
    command.__annotations__ = {name: each.annotation for name, each in signature.parameters.items()}
    return command


@contextmanager
def opened(settings: Settings) -> Iterator[Metastore]:
    """The metastore of the settings, closed at the end, with its errors in our words.

    Raises:
        ConfigurationError: where the URL names no metastore.
        MetastoreUnavailableError: where it does not answer, refuses or is a later release's.
    """
    try:
        metastore = open_metastore(settings.metastore, data_directory=settings.data_directory)
        try:
            yield metastore
        finally:
            metastore.close()
    except MetastoreError as error:
        raise in_our_words(error) from error
