"""The conformance harness over small files of our own, wrong results put in by hand among them."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import cli
from benchmarks.conformance import files
from benchmarks.conformance.files import FileResult, compare_file
from benchmarks.conformance.outcomes import Outcome
from benchmarks.conformance.pytests import compare_pytests
from benchmarks.conformance.runner import FileRun, Sent
from benchmarks.conformance.sqllogic import FormatError, parse, rounds, substituted

DATA = Path(__file__).parent.parent / "data"


def compared(name: str) -> FileResult:
    """One of our own files."""
    return compare_file(DATA / "sqllogic" / name, DATA)


def test_a_file_runs_and_reads_views() -> None:
    """Loops, connections, errors and a restart give the same both ways, and views are read."""
    result = compared("joins.test")
    assert not result.skipped
    assert not result.differences
    assert not result.noise
    assert result.statements == 29
    assert result.spooled >= 5
    assert result.reused >= 10
    assert result.errors == 0


def test_what_is_not_there_skips_the_file() -> None:
    """The reason names the requirement."""
    assert compared("unavailable.test").skipped == "extension or requirement no_such_extension"


def test_what_plain_does_not_repeat_is_noise() -> None:
    """A difference of plain from itself is listed, and not held against the wrapper."""
    result = compared("unstable.test")
    assert [each.sql for each in result.noise] == ["SELECT uuid()"] * 2
    assert not result.differences


def test_a_wrong_row_is_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """The harness would notice a wrapper that gives other rows."""
    run = FileRun.play

    def wrong(self: FileRun, file: Path) -> None:
        run(self, file)
        if not isinstance(self.opened, files._Plain):
            last = self.sent[-2]
            self.sent[-2] = Sent(
                line=last.line, sql=last.sql, outcome=Outcome(columns=last.outcome.columns), ordered=False
            )

    monkeypatch.setattr(FileRun, "play", wrong)
    (difference,) = compared("joins.test").differences
    assert difference.problem.startswith("expected 3 rows, found 0")


def test_the_command_counts_and_lists(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Each file runs in a process of its own; the output file has one line for each."""
    output = tmp_path / "results.jsonl"
    assert cli.main(["conformance", str(DATA / "sqllogic"), "--output", str(output)]) == 0
    said = capsys.readouterr().out
    assert "2 files compared" in said
    assert "1: extension or requirement no_such_extension" in said
    assert len(output.read_text().splitlines()) == 3


def test_the_command_says_where_there_is_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A folder without test files is the user's mistake."""
    assert cli.main(["conformance", str(tmp_path)]) == cli.EXIT_UNUSABLE
    assert "found no sqllogictest files" in capsys.readouterr().err


def test_pytest_files_run_plain_and_wrapped() -> None:
    """Only the test that looks at the connection's type differs."""
    result = compare_pytests(DATA / "pytests" / "client.py", seconds=120)
    assert (result.tests, result.passed, result.noise) == (3, 2, ())
    assert [(test.partition("::")[2], wrapped) for test, _, wrapped in result.differences] == [
        ("test_exact_type", "failure AssertionError")
    ]


@pytest.mark.parametrize("text", ["loop i 0 3\nstatement ok\nSELECT 1\n", "endloop\n"])
def test_loops_have_an_end_and_a_beginning(text: str) -> None:
    """A file that is cut off is not run in part."""
    with pytest.raises(FormatError):
        parse(text)


def test_rounds_of_loops() -> None:
    """Ranges leave out their end; lists may name several variables, collections and what to leave out."""
    (numbers,) = parse("loop i 1 3\nendloop\n")
    (pairs,) = parse("foreach a,b 1,x 2,y\nendloop\n")
    (types,) = parse("foreach type <signed> !hugeint\nendloop\n")
    assert [dict(each) for each in rounds(numbers)] == [{"i": "1"}, {"i": "2"}]
    assert [dict(each) for each in rounds(pairs)] == [{"a": "1", "b": "x"}, {"a": "2", "b": "y"}]
    assert [each["type"] for each in rounds(types)] == ["tinyint", "smallint", "integer", "bigint"]


def test_variables_and_directories_are_filled_in() -> None:
    """Both spellings of each."""
    text = substituted("${i} {i} __TEST_DIR__/a {TEST_DIR}/b", {"i": "7"}, {"TEST_DIR": Path("/t")})
    assert text == "7 7 /t/a /t/b"


@pytest.mark.parametrize(
    ("found", "ordered", "problem"),
    [
        (Outcome(columns=(("a", "INT"),), rows=("2", "1")), False, ""),
        (Outcome(columns=(("a", "INT"),), rows=("2", "1")), True, "expected rows in the order"),
        (Outcome(columns=(("A", "INT"),), rows=("1", "2")), False, "expected columns"),
        (Outcome(columns=(("a", "INT"),), rows=("1", "1")), False, "expected 2 rows, found 2"),
        (Outcome(error="BinderException", message="x"), False, "expected 2 rows, found BinderException"),
    ],
)
def test_outcomes_differ(found: Outcome, ordered: bool, problem: str) -> None:
    """In rows, their order where it counts, names, and errors."""
    expected = Outcome(columns=(("a", "INT"),), rows=("1", "2"))
    assert expected.difference(found, ordered=ordered).startswith(problem)
    assert bool(expected.difference(found, ordered=ordered)) == bool(problem)
