"""The store: directories of Parquet files whose paths carry precise signature and producing job.

``<store>/<tenant>/<first two digits>/<precise signature>/<job id>/``. A directory is whole or absent: it is
written under a temporary name and renamed once.

Source: CloudViews section 6.2 (signature and producer in the physical path).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from optimizer_plugin.errors import StoreUnwritableError
from optimizer_plugin.private_files import make_directories
from optimizer_plugin.tenants import directory_name
from signatures.model import PreciseSignature

TEMPORARY_PREFIX = ".writing-"


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

    def remove(self, paths: Iterable[str]) -> int:
        """Delete directories of views whose metadata is gone already; those outside the store stay."""
        removed = 0
        for path in paths:
            directory = Path(path)
            if self.base in directory.parents and directory.exists():
                shutil.rmtree(directory, ignore_errors=True)
                removed += 1
                if not any(directory.parent.iterdir()):
                    directory.parent.rmdir()
        return removed

    def stray(self, known: Iterable[str]) -> tuple[Path, ...]:
        """Directories of this tenant that no view of the metastore names: debris of crashes."""
        named = {Path(path) for path in known}
        if not self.base.exists():
            return ()
        found = [path for path in self.base.glob("??/*/*") if path not in named]
        return tuple(sorted(found))
