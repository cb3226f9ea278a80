"""From candidates to annotations: filters with their reasons, strategies, limits, views that compete."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from optimizer_plugin import policies
from optimizer_plugin.analyzer.candidates import Candidate
from optimizer_plugin.analyzer.selection import strategies
from optimizer_plugin.analyzer.selection.filters import (
    FILTERS,
    cost_share,
    frequency,
    kind,
    size,
    tables,
    utility,
)
from optimizer_plugin.analyzer.selection.strategies import select
from optimizer_plugin.errors import PolicyError
from optimizer_plugin.policies import Policy, SelectionPolicy
from signatures.model import NormalizedSignature, SubexpressionKind


def candidate(name: str = "a", **changes: object) -> Candidate:
    """A candidate that passes every filter of the default policy."""
    values: dict[str, object] = {
        "normalized": NormalizedSignature(name),
        "kind": SubexpressionKind.CORE,
        "label": name,
        "occurrences": 4,
        "saved_seconds": {f"job of {name}": 3.0, f"other job of {name}": 2.0},
        "build_seconds": 1.0,
        "rows": 1000.0,
        "size_bytes": 8000.0,
        "job_share": 0.5,
        "tables": ("table:shop#main.sales", "table:shop#main.shops"),
        "tags": (),
        "columns": (),
    }
    return Candidate(**{**values, **changes})  # type: ignore[arg-type]


def policy_of(document: str = "") -> Policy:
    """A policy with some keys set."""
    return policies.parse(document)


def test_utility_is_what_readers_save_less_what_building_costs() -> None:
    """Five seconds saved in two jobs, one of them spent on building."""
    assert candidate().utility_seconds == pytest.approx(4.0)
    assert candidate().jobs == {"job of a", "other job of a"}


def test_a_good_candidate_passes_every_filter() -> None:
    """No filter of the default policy has a reason against it."""
    assert [check(candidate(), policies.builtin("default")) for check in FILTERS] == [None] * len(FILTERS)


# (filter, policy, what the candidate is, a word of the reason; None: it passes)
FILTER_CASES = [
    (frequency, "selection.min_frequency = 4", {}, None),
    (frequency, "selection.min_frequency = 5", {}, "4 occurrences, the policy asks for 5"),
    (kind, 'selection.kinds = ["aggregate"]', {}, "kind core"),
    (kind, 'kinds.enabled = ["aggregate"]', {}, "kind core"),
    (kind, 'selection.kinds = ["core"]', {}, None),
    (tables, 'selection.exclude_tables = ["shops"]', {}, "leaves out one of its tables"),
    (tables, 'selection.include_tables = ["sales"]', {}, "leaves out one of its tables"),
    (tables, 'selection.include_tables = ["main.s*"]', {}, None),
    (cost_share, "selection.min_cost_share = 0.5", {}, None),
    (cost_share, "selection.min_cost_share = 0.51", {}, "is 50.0%, the policy asks for 51.0%"),
    (cost_share, "selection.min_cost_share = 0.1", {"job_share": None}, "unknown"),
    (cost_share, "selection.min_cost_share = 0.0", {"job_share": None}, None),
    (size, "cost.max_view_rows = 1000", {}, None),
    (size, "cost.max_view_rows = 999", {}, "1000 rows, the policy allows 999"),
    (size, "cost.max_view_bytes = 7999", {}, "8000 bytes, the policy allows 7999"),
    (size, "cost.max_view_rows = 1", {"rows": None, "size_bytes": None}, None),
    (size, "cost.max_view_rows = 0\ncost.max_view_bytes = 0", {"rows": 1e12}, None),
    (utility, "cost.min_saving_seconds = 4.0", {}, "saves 4.000 s a round"),
    (utility, "cost.min_saving_seconds = 3.9", {}, None),
    (utility, "cost.min_saving_seconds = 0.0", {"build_seconds": 5.0}, None),
    (utility, "cost.min_saving_seconds = 0.0", {"build_seconds": 5.1}, "saves -0.100 s"),
]


@pytest.mark.parametrize(("check", "document", "changes", "word"), FILTER_CASES)
def test_filters(check: object, document: str, changes: dict[str, object], word: str | None) -> None:
    """Each filter passes up to its limit and gives its reason beyond it."""
    reason = check(candidate(**changes), policy_of(document))  # type: ignore[operator, arg-type]
    assert (reason is None) is (word is None)
    assert word is None or word in reason


def chosen(candidates: Sequence[Candidate], **settings: object) -> list[str]:
    """Labels of what is selected, in order."""
    values = {"max_per_job": 0, **settings}
    found, _ = select(candidates, SelectionPolicy(**values))  # type: ignore[arg-type]
    return [each.label for each in found]


SMALL = candidate("small", saved_seconds={"x": 3.0}, size_bytes=10.0)
LARGE = candidate("large", saved_seconds={"y": 9.0}, size_bytes=9000.0)
UNKNOWN = candidate("unknown", saved_seconds={"z": 5.0}, size_bytes=None)


def test_top_k_by_utility() -> None:
    """The highest utilities are selected, best first, and the rest says why not."""
    assert chosen([SMALL, LARGE, UNKNOWN]) == ["large", "unknown", "small"]
    found, rejected = select([SMALL, LARGE, UNKNOWN], SelectionPolicy(top_k=2, max_per_job=0))
    assert [each.label for each in found] == ["large", "unknown"]
    assert [(each.label, each.reason) for each in rejected] == [("small", "not among the best 2")]


def test_top_k_by_utility_per_byte() -> None:
    """What is small for its worth comes first, what was never stored comes last."""
    assert chosen([UNKNOWN, LARGE, SMALL], strategy="utility_per_byte") == ["small", "large", "unknown"]


def test_equal_utilities_are_told_apart_by_signature() -> None:
    """The selection does not depend on the order in which candidates come."""
    twins = [candidate(name, saved_seconds={name: 2.0}) for name in "bca"]
    assert chosen(twins) == chosen(twins[::-1]) == ["a", "b", "c"]


def test_one_per_job() -> None:
    """A job that has its view selected takes no second one; another job is free to."""
    first = candidate("first", saved_seconds={"x": 9.0, "y": 9.0})
    second = candidate("second", saved_seconds={"y": 5.0, "z": 5.0})
    third = candidate("third", saved_seconds={"z": 4.0, "w": 1.0})
    assert chosen([first, second, third], max_per_job=1) == ["first", "third"]
    assert chosen([first, second, third], max_per_job=2) == ["first", "second", "third"]


def test_a_storage_budget_is_filled_and_not_exceeded() -> None:
    """What does not fit is left out with its reason; a smaller one after it still fits."""
    sized = [
        candidate("a", saved_seconds={"x": 9.0}, size_bytes=60.0),
        candidate("b", saved_seconds={"y": 8.0}, size_bytes=50.0),
        candidate("c", saved_seconds={"z": 7.0}, size_bytes=40.0),
    ]
    assert chosen(sized, storage_bytes=100) == ["a", "c"]
    _, rejected = select(sized, SelectionPolicy(storage_bytes=100, max_per_job=0))
    assert [each.reason for each in rejected] == ["it does not fit into the 100 bytes of storage"]


def competing(name: str, seconds: float, blocks: dict[str, frozenset[int]]) -> Candidate:
    """A candidate that takes away parts of its jobs."""
    saved = dict.fromkeys(blocks, seconds)
    return candidate(name, saved_seconds=saved, blocks=blocks)


def test_of_views_in_the_same_place_the_better_is_kept() -> None:
    """View interaction: a view inside another one's place saves nothing there."""
    outer = competing("outer", 9.0, {"x": frozenset({1, 2}), "y": frozenset({1, 2})})
    inner = competing("inner", 5.0, {"x": frozenset({2}), "y": frozenset({2})})
    beside = competing("beside", 4.0, {"x": frozenset({7}), "y": frozenset({7})})
    assert chosen([inner, outer, beside]) == ["outer", "beside"]


def test_a_view_inside_another_is_kept_where_enough_jobs_use_it_alone() -> None:
    """What it saves in jobs without the larger view decides."""
    outer = competing("outer", 9.0, {"x": frozenset({1, 2}), "y": frozenset({1, 2})})
    elsewhere = {"y": frozenset({2}), "z": frozenset({5}), "w": frozenset({6})}
    assert chosen([outer, competing("inner", 5.0, elsewhere)]) == ["outer", "inner"]
    assert chosen([outer, competing("inner", 0.4, elsewhere)]) == ["outer"]


def test_an_unknown_strategy_is_an_error_that_names_the_known_ones() -> None:
    """A typing mistake in a policy does not select by something else."""
    with pytest.raises(PolicyError, match="utility_per_byte") as raised:
        chosen([SMALL], strategy="utilty")
    assert "'utilty' is unknown" in str(raised.value)


def by_label(candidates: Sequence[Candidate]) -> Sequence[Candidate]:
    """A strategy of a plug-in: by name, and none that has no size."""
    return sorted((c for c in candidates if c.size_bytes is not None), key=lambda c: c.label)


def test_a_strategy_by_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plug-in ranks and leaves out; the limits of the policy hold for it as well."""
    point = EntryPoint(name="by_label", value=f"{__name__}:by_label", group=strategies.ENTRY_POINTS)
    monkeypatch.setattr(EntryPoint, "load", lambda _: by_label)
    monkeypatch.setattr(strategies, "entry_points", lambda **given: EntryPoints([point]).select(**given))
    assert chosen([SMALL, UNKNOWN, LARGE], strategy="by_label") == ["large", "small"]
    assert chosen([SMALL, UNKNOWN, LARGE], strategy="by_label", top_k=1) == ["large"]
    with pytest.raises(PolicyError, match="by_label"):
        chosen([SMALL], strategy="by_lable")
