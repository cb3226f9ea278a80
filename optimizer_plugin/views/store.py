"""The store: directories of Parquet files whose paths carry precise signature and producing job.

``<store>/<tenant>/<first two digits>/<precise signature>/<job id>/``. A directory is whole or absent: it is
written under a temporary name and renamed once.

Source: CloudViews section 6.2 (signature and producer in the physical path).
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from optimizer_plugin.errors import StoreUnwritableError
from optimizer_plugin.private_files import make_directories
from optimizer_plugin.tenants import directory_name
from signatures.model import PreciseSignature

TEMPORARY_PREFIX = ".writing-"
SCRATCH = ".probing"
"""Directory of a tenant for views that are only measured."""


@dataclass(frozen=True, slots=True)
class Store:
    """Where the views of one tenant lie."""

    root: Path
    tenant: str

    def prepare(self) -> None:
        """Make the tenant's directory, readable by its owner only.

        Raises:
            StoreUnwritableError: where it can't be made or written to.
        """
        try:
            make_directories(self.base)
            probe = self.base / f"{TEMPORARY_PREFIX}{os.getpid()}"
            probe.touch(mode=0o600)
            probe.unlink()
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise StoreUnwritableError(f"store {str(self.root)!r} cannot be written: {reason}") from error

    @property
    def base(self) -> Path:
        """The tenant's own part of the store.

        Raises:
            ConfigurationError: where no tenant may be called so.
        """
        return self.root / directory_name(self.tenant)

    def directory(self, precise: PreciseSignature, producer: str) -> Path:
        """The directory of a view."""
        return self.base / precise[:2] / precise / producer

    def make_room(self, directory: Path) -> None:
        """Make the directory above a view's; the store itself too, where somebody deleted it meanwhile.

        Raises:
            StoreUnwritableError: where it can't be made.
        """
        if not self.base.exists():
            self.prepare()
        try:
            make_directories(directory.parent)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise StoreUnwritableError(f"store {str(self.root)!r} cannot be written: {reason}") from error

    def holds(self, path: str) -> bool:
        """Whether a directory lies in this tenant's part of the store."""
        return self.base in Path(path).parents

    def remove(self, paths: Iterable[str]) -> int:
        """Delete directories of views whose metadata is gone already; those outside the store stay.

        Returns:
            How many are gone now that were there. What can't be deleted stays as debris.
        """
        removed = 0
        for path in paths:
            directory = Path(path)
            if self.holds(path) and directory.exists():
                shutil.rmtree(directory, ignore_errors=True)
                removed += not directory.exists()
                with suppress(
                    OSError
                ):  # another view of the same signature lies there, or another purge was first
                    directory.parent.rmdir()
        return removed

    def stray(self, known: Iterable[str]) -> tuple[Path, ...]:
        """Directories of this tenant that no view of the metastore names: debris of crashes."""
        named = {Path(path) for path in known}
        if not self.base.exists():
            return ()
        found = [path for path in self.base.glob("??/*/*") if path not in named]
        return tuple(sorted(found))

    def forgotten(self, older_than_seconds: float) -> tuple[Path, ...]:
        """What a killed process left beside the views: its probe of the store, and measurements."""
        if not self.base.exists():
            return ()
        before = time.time() - older_than_seconds
        found = [*self.base.glob(f"{TEMPORARY_PREFIX}*"), *self.base.glob(f"{SCRATCH}/*")]
        return tuple(sorted(path for path in found if _modified(path) < before))


def _modified(path: Path) -> float:
    """When it was last written to; never, from where it has gone meanwhile."""
    try:
        return path.stat().st_mtime
    except OSError:
        return float("inf")
