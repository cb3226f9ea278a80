"""``respool views``: what was materialized, and removing it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from metastore.ports import Metastore
from metastore.records import View
from optimizer_plugin.admin.options import JsonOption, opened, options, with_common_options
from optimizer_plugin.admin.printing import counted, moment, print_json, print_table, say, size
from optimizer_plugin.admin.purging import Purged, over_table, purge, tables_of, with_prefix
from optimizer_plugin.views.store import Store

SIGNATURE_CHARACTERS = 12

_Signature = Annotated[str, typer.Argument(help="First characters of a view's signature.")]
_Signatures = Annotated[list[str] | None, typer.Argument(help="First characters of signatures of views.")]


def commands() -> typer.Typer:
    """The group of commands."""
    app = typer.Typer(no_args_is_help=True, help="List, show and remove views.", rich_markup_mode=None)
    app.command("list")(with_common_options(list_views))
    app.command("show")(with_common_options(show))
    app.command("purge")(with_common_options(purge_views))
    return app


def list_views(
    context: typer.Context,
    table: Annotated[str | None, typer.Option(help="Only views over this table.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the views of the tenant, in every state, oldest first."""
    settings = options(context).settings()
    with opened(settings) as metastore:
        found = metastore.views(settings.tenant)
    if table is not None:
        found = over_table(found, table)
    if as_json:
        print_json([asdict(view) for view in found])
        return
    say(
        f"tenant {settings.tenant}: {counted(len(found), 'view')}, {size(sum(v.size_bytes for v in found))}, "
        f"{sum(view.saved_seconds for view in found):.3f} s saved"
    )
    print_table(
        ("view", "state", "tables", "rows", "size", "reads", "saved (s)", "built", "expires"),
        [_row(view) for view in found],
    )


def show(context: typer.Context, signature: _Signature, as_json: JsonOption = False) -> None:
    """Show one view: its plan, lineage, columns, cost and use."""
    settings = options(context).settings()
    with opened(settings) as metastore:
        (view,) = with_prefix(metastore.views(settings.tenant), [signature])
    if as_json:
        print_json(asdict(view))
    else:
        print_view(view)


def purge_views(
    context: typer.Context,
    signatures: _Signatures = None,
    expired: Annotated[bool, typer.Option("--expired", help="Views that have expired: the default.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Every view of the tenant.")] = False,
    table: Annotated[str | None, typer.Option(help="Views over this table, such as main.orders.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove views, metadata first and files after, and what crashes left in the store."""
    settings = options(context).settings()
    store = Store(settings.store_directory, settings.tenant)
    with opened(settings) as metastore:
        views = chosen(
            metastore, settings.tenant, signatures or (), expired=expired, everything=everything, table=table
        )
        done = purge(metastore, store, views, dry_run=dry_run)
    if as_json:
        debris = [str(path) for path in done.debris]
        removed = [view.precise for view in done.views]
        print_json({"dry_run": dry_run, "views": removed, "outside": done.outside, "debris": debris})
    else:
        print_purged(done, dry_run=dry_run)


def chosen(
    metastore: Metastore,
    tenant: str,
    signatures: Sequence[str],
    *,
    expired: bool,
    everything: bool,
    table: str | None,
) -> tuple[View, ...]:
    """The views that any of the conditions names; the expired ones where none is given.

    Raises:
        ConfigurationError: where a signature names no view or several.
    """
    views = metastore.views(tenant)
    if everything:
        return views
    named = {view.precise for view in with_prefix(views, signatures)}
    if table is not None:
        named |= {view.precise for view in over_table(views, table)}
    if expired or not (signatures or table):
        named |= {view.precise for view in metastore.expired_views(tenant)}
    return tuple(view for view in views if view.precise in named)


def print_view(view: View) -> None:
    """Print everything that is known of a view."""
    why = f" ({view.state_reason})" if view.state_reason else ""
    last = moment(view.last_read_at)
    say(f"view      {view.precise}")
    say(f"computes  {view.normalized}")
    say(f"state     {view.state.value}{why}")
    say(f"contents  {view.rows} rows, {size(view.size_bytes)}{', in order' if view.ordered else ''}")
    say(f"built     {moment(view.created_at)} in {view.build_seconds:.3f} s by job {view.producer}")
    say(f"expires   {moment(view.expires_at)}")
    say(f"read      {view.reads} times, last {last}; saved {view.saved_seconds:.3f} s")
    say(f"files     {view.path}")
    say(f"checksum  {view.checksum}")
    say(f"engine    {view.environment}")
    for identity, version in view.inputs:
        say(f"input     {identity} at {version}")
    for key, stored, type_name, stored_type in view.columns:
        kept = "" if type_name == stored_type else f", stored as {stored_type}"
        say(f"column    {stored} {type_name}{kept}: {key}")
    say(f"plan      {view.canonical}")


def print_purged(done: Purged, *, dry_run: bool) -> None:
    """Print what went."""
    verb = "would remove" if dry_run else "removed"
    for view in done.views:
        tables = ", ".join(tables_of(view))
        say(f"{verb} view {view.precise[:SIGNATURE_CHARACTERS]} over {tables} ({size(view.size_bytes)})")
    for path in done.debris:
        say(f"{verb} debris {path}")
    for outside in done.outside:
        say(f"{'would leave' if dry_run else 'left'} files outside of the store: {outside}")
    directories = f"{len(done.debris)} director{'y' if len(done.debris) == 1 else 'ies'} of debris"
    say(f"{verb} {counted(len(done.views), 'view')}, {size(done.size_bytes)}; {directories}")


def _row(view: View) -> tuple[object, ...]:
    return (
        view.precise[:SIGNATURE_CHARACTERS],
        view.state.value,
        ", ".join(tables_of(view)),
        view.rows,
        size(view.size_bytes),
        view.reads,
        view.saved_seconds,
        moment(view.created_at),
        moment(view.expires_at),
    )
