"""What is told to whoever asked: so far, that a statement gave other rows with views than without them.

The log gets a record of the logger ``respool`` without any text of the statement; a program that subscribes
with ``con.reuse.on_mismatch`` gets the statement too, since it is its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from metastore.records import Reproduction, View

LOGGER = logging.getLogger("respool")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """A statement whose rows differed, found by verification in the background.

    Attributes:
        statement: As the program sent it, literals included: never logged, never kept.
        executed: What ran in its place.
        views: Views that are quarantined now.
        reproduction: What the metastore keeps of it.
    """

    statement: str
    executed: str
    views: tuple[View, ...]
    reproduction: Reproduction


Listener = Callable[[Mismatch], None]


@dataclass(slots=True)
class Events:
    """Subscribers of one wrapped connection. They are called on the thread that verifies."""

    listeners: list[Listener] = field(default_factory=list)

    def mismatch(self, found: Mismatch) -> None:
        """Log and tell; what a subscriber raises is logged by its type and goes no further."""
        kept = found.reproduction
        LOGGER.error(
            "verified reuse: %s views quarantined (%s), %s differ: %s rows missing, %s too many; "
            "'respool views quarantined' shows reproduction %s",
            len(found.views),
            ", ".join(view.precise[:12] for view in found.views),
            kept.difference.value,
            kept.missing_rows,
            kept.surplus_rows,
            kept.reproduction_id,
        )
        for listener in tuple(self.listeners):
            try:
                listener(found)
            except Exception as error:  # noqa: BLE001 - a subscriber may raise anything
                LOGGER.error("a subscriber of mismatches raised %s", type(error).__name__)
