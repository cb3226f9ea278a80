"""Session settings of DuckDB that change what a statement returns.

Chosen from all 160 settings of 1.5.5 and 170 of 2.0.0. Left out are those that change speed, memory,
files, output formats of the client or error texts only, and ``search_path``: names are resolved to
catalog, schema and table before they are signed. Unknown names are simply absent from a release.
"""

from __future__ import annotations

from collections.abc import Iterable

RESULT_SETTINGS = (
    "Calendar",
    "TimeZone",
    "active_grammar_extensions",
    "allow_parser_override_extension",
    "binary_as_string",
    "current_dialect",
    "default_collation",
    "default_null_order",
    "default_order",
    "deprecated_using_key_syntax",
    "dialect_compatibility_mode",
    "disable_timestamptz_casts",
    "enable_geoparquet_conversion",
    "error_on_division_by_zero",
    "file_search_path",
    "home_directory",
    "ieee_floating_point_ops",
    "ignore_unknown_crs",
    "integer_division",
    "json_geometry_format",
    "lambda_syntax",
    "legacy_disable_null_type",
    "old_implicit_casting",
    "order_by_non_integer_literal",
    "pivot_limit",
    "preserve_identifier_case",
    "preserve_insertion_order",
    "python_enable_replacements",
    "python_scan_all_frames",
    "regex_match_operator_semantics",
    "scalar_subquery_error_on_multiple_rows",
    "show_behavior",
    "table_function_identifier_conversion",
    "warnings_as_errors",
)

SETTINGS_QUERY = (
    "SELECT name, coalesce(value, '') FROM duckdb_settings() "
    f"WHERE name IN ({', '.join(repr(name) for name in RESULT_SETTINGS)}) ORDER BY name"
)


def environment_line(version: str, settings: Iterable[tuple[object, ...]]) -> str:
    """Engine, major version and settings as one line, the same for equal environments."""
    named = "; ".join(f"{name}={value!r}" for name, value in settings)
    return f"duckdb {version.split('.', 1)[0]}; {named}"
