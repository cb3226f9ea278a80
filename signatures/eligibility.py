"""Reasons why a subexpression may not be materialized, and the functions that cause them.

Codes are stable: REUSE-1xx. A plan collects its reasons while it is bound (``plan.hazards``).

Source: design, section 5 ("Not eligible"); ANCHORS 3.
"""

from __future__ import annotations

from signatures.model import Reason

ORDER_DEPENDENT_AGGREGATES = frozenset(
    """any_value arbitrary arg_max arg_max_null arg_max_nulls_last arg_min arg_min_null arg_min_nulls_last
    argmax argmin array_agg first first_value group_concat last last_value list listagg max_by min_by mode
    string_agg reservoir_quantile approx_quantile approx_top_k histogram_values""".split()
)
"""Their value depends on the order in which rows arrive, whatever the engine's stability flags say."""

ORDER_FIXES = frozenset(
    """any_value arbitrary array_agg first group_concat last list listagg string_agg first_value last_value
    """.split()
)
"""Those whose value is fixed by an ORDER BY inside the call that covers their argument."""

PEER_WINDOW_FUNCTIONS = frozenset({"rank", "dense_rank", "rank_dense", "percent_rank", "cume_dist"})
"""Window functions that give tied rows the same value."""

ROW_WINDOW_FUNCTIONS = frozenset(
    {"row_number", "ntile", "lag", "lead", "first_value", "last_value", "nth_value", "fill"}
)

ORDER_CODES = frozenset({"REUSE-103", "REUSE-104", "REUSE-105", "REUSE-117"})
"""Reasons that say that a result depends on the order of the rows below it."""

GRAMMAR_FUNCTIONS = frozenset(
    """cast try_cast extract coalesce case if ifnull nullif position substring trim ltrim rtrim overlay
    grouping grouping_id exists row map struct interval collate count list_value array unnest any all try
    substr concat""".split()
)
"""Names that the grammar knows and the catalog may not list."""

CLOCK_FUNCTIONS = frozenset(
    """current_date current_timestamp current_time localtime localtimestamp now today transaction_timestamp
    get_current_time get_current_timestamp current_localtime current_localtimestamp""".split()
)


def volatile_function(name: str) -> Reason:
    """REUSE-101."""
    return Reason(code="REUSE-101", text=f"{name}() gives another value at each call")


def clock_function(name: str) -> Reason:
    """REUSE-102."""
    return Reason(code="REUSE-102", text=f"{name}() depends on the time or the session of the statement")


def order_dependent(name: str) -> Reason:
    """REUSE-103."""
    return Reason(
        code="REUSE-103",
        text=f"{name}() depends on the order of rows: give it an ORDER BY that covers its arguments",
    )


def limit_without_order() -> Reason:
    """REUSE-104."""
    return Reason(code="REUSE-104", text="LIMIT without an ORDER BY picks any rows")


def unseeded_sample() -> Reason:
    """REUSE-105."""
    return Reason(
        code="REUSE-105", text="a sample without a fixed method and seed picks other rows each time"
    )


def not_a_query(kind: str) -> Reason:
    """REUSE-106."""
    return Reason(code="REUSE-106", text=f"{kind} is not a query without side effects")


def unknown_input(name: str) -> Reason:
    """REUSE-107."""
    return Reason(code="REUSE-107", text=f"{name} has no identity that lasts, such as an in-memory object")


def temporary_object(name: str) -> Reason:
    """REUSE-108."""
    return Reason(code="REUSE-108", text=f"{name} is a temporary object of one connection")


def not_understood(what: str) -> Reason:
    """REUSE-109."""
    return Reason(code="REUSE-109", text=f"not understood: {what}")


def correlated() -> Reason:
    """REUSE-110."""
    return Reason(code="REUSE-110", text="it refers to columns of the query around it")


def recursive() -> Reason:
    """REUSE-111."""
    return Reason(code="REUSE-111", text="a recursive CTE is not looked into")


def user_function(name: str) -> Reason:
    """REUSE-113."""
    return Reason(code="REUSE-113", text=f"{name}() is the program's own function, its code is not known")


def too_large(nodes: int) -> Reason:
    """REUSE-115."""
    return Reason(code="REUSE-115", text=f"its plan grows beyond {nodes} operators when CTEs are expanded")


def unordered_rows(name: str) -> Reason:
    """REUSE-117."""
    return Reason(code="REUSE-117", text=f"{name} depends on the order in which rows are stored")


def tied_rows() -> Reason:
    """REUSE-112."""
    return Reason(
        code="REUSE-112",
        text="its rows depend on how the engine orders rows that compare equal: only whole statements of "
        "the very same text share them",
    )


def order_around() -> Reason:
    """REUSE-119."""
    return Reason(
        code="REUSE-119",
        text="the rest of the statement depends on the order of its rows, which a view does not keep",
    )


def constant_rows() -> Reason:
    """REUSE-118."""
    return Reason(code="REUSE-118", text="it reads no table: there is nothing to save")


class NotUnderstood(Exception):
    """Raised while binding; the piece becomes opaque. Never leaves this package."""

    def __init__(self, reason: Reason | str) -> None:
        self.reason = reason if isinstance(reason, Reason) else not_understood(reason)
        super().__init__(str(self.reason))
