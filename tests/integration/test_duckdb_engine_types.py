"""Every DuckDB type through a view and back: the same type, the same values, or a refusal by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from optimizer_plugin.engines.duckdb.engine import DuckDBEngine
from optimizer_plugin.engines.duckdb.instances import Instances
from optimizer_plugin.engines.duckdb.types import TypeRefused, codec
from optimizer_plugin.engines.ports import SpoolRequest
from optimizer_plugin.errors import SpoolError


@pytest.fixture
def engine() -> Iterator[DuckDBEngine]:
    """An engine over an empty in-memory database in a time zone that is not UTC."""
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'Asia/Kathmandu'")
        yield DuckDBEngine(connection, instances=Instances())


VALUES: dict[str, tuple[str, ...]] = {
    "BOOLEAN": ("true", "false"),
    "TINYINT": ("-128", "127"),
    "SMALLINT": ("-32768", "32767"),
    "INTEGER": ("-2147483648", "2147483647"),
    "BIGINT": ("-9223372036854775808", "9223372036854775807"),
    "UTINYINT": ("0", "255"),
    "USMALLINT": ("0", "65535"),
    "UINTEGER": ("0", "4294967295"),
    "UBIGINT": ("0", "18446744073709551615"),
    "HUGEINT": ("0", "-99999999999999999999999999999999999999", "99999999999999999999999999999999999999"),
    "UHUGEINT": ("0", "99999999999999999999999999999999999999"),
    "FLOAT": ("'nan'", "'inf'", "'-inf'", "'-0.0'", "1e-45", "3.4028235e38", "0.1"),
    "DOUBLE": ("'nan'", "'inf'", "'-inf'", "'-0.0'", "5e-324", "1.7976931348623157e308", "0.1"),
    "DECIMAL(4,1)": ("-999.9", "999.9"),
    "DECIMAL(9,3)": ("-999999.999", "0"),
    "DECIMAL(18,4)": ("99999999999999.9999", "-0.0001"),
    "DECIMAL(38,10)": ("-9999999999999999999999999999.9999999999", "1"),
    "VARCHAR": ("''", "' '", "'é☃'", "'a' || chr(0) || 'b'", "'NULL'"),
    "BLOB": ("''::BLOB", r"'\x00\xFF'::BLOB"),
    "UUID": ("'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"),
    "DATE": ("'infinity'", "'-infinity'", "'5877642-06-25 (BC)'", "'5881580-07-10'", "'0001-01-01'"),
    "TIME": ("'00:00:00'", "'24:00:00'", "'23:59:59.999999'"),
    "TIME WITH TIME ZONE": ("'00:00:00+15:59:59'", "'24:00:00-15:59:59'", "'12:00:00.000001-00:30'"),
    "TIME_NS": ("'12:00:00.000000001'", "'24:00:00'"),
    "TIMESTAMP": (
        "'infinity'",
        "'-infinity'",
        "'290309-12-22 (BC) 00:00:00'",
        "'294247-01-10 04:00:54.775806'",
        "'1969-12-31 23:59:59.999999'",
    ),
    "TIMESTAMP_S": ("'infinity'", "'-infinity'", "'2020-01-01 00:00:01'", "'0001-01-01'"),
    "TIMESTAMP_MS": ("'infinity'", "'-infinity'", "'1969-12-31 23:59:59.999'"),
    "TIMESTAMP_NS": (
        "'infinity'",
        "'-infinity'",
        "'2020-01-01 00:00:01.000000001'",
        "'2262-04-11 23:47:16.854775806'",
    ),
    "TIMESTAMP WITH TIME ZONE": (
        "'infinity'",
        "'-infinity'",
        "'2020-01-01 00:00:00.000001+05'",
        "'294247-01-10 04:00:54.775806+00'",
    ),
    "INTERVAL": (
        "'1 month 31 days 25 hours'",
        "'-1 month 3 days -5 microseconds'",
        "'24 hours'",
        "'1 day'",
        "to_months(-2147483647)",
        "to_days(2147483647)",
    ),
    "BIT": ("'0101'", "'1'", "'000000000000000000'"),
    "BIGNUM": ("0", "'-123456789012345678901234567890123456789012345'"),
    "JSON": ("'{\"a\": 1}'", "' [1 ]'", "'null'"),
    "ENUM('b', 'it''s', '')": ("'b'", "'it''s'", "''"),
    "INTEGER[]": ("[]", "[NULL]", "[1, NULL, 3]"),
    "INTEGER[3]": ("[1, 2, 3]", "[NULL, NULL, 1]"),
    "INTEGER[][]": ("[[], [1], NULL]", "[]"),
    "VARCHAR[2][]": ("[['a', NULL], NULL]", "[]"),
    'STRUCT(a INTEGER, "b c" VARCHAR)': ("{'a': 1, 'b c': ''}", "{'a': NULL, 'b c': NULL}"),
    "STRUCT(a HUGEINT, b ENUM('x', 'y'))[]": ("[{'a': 170, 'b': 'y'}, NULL]", "[]"),
    'STRUCT("say ""hi""" INTERVAL)': ("""{'say "hi"': INTERVAL 1 DAY}""",),
    "MAP(VARCHAR, INTEGER)": ("map {'a': 1, 'b': NULL}", "map {}"),
    "MAP(HUGEINT, STRUCT(x DOUBLE))": ("map {1: {'x': 'nan'}, 2: NULL}",),
    "JSON[]": ("['1', NULL]",),
    "UUID[]": ("['00000000-0000-0000-0000-000000000000', NULL]",),
    "TIMESTAMP_NS[]": ("['2020-01-01 00:00:01.000000001', 'infinity']",),
    "STRUCT(d DATE, t TIME WITH TIME ZONE)": ("{'d': 'infinity', 't': '12:00:00+02'}",),
}


@pytest.mark.parametrize("type_name", VALUES)
def test_type_survives(engine: DuckDBEngine, tmp_path: Path, type_name: str) -> None:
    """Type and value, extremes and NULL included, come back exactly, in their order."""
    values = ", ".join(f"(({value})::{type_name})" for value in (*VALUES[type_name], "NULL"))
    sql = f"SELECT c FROM (VALUES {values}) AS v(c)"
    described = engine.describe(sql)
    assert [column.type for column in described] == [type_name]
    assert engine.can_spool(described) is None
    spooled = engine.spool(SpoolRequest(sql=sql, directory=tmp_path / "view", ordered=True))
    scan = engine.scan(tmp_path / "view", [(spooled.columns[0], "c")], ordered=True)
    assert engine.describe(scan) == described
    # The text of a value tells -0.0 from 0.0, one month from thirty days, and NaN equals NaN in it.
    as_text = "SELECT c::VARCHAR, c IS NULL, typeof(c) FROM ({})"
    assert engine.run_own(as_text.format(scan)) == engine.run_own(as_text.format(sql))
    assert spooled.rows == len(VALUES[type_name]) + 1


@pytest.mark.parametrize(
    "expression",
    [
        "100000000000000000000000000000000000000::HUGEINT",
        "(-170141183460469231731687303715884105728)::HUGEINT",
        "340282366920938463463374607431768211455::UHUGEINT",
        "[170141183460469231731687303715884105727::HUGEINT]",
    ],
)
def test_value_out_of_the_stored_range_fails_the_spool(
    engine: DuckDBEngine, tmp_path: Path, expression: str
) -> None:
    """Rather no view than one whose numbers are rounded; nothing is left behind."""
    with pytest.raises(duckdb.ConversionException):
        engine.spool(SpoolRequest(sql=f"SELECT {expression} AS x", directory=tmp_path / "view"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("expression", "refused"),
    [
        ("union_value(a := 1)", "UNION"),
        ("1::VARIANT", "VARIANT"),
        ("NULL::GEOMETRY", "GEOMETRY"),
        ("[union_value(a := 1)]", "UNION"),
    ],
)
def test_types_that_do_not_survive_are_refused_by_name(
    engine: DuckDBEngine, tmp_path: Path, expression: str, refused: str
) -> None:
    """The name says what to leave out of the query."""
    sql = f"SELECT 1 AS a, {expression} AS b"
    assert engine.can_spool(engine.describe(sql)) == refused
    with pytest.raises(SpoolError, match=refused):
        engine.spool(SpoolRequest(sql=sql, directory=tmp_path / "view"))


def test_structs_without_field_names_are_refused(engine: DuckDBEngine) -> None:
    """Parquet would give them names."""
    assert engine.can_spool(engine.describe("SELECT row(1, 'a') AS r")) is not None
    assert engine.can_spool(engine.describe("SELECT row(1::DECIMAL(3,1)) AS r")) is not None


@pytest.mark.parametrize(
    "text", ["", "INTEGER[", "MAP(INTEGER)", "STRUCT()", "INTEGER INTEGER", "NO_SUCH", "É"]
)
def test_types_that_are_not_understood_are_refused(text: str) -> None:
    """A type of a coming release, or of an extension, is refused rather than guessed."""
    with pytest.raises(TypeRefused):
        codec(text)


def test_untouched_types_are_stored_as_they_are() -> None:
    """Casts that change nothing would cost time on every read."""
    for name in ("DECIMAL(38,10)", "STRUCT(a INTEGER)[]", "MAP(VARCHAR, DATE)"):
        assert codec(name).stored_type == name
        assert codec(name).read("c0") == "c0"
