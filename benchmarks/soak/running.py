"""Starts the processes of the soak, writes versions of the data meanwhile, and sums up what they found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.soak.worker import Tally, Task, summed
from benchmarks.soak.workload import Versions
from metastore.embedded import embedded_url
from metastore.opening import open_metastore

PATIENCE_SECONDS = 120.0
"""A process that has not ended so long after its time hangs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakSettings:
    """How much of what."""

    processes: int
    threads: int
    seconds: float
    statements: int
    write_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakFigures:
    """What came of it. ``views`` are those in the metastore: one a statement and version that was built."""

    settings: SoakSettings
    versions: int
    hung: int
    failed: int
    leases_left: int
    views: int
    tally: Tally

    @property
    def passed(self) -> bool:
        """No wrong result, no deadlock, nothing left, and every view built once."""
        right = not self.tally.wrong and not self.hung and not self.failed and not self.leases_left
        return right and self.tally.published == self.views

    def __str__(self) -> str:
        tally, settings = self.tally, self.settings
        return "\n".join(
            (
                f"{settings.processes} processes x {settings.threads} threads, {settings.seconds:g} s",
                f"recurring statements  {settings.statements}, over {self.versions} versions of the data",
                f"statements run        {tally.executed}",
                f"wrong results         {len(tally.wrong)}",
                f"processes hung        {self.hung}",
                f"processes failed      {self.failed}",
                f"read from views       {tally.hits} ({tally.hits / max(1, tally.executed):.1%})",
                f"views                 {self.views}",
                f"builds published      {tally.published}",
                f"waits for a builder   {tally.waits} ({tally.wait_seconds:.3f} s in all)",
                f"fallbacks, errors     {tally.fallbacks}, {tally.errors}",
                f"between two versions  {tally.mixed} (without reuse)",
                f"errors of DuckDB's    {tally.engine_errors} (without reuse, as on a plain connection)",
                f"leases left           {self.leases_left}",
                f"not read, by reason   {tally.codes}",
                *tally.wrong,
            )
        )


def run_soak(settings: SoakSettings) -> SoakFigures:
    """Run it in a folder of its own, which is removed."""
    with tempfile.TemporaryDirectory(prefix="respool-soak-", ignore_cleanup_errors=True) as folder:
        return _run(settings, Path(folder))


def _run(settings: SoakSettings, folder: Path) -> SoakFigures:
    url = embedded_url(folder / "metastore")
    open_metastore(url, data_directory=folder).close()  # migrated before anybody measures
    versions = Versions(folder / "data")
    versions.write(0)
    processes = [_start(settings, folder, url, number) for number in range(settings.processes)]
    ended = threading.Event()
    writer = threading.Thread(target=_write, args=(versions, settings.write_seconds, ended), daemon=True)
    writer.start()
    tallies, hung, failed = _collect(processes, settings.seconds + PATIENCE_SECONDS)
    ended.set()
    writer.join()
    metastore = open_metastore(url, data_directory=folder)
    try:
        return SoakFigures(
            settings=settings,
            versions=len(list(versions.directory.glob("orders-*.parquet"))),
            hung=hung,
            failed=failed,
            leases_left=len(metastore.leases("soak")),
            views=len(metastore.views("soak")),
            tally=summed(tallies),
        )
    finally:
        metastore.close()


def _start(settings: SoakSettings, folder: Path, url: str, number: int) -> subprocess.Popen[str]:
    task = Task(
        metastore=url,
        directory=str(folder),
        threads=settings.threads,
        seconds=settings.seconds,
        statements=settings.statements,
        seed=number,
    )
    return subprocess.Popen(  # noqa: S603 - our own module with our own arguments
        [sys.executable, "-m", "benchmarks.soak.worker", json.dumps(asdict(task))],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


def _write(versions: Versions, seconds: float, ended: threading.Event) -> None:
    version = 1
    while not ended.wait(seconds):
        versions.write(version)
        version += 1


def _collect(processes: list[subprocess.Popen[str]], patience: float) -> tuple[list[Tally], int, int]:
    """Their tallies, how many hung, and how many ended with an error."""
    tallies: list[Tally] = []
    hung = failed = 0
    until = time.monotonic() + patience
    for process in processes:
        try:
            out, _ = process.communicate(timeout=max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            hung += 1
            continue
        if process.returncode:
            failed += 1
        else:
            tallies.append(Tally(**json.loads(out)))
    return tallies, hung, failed
