"""Which transaction a connection is in, and whether what it sees is still what everybody sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from signatures.model import InputVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """An explicit transaction of which we saw the beginning.

    ``versions`` are those of all databases when it began: where one is the same now, nothing was
    committed since, and whatever moment the transaction's snapshot is of, its rows are the current ones.
    """

    versions: Mapping[str, InputVersion | None]
    unexplained: int
    wrote: bool = False

    def written(self) -> Transaction:
        """The same, with changes that nobody else sees yet."""
        return replace(self, wrote=True)

    def seen_by(self, current: Mapping[str, InputVersion | None]) -> dict[str, InputVersion | None]:
        """Versions that hold inside the transaction; None where its snapshot may differ."""
        return {
            name: version if not self.wrote and version == self.versions.get(name) else None
            for name, version in current.items()
        }
