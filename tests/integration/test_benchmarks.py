"""The harness from the command line to the page, on a small database."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import duckdb
import pytest

from benchmarks import cli
from benchmarks.protocols import planned_steps, run_protocol
from benchmarks.report.document import read_report, write_report
from benchmarks.results import Analysis, Phase, Protocol, RunSettings
from benchmarks.reuse import Answer, Plain, PlainReuse, Reuse
from benchmarks.tpcds.data import Dataset, prepare
from benchmarks.tpcds.queries import Query

CaptureFixture = pytest.CaptureFixture[str]

SCALE = 0.01
QUERIES = (3, 42, 52, 55)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with a small database in it."""
    directory = tmp_path_factory.mktemp("data")
    prepare(directory, SCALE)
    return directory


@pytest.fixture
def dataset(data: Path) -> Dataset:
    """The small database and the texts."""
    return prepare(data, SCALE)


class Altered(PlainReuse):
    """Loses a row of query 42, fails on query 52, wants queries 55 and 42 first."""

    def run(self, sql: str) -> Answer:
        """Run the statement and spoil what comes out of two of them."""
        answer = super().run(sql)
        if "i_category_id" in sql:
            return replace(answer, table=replace(answer.table, rows=answer.table.rows[1:]))
        if "i_brand_id brand_id" in sql and "d_year=2000" in sql:
            raise OverflowError("too much")
        return answer

    def analyze(self, _recorded: Sequence[int], /) -> Analysis:
        """Ask for another order."""
        return Analysis(seconds=0.0, order=(55, 42), selected=1)


class AlteredBackend(Plain):
    """Puts wrong results around a connection, to see that they are found."""

    def open(
        self, connection: duckdb.DuckDBPyConnection, _directory: Path, _settings: RunSettings, /
    ) -> Reuse:
        """Wrap the connection."""
        return Altered(connection)


class Page(HTMLParser):
    """What a test wants to know of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.identifiers: Counter[str] = Counter()
        self.links: list[str] = []
        self.headings = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect identifiers, headings and whatever would be fetched."""
        self.headings += tag == "h2"
        for name, value in attrs:
            if name == "id":
                self.identifiers[value or ""] += 1
            elif name in ("src", "href") or tag in ("script", "link", "iframe"):
                self.links.append(f"{tag} {name}={value}")


def run_line(*arguments: str | Path) -> int:
    """Run the command line with plain against plain on the small scale factor."""
    return cli.main(["tpcds", "--sf", str(SCALE), "--baseline", *map(str, arguments)])


@pytest.mark.parametrize("protocol", list(Protocol))
def test_report_of_a_run(protocol: Protocol, data: Path, tmp_path: Path, capfd: CaptureFixture) -> None:
    """A run writes one JSON document and one page that needs nothing else, and says where."""
    code = run_line(
        "--queries",
        "3,42,52,55",
        "--repeat",
        "2",
        "--protocol",
        protocol,
        "--data",
        data,
        "--output",
        tmp_path,
    )

    printed = capfd.readouterr()
    assert code == 0
    assert printed.err == ""
    assert f"page: {tmp_path / protocol}.html" in printed.out
    assert "results: 20 compared, all right" in printed.out
    text = (tmp_path / f"{protocol}.html").read_text(encoding="utf-8")
    page = Page(text)
    assert len(text) < 1_000_000
    assert page.links == []
    assert page.headings >= 7
    assert max(page.identifiers.values()) == 1
    assert {path.name for path in tmp_path.iterdir()} == {f"{protocol}.html", f"{protocol}.json"}


def test_document_holds_everything(dataset: Dataset, tmp_path: Path) -> None:
    """What is read back from the JSON document is what was measured, machine and pairs included."""
    settings = RunSettings(protocol=Protocol.REPEAT, queries=QUERIES, scale_factor=SCALE, repeats=2)
    result = run_protocol(settings, dataset, Plain(), command="a command")

    document = read_report(write_report(result, tmp_path).json)

    assert document.result == result
    assert document.result.machine.memory_bytes > 0
    assert {version.name for version in result.machine.versions} >= {"python", "duckdb"}
    assert [each.phase for each in document.summary.passes] == [Phase.CAPTURE, Phase.READ]
    pairs = result.repeats[0].pairs
    assert [pair.query for pair in pairs] == [*QUERIES, *QUERIES]
    assert {pair.plain_first for pair in pairs} == {True, False}
    assert all(pair.plain_seconds > 0 and pair.reuse_seconds > 0 for pair in pairs)


def test_progress_counts_every_query(dataset: Dataset) -> None:
    """The bar is told as often as it was promised."""
    settings = RunSettings(protocol=Protocol.CLOUDVIEWS, queries=QUERIES, scale_factor=SCALE, repeats=2)
    told: list[str] = []

    run_protocol(settings, dataset, Plain(), advance=told.append)

    assert len(told) == planned_steps(settings)


def test_coordinated_order(dataset: Dataset) -> None:
    """After the analysis its queries run first, the others after them as they were."""
    settings = RunSettings(protocol=Protocol.CLOUDVIEWS, queries=QUERIES, scale_factor=SCALE)

    (repeat,) = run_protocol(settings, dataset, AlteredBackend()).repeats

    assert repeat.order == (55, 42, 3, 52)
    assert [pair.query for pair in repeat.pairs] == [3, 42, 52, 55, 55, 42, 3, 52]
    assert [pair.phase for pair in repeat.pairs] == [Phase.HISTORY] * 4 + [Phase.REUSE] * 4


def test_wrong_results_are_found(dataset: Dataset) -> None:
    """A lost row and a failure are listed with query, pass and rows, and the run has not passed."""
    settings = RunSettings(protocol=Protocol.CLOUDVIEWS, queries=QUERIES, scale_factor=SCALE)

    result = run_protocol(settings, dataset, AlteredBackend())

    assert not result.passed
    found = [(each.query, each.phase, each.difference.problem) for each in result.wrong_results]
    assert [query for query, _, _ in found] == [42, 52, 42, 52]
    assert "1 missing, 0 unexpected" in found[0][2]
    assert result.wrong_results[0].difference.missing
    assert found[1][2] == "failed with reuse: OverflowError: too much"


def test_exit_code_of_wrong_results(
    data: Path, tmp_path: Path, capfd: CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run with a wrong result ends with 1, names it on the terminal and on the page."""
    monkeypatch.setattr(cli, "Plain", AlteredBackend)

    code = run_line("--queries", "42", "--data", data, "--output", tmp_path)

    assert code == cli.EXIT_DIFFERENCE
    printed = capfd.readouterr().out
    assert "query 42, history pass, repeat 1: expected" in printed
    assert "missing    (" in printed
    assert "Results that differ" in (tmp_path / "cloudviews.html").read_text(encoding="utf-8")


def test_a_defect_of_the_engine_is_not_ours(dataset: Dataset) -> None:
    """Where plain differs in the same way once faulty rules are on, the run passes and says so."""
    text = "SELECT current_setting('disabled_optimizers') AS rules"
    odd = replace(dataset, queries=(Query(number=1, text=text),))
    settings = RunSettings(protocol=Protocol.REPEAT, queries=(1,), scale_factor=SCALE)

    result = run_protocol(settings, odd, Plain())

    assert result.passed
    assert [(each.phase, each.engine_defect) for each in result.mismatches] == [
        (None, True),
        (Phase.CAPTURE, True),
        (Phase.READ, True),
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--queries", "0"), "found query 0 in --queries: expected numbers from 1 to 99"),
        (("--queries", "100"), "found query 100 in --queries"),
        (("--queries", "9-5"), "expected it as 5-9"),
        (("--protocol", "nothing"), "'--protocol'.*'nothing' is not one of 'cloudviews', 'repeat'"),
        (("--engine", "nothing"), "'--engine'.*'duckdb'"),
        (("--sf", "0"), "found scale factor 0 in --sf: expected more than 0"),
        (("--sf", "x"), "'--sf'"),
        (("--repeat", "0"), "'--repeat'"),
        (("--top-k", "0"), "'--top-k'"),
        (("--nothing",), "No such option: --nothing"),
    ],
)
def test_bad_arguments(
    arguments: tuple[str, ...], message: str, tmp_path: Path, capfd: CaptureFixture
) -> None:
    """A bad argument is one line that names it, and nothing is written."""
    code = run_line("--data", tmp_path / "data", "--output", tmp_path / "out", *arguments)

    printed = capfd.readouterr()
    assert code == cli.EXIT_UNUSABLE
    assert printed.err.count("\n") == 1
    assert re.match(f"error: .*{message}", printed.err)
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_cannot_be_written(data: Path, tmp_path: Path, capfd: CaptureFixture) -> None:
    """An output that is a file is said before anything is measured."""
    (tmp_path / "file").touch()

    code = run_line("--queries", "1", "--data", data, "--output", tmp_path / "file")

    assert code == cli.EXIT_UNUSABLE
    assert capfd.readouterr().err.startswith(f"error: found --output {tmp_path / 'file'} not usable")


def test_unknown_policy(data: Path, tmp_path: Path, capfd: CaptureFixture) -> None:
    """A policy that does not exist is said in one line, with those that do."""
    code = cli.main(
        [
            *("tpcds", "--sf", str(SCALE), "--queries", "1", "--policy", "nothing"),
            *("--data", str(data), "--output", str(tmp_path)),
        ]
    )

    printed = capfd.readouterr()
    assert code == cli.EXIT_UNUSABLE
    assert re.match(r"error: policy 'nothing' is unknown: .*default, eager, off.*\n\Z", printed.err)


def test_export_only(data: Path, tmp_path: Path, capfd: CaptureFixture) -> None:
    """With --export-parquet the files are written and nothing is measured."""
    code = run_line("--export-parquet", "--data", data, "--output", tmp_path)

    assert code == 0
    exported = Path(capfd.readouterr().out.strip())
    assert len(list(exported.glob("*.parquet"))) == 24
    assert list(tmp_path.iterdir()) == []
