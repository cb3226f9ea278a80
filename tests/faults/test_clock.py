"""Clocks that jump: leases and expiry go by the server's, whatever a job's own clock says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

import pytest

from metastore.opening import open_metastore
from optimizer_plugin.views import building
from signatures.model import PreciseSignature
from tests.support.shared_shop import TOTALS, SharedShop, rows_of

DAYS = 400


def jumped(days: int) -> type[datetime]:
    """A clock that is so many days off."""

    class Jumped(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Jumped:
            """The wrong time."""
            return cls.fromtimestamp(datetime.now(tz).timestamp() + days * 86_400, tz)

    return Jumped


@pytest.mark.parametrize("days", [-DAYS, DAYS])
def test_clock_jumps(shop: SharedShop, monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    """A view that a job with a wrong clock built is read by all, and expires when it should."""
    monkeypatch.setattr(building, "datetime", jumped(days))
    connection = shop.wrap(strict=True)
    rows_of(connection, TOTALS)
    connection.close()
    other = shop.wrap(strict=True)
    assert rows_of(other, TOTALS) == shop.plain(TOTALS)
    assert other.reuse.stats()["reused"] == 1
    other.close()
    (view,) = shop.views()
    assert view.expires_at is not None
    assert abs(view.created_at - datetime.now(UTC)) < timedelta(days=1)
    assert view.expires_at - view.created_at == timedelta(hours=168)


def test_leases_by_the_servers_clock(shop: SharedShop) -> None:
    """How long a build has run and may run comes from the server."""
    metastore = open_metastore(shop.url, data_directory=shop.directory)
    precise = PreciseSignature("e" * 32)
    assert metastore.acquire_lease(shop.tenant, precise, "job", 100)
    building_now = metastore.build_in_progress(shop.tenant, precise)
    assert building_now is not None
    assert building_now.holder == "job"
    assert building_now.elapsed_seconds >= 0
    assert building_now.elapsed_seconds + building_now.remaining_seconds == pytest.approx(100)
    assert metastore.release_lease(shop.tenant, precise, "job")
    assert metastore.build_in_progress(shop.tenant, precise) is None
    metastore.close()
