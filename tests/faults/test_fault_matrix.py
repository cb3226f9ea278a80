"""The matrix of faults in the documentation and the tests name each other."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).parent
MATRIX = FOLDER.parents[1] / "docs" / "faults.md"


def test_every_row_names_a_test() -> None:
    """The last cell of each row is the name of a test in this folder."""
    rows = [line for line in MATRIX.read_text().splitlines() if line.startswith("| ")][2:]
    named = [re.fullmatch(r"`(test_\w+)`", row.split("|")[-2].strip()) for row in rows]
    tests = set(re.findall(r"^def (test_\w+)", "\n".join(f.read_text() for f in FOLDER.glob("*.py")), re.M))
    assert len(rows) > 25
    assert [row for row, name in zip(rows, named, strict=True) if name is None or name[1] not in tests] == []
