"""Facts of DuckDB's functions, with its own claims about them put right."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import duckdb

from signatures.catalog import FunctionFacts, FunctionKind, Stability

FUNCTIONS_QUERY = (
    "SELECT database_name, schema_name, function_name, function_type, stability, internal, parameters, "
    "macro_definition, parameter_types FROM duckdb_functions() WHERE function_type <> 'pragma'"
)

SESSION_FUNCTIONS = frozenset(
    """ago age current_catalog current_connection_id current_database current_date current_localtime
    current_localtimestamp current_query current_role current_schema current_schemas current_setting
    current_time current_timestamp current_user get_current_time get_current_timestamp getenv getvariable
    in_search_path localtime localtimestamp now pg_conf_load_time pg_postmaster_start_time session_user
    today transaction_timestamp txid_current user version""".split()
)
"""Fixed within a statement at best: clock, session, configuration, release. DuckDB calls several of
them consistent (``version``, ``current_localtime``, ``age`` of one argument, on 1.5 also
``current_setting`` and ``getvariable``), and lists some as macros over others or as grammar."""

VOLATILE_FUNCTIONS = frozenset(
    """current_query_id current_transaction_id currval error gen_random_uuid lastval nextval pg_sleep random
    setseed setval sleep_ms stats uuid uuidv4 uuidv7 vector_type which_secret write_log""".split()
)
"""Another value, or an effect, at each call; ``stats`` and ``vector_type`` show how data happens to lie."""

OUTSIDE_READERS = frozenset(
    """glob json_execute_serialized_sql parquet_bloom_probe parquet_file_metadata parquet_full_metadata
    parquet_kv_metadata parquet_metadata parquet_schema query query_table read_blob read_duckdb read_text
    seq_scan sniff_csv arrow_scan arrow_scan_dumb pandas_scan python_arrow_scan python_map_function
    read_single_csv_file read_single_json_file read_single_parquet_file test_vector_types
    truncate_duckdb_logs checkpoint force_checkpoint enable_logging disable_logging enable_profiling
    disable_profiling repeat_row""".split()
)
"""Read or change files, other systems, objects of the program or the catalog: no input is known that
would say when they give something else. The families of ``read_parquet``, ``read_csv``, ``read_json`` and the
generators are left as they are: the binder knows their inputs."""

_CATALOG_READERS = re.compile(r"(duckdb_|pragma_|pg_|has_.*_privilege$|icu_calendar|.*_description$)")

_KINDS = {
    "scalar": FunctionKind.SCALAR,
    "aggregate": FunctionKind.AGGREGATE,
    "window": FunctionKind.WINDOW,
    "table": FunctionKind.TABLE,
    "macro": FunctionKind.MACRO,
    "table_macro": FunctionKind.TABLE_MACRO,
}
_STABILITIES = {
    "CONSISTENT": Stability.CONSISTENT,
    "CONSISTENT_WITHIN_QUERY": Stability.WITHIN_QUERY,
    "VOLATILE": Stability.VOLATILE,
}
_WORST_FIRST = (Stability.VOLATILE, Stability.WITHIN_QUERY, Stability.CONSISTENT)
_KIND_ORDER = (
    FunctionKind.TABLE_MACRO,
    FunctionKind.MACRO,
    FunctionKind.AGGREGATE,
    FunctionKind.WINDOW,
    FunctionKind.SCALAR,
    FunctionKind.TABLE,
)
"""What a name is where its overloads differ: what the binder has to be most careful with comes first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overload:
    """One row of DuckDB's list of functions."""

    catalog: str
    schema: str
    name: str
    kind: FunctionKind
    stability: Stability
    internal: bool
    parameters: tuple[str, ...]
    types: tuple[str | None, ...]
    definition: str | None


def overloads(rows: Iterable[tuple[object, ...]]) -> tuple[Overload, ...]:
    """The rows of ``FUNCTIONS_QUERY``, typed."""
    return tuple(
        Overload(
            catalog=str(catalog).lower(),
            schema=str(schema).lower(),
            name=str(name).lower(),
            kind=_KINDS.get(str(kind), FunctionKind.TABLE),
            stability=_STABILITIES.get(str(stability), Stability.CONSISTENT)
            if stability is not None
            else Stability.CONSISTENT,
            internal=bool(internal),
            parameters=_texts(parameters),
            types=_texts(types),
            definition=None if definition is None else str(definition),
        )
        for catalog, schema, name, kind, stability, internal, parameters, definition, types in rows
    )


def function_facts(
    found: Sequence[Overload],
    search_path: Sequence[tuple[str, str]],
    macro_candidates: Callable[[Overload], tuple[str, ...] | None],
) -> Mapping[str, FunctionFacts]:
    """Facts by lower-case name, for unqualified calls.

    A macro of the program in the search path hides a function of DuckDB's own; one outside of it is left
    out. ``macro_candidates`` gives the full parameter lists of a macro, defaults included, or None.
    """
    facts: dict[str, FunctionFacts] = {}
    built_in = _built_in_overloads()
    for name, group in _by_name(each for each in found if each.internal).items():
        foreign = any((each.name, each.types) not in built_in for each in group)
        facts[name] = _built_in(name, group, user_defined=foreign)
    for name, group in _by_name(each for each in found if not each.internal).items():
        visible = next((own for place in search_path if (own := _at(group, place))), ())
        if visible:
            facts[name] = _macro(name, visible, macro_candidates(visible[0]))
    return facts


def candidates_in(message: str, name: str) -> tuple[str, ...] | None:
    """Parameter lists from the error that DuckDB raises for a macro called with too many arguments.

    Its catalog lists names of parameters but not their defaults, which are part of what a call means.
    """
    _, marker, rest = message.partition("Candidate macros:\n")
    lines = [line.strip() for line in rest.split("\n\n", 1)[0].splitlines() if line.strip()]
    if not marker or not lines:
        return None
    heads = (f"{name}(", '"' + name.replace('"', '""') + '"(')
    found = []
    for line in lines:
        head = next((head for head in heads if line.lower().startswith(head)), None)
        if head is None or not line.endswith(")"):
            return None
        found.append(line[len(head) : -1])
    return tuple(found)


def _built_in(name: str, group: Sequence[Overload], *, user_defined: bool) -> FunctionFacts:
    kind = next(kind for kind in _KIND_ORDER if any(each.kind == kind for each in group))
    stability = next(worst for worst in _WORST_FIRST if any(each.stability == worst for each in group))
    if name in VOLATILE_FUNCTIONS or name in OUTSIDE_READERS or _CATALOG_READERS.match(name):
        stability = Stability.VOLATILE
    elif name in SESSION_FUNCTIONS and stability is Stability.CONSISTENT:
        stability = Stability.WITHIN_QUERY
    macros = [each for each in group if each.definition is not None]
    if kind not in (FunctionKind.MACRO, FunctionKind.TABLE_MACRO):
        return FunctionFacts(name=name, kind=kind, stability=stability, user_defined=user_defined)
    if stability is not Stability.CONSISTENT or len(macros) != len(group):
        # A macro that only names a session function, or shares its name with functions (histogram() is an
        # aggregate and also a table macro), is judged by the lists above, not by its text.
        others = [each.kind for each in group if each.definition is None]
        kind = next((kind for kind in _KIND_ORDER if kind in others), FunctionKind.SCALAR)
        return FunctionFacts(name=name, kind=kind, stability=_worse(stability))
    return _macro(name, macros, tuple(", ".join(each.parameters) for each in macros))


def _worse(stability: Stability) -> Stability:
    return Stability.WITHIN_QUERY if stability is Stability.CONSISTENT else stability


def _macro(name: str, group: Sequence[Overload], candidates: tuple[str, ...] | None) -> FunctionFacts:
    """A macro with its whole meaning: of several overloads, all parameter lists and all bodies."""
    user_defined = not group[0].internal
    if candidates is None or len(candidates) != len(group):
        return FunctionFacts(
            name=name, kind=FunctionKind.SCALAR, stability=Stability.VOLATILE, user_defined=user_defined
        )
    bodies = [each.definition or "" for each in group]
    plain = len(group) == 1 and candidates[0] == ", ".join(group[0].parameters)
    return FunctionFacts(
        name=name,
        kind=group[0].kind,
        user_defined=user_defined,
        parameters=group[0].parameters if plain else tuple(f"({candidate})" for candidate in candidates),
        definition=bodies[0] if len(bodies) == 1 else f"({', '.join(bodies)})",
    )


def _at(group: Sequence[Overload], place: tuple[str, str]) -> tuple[Overload, ...]:
    return tuple(each for each in group if (each.catalog, each.schema) == place)


def _by_name(found: Iterable[Overload]) -> Mapping[str, list[Overload]]:
    groups: dict[str, list[Overload]] = {}
    for each in found:
        groups.setdefault(each.name, []).append(each)
    return groups


def _texts(values: object) -> tuple[str, ...]:
    return tuple(str(value) for value in values) if isinstance(values, list) else ()


@cache
def _built_in_overloads() -> frozenset[tuple[str, tuple[str | None, ...]]]:
    """Name and parameter types of everything that a fresh DuckDB has.

    Functions that a program registers claim to be internal and consistent; only this tells them apart.
    """
    with duckdb.connect(":memory:") as fresh:
        rows = fresh.execute(FUNCTIONS_QUERY).fetchall()
    return frozenset((each.name, each.types) for each in overloads(rows))
