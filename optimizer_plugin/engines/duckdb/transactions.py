"""Which transaction a connection is in, and whether it changed anything."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """An explicit transaction of which we saw the beginning.

    ``unexplained`` is what the instance had counted of others' statements when it began: as long as it is
    the same, nothing went on in the transaction that we did not see.
    """

    unexplained: int
    wrote: bool = False

    def written(self) -> Transaction:
        """The same, with changes that nobody else sees yet."""
        return replace(self, wrote=True)
