"""Fork after wrap: the child has neither the threads nor the sockets of its parent."""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Callable

from tests.support.shared_shop import HIGHEST, TOTALS, SharedShop, rows_of

CHILD_SECONDS = 60


def in_a_child(work: Callable[[], bool]) -> bool:
    """Whether it gives true in a forked process, which is killed where it hangs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python minds forking with threads around: so do we
        child = os.fork()
    if child == 0:
        signal.alarm(CHILD_SECONDS)
        status = 1
        try:
            status = 0 if work() else 2
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == 0


def test_fork_after_wrap(shop: SharedShop) -> None:
    """In the child statements run without reuse, and the parent goes on with reuse as before."""
    connection = shop.wrap()
    rows_of(connection, TOTALS)
    expected = shop.plain(TOTALS)

    def child() -> bool:
        right = rows_of(connection, TOTALS) == expected
        right &= rows_of(connection.cursor(), TOTALS) == expected
        report = connection.reuse.last
        connection.close()
        return right and report is not None and not report.reads

    assert in_a_child(child)
    assert rows_of(connection, TOTALS) == expected
    assert connection.reuse.last is not None
    assert connection.reuse.last.reads
    assert rows_of(connection, HIGHEST) == shop.plain(HIGHEST)
    assert connection.reuse.flush()
    assert connection.reuse.stats()["errors"] == 0
    connection.close()


def test_fork_and_wrap_again(shop: SharedShop) -> None:
    """A child that wraps a connection of its own has reuse, and leaves the server to the parent."""
    connection = shop.wrap(strict=True)
    rows_of(connection, TOTALS)
    expected = shop.plain(TOTALS)

    def child() -> bool:
        own = shop.wrap(strict=True)
        right = rows_of(own, TOTALS) == expected
        read = own.reuse.last is not None and bool(own.reuse.last.reads)
        own.close()
        return right and read

    assert in_a_child(child)
    assert rows_of(connection, TOTALS) == expected
    connection.close()
