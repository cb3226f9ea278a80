"""The wrapped connection beside the plain one: the same actions, the same showing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from metastore.embedded import embedded_url
from tests.support.conformance import Case, plain_connection, shown, wrapped_connection
from tests.support.conformance_relations import CASES as RELATIONS
from tests.support.conformance_statements import CASES as STATEMENTS

CASES = (*STATEMENTS, *RELATIONS)

Pair = tuple[Any, Any]


@pytest.fixture(scope="module")
def pair(module_server_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A plain and a wrapped connection to two equal databases, which all cases act on one after the other."""
    plain = plain_connection(tmp_path_factory.mktemp("plain"))
    url = embedded_url(module_server_directory)
    wrapped = wrapped_connection(tmp_path_factory.mktemp("wrapped"), url)
    yield plain, wrapped
    wrapped.close()
    plain.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_shows_what_the_plain_connection_shows(case: Case, pair: Pair) -> None:
    """Values, types, names, errors and their texts, the first time and when views are read."""
    plain, wrapped = pair
    if not case.runs_on(plain):
        pytest.skip("this release of DuckDB has no such method")
    expected = shown(case.act, plain)
    assert shown(case.act, wrapped) == expected
    # A case that fails as a whole compares nothing but its failure.
    assert not expected[0].startswith("raises")
