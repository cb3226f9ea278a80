"""Versions of files, from what the file system says of them.

A file is never opened to tell its version: DuckDB holds POSIX locks on its database files, and closing
any other descriptor of such a file in the same process would release them.
"""

from __future__ import annotations

import stat
import time
from collections.abc import Iterable
from pathlib import Path

import xxhash

_REMOTE_MARK = "://"

RACY_SECONDS = 0.01
"""Coarsest step of file times on Linux: within it two states of a file may carry the same times."""


def is_remote(path: str) -> bool:
    """Whether a path names something that this machine's file system does not know."""
    return _REMOTE_MARK in path


def stat_line(path: str) -> str | None:
    """Path, inode, size, modification and change time of a file; None where it is not a file."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode):
        return None  # a pipe or a device gives something else each time
    return (
        f"{path}\0{found.st_dev}\0{found.st_ino}\0{found.st_size}\0{found.st_mtime_ns}\0{found.st_ctime_ns}"
    )


def seconds_since_change(paths: Iterable[str]) -> float:
    """Seconds since the latest change of any of the files; 0.0 where that lies in the future."""
    latest = 0.0
    for path in paths:
        try:
            found = Path(path).stat()
        except OSError:
            continue
        latest = max(latest, found.st_mtime, found.st_ctime)
    return max(0.0, time.time() - latest)


def digest(lines: Iterable[str]) -> str:
    """128-bit digest of stat lines, as 32 hexadecimal digits."""
    return xxhash.xxh128_hexdigest("\n".join(lines).encode("utf-8", "surrogateescape"))


def file_version(paths: Iterable[str]) -> str | None:
    """Version of a set of files: all of them, in order; None where one is gone or is being written."""
    names = sorted(str(Path(path).resolve()) for path in paths)
    if not names:
        return None
    lines = [stat_line(name) for name in names]
    if None in lines or seconds_since_change(names) < RACY_SECONDS:
        return None
    return f"files:{digest(line for line in lines if line is not None)}"
