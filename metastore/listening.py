"""Word of changes that others make: one connection listens, so that look-ups need not ask each time.

Whoever changes annotations or views of a tenant notifies its name in the same transaction. What was looked up
is good as long as nothing was heard of its tenant since before it was asked for.

Source: design, section 8 (a local snapshot kept current by LISTEN and NOTIFY).
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg

from metastore.errors import MetastoreError

CHANNEL: Final = "respool_changed"
RETRY_SECONDS: Final = 5.0
"""How long after a lost connection another one is tried."""
ASK_ANYWAY_SECONDS: Final = 60.0
"""After so long a look-up is asked for again, whatever was heard: the last resort against a lost word."""

Connect = Callable[[], "psycopg.Connection[Any]"]


@dataclass(frozen=True, slots=True)
class Mark:
    """How much had been heard at a moment."""

    session: int
    changes: int
    until: float


@dataclass(slots=True)
class Listener:
    """Listens on a thread of its own, which starts with the first mark. Inert in a forked child."""

    connect: Connect
    process: int = field(default_factory=os.getpid)
    users: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _changes: Counter[str] = field(default_factory=Counter)
    _session: int = 0
    _live: bool = False
    _closing: bool = False
    _thread: threading.Thread | None = None
    _ends: tuple[socket.socket, socket.socket] | None = None

    def mark(self, tenant: str) -> Mark | None:
        """Take note of what was heard so far; None while nobody listens."""
        if self.process != os.getpid():
            return None
        with self._lock:
            if self._thread is None and not self._closing:
                self._start()
            if not self._live:
                return None
            return Mark(self._session, self._changes[tenant], time.monotonic() + ASK_ANYWAY_SECONDS)

    def holds(self, tenant: str, mark: Mark | None) -> bool:
        """Whether nothing was heard of a tenant since a mark, by one who listened all the time."""
        return (
            mark is not None
            and self._live
            and mark.session == self._session
            and mark.changes == self._changes[tenant]
            and time.monotonic() < mark.until
            and self.process == os.getpid()
        )

    def changed(self, tenant: str) -> None:
        """This process itself has changed something: what it does next must see it."""
        with self._lock:
            self._changes[tenant] += 1

    def close(self) -> None:
        """End the thread and its connection."""
        with self._lock:
            self._closing = True
            thread, ends = self._thread, self._ends
            self._thread = self._ends = None
        if thread is None or ends is None or self.process != os.getpid():
            return
        ends[0].send(b"x")
        thread.join()
        for end in ends:
            end.close()

    def _start(self) -> None:
        ends = self._ends = socket.socketpair()
        self._thread = threading.Thread(
            target=self._run, args=(ends[1],), name="respool-listener", daemon=True
        )
        self._thread.start()

    def _run(self, wake: socket.socket) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(wake, selectors.EVENT_READ)
            while not self._closing:
                # What goes wrong here costs a round trip for each look-up until it is right again.
                with contextlib.suppress(MetastoreError, psycopg.Error, OSError):
                    self._listen(selector)
                self._live = False
                if not self._closing:
                    selector.select(RETRY_SECONDS)

    def _listen(self, selector: selectors.BaseSelector) -> None:
        with contextlib.closing(self.connect()) as connection:
            connection.autocommit = True
            connection.execute(f"LISTEN {CHANNEL}")
            with self._lock:
                self._session += 1
                self._live = True
            selector.register(connection.fileno(), selectors.EVENT_READ)
            try:
                while not self._closing:
                    selector.select()
                    for notice in connection.notifies(timeout=0):
                        self.changed(notice.payload)
            finally:
                selector.unregister(connection.fileno())


_listeners: dict[str, Listener] = {}
_guard = threading.Lock()


def join_listener(address: str, connect: Connect) -> Listener:
    """The process's listener for a server; all metastores of the process that use the server share it."""
    with _guard:
        found = _listeners.get(address)
        if found is None or found.process != os.getpid():
            found = _listeners[address] = Listener(connect)
        found.users += 1
        return found


def leave_listener(address: str, listener: Listener) -> None:
    """Its last user closes it."""
    with _guard:
        listener.users -= 1
        last = listener.users == 0
        if last and _listeners.get(address) is listener:
            del _listeners[address]
    if last:
        listener.close()
