"""SQL of annotations, views and leases. Every function runs in the connection that it is given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy import ColumnElement, Connection, Select, delete, func, insert, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from metastore import codec, tables
from metastore.listening import CHANNEL
from metastore.records import (
    Analysis,
    Annotation,
    BuildInProgress,
    Lease,
    Publication,
    PublicationOutcome,
    View,
    ViewRead,
    ViewState,
)
from signatures.model import PreciseSignature

_views: Final = tables.views
_leases: Final = tables.leases
_annotations: Final = tables.annotation_table
_not_expired: Final = or_(_views.c.expires_at.is_(None), _views.c.expires_at > func.now())


def find(connection: Connection, tenant: str, precises: Sequence[PreciseSignature]) -> tuple[View, ...]:
    """Readable views among the named."""
    return _select(
        connection,
        select(_views).where(
            _views.c.tenant == tenant,
            _views.c.precise.in_(precises),
            _views.c.state == ViewState.READY.value,
            _not_expired,
        ),
    )


def every(connection: Connection, tenant: str) -> tuple[View, ...]:
    """All views of a tenant."""
    return _select(connection, select(_views).where(_views.c.tenant == tenant))


def expired(connection: Connection, tenant: str) -> tuple[View, ...]:
    """Views past their expiry, without quarantined ones."""
    return _select(
        connection,
        select(_views).where(
            _views.c.tenant == tenant,
            _views.c.expires_at <= func.now(),
            _views.c.state != ViewState.QUARANTINED.value,
        ),
    )


def acquire_lease(
    connection: Connection, tenant: str, precise: PreciseSignature, holder: str, seconds: float
) -> bool:
    """Insert or take over the lease row, then look for a view that was published meanwhile."""
    until = func.now() + _interval(seconds)
    values = {"holder": holder, "acquired_at": func.now(), "expires_at": until}
    acquired = connection.execute(
        upsert(_leases)
        .values(tenant=tenant, precise=precise, **values)
        .on_conflict_do_update(
            index_elements=[_leases.c.tenant, _leases.c.precise],
            set_=values,
            where=or_(_leases.c.expires_at <= func.now(), _leases.c.holder == holder),
        )
        .returning(_leases.c.precise)
    ).first()
    if acquired is None:
        return False
    # A second statement on purpose: the first may have waited for a publication to commit, and its
    # own snapshot is older than that.
    if _standing(connection, tenant, precise) is not None:
        release_lease(connection, tenant, precise, holder)
        return False
    return True


def release_lease(connection: Connection, tenant: str, precise: PreciseSignature, holder: str) -> bool:
    """Delete the lease row if it is still the holder's."""
    removed = connection.execute(
        delete(_leases).where(
            _leases.c.tenant == tenant, _leases.c.precise == precise, _leases.c.holder == holder
        )
    )
    return removed.rowcount > 0


def running_leases(connection: Connection, tenant: str) -> tuple[Lease, ...]:
    """Leases that have not expired."""
    rows = connection.execute(
        select(_leases)
        .where(_leases.c.tenant == tenant, _leases.c.expires_at > func.now())
        .order_by(_leases.c.acquired_at, _leases.c.precise)
    )
    return codec.from_rows(Lease, rows.mappings())


def build_in_progress(
    connection: Connection, tenant: str, precise: PreciseSignature
) -> BuildInProgress | None:
    """How far a running lease is, by the server's clock."""
    row = connection.execute(
        select(
            _leases.c.holder,
            func.extract("epoch", func.now() - _leases.c.acquired_at).label("elapsed_seconds"),
            func.extract("epoch", _leases.c.expires_at - func.now()).label("remaining_seconds"),
        ).where(_leases.c.tenant == tenant, _leases.c.precise == precise, _leases.c.expires_at > func.now())
    ).first()
    return None if row is None else codec.from_row(BuildInProgress, row._mapping)


def remove_dead_leases(connection: Connection, tenant: str, dead_seconds: float) -> tuple[Lease, ...]:
    """Delete leases that ran out so long ago."""
    rows = connection.execute(
        delete(_leases)
        .where(_leases.c.tenant == tenant, _leases.c.expires_at <= func.now() - _interval(dead_seconds))
        .returning(*_leases.c)
    )
    return codec.from_rows(Lease, rows.mappings())


def publish(
    connection: Connection, view: View, tags: frozenset[str], holder: str, lifetime: timedelta | None = None
) -> Publication:
    """Check the lease, insert the view unless one stands, release the lease."""
    lease_holder = connection.execute(
        select(_leases.c.holder)
        .where(_leases.c.tenant == view.tenant, _leases.c.precise == view.precise)
        .with_for_update()
    ).scalar()
    if lease_holder not in (None, holder):
        return Publication(
            outcome=PublicationOutcome.LEASE_LOST, view=_standing(connection, view.tenant, view.precise)
        )
    replaced = _remove_expired(connection, view)
    row = codec.to_row(view) | {"tags": sorted(tags)}
    if lifetime is not None:
        row |= {"created_at": func.now(), "expires_at": func.now() + lifetime}
    inserted = (
        connection.execute(upsert(_views).values(row).on_conflict_do_nothing().returning(*_views.c))
        .mappings()
        .first()
    )
    release_lease(connection, view.tenant, view.precise, holder)
    if inserted is None:
        standing = _standing(connection, view.tenant, view.precise)
        return Publication(outcome=PublicationOutcome.ALREADY_PUBLISHED, view=standing)
    raise_generation(connection, view.tenant)
    published = codec.from_row(View, inserted)
    return Publication(outcome=PublicationOutcome.PUBLISHED, view=published, replaced=replaced)


def set_state(
    connection: Connection, tenant: str, precise: PreciseSignature, state: ViewState, reason: str
) -> bool:
    """Change state and reason, but for what is quarantined."""
    changed = connection.execute(
        update(_views)
        .where(
            _views.c.tenant == tenant,
            _views.c.precise == precise,
            _views.c.state != ViewState.QUARANTINED.value,
        )
        .values(state=state.value, state_reason=reason)
    )
    if changed.rowcount:
        raise_generation(connection, tenant)
    return changed.rowcount > 0


def note_reads(connection: Connection, tenant: str, reads: Iterable[ViewRead]) -> None:
    """Add to counters, in the order of the signatures so that two writers cannot deadlock."""
    batch = [{"tenant": tenant, **codec.to_row(read)} for read in sorted(reads, key=lambda it: it.precise)]
    if batch:
        connection.execute(_NOTE_READ, batch)


def remove(connection: Connection, tenant: str, precises: Sequence[PreciseSignature]) -> tuple[View, ...]:
    """Delete views, returning what was deleted."""
    rows = connection.execute(
        delete(_views).where(_views.c.tenant == tenant, _views.c.precise.in_(precises)).returning(*_views.c)
    )
    removed = codec.from_rows(View, rows.mappings())
    if removed:
        raise_generation(connection, tenant)
    return removed


def replace_annotations(
    connection: Connection, analysis: Analysis, annotations: Sequence[Annotation]
) -> None:
    """Exchange the whole set; two analyzers of one tenant take turns."""
    raise_generation(connection, analysis.tenant)
    save_analysis(connection, analysis)
    connection.execute(delete(_annotations).where(_annotations.c.tenant == analysis.tenant))
    if annotations:
        connection.execute(insert(_annotations), codec.to_rows(annotations))


def annotations_in_force(connection: Connection, tenant: str) -> tuple[Annotation, ...]:
    """The tenant's annotations, highest utility first."""
    rows = connection.execute(
        select(_annotations)
        .where(_annotations.c.tenant == tenant)
        .order_by(_annotations.c.utility_seconds.desc(), _annotations.c.normalized)
    )
    return codec.from_rows(Annotation, rows.mappings())


def save_analysis(connection: Connection, analysis: Analysis) -> None:
    """Insert or replace by id."""
    row = codec.to_row(analysis)
    keys = [tables.analyses.c.tenant, tables.analyses.c.analysis_id]
    connection.execute(
        upsert(tables.analyses).values(row).on_conflict_do_update(index_elements=keys, set_=row)
    )


def analyses(connection: Connection, tenant: str) -> tuple[Analysis, ...]:
    """The tenant's analyses, latest first."""
    rows = connection.execute(
        select(tables.analyses)
        .where(tables.analyses.c.tenant == tenant)
        .order_by(tables.analyses.c.started_at.desc(), tables.analyses.c.analysis_id)
    )
    return codec.from_rows(Analysis, rows.mappings())


def raise_generation(connection: Connection, tenant: str) -> None:
    """Tell every cached look-up of the tenant, in whatever process, that it is out of date."""
    connection.execute(_RAISE_GENERATION, {"tenant": tenant})
    connection.execute(_NOTIFY, {"channel": CHANNEL, "tenant": tenant})


def _interval(seconds: float) -> ColumnElement[timedelta]:
    return func.make_interval(0, 0, 0, 0, 0, 0, seconds)


def _select(connection: Connection, query: Select[tuple[object, ...]]) -> tuple[View, ...]:
    rows = connection.execute(query.order_by(_views.c.created_at, _views.c.precise))
    return codec.from_rows(View, rows.mappings())


def _standing(connection: Connection, tenant: str, precise: PreciseSignature) -> View | None:
    """The view that bars building another one. A ready one that has expired does not."""
    row = (
        connection.execute(
            select(_views).where(
                _views.c.tenant == tenant,
                _views.c.precise == precise,
                or_(_views.c.state != ViewState.READY.value, _not_expired),
            )
        )
        .mappings()
        .first()
    )
    return None if row is None else codec.from_row(View, row)


def _remove_expired(connection: Connection, view: View) -> View | None:
    row = (
        connection.execute(
            delete(_views)
            .where(
                _views.c.tenant == view.tenant,
                _views.c.precise == view.precise,
                _views.c.state == ViewState.READY.value,
                _views.c.expires_at <= func.now(),
            )
            .returning(*_views.c)
        )
        .mappings()
        .first()
    )
    return None if row is None else codec.from_row(View, row)


_NOTE_READ: Final = text(f"""
    UPDATE {tables.SCHEMA}.views
    SET reads = reads + 1, saved_seconds = saved_seconds + :saved_seconds,
        read_seconds = read_seconds + :read_seconds, last_read_at = now()
    WHERE tenant = :tenant AND precise = :precise
""")

_NOTIFY: Final = text("SELECT pg_notify(:channel, :tenant)")

# From the clock, so that the number never comes back when a database is dropped or restored.
_RAISE_GENERATION: Final = text(f"""
    INSERT INTO {tables.SCHEMA}.tenants AS known (tenant, generation)
    VALUES (:tenant, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
    ON CONFLICT (tenant) DO UPDATE SET generation = greatest(known.generation + 1, excluded.generation)
""")
