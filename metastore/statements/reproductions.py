"""SQL of quarantine and of the reproductions that it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert

from metastore import codec, tables
from metastore.records import Reproduction, View, ViewState
from metastore.statements.views import raise_generation
from signatures.model import NormalizedSignature

_reproductions: Final = tables.reproductions
_views: Final = tables.views


def quarantine(
    connection: Connection, views: Sequence[View], reason: str, reproduction: Reproduction
) -> None:
    """Bar the views, in the order of their signatures so that two verifiers cannot deadlock."""
    barred = {"state": ViewState.QUARANTINED.value, "state_reason": reason}
    for view in sorted(views, key=lambda it: it.precise):
        row = codec.to_row(replace(view, state=ViewState.QUARANTINED, state_reason=reason)) | {"tags": []}
        connection.execute(
            upsert(_views)
            .values(row)
            .on_conflict_do_update(index_elements=[_views.c.tenant, _views.c.precise], set_=barred)
        )
    connection.execute(insert(_reproductions), codec.to_row(reproduction))
    raise_generation(connection, reproduction.tenant)


def is_quarantined(connection: Connection, tenant: str, normalized: NormalizedSignature) -> bool:
    """Whether any view of the computation is barred."""
    query = select(_views.c.precise).where(
        _views.c.tenant == tenant,
        _views.c.normalized == normalized,
        _views.c.state == ViewState.QUARANTINED.value,
    )
    return connection.execute(query.limit(1)).first() is not None


def every(connection: Connection, tenant: str) -> tuple[Reproduction, ...]:
    """The tenant's reproductions, latest first."""
    rows = connection.execute(
        select(_reproductions)
        .where(_reproductions.c.tenant == tenant)
        .order_by(_reproductions.c.found_at.desc(), _reproductions.c.reproduction_id)
    )
    return codec.from_rows(Reproduction, rows.mappings())


def remove(connection: Connection, tenant: str, reproduction_ids: Sequence[str]) -> int:
    """Delete the named ones."""
    removed = connection.execute(
        delete(_reproductions).where(
            _reproductions.c.tenant == tenant, _reproductions.c.reproduction_id.in_(reproduction_ids)
        )
    )
    return removed.rowcount
