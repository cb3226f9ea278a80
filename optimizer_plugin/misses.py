"""Nearest misses: which view comes closest to a subexpression, and what keeps it from being read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from difflib import SequenceMatcher

from metastore.records import View, ViewState
from signatures.model import Subexpression

DIFFERENCES = 3
"""So many differences are named; more would say no more than that the two are unlike."""
TOKENS = 1_500
"""Longer plans are not compared token by token, which takes time with the square of their length."""
PART_CHARACTERS = 60

_TOKEN = re.compile(r"'(?:[^']|'')*'|[^\s()\[\]']+")


def nearest_miss(
    subexpression: Subexpression, views: Sequence[View], versions: Mapping[str, str], environment: str
) -> str:
    """In one sentence, why the nearest view is not read; empty where no view comes near.

    First come views of the same normalized signature: the same computation over other inputs, literals or
    settings. Then views over the same tables, with what their plans have differently.

    Args:
        subexpression: What a view is looked for.
        views: Views of the tenant in any state.
        versions: Of the inputs, now.
        environment: Engine and settings, now.
    """
    related = [view for view in views if view.normalized == subexpression.normalized]
    exact = [view for view in related if view.canonical == subexpression.canonical]
    if exact:
        return _circumstance(exact[-1], versions, environment)
    if related:
        return f"the same computation with other values: {_differences(related[-1], subexpression)}"
    inputs = set(subexpression.inputs)
    over_same = [view for view in views if {identity for identity, _ in view.inputs} == inputs]
    if not over_same:
        return ""
    nearest = max(over_same, key=lambda view: _likeness(view.canonical, subexpression.canonical))
    return f"a view over the same tables differs: {_differences(nearest, subexpression)}"


def _circumstance(view: View, versions: Mapping[str, str], environment: str) -> str:
    """Why a view of the very same plan is not read."""
    if view.state is not ViewState.READY:
        because = f": {view.state_reason}" if view.state_reason else ""
        return f"its view is {view.state.value}{because}"
    if view.expires_at is not None and view.expires_at <= datetime.now(UTC):
        return f"its view expired at {view.expires_at:%Y-%m-%d %H:%M} UTC"
    changed = [identity for identity, version in view.inputs if versions.get(identity) != version]
    if changed:
        return f"changed since its view was built: {', '.join(changed)}"
    if view.environment != environment:
        return "its view was built under other settings or by another release of the engine"
    return "its view is not readable here"


def _likeness(one: str, other: str) -> int:
    """How many tokens two plans share, whatever their order."""
    return (Counter(_TOKEN.findall(one)) & Counter(_TOKEN.findall(other))).total()


def _differences(view: View, subexpression: Subexpression) -> str:
    theirs, ours = _TOKEN.findall(view.canonical), _TOKEN.findall(subexpression.canonical)
    if max(len(theirs), len(ours)) > TOKENS:
        return "its plan is too long to say where"
    matcher = SequenceMatcher(None, theirs, ours, autojunk=False)
    found = [
        f"{_part(theirs[a:b])} there, {_part(ours[c:d])} here"
        for tag, a, b, c, d in matcher.get_opcodes()
        if tag != "equal"
    ]
    more = len(found) - DIFFERENCES
    return "; ".join(found[:DIFFERENCES]) + (f"; {more} more" if more > 0 else "")


def _part(tokens: Sequence[str]) -> str:
    text = " ".join(tokens) or "nothing"
    return text if len(text) <= PART_CHARACTERS else f"{text[: PART_CHARACTERS - 3]}..."
