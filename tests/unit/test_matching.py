"""Which views stand for which subexpressions, and which are built: the decision alone, on real plans."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import duckdb
import pytest

from rewriter.matching import decide
from rewriter.model import AvailableView, Decision, DecisionPolicy, Wanted
from signatures.model import (
    InputIdentity,
    InputVersion,
    NormalizedSignature,
    PreciseSignature,
    Reason,
    Subexpression,
    SubexpressionKind,
)
from signatures.sites import CompiledStatement
from tests.support.analyst_statements import SCHEMA
from tests.support.rewriting import available, compiled, everything, signature_of

Kind = SubexpressionKind

GROUPED = (
    "SELECT t.region, t.q FROM (SELECT h.region, sum(s.qty) AS q FROM sales s JOIN shops h ON s.shop = h.id "
    "WHERE s.amount > 10 GROUP BY h.region) t WHERE t.q > 3"
)
CHAIN = (
    "SELECT h.name, i.price, s.qty FROM sales s, shops h, items i "
    "WHERE s.shop = h.id AND s.item = i.item AND i.price > 2"
)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """A shop in memory."""
    opened = duckdb.connect()
    opened.execute(SCHEMA)
    yield opened
    opened.close()


@pytest.fixture
def grouped(connection: duckdb.DuckDBPyConnection) -> CompiledStatement:
    """A derived table that holds a grouping that holds a core."""
    return compiled(connection, GROUPED)


@pytest.fixture
def chain(connection: duckdb.DuckDBPyConnection) -> CompiledStatement:
    """One block with several join subsets."""
    return compiled(connection, CHAIN)


def of_kind(statement: CompiledStatement, kind: SubexpressionKind) -> Subexpression:
    """The first subexpression of a kind."""
    return next(s for s in statement.subexpressions if s.kind is kind)


def view_of(subexpression: Subexpression) -> AvailableView:
    """A view with exactly what a subexpression needs."""
    return available(subexpression.canonical, [column.key for column in subexpression.columns])


def decided(
    statement: CompiledStatement,
    views: Iterable[AvailableView] = (),
    policy: DecisionPolicy | None = None,
    *,
    versions: Mapping[InputIdentity, InputVersion] | None = None,
    wanted: Iterable[Wanted] = (),
) -> Decision:
    """Decide with every subexpression signed by its plan."""
    precise: dict[int, PreciseSignature | Reason] = {
        s.ordinal: signature_of(s.canonical) for s in statement.subexpressions
    }
    return decide(
        statement,
        precise,
        versions or {},
        {view.precise: view for view in views},
        {annotation.normalized: annotation for annotation in wanted},
        policy or replace(everything(Kind), on_sight=False, statements_on_sight=False),
    )


def codes(decision: Decision, subexpression: Subexpression) -> set[str]:
    """Codes of the reasons for one subexpression."""
    return {r.reason.code for r in decision.rejections if r.ordinal == subexpression.ordinal}


def kinds_read(statement: CompiledStatement, decision: Decision) -> list[SubexpressionKind]:
    """Kinds of what is read, in the order of the decision."""
    return [statement.subexpressions[read.ordinal].kind for read in decision.reads]


@pytest.mark.parametrize(
    ("present", "read"),
    [
        ([Kind.STATEMENT, Kind.DERIVED_TABLE, Kind.AGGREGATE, Kind.CORE], Kind.STATEMENT),
        ([Kind.DERIVED_TABLE, Kind.AGGREGATE, Kind.CORE], Kind.DERIVED_TABLE),
        ([Kind.CORE], Kind.CORE),
    ],
)
def test_the_largest_is_read(
    grouped: CompiledStatement, present: list[SubexpressionKind], read: SubexpressionKind
) -> None:
    """Of nested subexpressions that all have a view, the outermost is read and nothing inside it."""
    views = [view_of(of_kind(grouped, kind)) for kind in present]
    decision = decided(grouped, views)
    assert kinds_read(grouped, decision) == [read]


def test_what_lies_inside_a_read_is_refused_with_a_reason(grouped: CompiledStatement) -> None:
    """The core inside a derived table that is read says REUSE-307."""
    core = of_kind(grouped, Kind.CORE)
    decision = decided(grouped, [view_of(of_kind(grouped, Kind.DERIVED_TABLE)), view_of(core)])
    assert "REUSE-307" in codes(decision, core)


def test_an_equal_signature_with_another_plan_is_a_collision(grouped: CompiledStatement) -> None:
    """The canonical plan is compared byte for byte, whatever the signature says."""
    core = of_kind(grouped, Kind.CORE)
    collided = replace(view_of(core), canonical=core.canonical + " ")
    decision = decided(grouped, [collided])
    assert decision.reads == ()
    assert "REUSE-302" in codes(decision, core)


@pytest.mark.parametrize(("now", "read"), [("v1", True), ("v2", False), (None, False)])
def test_versions_of_all_inputs_must_be_those_of_the_view(
    grouped: CompiledStatement, now: str | None, read: bool
) -> None:
    """A view of other versions, or with an input whose version is unknown now, is refused with REUSE-202."""
    core = of_kind(grouped, Kind.CORE)
    inputs = tuple((identity, InputVersion("v1")) for identity in core.inputs)
    versions = dict(inputs[:-1])
    if now is not None:
        versions[core.inputs[-1]] = InputVersion(now)
    decision = decided(grouped, [replace(view_of(core), inputs=inputs)], versions=versions)
    assert bool(decision.reads) is read
    assert ("REUSE-202" in codes(decision, core)) is not read


def test_no_precise_signature_gives_its_own_reason(grouped: CompiledStatement) -> None:
    """Where a signature could not be made, the reason for that is the reason given."""
    core = of_kind(grouped, Kind.CORE)
    reason = Reason(code="REUSE-201", text="the version of t cannot be told now")
    rules = everything(Kind)
    decision = decide(grouped, {core.ordinal: reason}, {}, {}, {}, rules)
    assert codes(decision, core) == {"REUSE-201"}
    assert decision.builds == ()


def test_a_view_with_more_columns_serves_and_one_with_fewer_does_not(grouped: CompiledStatement) -> None:
    """Column superset: keys may be more than needed, never fewer (REUSE-303)."""
    core = of_kind(grouped, Kind.CORE)
    keys = [column.key for column in core.columns]
    wide = available(core.canonical, [*keys, "(column 9 'other')"])
    narrow = available(core.canonical, keys[1:])
    assert kinds_read(grouped, decided(grouped, [wide])) == [Kind.CORE]
    refused = decided(grouped, [narrow])
    assert refused.reads == ()
    assert "REUSE-303" in codes(refused, core)


@pytest.mark.parametrize(
    ("read_seconds", "compute_seconds", "code"),
    [(0.4, 1.0, None), (0.6, 1.0, "REUSE-401"), (None, 1.0, None), (0.6, None, None)],
)
def test_a_view_is_read_only_where_that_is_cheaper(
    grouped: CompiledStatement, read_seconds: float | None, compute_seconds: float | None, code: str | None
) -> None:
    """Above the policy's share of the measured cost a view is not read; what is not measured is no reason."""
    core = of_kind(grouped, Kind.CORE)
    view = replace(view_of(core), read_seconds=read_seconds, compute_seconds=compute_seconds)
    decision = decided(grouped, [view], replace(everything([Kind.CORE]), max_read_share=0.5))
    assert bool(decision.reads) is (code is None)
    assert ("REUSE-401" in codes(decision, core)) is (code is not None)


@pytest.mark.parametrize(("rows", "read"), [(100, True), (101, False)])
def test_a_view_with_more_rows_than_allowed_is_not_read(
    grouped: CompiledStatement, rows: int, read: bool
) -> None:
    """The policy's limit itself is allowed; one row more is REUSE-402."""
    core = of_kind(grouped, Kind.CORE)
    view = replace(view_of(core), rows=rows)
    decision = decided(grouped, [view], replace(everything([Kind.CORE]), max_view_rows=100))
    assert bool(decision.reads) is read
    assert ("REUSE-402" in codes(decision, core)) is not read


def test_kinds_that_the_policy_leaves_out(grouped: CompiledStatement) -> None:
    """A kind that is not enabled is neither read nor built: REUSE-501."""
    derived = of_kind(grouped, Kind.DERIVED_TABLE)
    decision = decided(grouped, [view_of(derived)], everything([Kind.CORE]))
    assert kinds_read(grouped, decision) == []
    assert "REUSE-501" in codes(decision, derived)
    built = {grouped.subexpressions[build.ordinal].kind for build in decision.builds}
    assert built == {Kind.CORE}


def test_a_policy_that_does_not_read(grouped: CompiledStatement) -> None:
    """Reading can be switched off by itself: REUSE-502, and building goes on."""
    core = of_kind(grouped, Kind.CORE)
    decision = decided(grouped, [view_of(core)], replace(everything(Kind), read=False))
    assert decision.reads == ()
    assert "REUSE-502" in codes(decision, core)
    assert decision.builds


def test_ineligible_subexpressions_give_their_reason(connection: duckdb.DuckDBPyConnection) -> None:
    """What may not be reused says why, and is not built on sight."""
    statement = compiled(connection, "SELECT random() AS r, shop FROM sales WHERE qty > 1")
    whole = of_kind(statement, Kind.STATEMENT)
    decision = decided(statement, [], everything(Kind))
    assert codes(decision, whole) == {whole.ineligible[0].code}
    assert whole.ordinal not in {build.ordinal for build in decision.builds}


def test_parts_of_statements_with_parameters_are_left_alone(connection: duckdb.DuckDBPyConnection) -> None:
    """With parameters only the whole statement is considered: REUSE-308 for its parts."""
    statement = compiled(connection, "SELECT h.name FROM sales s JOIN shops h ON s.shop = h.id AND s.qty > ?")
    core = of_kind(statement, Kind.CORE)
    decision = decided(statement, [], everything(Kind))
    assert "REUSE-308" in codes(decision, core)
    assert [statement.subexpressions[b.ordinal].kind for b in decision.builds] == [Kind.STATEMENT]


def test_two_places_of_one_block_are_never_edited_at_once(chain: CompiledStatement) -> None:
    """Join subsets of one FROM overlap: one is read, the others say REUSE-307."""
    subsets = [s for s in chain.subexpressions if s.kind is Kind.JOIN_SUBSET]
    decision = decided(chain, [view_of(subset) for subset in subsets])
    assert len(subsets) > 1
    assert kinds_read(chain, decision) == [Kind.JOIN_SUBSET]
    refused = [s for s in subsets if s.ordinal != decision.reads[0].ordinal]
    assert all(codes(decision, subset) == {"REUSE-307"} for subset in refused)


def test_equal_subexpressions_in_several_places_all_read_one_view(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """Both scalar subqueries with one plan are replaced, and one build serves them."""
    part = "(SELECT max(qty) FROM sales WHERE shop = 2)"
    statement = compiled(connection, f"SELECT {part} AS a, {part} AS b FROM shops")
    rules = everything([Kind.SUBQUERY])
    assert len(decided(statement, [], rules).builds) == 1
    view = view_of(of_kind(statement, Kind.SUBQUERY))
    assert kinds_read(statement, decided(statement, [view], rules)) == [Kind.SUBQUERY, Kind.SUBQUERY]


def test_builds_come_smallest_first(grouped: CompiledStatement) -> None:
    """What lies inside is built before what holds it, so that an early failure keeps something."""
    builds = [build.ordinal for build in decided(grouped, [], everything(Kind)).builds]
    for position, ordinal in enumerate(builds):
        assert not grouped.subexpressions[ordinal].contains & set(builds[position + 1 :])
    assert len(builds) >= 3
    assert set(builds[:-1]) <= grouped.subexpressions[builds[-1]].contains


def test_at_most_so_many_builds_a_job(grouped: CompiledStatement) -> None:
    """The policy's limit stops building; what is left out says REUSE-504."""
    decision = decided(grouped, [], replace(everything(Kind), max_builds=1))
    assert len(decision.builds) == 1
    assert "REUSE-504" in {rejection.reason.code for rejection in decision.rejections}


def test_what_has_a_view_or_lies_in_one_that_is_read_is_not_built(grouped: CompiledStatement) -> None:
    """Nothing is built inside a place that is read, and nothing twice."""
    derived = of_kind(grouped, Kind.DERIVED_TABLE)
    decision = decided(grouped, [view_of(derived)], replace(everything(Kind), statements_on_sight=False))
    assert [read.ordinal for read in decision.reads] == [derived.ordinal]
    inside = derived.contains | {derived.ordinal}
    assert not inside & {build.ordinal for build in decision.builds}


def wanted_of(
    subexpression: Subexpression,
    *,
    columns: tuple[tuple[str, str], ...] = (),
    places: frozenset[tuple[str, int]] = frozenset(),
) -> Wanted:
    """An annotation of a subexpression."""
    return Wanted(
        normalized=NormalizedSignature(subexpression.normalized),
        columns=columns,
        utility_seconds=1.0,
        places=places,
    )


def test_an_annotation_has_its_subexpression_built_and_nothing_else(grouped: CompiledStatement) -> None:
    """Without building on sight only what is annotated is built."""
    core = of_kind(grouped, Kind.CORE)
    decision = decided(grouped, [], wanted=[wanted_of(core)])
    assert [build.ordinal for build in decision.builds] == [core.ordinal]


def test_an_annotation_brings_the_columns_that_others_need(grouped: CompiledStatement) -> None:
    """The union of columns is built: own keys first, then those that a template names here."""
    core = of_kind(grouped, Kind.CORE)
    columns = (("(column 0 'item')", "{0.item}"), (core.columns[0].key, "ignored"), ("(nameless)", ""))
    (build,) = decided(grouped, [], wanted=[wanted_of(core, columns=columns)]).builds
    assert build.keys == tuple(column.key for column in core.columns)
    assert build.extra == (("(column 0 'item')", "{0.item}"),)


def test_whole_queries_take_no_columns_of_others(connection: duckdb.DuckDBPyConnection) -> None:
    """The outputs of a UNION are fixed; an annotation can't widen it."""
    union = compiled(connection, "SELECT u.shop FROM (SELECT shop FROM sales UNION SELECT id FROM shops) u")
    derived = of_kind(union, Kind.DERIVED_TABLE)
    columns = (("(column 0 'item')", "{0.item}"),)
    (build,) = decided(union, [], wanted=[wanted_of(derived, columns=columns)]).builds
    assert build.ordinal == derived.ordinal
    assert build.extra == ()


@pytest.mark.parametrize(("template", "distance", "built"), [("own", 0, 1), ("own", 1, 0), ("other", 0, 0)])
def test_an_annotation_with_places(
    grouped: CompiledStatement, template: str, distance: int, built: int
) -> None:
    """It is built at the places named and nowhere else, neither at siblings nor in other templates."""
    core = of_kind(grouped, Kind.CORE)
    name = grouped.template if template == "own" else "another template"
    places = frozenset({(name, core.ordinal + distance)})
    decision = decided(grouped, [], wanted=[wanted_of(core, places=places)])
    assert len(decision.builds) == built


def test_a_whole_result_on_sight_alone(grouped: CompiledStatement) -> None:
    """Whole results can be kept on sight where nothing else is."""
    rules = replace(everything(Kind), on_sight=False)
    (build,) = decided(grouped, [], rules).builds
    assert grouped.subexpressions[build.ordinal].kind is Kind.STATEMENT
