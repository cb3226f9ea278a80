"""Whether a view's files are still what was written.

The digest of a view's files is kept when it is published. It is compared when this process first reads the
view, and again whenever the files show another size, time or inode: what rots on the disk under an unchanged
inode after that is not seen by running processes, only by ``respool doctor`` and by the next process. A file
with flipped bits can decompress into other rows without any error, so the engine's own reader is no check.
"""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path

import xxhash

from metastore.records import View

CHECKED_KEPT = 4_096
"""Views whose check is remembered."""

_CHUNK_BYTES = 1 << 20

Stamp = tuple[tuple[str, int, int, int, int], ...]
"""Name, size, modification and change time in nanoseconds, and inode of each file."""


class Soundness(Enum):
    """What a check of a view's files found."""

    SOUND = "sound"
    GONE = "gone"
    DAMAGED = "damaged"


class Integrity:
    """Checks views, and remembers which files it has seen to be right.

    Safe in several threads, and without a lock that a forked process could inherit.
    """

    def __init__(self) -> None:
        self._checked: dict[str, tuple[str, Stamp]] = {}

    def check(self, view: View) -> Soundness:
        """Compare digests where the files changed since they were last compared: else this is one listing."""
        directory = Path(view.path)
        try:
            stamp = _stamp(directory)
        except OSError:
            return Soundness.GONE
        if self._checked.get(view.path) == (view.checksum, stamp):
            return Soundness.SOUND
        found = examine(view)
        if found is Soundness.SOUND:
            self._remember(view, stamp)
        return found

    def trust(self, view: View) -> None:
        """Take the files for right: this process has just written and read them."""
        try:
            self._remember(view, _stamp(Path(view.path)))
        except OSError:
            return  # the next check says what has happened

    def _remember(self, view: View, stamp: Stamp) -> None:
        if len(self._checked) >= CHECKED_KEPT:
            self._checked.clear()
        self._checked[view.path] = (view.checksum, stamp)


PROCESS_INTEGRITY = Integrity()
"""Files are the same for all connections of a process, so each is read once for all of them."""


def examine(view: View) -> Soundness:
    """Read a view's files and compare their digest, whatever was known of them."""
    try:
        found = checksum(Path(view.path))
    except FileNotFoundError:
        return Soundness.GONE
    except OSError:
        return Soundness.DAMAGED
    return Soundness.SOUND if found == view.checksum else Soundness.DAMAGED


def checksum(directory: Path) -> str:
    """The digest of all bytes in a directory's files, in the order of their names.

    Raises:
        OSError: where they can't be read, or there is none.
    """
    state = xxhash.xxh3_128()
    files = sorted(directory.iterdir())
    if not files:
        raise FileNotFoundError(f"{directory} is empty")
    for file in files:
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                state.update(chunk)
    return state.hexdigest()


def _stamp(directory: Path) -> Stamp:
    """Raises OSError where the directory is gone or empty."""
    with os.scandir(directory) as entries:
        found = [(entry.name, entry.stat()) for entry in entries]
    if not found:
        raise FileNotFoundError(f"{directory} is empty")
    return tuple((name, it.st_size, it.st_mtime_ns, it.st_ctime_ns, it.st_ino) for name, it in sorted(found))
