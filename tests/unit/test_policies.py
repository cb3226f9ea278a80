"""Policies: what a document may say, and what its author is told when it says something else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from optimizer_plugin import policies
from optimizer_plugin.errors import ConfigurationError, PolicyError, ReuseError
from optimizer_plugin.policies import (
    Compression,
    CostPolicy,
    HistoryPolicy,
    KindsPolicy,
    Materialize,
    Policy,
    ReusePolicy,
    SelectionPolicy,
    ViewsPolicy,
    WholeResultsOnSight,
)
from signatures.model import SubexpressionKind

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "policies.md"


def sections() -> list[tuple[str, type[BaseModel]]]:
    """Name and model of every section."""
    return [
        (name, facts.annotation)
        for name, facts in Policy.model_fields.items()
        if isinstance(facts.annotation, type) and issubclass(facts.annotation, BaseModel)
    ]


def only_problem(text: str) -> str:
    """The one problem of a document, as its author reads it."""
    problems = policies.check(text)
    assert len(problems) == 1, problems
    return str(problems[0])


def test_default_document_spells_out_the_defaults() -> None:
    """The document of ``default`` and the defaults in code cannot drift apart."""
    assert policies.builtin("default") == Policy()


def test_eager_has_no_limits() -> None:
    """Every limit on cost is off in ``eager``, and every kind is built on sight."""
    policy = policies.builtin("eager")
    assert policy.reuse.materialize is Materialize.ON_SIGHT
    assert policy.reuse.whole_results_on_sight is WholeResultsOnSight.ALWAYS
    assert set(policy.kinds.enabled) == set(SubexpressionKind)
    assert not any(policy.cost.model_dump().values())
    assert policy.history.profile_share == 0


def test_off_does_nothing() -> None:
    """``off`` builds, reads and records nothing."""
    policy = policies.builtin("off")
    assert policy.reuse.materialize is Materialize.NEVER
    assert policy.reuse.whole_results_on_sight is WholeResultsOnSight.NEVER
    assert not policy.reuse.read
    assert not policy.reuse.whole_results
    assert policy.kinds.enabled == ()
    assert not policy.history.record


@pytest.mark.parametrize("name", policies.BUILTIN_NAMES)
def test_builtin_keeps_its_name_and_survives_its_own_text(name: str) -> None:
    """A built-in, written out for editing and read again, is the same policy."""
    policy = policies.builtin(name)
    assert policy.name == name
    assert policies.parse(policies.to_toml(policy)) == policy


def some_policies() -> st.SearchStrategy[Policy]:
    """Policies that differ from the defaults in every section and in every type of value."""
    amounts = st.floats(min_value=0, max_value=1e12)
    shares = st.floats(min_value=0, max_value=1)
    kinds = st.lists(st.sampled_from(SubexpressionKind), unique=True).map(tuple)
    tables = st.lists(st.text(max_size=20), max_size=3).map(tuple)
    return st.builds(
        Policy,
        name=st.text(min_size=1, max_size=30),
        reuse=st.builds(
            ReusePolicy,
            materialize=st.sampled_from(Materialize),
            read=st.booleans(),
            max_builds_per_job=st.integers(min_value=1, max_value=10**9),
            verify_share=shares,
        ),
        kinds=st.builds(KindsPolicy, enabled=kinds),
        cost=st.builds(
            CostPolicy, min_job_seconds=amounts, max_view_bytes=st.integers(min_value=0, max_value=2**62)
        ),
        selection=st.builds(
            SelectionPolicy,
            strategy=st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True),
            include_tables=tables,
            exclude_tables=tables,
        ),
        views=st.builds(ViewsPolicy, compression=st.sampled_from(Compression), expires_after_hours=amounts),
        history=st.builds(HistoryPolicy, profile_share=shares),
    )


@given(policy=some_policies())
def test_every_policy_survives_its_own_text(policy: Policy) -> None:
    """Writing and reading back loses nothing, whatever the values."""
    assert policies.parse(policies.to_toml(policy)) == policy


@given(text=st.text())
def test_any_text_is_a_policy_or_has_problems(text: str) -> None:
    """No text makes the checker fail; without problems it is a policy."""
    if not policies.check(text):
        policies.parse(text)
    else:
        with pytest.raises(PolicyError):
            policies.parse(text)


def test_written_document_describes_every_key() -> None:
    """An admin who edits a policy finds each key's meaning above it."""
    text = policies.to_toml(Policy())
    for _, section in sections():
        for facts in section.model_fields.values():
            assert facts.description
            assert f"# {facts.description}\n" in text


def test_documentation_names_every_key() -> None:
    """docs/policies.md has an entry for each key, under its section."""
    text = DOCUMENTATION.read_text(encoding="utf-8")
    for name, section in sections():
        _, _, after = text.partition(f"## [{name}]")
        chapter, _, _ = after.partition("\n## ")
        for key in section.model_fields:
            assert f"| `{key}` |" in chapter, f"[{name}] {key}"


def test_unknown_key_is_named_with_line_and_nearest_key() -> None:
    """A misspelled key is an error in one line that says what was meant."""
    text = "[reuse]\nread = true\n\n[selection]\ntop_n = 3\n"
    assert only_problem(text) == "line 5: unknown key 'top_n' in [selection]: expected 'top_k'"


def test_key_in_the_wrong_section_is_told_its_own() -> None:
    """A key of another section is not "unknown, nearest ..." but sent home."""
    text = "[selection]\nrow_group_rows = 1000\n"
    assert only_problem(text).endswith("'row_group_rows' in [selection]: it belongs in [views]")


def test_key_that_resembles_none_gets_the_list() -> None:
    """Where nothing is near, the keys of the section are listed."""
    assert only_problem("[kinds]\nzzz = 1\n").endswith("expected one of enabled")


def test_unknown_section_is_named() -> None:
    """A misspelled section is an error of its own, at its header."""
    assert only_problem("\n[selction]\ntop_k = 3\n") == (
        "line 2: unknown key or section 'selction': expected 'selection'"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[reuse]\nread = 1\n", "line 2: reuse.read is 1: expected a valid boolean"),
        ("[reuse]\nread = 'yes'\n", "line 2: reuse.read is 'yes': expected a valid boolean"),
        ("[selection]\ntop_k = '10'\n", "line 2: selection.top_k is '10': expected a valid integer"),
        ("[selection]\ntop_k = true\n", "line 2: selection.top_k is true: expected a valid integer"),
        ("[selection]\ntop_k = 0\n", "line 2: selection.top_k is 0: expected greater than or equal to 1"),
        ("[history]\nprofile_share = 1.5\n", "expected less than or equal to 1"),
        ("[cost]\nmax_read_share = inf\n", "cost.max_read_share is inf: expected a finite number"),
        ("[cost]\nmax_view_rows = 1979-05-27\n", "expected a valid integer"),
        ("[kinds]\nenabled = ['cte', 'foo']\n", "line 2: kinds.enabled has 'foo': expected 'statement', "),
        ("[views]\ncompression = 'lz4'\n", "expected 'snappy', 'zstd', 'gzip' or 'uncompressed'"),
        ("[selection]\ninclude_tables = 'a'\n", "selection.include_tables is 'a': expected a valid array"),
        ("reuse = 3\n", "line 1: [reuse] is 3: expected a section with keys"),
        ("selection.top_k = -1\n", "line 1: selection.top_k is -1"),
    ],
)
def test_wrong_value_is_named_with_what_is_right(text: str, expected: str) -> None:
    """Nothing is converted silently: each wrong value is shown beside what was expected."""
    assert expected in only_problem(text)


def test_problems_come_all_at_once_and_in_order() -> None:
    """An author corrects a document in one go."""
    text = "[history]\nrecord = 3\n[reuse]\nmaterialise = 'never'\nread = 2\n"
    assert [problem.line for problem in policies.check(text)] == [2, 4, 5]
    assert [problem.key for problem in policies.check(text)] == [
        "history.record",
        "reuse.materialise",
        "reuse.read",
    ]


def test_text_that_is_not_toml_is_located() -> None:
    """A syntax error is a problem like others, with its line."""
    problem = policies.check("[reuse]\nread = = true\n")[0]
    assert problem.line == 2
    assert problem.text.startswith("not toml: ")


def test_whole_number_is_a_number_of_seconds() -> None:
    """``min_job_seconds = 1`` is as good as 1.0."""
    assert policies.parse("[cost]\nmin_job_seconds = 1\n").cost.min_job_seconds == 1.0


def test_file_is_named_after_its_stem_and_keeps_defaults(tmp_path: Path) -> None:
    """A file says only what differs."""
    file = tmp_path / "nightly.toml"
    file.write_text("[selection]\ntop_k = 3\n", encoding="utf-8")
    expected = Policy(name="nightly", selection=SelectionPolicy(top_k=3))
    assert policies.load(file) == expected
    assert policies.resolve(file) == expected
    assert policies.resolve(str(file)) == expected


def test_invalid_file_is_one_line_with_file_and_every_problem(tmp_path: Path) -> None:
    """The error of a file names it, each problem and the remedy, without a line break."""
    file = tmp_path / "nightly.toml"
    file.write_text("[selection]\ntop_n = 3\n[reuse]\nread = 1\n", encoding="utf-8")
    with pytest.raises(PolicyError) as caught:
        policies.load(file)
    message = str(caught.value)
    assert str(file) in message
    assert "line 2: unknown key 'top_n'" in message
    assert "line 4: reuse.read is 1" in message
    assert "respool policy check" in message
    assert "\n" not in message


@pytest.mark.parametrize("content", [None, b"\xff\xfe[reuse]"])
def test_unreadable_file_is_a_policy_error(tmp_path: Path, content: bytes | None) -> None:
    """A missing file and one that is no text are the caller's to correct."""
    file = tmp_path / "broken.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(PolicyError, match=r"broken\.toml"):
        policies.resolve(str(file))


def test_unknown_name_lists_the_builtins() -> None:
    """A misspelled name is answered with the names that exist."""
    with pytest.raises(PolicyError, match=r"policy 'eagr' is unknown: expected one of default, eager, off"):
        policies.resolve("eagr")


def test_nothing_means_default_and_a_policy_means_itself() -> None:
    """``resolve`` takes what ``wrap`` takes."""
    policy = Policy(name="mine")
    assert policies.resolve(None) == policies.builtin("default")
    assert policies.resolve(policy) is policy


def test_policies_cannot_be_changed() -> None:
    """A policy is a value: neither it nor a section of it can be assigned to."""
    policy = Policy()
    with pytest.raises(ValidationError, match="frozen"):
        policy.reuse.read = False  # type: ignore[misc]
    assert hash(policy) == hash(Policy())


@pytest.mark.parametrize(
    ("include", "exclude", "tables", "admitted"),
    [
        ((), (), ("main.sales",), True),
        (("sales",), (), ("main.SALES",), True),
        (("sales",), (), ("main.sales", "main.item"), False),
        (("main.store_*",), (), ("main.store_sales",), True),
        (("main.store_*",), (), ("other.store_sales",), False),
        ((), ("audit.*",), ("main.sales", "audit.log"), False),
        (("*",), ("Item",), ("main.item",), False),
        (("sales",), (), ("sales",), True),
    ],
)
def test_table_patterns(
    include: tuple[str, ...], exclude: tuple[str, ...], tables: tuple[str, ...], admitted: bool
) -> None:
    """All inputs must be included, none excluded; patterns ignore case and, without a dot, the schema."""
    selection = SelectionPolicy(include_tables=include, exclude_tables=exclude)
    assert selection.admits(tables) is admitted


def test_policy_errors_are_configuration_errors() -> None:
    """One ``except`` catches whatever is wrong with what the caller passed."""
    assert issubclass(PolicyError, ConfigurationError)
    assert issubclass(ConfigurationError, ReuseError)
