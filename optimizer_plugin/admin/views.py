"""``respool views``: what was materialized, and removing it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated

import typer

from metastore.ports import Metastore
from metastore.records import Reproduction, View, ViewState
from optimizer_plugin.admin.lineage import over_table, readable, tables_of
from optimizer_plugin.admin.options import JsonOption, opened, options, with_common_options
from optimizer_plugin.admin.printing import counted, moment, print_json, print_table, say, size
from optimizer_plugin.admin.purging import Purged, mentioned, purge, with_prefix
from optimizer_plugin.errors import ConfigurationError
from optimizer_plugin.views.store import Store

SIGNATURE_CHARACTERS = 12

_Signature = Annotated[str, typer.Argument(help="First characters of a view's signature.")]
_Signatures = Annotated[list[str] | None, typer.Argument(help="First characters of signatures of views.")]


def commands() -> typer.Typer:
    """The group of commands."""
    app = typer.Typer(no_args_is_help=True, help="List, show and remove views.", rich_markup_mode=None)
    app.command("list")(with_common_options(list_views))
    app.command("show")(with_common_options(show))
    app.command("quarantined")(with_common_options(quarantined))
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


def quarantined(context: typer.Context, as_json: JsonOption = False) -> None:
    """Show what verification found wrong: views that are barred, and how to reproduce why."""
    settings = options(context).settings()
    with opened(settings) as metastore:
        found = metastore.reproductions(settings.tenant)
        barred = [view for view in metastore.views(settings.tenant) if view.state is ViewState.QUARANTINED]
    if as_json:
        reproductions = [asdict(each) for each in found]
        print_json({"views": [view.precise for view in barred], "reproductions": reproductions})
        return
    say(f"tenant {settings.tenant}: {counted(len(barred), 'view')} quarantined")
    print_table(
        ("view", "state", "tables", "rows", "size", "reads", "saved (s)", "built", "expires"),
        [_row(view) for view in barred],
    )
    for each in found:
        print_reproduction(each)


def purge_views(  # noqa: PLR0913 - the options of a command
    context: typer.Context,
    signatures: _Signatures = None,
    *,
    expired: Annotated[bool, typer.Option("--expired", help="Views that have expired: the default.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Every view of the tenant.")] = False,
    table: Annotated[
        str | None, typer.Option(help="Views computed from this table or file, such as main.orders.")
    ] = None,
    history: Annotated[
        bool, typer.Option("--history", help="With --table: also forget the jobs that mention it.")
    ] = False,
    all_tenants: Annotated[
        bool, typer.Option("--all-tenants", help="For every tenant of the metastore.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove views, metadata first and files after, and what crashes left in the store."""
    if history and table is None:
        raise ConfigurationError(
            "--history without --table", remedy="name the table whose history is to be forgotten"
        )
    settings = options(context).settings()
    with opened(settings) as metastore:
        found = [
            _purge_tenant(
                metastore,
                Store(settings.store_directory, tenant),
                signatures or (),
                expired=expired,
                everything=everything,
                table=table,
                history=history,
                dry_run=dry_run,
            )
            for tenant in (metastore.tenants() if all_tenants else (settings.tenant,))
        ]
    if as_json:
        answers = [_purged_json(each, dry_run=dry_run) for each in found]
        print_json(answers if all_tenants else answers[0])
        return
    for each in found:
        if all_tenants:
            say(f"tenant {each.tenant}:")
        print_purged(each, dry_run=dry_run)


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgedTenant:
    """What went of one tenant. ``jobs`` is None where nobody asked for the history to be forgotten."""

    tenant: str
    done: Purged
    building: int
    """Views that jobs were building at that time: some may be published after the purge."""
    inputs: tuple[str, ...] = ()
    jobs: int | None = None


def _purge_tenant(
    metastore: Metastore,
    store: Store,
    signatures: Sequence[str],
    *,
    expired: bool,
    everything: bool,
    table: str | None,
    history: bool,
    dry_run: bool,
) -> PurgedTenant:
    views = chosen(metastore, store.tenant, signatures, expired=expired, everything=everything, table=table)
    done = purge(metastore, store, views, dry_run=dry_run)
    building = len(metastore.leases(store.tenant))
    if table is None or not history:
        return PurgedTenant(tenant=store.tenant, done=done, building=building)
    inputs = mentioned(metastore, store.tenant, table)
    jobs = 0 if dry_run else metastore.forget_inputs(store.tenant, inputs)
    return PurgedTenant(tenant=store.tenant, done=done, building=building, inputs=inputs, jobs=jobs)


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


def print_purged(found: PurgedTenant, *, dry_run: bool) -> None:
    """Print what went."""
    done = found.done
    verb = "would remove" if dry_run else "removed"
    for view in done.views:
        tables = ", ".join(tables_of(view))
        contents = f"{view.rows} rows, {size(view.size_bytes)}"
        say(f"{verb} view {view.precise[:SIGNATURE_CHARACTERS]} over {tables} ({contents})")
    for each in done.reproductions:
        say(f"{verb} reproduction {each.reproduction_id}")
    for path in done.debris:
        say(f"{verb} debris {path}")
    for outside in done.outside:
        say(f"{'would leave' if dry_run else 'left'} files outside of the store: {outside}")
    for identity in found.inputs:
        say(f"{'would forget' if dry_run else 'forgot'} the history over {readable(identity)}")
    if found.jobs:
        say(f"removed {counted(found.jobs, 'job')} from the history")
    directories = f"{len(done.debris)} director{'y' if len(done.debris) == 1 else 'ies'} of debris"
    totals = f"{counted(len(done.views), 'view')}, {counted(done.rows, 'row')}, {size(done.size_bytes)}"
    say(f"{verb} {totals}; {directories}")
    if found.building:
        say(f"{counted(found.building, 'view')} being built now may still appear: purge again afterwards")


def print_reproduction(found: Reproduction) -> None:
    """Print how a mismatch came about, without any value."""
    blame = "views differ from their computation" if found.views_wrong else "the rewriting is to blame"
    say(f"reproduction {found.reproduction_id}")
    say(f"found     {moment(found.found_at)} by {found.engine}")
    say(f"differs   {found.difference.value}: {blame}")
    counts = f"{found.original_rows} rows in the original, {found.rewritten_rows} with views"
    say(f"rows      {counts}; {found.missing_rows} missing, {found.surplus_rows} too many")
    for side, digest in found.digests:
        say(f"{side:<9} row {digest}")
    say(f"views     {', '.join(precise[:SIGNATURE_CHARACTERS] for precise in found.views)}")
    for identity, version in found.inputs:
        say(f"input     {identity} at {version}")
    say(f"settings  {found.environment}")
    say(f"statement {found.template_text}")
    say(f"ran as    {found.rewritten_text}")


def _purged_json(found: PurgedTenant, *, dry_run: bool) -> dict[str, object]:
    done = found.done
    return {
        "tenant": found.tenant,
        "dry_run": dry_run,
        "views": [view.precise for view in done.views],
        "rows": done.rows,
        "size_bytes": done.size_bytes,
        "outside": done.outside,
        "debris": [str(path) for path in done.debris],
        "reproductions": [each.reproduction_id for each in done.reproductions],
        "inputs": found.inputs,
        "jobs": found.jobs,
        "building": found.building,
    }


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
