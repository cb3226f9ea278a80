"""Policies: what may be materialized and read, at what cost, and how views are selected and kept.

A policy is a TOML document. Three are built in: ``default``, ``eager`` (everything eligible is
materialized on sight: for tests and demonstrations) and ``off``. ``docs/policies.md`` describes every key.

Source: CloudViews, sections 5.2 (selection), 5.3 (design), 5.4 (expiry) and 6.2 (views per job).
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterable
from enum import StrEnum
from fnmatch import fnmatchcase
from importlib import resources
from pathlib import Path
from typing import Annotated

import tomlkit
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from optimizer_plugin.errors import PolicyError
from optimizer_plugin.policy_problems import Problem, Vocabulary, syntax_problem, validation_problems
from signatures.model import SubexpressionKind

BUILTIN_NAMES = ("default", "eager", "off")

_ALL_KINDS = tuple(SubexpressionKind)

_Count = Annotated[int, Field(ge=0)]
_Positive = Annotated[int, Field(ge=1)]
_Amount = Annotated[float, Field(ge=0)]
_Share = Annotated[float, Field(ge=0, le=1)]


class Materialize(StrEnum):
    """Which absent views a job builds while it runs."""

    ANNOTATED = "annotated"
    """Those that the analyzer annotated."""
    ON_SIGHT = "on_sight"
    """Every eligible subexpression."""
    NEVER = "never"


class WholeResultsOnSight(StrEnum):
    """When the result of a whole statement is kept without an annotation."""

    NEVER = "never"
    ON_REPEAT = "on_repeat"
    """From the second run of the same statement on unchanged inputs."""
    ALWAYS = "always"


class Compression(StrEnum):
    """Parquet codecs that DuckDB and Spark both read."""

    SNAPPY = "snappy"
    ZSTD = "zstd"
    GZIP = "gzip"
    UNCOMPRESSED = "uncompressed"


class _Section(BaseModel):
    """Frozen, no unknown keys, no silent conversion: ``"4"`` is not 4, and 1 is not true."""

    model_config = ConfigDict(
        allow_inf_nan=False, extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True
    )


class ReusePolicy(_Section):
    """[reuse]: what jobs build and read."""

    materialize: Materialize = Materialize.ANNOTATED
    """Which absent views a job builds: "annotated", "on_sight" or "never"."""
    read: bool = True
    """Whether jobs read views."""
    whole_results: bool = True
    """Whether results of whole statements may be views."""
    whole_results_on_sight: WholeResultsOnSight = WholeResultsOnSight.ON_REPEAT
    """When a whole result is kept without an annotation: "never", "on_repeat" or "always"."""
    tied_whole_results: bool = True
    """Whether ORDER BY with ties under LIMIT may be kept; only the very same statement reads it."""
    max_builds_per_job: _Positive = 4
    """Most views that one job builds."""
    verify_share: _Share = 0.0
    """Share of hits (0 to 1) that are checked against the original statement in the background."""


class KindsPolicy(_Section):
    """[kinds]: where in a statement reuse takes place."""

    enabled: tuple[SubexpressionKind, ...] = _ALL_KINDS
    """Kinds of subexpressions that are looked for, recorded, built and read; others cost nothing."""


class CostPolicy(_Section):
    """[cost]: when reuse is not worth its price. For every ``max_`` key 0 means no limit."""

    min_job_seconds: _Amount = 0.05
    """Seconds; jobs whose last run was shorter than this build nothing."""
    max_overhead_share: _Share = 0.1
    """Seconds to find out what a job can reuse over those of its last run; above it the job is left alone."""
    min_saving_seconds: _Amount = 0.02
    """Seconds that a selected view saves a round, and that its readers may lose before it is withdrawn."""
    max_view_rows: _Count = 1_000_000
    """Rows; a larger view is not built."""
    max_view_bytes: _Count = 256 * 1024 * 1024
    """Bytes on disk; a larger view is not built."""
    max_read_share: _Share = 0.5
    """Measured seconds to read over measured seconds to compute; above it a view is not read."""


class SelectionPolicy(_Section):
    """[selection]: which subexpressions the analyzer annotates."""

    strategy: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")] = "utility"
    """"utility", "utility_per_byte" or the name of an entry point in ``respool.selection``."""
    top_k: _Positive = 10
    """Most subexpressions that one analysis annotates."""
    min_frequency: _Positive = 2
    """Least occurrences in the window, over all jobs."""
    min_cost_share: _Share = 0.0
    """Least cost of the subexpression over cost of the job it stands in."""
    max_per_job: _Count = 1
    """Most annotations that meet in one job; 0 means no limit."""
    window_hours: _Amount = 168.0
    """Hours of history that are mined; 0 means all of it."""
    storage_bytes: _Count = 0
    """Budget in bytes for all views of the tenant; 0 means none."""
    kinds: tuple[SubexpressionKind, ...] = _ALL_KINDS
    """Kinds of subexpressions that may be annotated."""
    include_tables: tuple[str, ...] = ()
    """Patterns (``sales``, ``main.store_*``); if any are given, every input must match one."""
    exclude_tables: tuple[str, ...] = ()
    """Patterns; a subexpression with an input that matches one is not annotated."""

    def admits(self, tables: Iterable[str]) -> bool:
        """Whether a subexpression over these tables (``schema.name``) may be annotated.

        A pattern without a dot is compared with the name alone. Letter case does not matter.
        """
        for table in tables:
            if any(_matches(table, pattern) for pattern in self.exclude_tables):
                return False
            if self.include_tables and not any(_matches(table, pattern) for pattern in self.include_tables):
                return False
        return True


class ViewsPolicy(_Section):
    """[views]: how views are written, leased and kept."""

    expires_after_hours: _Amount = 168.0
    """Hours that a view is kept where its lineage does not say; 0 means until space is reclaimed."""
    compression: Compression = Compression.SNAPPY
    """Parquet codec: "snappy", "zstd", "gzip" or "uncompressed"."""
    row_group_rows: _Positive = 122_880
    """Rows in one Parquet row group."""
    lease_margin: Annotated[float, Field(ge=1)] = 3.0
    """Factor on the mined average build time after which another job may take a lease over."""


class BoundedInput(_Section):
    """One input whose older versions may be gone by, and for how long."""

    name: Annotated[str, Field(min_length=1)]
    """"main.orders", a database's path with "#main.orders", or a glob of files as statements write it."""
    seconds: _Amount
    """Seconds after a change for which whole results from before it are still read."""


class StalenessPolicy(_Section):
    """[staleness]: inputs whose views stay good for a while after they changed."""

    inputs: tuple[BoundedInput, ...] = ()
    """Inputs by name, each with its seconds; none unless they are named."""

    def allowed_seconds(self, identity: str) -> float:
        """For how long an older version of an input may be gone by; 0.0 where it is not named.

        Names are compared whole: a pattern would name tables that nobody thought of.
        """
        if not self.inputs:
            return 0.0
        kind, _, rest = identity.partition(":")
        names = {rest.partition(":")[2]} if kind == "files" else {rest, rest.rpartition("#")[2]}
        return min((each.seconds for each in self.inputs if each.name in names), default=0.0)


class HistoryPolicy(_Section):
    """[history]: what is recorded of each job."""

    record: bool = True
    """Whether jobs are recorded; without history the analyzer has nothing to select from."""
    profile_share: _Share = 0.1
    """Share of recorded jobs that run with the engine's profiling, which costs 4 to 8 % of their time."""


class Policy(_Section):
    """One tenant's rules. Two policies with equal values are equal."""

    name: Annotated[str, Field(min_length=1)] = "default"
    """How reports call it; the file's stem where the document does not say."""
    reuse: ReusePolicy = ReusePolicy()
    kinds: KindsPolicy = KindsPolicy()
    cost: CostPolicy = CostPolicy()
    selection: SelectionPolicy = SelectionPolicy()
    views: ViewsPolicy = ViewsPolicy()
    staleness: StalenessPolicy = StalenessPolicy()
    history: HistoryPolicy = HistoryPolicy()


def builtin(name: str) -> Policy:
    """A built-in policy.

    Raises:
        PolicyError: Where there is none of that name.
    """
    if name not in BUILTIN_NAMES:
        raise PolicyError(
            f"policy {name!r} is unknown",
            expected=f"one of {', '.join(BUILTIN_NAMES)}, or the path of a toml file",
            remedy="correct the name or the path",
        )
    document = resources.files("optimizer_plugin") / "builtin_policies" / f"{name}.toml"
    return parse(document.read_text(encoding="utf-8"), source=f"built-in policy {name!r}", name=name)


def load(path: str | Path) -> Policy:
    """Read a policy from a TOML file. Keys that it leaves out have their defaults.

    Raises:
        PolicyError: Where the file cannot be read or has problems; all of them are in the one line.
    """
    file = Path(path).expanduser()
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise PolicyError(f"policy file {str(file)!r} cannot be read: {reason}") from error
    except UnicodeDecodeError as error:
        raise PolicyError(f"policy file {str(file)!r} is not utf-8 text") from error
    return parse(text, source=f"policy file {str(file)!r}", name=file.stem)


def resolve(value: str | Path | Policy | None) -> Policy:
    """The policy that a user means by a name, a path or a policy; ``default`` for None.

    A built-in's name wins over a file of that name: write ``./eager`` for the file.

    Raises:
        PolicyError: Where the name is unknown, or the file cannot be read or is not valid.
    """
    match value:
        case None:
            return builtin("default")
        case Policy():
            return value
        case Path():
            return load(value)
    if value not in BUILTIN_NAMES and _looks_like_path(value):
        return load(value)
    return builtin(value)


def parse(text: str, *, source: str = "policy", name: str = "policy") -> Policy:
    """Read a policy from the text of a document.

    Args:
        text: TOML.
        source: What the document is called in messages.
        name: The policy's name where the document gives none.

    Raises:
        PolicyError: Where the document has problems.
    """
    policy, problems = _read(text, name)
    if policy is None:
        raise PolicyError(f"{source}: " + "; ".join(map(str, problems)))
    return policy


def check(text: str) -> tuple[Problem, ...]:
    """Every problem of a document, in the order of its lines; empty where it is valid."""
    return _read(text, "policy")[1]


def to_toml(policy: Policy) -> str:
    """The policy as a complete document, each key under its description, fit for an editor.

    ``parse(to_toml(policy)) == policy`` holds for every policy.
    """
    document = tomlkit.document()
    document.add("name", tomlkit.item(policy.name))
    for section_name in type(policy).model_fields:
        section = getattr(policy, section_name)
        if isinstance(section, _Section):
            document.add(tomlkit.nl())
            document.add(section_name, _table(section))
    return tomlkit.dumps(document)


def _table(section: _Section) -> tomlkit.items.Table:
    table = tomlkit.table()
    values = section.model_dump(mode="json")
    for key, facts in type(section).model_fields.items():
        table.add(tomlkit.comment(facts.description or key))
        table.add(key, values[key])
    return table


def _read(text: str, name: str) -> tuple[Policy | None, tuple[Problem, ...]]:
    try:
        document = {"name": name, **tomllib.loads(text)}
    except tomllib.TOMLDecodeError as error:
        return None, (syntax_problem(error),)
    try:
        # Validated as JSON, because there pydantic takes strings for enums and arrays for tuples
        # while it stays strict on everything else. TOML's dates become text, which no key accepts.
        return Policy.model_validate_json(json.dumps(document, default=str)), ()
    except ValidationError as error:
        return None, validation_problems(error, text, _VOCABULARY)


def _vocabulary() -> Vocabulary:
    sections = []
    for name, facts in Policy.model_fields.items():
        if isinstance(facts.annotation, type) and issubclass(facts.annotation, _Section):
            sections.append((name, tuple(facts.annotation.model_fields)))
    return Vocabulary(top=tuple(Policy.model_fields), sections=tuple(sections))


_VOCABULARY = _vocabulary()


def _matches(table: str, pattern: str) -> bool:
    name = table.lower()
    if "." not in pattern:
        name = name.rpartition(".")[2]
    return fnmatchcase(name, pattern.lower())


def _looks_like_path(value: str) -> bool:
    separators = [separator for separator in (os.sep, os.altsep) if separator]
    return value.endswith(".toml") or any(separator in value for separator in separators)
