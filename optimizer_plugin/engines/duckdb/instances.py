"""Which DuckDB instance a connection belongs to, so that all wraps of one instance share its evidence.

DuckDB offers no identifier of an instance: two in-memory databases look the same. A handshake tells:
a global setting of one instance is set to a random number for a moment, and the other connection reads
it. The setting bounds a search made for error messages, so nobody notices.
"""

from __future__ import annotations

import os
import secrets
import threading
import weakref
from contextlib import suppress

import duckdb

from optimizer_plugin.engines.duckdb.activity import InstanceActivity, Member

_SETTING = "catalog_error_max_schemas"


class Instances:
    """The DuckDB instances of this process that are in use, found again by handshake."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._live: weakref.WeakSet[InstanceActivity] = weakref.WeakSet()

    def of(self, member: Member) -> InstanceActivity:
        """The shared activity of the instance that a connection uses; a new one where it is the first.

        Where the configuration is locked no handshake is possible: each wrap then keeps evidence of its
        own and takes the other's statements for foreign ones, which costs reuse, never correctness.
        """
        with self._lock:
            for activity in tuple(self._live):
                if activity.in_use and _same_instance(activity, member.connection):
                    activity.join(member)
                    return activity
            activity = InstanceActivity(member)
            self._live.add(activity)
            return activity

    def after_fork(self) -> None:
        """Instances of the process that this one was forked from are not asked about new connections."""
        self._lock = threading.Lock()
        for activity in tuple(self._live):
            activity.after_fork()
        self._live = weakref.WeakSet()


PROCESS_INSTANCES = Instances()
"""Instances are shared by the whole process, whether we like it or not: so is what is known of them."""
os.register_at_fork(after_in_child=PROCESS_INSTANCES.after_fork)


def _same_instance(activity: InstanceActivity, connection: duckdb.DuckDBPyConnection) -> bool:
    nonce = secrets.randbits(48)
    try:
        before = activity.rows("SELECT current_setting(?)", [_SETTING])[0][0]
        activity.rows(f"SET GLOBAL {_SETTING} = {nonce}")
    except duckdb.Error:
        return False
    try:
        same = _setting_seen_by(connection) == nonce
        activity.counted(int(same))
        return same
    finally:
        with suppress(duckdb.Error):
            activity.rows(f"SET GLOBAL {_SETTING} = {before}")


def _setting_seen_by(connection: duckdb.DuckDBPyConnection) -> int:
    """Read on a cursor, so that a result that the program is still fetching stays what it is."""
    cursor = connection.cursor()
    try:
        row = cursor.execute("SELECT current_setting(?)", [_SETTING]).fetchall()[0]
        return int(row[0])
    finally:
        cursor.close()
