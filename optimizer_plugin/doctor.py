"""What is wrong with an installation, its metastore and its store, and what to do about it.

Each check is a function that gives findings; nothing is printed here, and only ``repair`` changes anything.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import stat
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from metastore.ports import Metastore
from metastore.records import View, ViewState
from metastore.schema import HEAD_REVISION
from optimizer_plugin.admin.purging import find_debris, purge
from optimizer_plugin.errors import EngineMissingError
from optimizer_plugin.views.integrity import Soundness, examine
from optimizer_plugin.views.store import Store
from signatures.model import PreciseSignature

MINIMUM_PYTHON = (3, 11)
MINIMUM_DUCKDB = (1, 5)
FORGOTTEN_SECONDS = 24 * 3600.0
"""What processes keep for themselves in the store is of no use to anybody after so long."""
PACKAGES = ("benchmarks", "metastore", "rewriter", "signatures")
"""Packages of ours with names that others may have too; each has a module that only ours has."""
LANDMARKS = ("benchmarks.protocols", "metastore.records", "rewriter.matching", "signatures.model")
SIGNATURES_REMEDY = (
    "run 'pip uninstall signatures', then 'pip install --force-reinstall --no-deps respool', "
    "or use an environment without it"
)


STATEMENT_CHARACTERS = 120


class State(StrEnum):
    """What a check found."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of one check. ``remedy`` is empty where nothing has to be done."""

    check: str
    state: State
    text: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """All findings, and what was repaired before them."""

    findings: tuple[Finding, ...]
    repairs: tuple[str, ...] = ()

    @property
    def healthy(self) -> bool:
        """Whether no finding is a problem."""
        return all(finding.state is not State.PROBLEM for finding in self.findings)


def check_installation() -> tuple[Finding, ...]:
    """Python, the engine's client, and packages of other projects with our names."""
    return (_python(), _engine(), *_names())


def check_store(store: Store) -> tuple[Finding, ...]:
    """Whether views can be written, and who may read them. Nothing is created."""
    existing = _nearest_existing(store.base)
    if not os.access(existing, os.W_OK | os.X_OK):
        return (
            Finding(
                check="store",
                state=State.PROBLEM,
                text=f"{existing} cannot be written by {_whoami()}",
                remedy="make the directory writable, or set --store or RESPOOL_STORE to another one",
            ),
        )
    if not store.base.exists():
        return (Finding(check="store", state=State.OK, text=f"{store.base} is made on first use"),)
    mode = stat.S_IMODE(store.base.stat().st_mode)
    if mode & 0o007:
        return (
            Finding(
                check="store",
                state=State.PROBLEM,
                text=f"{store.base} is open to every user (mode {mode:o}); views hold rows of your tables",
                remedy=f"run 'chmod o-rwx {store.base}'",
            ),
        )
    return (Finding(check="store", state=State.OK, text=f"{store.base} is writable, mode {mode:o}"),)


def check_views(metastore: Metastore, store: Store) -> tuple[Finding, ...]:
    """Views, leases and debris of a tenant.

    Raises:
        MetastoreError: where the metastore does not answer.
    """
    views = metastore.views(store.tenant)
    leases = metastore.leases(store.tenant)
    findings = [
        Finding(check="metastore", state=State.OK, text=f"answers, tables at revision {HEAD_REVISION}"),
        Finding(check="views", state=State.OK, text=f"{len(views)} views, {len(leases)} being built now"),
        *_states(views),
        *_quarantined(metastore, views, store.tenant),
        *_expired(metastore, store),
        *_lost(views, store),
        *_damaged(views, store),
    ]
    debris = find_debris(metastore, store)
    if debris:
        findings.append(
            Finding(
                check="debris",
                state=State.PROBLEM,
                text=f"{len(debris)} directories in the store that no view names, such as {debris[0]}",
                remedy="run 'respool doctor --repair'",
            )
        )
    return tuple(findings)


def unreachable(error: Exception) -> Finding:
    """The finding for a metastore that can't be opened or does not answer."""
    found, _, remedy = str(error).rpartition("; ")
    return Finding(check="metastore", state=State.PROBLEM, text=found or remedy, remedy=remedy)


def repair(metastore: Metastore, store: Store) -> tuple[str, ...]:
    """Remove dead leases, views that are of no use any more, and debris; says what went.

    Views go that have expired, whose files are gone or damaged, and that are suspect: they can be built
    again. Quarantined ones stay, since they bar just that.

    Raises:
        MetastoreError: where the metastore does not answer.
    """
    leases = metastore.remove_dead_leases(store.tenant, 0.0)
    views = [view for view in metastore.views(store.tenant) if view.state is not ViewState.QUARANTINED]
    why: dict[PreciseSignature, str] = {}
    for view in views:
        if view.state is ViewState.SUSPECT:
            why[view.precise] = view.state_reason or "suspect"
    why |= {view.precise: "its files are damaged" for view in _of_other_bytes(views, store)}
    why |= {view.precise: "its files are gone" for view in _without_files(views, store)}
    why |= {view.precise: "expired" for view in metastore.expired_views(store.tenant)}
    done = purge(metastore, store, [view for view in views if view.precise in why])
    forgotten = store.forgotten(FORGOTTEN_SECONDS)
    for path in forgotten:
        _delete(path)
    return (
        *(f"removed the lease of {lease.precise[:12]} that job {lease.holder} left" for lease in leases),
        *(f"removed view {view.precise[:12]} ({why[view.precise]})" for view in done.views),
        *(f"removed debris {path}" for path in (*done.debris, *forgotten)),
    )


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] >= MINIMUM_PYTHON:
        return Finding(check="python", state=State.OK, text=version)
    return Finding(
        check="python",
        state=State.PROBLEM,
        text=f"found {version}, expected {'.'.join(map(str, MINIMUM_PYTHON))} or later",
        remedy="make an environment with a newer Python",
    )


def _engine() -> Finding:
    remedy = EngineMissingError.default_remedy
    try:
        import duckdb
    except ImportError as error:
        return Finding(
            check="engine", state=State.PROBLEM, text=f"duckdb can't be imported: {error}", remedy=remedy
        )
    text = f"duckdb {duckdb.__version__}"
    numbers = tuple(int(part) for part in duckdb.__version__.split(".")[:2] if part.isdecimal())
    if numbers >= MINIMUM_DUCKDB:
        return Finding(check="engine", state=State.OK, text=text)
    expected = ".".join(map(str, MINIMUM_DUCKDB))
    return Finding(
        check="engine", state=State.PROBLEM, text=f"found {text}, expected {expected} or later", remedy=remedy
    )


def _names() -> list[Finding]:
    """Packages of another project under our names (a project ``signatures`` is on PyPI)."""
    findings = []
    try:
        version = importlib.metadata.version("signatures")
    except importlib.metadata.PackageNotFoundError:
        pass
    else:
        findings.append(
            Finding(
                check="packages",
                state=State.PROBLEM,
                text=f"another project's 'signatures' {version} is installed and overwrites files of ours",
                remedy=SIGNATURES_REMEDY,
            )
        )
    home = Path(__file__).resolve().parents[1]
    for name, landmark in zip(PACKAGES, LANDMARKS, strict=True):
        origin = _origin(landmark)
        if origin is None or home not in origin.parents:
            found = "has lost files of ours" if origin is None else f"comes from {origin.parent}"
            findings.append(
                Finding(
                    check="packages",
                    state=State.PROBLEM,
                    text=f"package {name!r} {found}, expected it in {home}",
                    remedy="reinstall with 'pip install --force-reinstall --no-deps respool'",
                )
            )
    return findings or [Finding(check="packages", state=State.OK, text="all packages are ours")]


def _origin(module: str) -> Path | None:
    try:
        found = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    return None if found is None or found.origin is None else Path(found.origin).resolve()


def _states(views: Iterable[View]) -> list[Finding]:
    findings = []
    for view in views:
        if view.state in (ViewState.READY, ViewState.WITHDRAWN, ViewState.QUARANTINED):
            continue
        because = f": {view.state_reason}" if view.state_reason else ""
        findings.append(
            Finding(
                check="views",
                state=State.PROBLEM,
                text=f"view {view.precise[:12]} is {view.state.value}{because}",
                remedy="run 'respool doctor --repair' to let it be built again",
            )
        )
    return findings


def _quarantined(metastore: Metastore, views: Iterable[View], tenant: str) -> list[Finding]:
    """What verification found wrong, each with its reproduction where there is one."""
    known = {precise: each for each in metastore.reproductions(tenant) for precise in each.views}
    findings = []
    for view in views:
        if view.state is not ViewState.QUARANTINED:
            continue
        kept = known.get(view.precise)
        told = "" if kept is None else f"; statement: {kept.template_text[:STATEMENT_CHARACTERS]}"
        findings.append(
            Finding(
                check="quarantine",
                state=State.PROBLEM,
                text=f"view {view.precise[:12]} is quarantined: {view.state_reason}{told}",
                remedy=f"report 'respool views quarantined --json', which holds no values; then "
                f"'respool views purge {view.precise[:12]}' lets it be built again",
            )
        )
    return findings


def _expired(metastore: Metastore, store: Store) -> list[Finding]:
    expired = metastore.expired_views(store.tenant)
    if not expired:
        return []
    text = f"{len(expired)} views have expired and still take room"
    remedy = "run 'respool views purge' now and then, from cron for example"
    return [Finding(check="views", state=State.NOTE, text=text, remedy=remedy)]


def _lost(views: Iterable[View], store: Store) -> list[Finding]:
    lost = _without_files(views, store)
    if not lost:
        return []
    text = f"{len(lost)} views have lost their files, such as {lost[0].path}"
    return [
        Finding(check="views", state=State.PROBLEM, text=text, remedy="run 'respool doctor --repair'"),
    ]


def _without_files(views: Iterable[View], store: Store) -> list[View]:
    """Of this store only: what lies elsewhere may be another machine's. Quarantined ones bar rebuilding."""
    if not store.base.exists():
        return []
    return [
        view
        for view in views
        if view.state is not ViewState.QUARANTINED
        and store.base in Path(view.path).parents
        and not Path(view.path).exists()
    ]


def _damaged(views: Iterable[View], store: Store) -> list[Finding]:
    damaged = _of_other_bytes(views, store)
    if not damaged:
        return []
    text = f"the files of {len(damaged)} views are not what was written, such as {damaged[0].path}"
    return [
        Finding(check="views", state=State.PROBLEM, text=text, remedy="run 'respool doctor --repair'"),
    ]


def _of_other_bytes(views: Iterable[View], store: Store) -> list[View]:
    """Reads every file of this store's views: what no running process sees, the doctor does."""
    return [
        view
        for view in views
        if view.state is not ViewState.QUARANTINED
        and store.holds(view.path)
        and examine(view) is Soundness.DAMAGED
    ]


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _nearest_existing(path: Path) -> Path:
    return next(each for each in (path, *path.parents) if each.exists())


def _whoami() -> str:
    return f"user {os.getuid()}" if hasattr(os, "getuid") else "this user"
