"""The order in which recurring jobs are best submitted (CloudViews 6.5)."""

from __future__ import annotations

import pytest

from optimizer_plugin.analyzer.coordination import submission_order

SECONDS = {"long": 9.0, "middle": 5.0, "short": 1.0, "alone": 0.5}


def test_without_views_jobs_run_as_they_come() -> None:
    """Nothing is shared, so nothing is moved."""
    assert submission_order(SECONDS, []) == ("long", "middle", "short", "alone")


def test_the_shortest_job_of_a_group_goes_first() -> None:
    """It builds the view for the others, which follow in the order in which they came."""
    order = submission_order(SECONDS, [frozenset({"long", "middle", "short"})])
    assert order == ("short", "long", "middle", "alone")


def test_builders_are_ordered_by_run_time() -> None:
    """Of two groups each has its builder; the faster builder is submitted first."""
    groups = [frozenset({"long", "middle"}), frozenset({"short", "long"})]
    assert submission_order(SECONDS, groups) == ("short", "middle", "long", "alone")


def test_one_job_builds_for_several_groups() -> None:
    """A job that is the shortest of two groups is submitted once."""
    groups = [frozenset({"short", "long"}), frozenset({"short", "middle"})]
    assert submission_order(SECONDS, groups) == ("short", "long", "middle", "alone")


@pytest.mark.parametrize("first", ["one", "two"])
def test_of_equal_run_times_the_one_with_fewer_overlaps_builds(first: str) -> None:
    """The tie is broken by the number of overlaps, whichever job came first."""
    second = "two" if first == "one" else "one"
    seconds = {first: 2.0, second: 2.0, "rest": 8.0}
    groups = [frozenset({"one", "two"}), frozenset({"two", "rest"})]
    assert submission_order(seconds, groups) == ("one", "two", "rest")


def test_of_equals_in_everything_the_first_to_come_builds() -> None:
    """The order is the same in every run."""
    seconds = {"b": 2.0, "a": 2.0}
    assert submission_order(seconds, [frozenset({"a", "b"})]) == ("b", "a")


def test_jobs_that_are_not_submitted_build_nothing() -> None:
    """A group may name jobs that are not among those to order."""
    assert submission_order({"long": 9.0}, [frozenset({"long", "gone"}), frozenset({"gone"})]) == ("long",)


def test_every_job_is_submitted_once() -> None:
    """Whatever the groups are, the order is a permutation of the jobs."""
    groups = [frozenset({"long", "short"}), frozenset({"short", "alone"}), frozenset({"long", "alone"})]
    assert sorted(submission_order(SECONDS, groups)) == sorted(SECONDS)
