"""Directories that nobody but their owner may enter, whatever the umask says."""

from __future__ import annotations

from pathlib import Path

OWNER_ONLY = 0o700


def make_directories(path: Path) -> None:
    """Make a directory and those above it that are missing, all of them for the owner only.

    ``Path.mkdir`` gives its mode to the last one alone. What exists keeps its mode: a person chose it.

    Raises:
        OSError: where one can't be made.
    """
    missing = [each for each in (path, *path.parents) if not each.exists()]
    for directory in reversed(missing):
        try:
            directory.mkdir(mode=OWNER_ONLY)
        except FileExistsError:
            if not directory.is_dir():
                raise
        else:
            directory.chmod(OWNER_ONLY)
