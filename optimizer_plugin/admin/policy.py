"""``respool policy``: which policy is in force, whether a document is one, and putting it in force."""

from __future__ import annotations

import getpass
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import tomlkit
import typer

from metastore.ports import Metastore
from metastore.records import PolicyVersion
from optimizer_plugin import policies
from optimizer_plugin.admin.options import JsonOption, PolicyOption, opened, options, with_common_options
from optimizer_plugin.admin.printing import moment, print_json, print_table, say
from optimizer_plugin.analyzer.selection.strategies import ranking
from optimizer_plugin.errors import PolicyError
from optimizer_plugin.policies import Policy
from optimizer_plugin.policy_problems import Problem
from optimizer_plugin.settings import Settings

EXIT_PROBLEMS = 1

_File = Annotated[Path, typer.Argument(help="TOML document.")]
_NameOrFile = Annotated[str, typer.Argument(help="TOML document, or the name of a built-in policy.")]
_Author = Annotated[str | None, typer.Option(help="Who applies it; the user of this process without it.")]
_Comment = Annotated[str, typer.Option("--comment", "-m", help="Why.")]
_Version = Annotated[int | None, typer.Option("--version", min=1, help="An earlier version.")]


def commands() -> typer.Typer:
    """The group of commands."""
    app = typer.Typer(no_args_is_help=True, help="Show, check and apply policies.", rich_markup_mode=None)
    app.command("show")(with_common_options(show))
    app.command("check")(with_common_options(check))
    app.command("apply")(with_common_options(apply))
    app.command("history")(with_common_options(history))
    return app


def show(context: typer.Context, policy: PolicyOption = None, version: _Version = None) -> None:
    """Print a policy as TOML, fit for an editor: the one in force without options."""
    settings = options(context).settings(policy)
    if settings.policy is not None:
        say(policies.to_toml(settings.policy).rstrip())
        return
    with opened(settings) as metastore:
        origin, found = in_force(metastore, settings, version)
    say(f"# {origin}")
    say(policies.to_toml(found).rstrip())


def check(context: typer.Context, file: _File) -> None:  # noqa: ARG001 - common options go there
    """Print every problem of a policy document with its line; exit code 1 where there is one."""
    text = read_document(file)
    problems = problems_of(text)
    _print_problems(file, problems)
    if problems:
        raise typer.Exit(EXIT_PROBLEMS)
    say(f"{file}: a valid policy")


def apply(
    context: typer.Context, policy: _NameOrFile, comment: _Comment = "", author: _Author = None
) -> None:
    """Put a policy in force as the tenant's next version."""
    settings = options(context).settings()
    if policy in policies.BUILTIN_NAMES:
        body = policies.to_toml(policies.builtin(policy))
    else:
        file = Path(policy)
        text = read_document(file)
        problems = problems_of(text)
        _print_problems(file, problems)
        if problems:
            raise typer.Exit(EXIT_PROBLEMS)
        body = named(text, file.stem)
    with opened(settings) as metastore:
        kept = metastore.apply_policy(settings.tenant, body, author or getpass.getuser(), comment)
    say(f"tenant {kept.tenant}: version {kept.version} is in force for connections wrapped from now on")


def history(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the versions of the tenant's policy, latest first."""
    settings = options(context).settings()
    with opened(settings) as metastore:
        versions = metastore.policy_history(settings.tenant)
    if as_json:
        print_json([asdict(each) for each in versions])
        return
    if not versions:
        say(f"tenant {settings.tenant}: no policy was ever applied, the built-in default is in force")
    print_table(
        ("version", "applied", "author", "comment"),
        [(each.version, moment(each.applied_at), each.author, each.comment) for each in versions],
    )


def in_force(metastore: Metastore, settings: Settings, version: int | None) -> tuple[str, Policy]:
    """Where a tenant's policy comes from, and the policy.

    Raises:
        PolicyError: where the tenant has no such version, or the document is not valid.
    """
    kept: PolicyVersion | None = metastore.current_policy(settings.tenant)
    if version is not None:
        versions = {each.version: each for each in metastore.policy_history(settings.tenant)}
        kept = versions.get(version)
        if kept is None:
            raise PolicyError(
                f"tenant {settings.tenant!r} has no policy version {version}",
                expected=f"one of {', '.join(map(str, sorted(versions)))}" if versions else "",
                remedy="'respool policy history' lists the versions",
            )
    if kept is None:
        return f"tenant {settings.tenant}: the built-in default, none was applied", policies.builtin(
            "default"
        )
    comment = f": {kept.comment}" if kept.comment else ""
    origin = (
        f"tenant {kept.tenant}: version {kept.version}, {kept.author}, {moment(kept.applied_at)}{comment}"
    )
    return " ".join(origin.split()), policies.parse(kept.body, source=f"policy version {kept.version}")


def problems_of(text: str) -> tuple[Problem, ...]:
    """Problems of a document, a selection strategy that is not installed among them."""
    problems = policies.check(text)
    if problems:
        return problems
    strategy = policies.parse(text).selection.strategy
    try:
        ranking(strategy)
    except PolicyError as error:
        lines = text.splitlines()
        line = next((number for number, each in enumerate(lines, 1) if "strategy" in each), None)
        return (Problem(line=line, key="selection.strategy", text=str(error)),)
    return ()


def read_document(file: Path) -> str:
    """The text of a policy document.

    Raises:
        PolicyError: where it cannot be read.
    """
    try:
        return file.expanduser().read_text(encoding="utf-8")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        known = ", ".join(policies.BUILTIN_NAMES)
        raise PolicyError(
            f"policy file {str(file)!r} cannot be read: {reason}",
            expected=f"a toml document, or one of {known} where a name is taken",
            remedy="correct the path",
        ) from error
    except UnicodeDecodeError as error:
        raise PolicyError(f"policy file {str(file)!r} is not utf-8 text") from error


def named(text: str, name: str) -> str:
    """A valid document with a name: that of its file where it gives none, since only its text is kept."""
    if policies.parse(text, name="one").name == policies.parse(text, name="another").name:
        return text
    return f"name = {tomlkit.item(name).as_string()}\n{text}"


def _print_problems(file: Path, problems: tuple[Problem, ...]) -> None:
    for problem in problems:
        say(f"{file}: {problem}")
