"""DuckDB's profiles, as trees of operators with exclusive times, rows and the base tables below.

A profile is taken with ``EXPLAIN (ANALYZE, FORMAT json)``: it runs the statement on the user's own
connection, discards the rows and leaves the user's profiling settings alone. The two supported
releases name the same measures differently.

Source: CloudViews, section 5.1 (run-time statistics linked back to subexpressions).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from optimizer_plugin.engines.ports import Operator, Profile
from optimizer_plugin.errors import ReuseError

Node = Mapping[str, Any]

_WRAPPERS = ("EXPLAIN_ANALYZE", "RESULT_COLLECTOR", "QUERY")
_CTE_SCANS = ("CTE_SCAN", "RECURSIVE_CTE_SCAN")


class ProfileUnreadable(ReuseError):
    """The engine's profile is not of a form known here: the statement goes unprofiled."""

    default_remedy = "the statement goes unprofiled; please report the engine's version"


def parse_profile(text: str) -> Profile:
    """Read the JSON that EXPLAIN ANALYZE gives.

    Raises:
        ProfileUnreadable: where it holds no operators.
    """
    document = json.loads(text)
    tops: Sequence[Node] = document.get("operator") or document.get("children") or ()
    root = next((node for top in tops if (node := _below_wrappers(top)) is not None), None)
    if root is None:
        raise ProfileUnreadable("found a profile without operators", expected="a tree of operators")
    operator = _Reader(root).operator(root)
    cpu_seconds = operator.inclusive_seconds()
    return Profile(
        elapsed_seconds=_elapsed(document, cpu_seconds),
        cpu_seconds=cpu_seconds,
        rows=_result_rows(operator),
        root=operator,
    )


def _below_wrappers(node: Node) -> Node | None:
    """The first operator of the statement itself, below those that only collect or explain."""
    while _name(node) in _WRAPPERS or not _name(node):
        children = node.get("children") or ()
        if not children:
            return None
        node = children[0]
    return node


class _Reader:
    """Builds operators; knows the CTEs, so that a scan of one counts the base tables behind it."""

    def __init__(self, root: Node) -> None:
        self._ctes: dict[str, Node] = {}
        self._find_ctes(root)
        self._open: set[str] = set()

    def operator(self, node: Node) -> Operator:
        children = tuple(self.operator(child) for child in node.get("children") or ())
        scans, filters = self._below(node)
        return Operator(
            name=_name(node),
            seconds=float(node.get("operator_timing", node.get("timing", 0.0)) or 0.0),
            rows=int(node.get("operator_cardinality", node.get("intermediate_rows", 0)) or 0),
            scans=tuple(sorted(scans)),
            filters=tuple(sorted(filters)),
            children=children,
        )

    def _find_ctes(self, node: Node) -> None:
        children = node.get("children") or ()
        if _name(node) == "CTE" and children:
            # Of a CTE operator's two children the first computes it, the second uses it.
            self._ctes[str(_extra(node).get("Table Index", ""))] = children[0]
        for child in children:
            self._find_ctes(child)

    def _below(self, node: Node) -> tuple[list[str], list[str]]:
        """Base tables and scan filters at or below a node; a CTE's own are counted where it is scanned."""
        extra = _extra(node)
        scans: list[str] = []
        filters: list[str] = []
        table = extra.get("Table")
        if isinstance(table, str) and _name(node) not in _CTE_SCANS:
            scans.append(table.lower())
        filters += _texts(extra.get("Filters"))
        below = list(node.get("children") or ())
        if _name(node) == "CTE":
            below = below[1:]
        followed = str(extra.get("CTE Index", ""))
        if _name(node) in _CTE_SCANS and followed in self._ctes and followed not in self._open:
            self._open.add(followed)
            inner_scans, inner_filters = self._below(self._ctes[followed])
            self._open.discard(followed)
            return inner_scans, inner_filters
        for child in below:
            child_scans, child_filters = self._below(child)
            scans += child_scans
            filters += child_filters
        return scans, filters


def _name(node: Node) -> str:
    """The operator's name: scans say what they scan by, so that name is preferred to the type."""
    return str(node.get("operator_name") or node.get("operator_type") or node.get("type") or "").strip()


def _extra(node: Node) -> Node:
    found = node.get("extra_info")
    return found if isinstance(found, dict) else {}


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value] if value else []
    return [str(each) for each in value] if isinstance(value, list) else []


def _result_rows(operator: Operator) -> int:
    """Rows of the whole; a CTE operator itself hands on none, what uses the CTE stands last below it."""
    while operator.name == "CTE" and operator.children:
        operator = operator.children[-1]
    return operator.rows


def _elapsed(document: Node, fallback: float) -> float:
    """Seconds from start to end: ``latency`` on 1.5, ``query.total_time`` on 2.0."""
    query = document.get("query")
    nested = query.get("total_time") if isinstance(query, dict) else None
    found = document.get("latency", nested)
    return float(found) if isinstance(found, int | float) else fallback
