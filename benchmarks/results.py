"""What a run measured: frozen values, from the machine down to one execution of one query."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from benchmarks.compare import Difference


class Protocol(StrEnum):
    """In which order queries run plain and with reuse."""

    CLOUDVIEWS = "cloudviews"
    """Record, analyze, run in the coordinated order (CloudViews 7.2)."""
    REPEAT = "repeat"
    """Capture every result, then run the same queries again."""


class EngineName(StrEnum):
    """Which engine runs the queries."""

    DUCKDB = "duckdb"


class Phase(StrEnum):
    """What the wrapped connection does in one pass over the queries."""

    HISTORY = "history"
    REUSE = "reuse"
    CAPTURE = "capture"
    READ = "read"

    @property
    def protocol(self) -> Protocol:
        """The protocol that this pass belongs to."""
        return Protocol.CLOUDVIEWS if self in (Phase.HISTORY, Phase.REUSE) else Protocol.REPEAT


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """What was asked for."""

    protocol: Protocol
    queries: tuple[int, ...]
    engine: EngineName = EngineName.DUCKDB
    scale_factor: float = 1.0
    repeats: int = 1
    threads: int = 2
    top_k: int = 10
    policy: str | None = None
    """Name or path; None for the policy that belongs to the protocol."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A program or library and its version."""

    name: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The machine that measured."""

    cpu_model: str
    cores: int
    memory_bytes: int
    operating_system: str
    versions: tuple[Version, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Seconds that one step of a statement's life took: sign, look_up, rewrite, spool, read, run."""

    name: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why something was not reused: the stable code and its sentence."""

    code: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What reuse did for one statement. Builds and reads are precise signatures."""

    builds: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    not_reused: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One query run plain and with reuse, one right after the other, on one machine."""

    query: int
    phase: Phase
    plain_seconds: float
    reuse_seconds: float
    plain_first: bool
    report: Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What the analyzer answered: which queries to run first, how many computations it chose.

    Source: CloudViews section 6.5 (the order).
    """

    seconds: float
    order: tuple[int, ...]
    selected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewFigures:
    """One view as the metastore describes it when a repeat ends."""

    signature: str
    label: str
    rows: int
    size_bytes: int
    build_seconds: float
    """Everything that building added to its job: computing and writing."""
    reads: int
    read_seconds: float
    saved_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """One of the session's own counters."""

    name: str
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """One round of the protocol, which began with an empty store."""

    number: int
    order: tuple[int, ...]
    """The queries as they ran in the last pass."""
    pairs: tuple[Pair, ...]
    analysis: Analysis | None
    views: tuple[ViewFigures, ...]
    counters: tuple[Counter, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """A result that is not the one that the engine gives without its faulty rules.

    ``engine_defect`` is True where the plain run differs in the same way: then reuse is not the cause.
    """

    query: int
    phase: Phase | None
    """None for the plain run."""
    repeat: int
    difference: Difference
    engine_defect: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """Everything that one run measured."""

    settings: RunSettings
    command: str
    machine: Machine
    backend: str
    database: Path
    started_at: datetime
    finished_at: datetime
    checked_results: int
    repeats: tuple[Repeat, ...]
    mismatches: tuple[Mismatch, ...]

    @property
    def wrong_results(self) -> tuple[Mismatch, ...]:
        """Differences that reuse has to answer for."""
        return tuple(mismatch for mismatch in self.mismatches if not mismatch.engine_defect)

    @property
    def passed(self) -> bool:
        """Whether every result with reuse was the right one."""
        return not self.wrong_results
