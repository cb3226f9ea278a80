"""Removes views and debris: metadata first, files after, so that no job finds a view without files.

Source: CloudViews section 5.4 (expiry and purging).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from metastore.ports import Metastore
from metastore.records import Reproduction, View
from optimizer_plugin.admin.lineage import named_by
from optimizer_plugin.errors import ConfigurationError
from optimizer_plugin.views.store import Store
from signatures.model import PreciseSignature

PURGER = "purge"
"""Holder of the leases that keep a late builder from publishing what is being removed."""
PURGE_LEASE_SECONDS = 1.0
MINIMUM_PREFIX = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """What went, or would go.

    Attributes:
        views: Views whose metadata and files went.
        outside: Paths of those among them that lie outside this store: their files are left.
        debris: Directories that no view named.
        reproductions: What verification had found about views that went.
    """

    views: tuple[View, ...] = ()
    outside: tuple[str, ...] = ()
    debris: tuple[Path, ...] = ()
    reproductions: tuple[Reproduction, ...] = ()

    @property
    def size_bytes(self) -> int:
        """Bytes of the views."""
        return sum(view.size_bytes for view in self.views)

    @property
    def rows(self) -> int:
        """Rows of the views."""
        return sum(view.rows for view in self.views)


def with_prefix(views: Iterable[View], prefixes: Iterable[str]) -> tuple[View, ...]:
    """Views named by the first characters of their precise signatures.

    Raises:
        ConfigurationError: where a prefix is too short, or names no view or several.
    """
    everything = tuple(views)
    found = []
    for prefix in prefixes:
        named = [view for view in everything if view.precise.startswith(prefix.lower())]
        if len(prefix) < MINIMUM_PREFIX or len(named) != 1:
            raise ConfigurationError(
                f"{prefix!r} names {len(named)} views",
                expected=f"the first characters of one view's signature, at least {MINIMUM_PREFIX}",
                remedy="'respool views list' shows them",
            )
        found += named
    return tuple(found)


def find_debris(metastore: Metastore, store: Store) -> tuple[Path, ...]:
    """Directories that no view names and no job is writing: what crashes left.

    The order matters: a directory that is being written has a lease when it is listed, and one whose lease
    is gone by then has its view published before the views are asked for.
    """
    listed = store.stray(())
    leased = {lease.precise for lease in metastore.leases(store.tenant)}
    named = {Path(view.path) for view in metastore.views(store.tenant)}
    return tuple(path for path in listed if path not in named and path.parent.name not in leased)


def remove_debris(metastore: Metastore, store: Store, found: Iterable[Path]) -> tuple[Path, ...]:
    """Remove debris, each directory under a lease of ours; returns what went.

    The lease is left to expire: while its row stands, a builder whose own lease ran out long ago can't
    publish the directory that is being removed.
    """
    published = {view.precise for view in metastore.views(store.tenant)}
    removed = []
    for path in found:
        precise = PreciseSignature(path.parent.name)
        free = precise in published or metastore.acquire_lease(
            store.tenant, precise, PURGER, PURGE_LEASE_SECONDS
        )
        if free and store.remove([str(path)]):
            removed.append(path)
    return tuple(removed)


def purge(metastore: Metastore, store: Store, chosen: Iterable[View], *, dry_run: bool = False) -> Purged:
    """Remove views, then debris.

    Args:
        metastore: Where the views are known.
        store: Where their files lie.
        chosen: The views to remove; none leaves debris alone to go.
        dry_run: Only say what would go.

    Raises:
        MetastoreError: where the metastore does not answer.
    """
    views = tuple(chosen)
    settled = settled_by(metastore, store.tenant, views)
    if not dry_run:
        views = metastore.delete_views(store.tenant, [view.precise for view in views]) if views else ()
        metastore.delete_reproductions(store.tenant, [each.reproduction_id for each in settled])
        store.remove(view.path for view in views)
    debris = find_debris(metastore, store)
    return Purged(
        views=views,
        outside=tuple(view.path for view in views if store.base not in Path(view.path).parents),
        debris=debris if dry_run else remove_debris(metastore, store, debris),
        reproductions=settled,
    )


def settled_by(metastore: Metastore, tenant: str, going: Iterable[View]) -> tuple[Reproduction, ...]:
    """Reproductions of which no view is left once these have gone: a person has decided about them."""
    gone = {view.precise for view in going}
    return tuple(each for each in metastore.reproductions(tenant) if gone and gone.issuperset(each.views))


def mentioned(metastore: Metastore, tenant: str, pattern: str) -> tuple[str, ...]:
    """Inputs in a tenant's history that somebody means by a name."""
    return tuple(each for each in metastore.known_inputs(tenant) if named_by(pattern, each))
