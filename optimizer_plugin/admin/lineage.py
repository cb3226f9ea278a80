"""Inputs of views as people name them: a table with or without schema and database, a file or its glob."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from metastore.records import View

_PART = re.compile(r'"((?:[^"]|"")*)"|([^".]+)')


def tables_of(view: View) -> tuple[str, ...]:
    """The inputs of a view: ``schema.name`` of a table, the glob of files."""
    return tuple(readable(identity) for identity, _ in view.inputs)


def readable(identity: str) -> str:
    """An input as people call it."""
    return identity.rpartition("#")[2] or identity


def over_table(views: Iterable[View], pattern: str) -> tuple[View, ...]:
    """Views that were computed from an input, directly or through SQL views, which are expanded before."""
    return tuple(view for view in views if any(named_by(pattern, identity) for identity, _ in view.inputs))


def named_by(pattern: str, identity: str) -> bool:
    """Whether somebody who says ``pattern`` means this input.

    Tables: ``orders``, ``main.orders``, ``shop.main.orders``, each with ``*`` and ``?`` for other characters;
    letter case does not matter. Files: a path or a glob that was read, or a path that such a glob covers.
    """
    if identity.startswith("files:"):
        return _names_file(pattern, identity.split(":", 2)[2])
    database, _, name = identity.removeprefix("table:").partition("#")
    wanted = pattern.lower()
    parts = [quoted.replace('""', '"') or plain for quoted, plain in _PART.findall(name)]
    parts.insert(0, _database_name(database).lower())
    if any(wanted == ".".join(parts[start:]) for start in range(len(parts))) or wanted == name:
        return True
    # As many parts as the pattern has, so that o* is no old.customers.
    last = parts[-(wanted.count(".") + 1) :]
    return fnmatchcase(".".join(last), wanted)


def _database_name(identity: str) -> str:
    """``shop`` of the file ``/data/shop.duckdb``, ``memory`` of a database in memory."""
    return identity.rpartition(":")[2] if identity.startswith("memory:") else Path(identity).stem


def _names_file(pattern: str, glob: str) -> bool:
    if fnmatchcase(glob, pattern):
        return True
    wanted, covered = str(Path(pattern).resolve()), str(Path(glob).resolve())
    bare = os.sep not in pattern
    return (
        wanted == covered
        or fnmatchcase(covered, wanted)
        or fnmatchcase(wanted, covered)
        or (bare and fnmatchcase(pattern, Path(glob).name))
    )
