"""Versions of files, from what the file system says of them.

A file is never opened to tell its version: DuckDB holds POSIX locks on its database files, and closing
any other descriptor of such a file in the same process would release them.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import xxhash

_REMOTE_MARK = "://"
_DESCRIPTORS = "/dev/fd"

RACY_SECONDS = 0.01
"""Coarsest step of the kernel's file times: within it two states of a file may carry the same times."""

COARSE_SECONDS = 2.1
"""The same where the file system itself keeps whole seconds, or every second one."""

_SECOND_NS = 1_000_000_000


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
    return _line(path, found)


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
    """Version of a set of files: all of them, in order; None where one is gone or is being written.

    Paths count as they were listed, links not followed: ``filename = true`` and hive partitions make rows
    of them. What is behind a link is in its inode.
    """
    lines: list[str] = []
    now = time.time_ns()
    for path in sorted(paths):
        try:
            found = os.stat(path)  # noqa: PTH116 - a glob may list thousands
        except OSError:
            return None
        if not stat.S_ISREG(found.st_mode) or _may_be_racy(found, now):
            return None
        lines.append(_line(path, found))
    return f"files:{digest(lines)}" if lines else None


def _may_be_racy(found: os.stat_result, now_ns: int) -> bool:
    """Whether a file is so young that one more change would not show in its times."""
    coarse = found.st_ctime_ns % _SECOND_NS == 0
    limit = COARSE_SECONDS if coarse else RACY_SECONDS
    return now_ns - max(found.st_mtime_ns, found.st_ctime_ns) < limit * _SECOND_NS


def _line(path: str, found: os.stat_result) -> str:
    return (
        f"{path}\0{found.st_dev}\0{found.st_ino}\0{found.st_size}\0{found.st_mtime_ns}\0{found.st_ctime_ns}"
    )


def inode(path: str) -> tuple[int, int] | None:
    """Device and inode of the file that a path leads to now; None where it leads to none."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino)


def held_open(wanted: tuple[int, int]) -> bool:
    """Whether this process has a file open; True where the system does not tell.

    Asked by descriptor: opening the file and closing it again would release DuckDB's locks on it.
    """
    try:
        descriptors = [int(each.name) for each in Path(_DESCRIPTORS).iterdir()]
    except OSError:
        return True
    for descriptor in descriptors:
        with suppress(OSError):
            found = os.fstat(descriptor)
            if (found.st_dev, found.st_ino) == wanted:
                return True
    return False
