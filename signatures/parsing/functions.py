"""What a function name means to the binder: aggregate or not, and why it may not be reused."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import sqlglot
from sqlglot import exp

from signatures import eligibility
from signatures.catalog import Catalog, FunctionFacts, FunctionKind, Stability
from signatures.eligibility import NotUnderstood
from signatures.model import Reason


@dataclass(frozen=True, slots=True)
class NamedFunction:
    """A function name looked up."""

    is_aggregate: bool
    hazards: tuple[Reason, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    """The definition of a macro is part of what a call means."""


@dataclass(frozen=True, slots=True)
class FunctionNames:
    """Looks names up in the engine's catalog, once each."""

    catalog: Catalog
    dialect: str
    _known: dict[str, NamedFunction] = field(default_factory=dict)

    def look_up(self, name: str, *, grammar: bool = False) -> NamedFunction:
        """Facts of a function as the binder needs them.

        Raises:
            NotUnderstood: where neither the grammar nor the catalog knows the name.
        """
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = self._look_up(name, grammar)
        return known

    def _look_up(self, name: str, grammar: bool) -> NamedFunction:
        facts = self.catalog.function(name)
        if facts is None:
            if name in eligibility.CLOCK_FUNCTIONS:
                return NamedFunction(False, (eligibility.clock_function(name),))
            if grammar or name in eligibility.GRAMMAR_FUNCTIONS:
                return NamedFunction(name in ("count", "grouping", "grouping_id"))
            raise NotUnderstood(f"function {name}")
        if facts.kind in (FunctionKind.MACRO, FunctionKind.TABLE_MACRO):
            return self._macro(facts)
        hazards = _stability(facts)
        return NamedFunction(facts.kind == FunctionKind.AGGREGATE or name.startswith("grouping"), hazards)

    def _macro(self, facts: FunctionFacts) -> NamedFunction:
        """A macro is its definition; what it calls is looked up like any other function."""
        definition = facts.definition or ""
        text = f"({', '.join(facts.parameters)}) AS {definition}"
        hazards: list[Reason] = []
        options = [("macro", text)]
        for called in _called(definition, self.dialect):
            if called == facts.name.lower():
                raise NotUnderstood(f"macro {called} that calls itself")
            inner = self.look_up(called, grammar=called in eligibility.GRAMMAR_FUNCTIONS)
            if inner.is_aggregate:
                raise NotUnderstood(f"macro {facts.name} over an aggregate")
            hazards += inner.hazards
            options += inner.options
        return NamedFunction(False, tuple(hazards), tuple(options))


@lru_cache(maxsize=1024)
def _called(definition: str, dialect: str) -> tuple[str, ...]:
    """Functions that a macro's body calls; a body that reads tables is not looked into."""
    tree = sqlglot.parse_one(definition, read=dialect)
    if tree.find(exp.Query, exp.Table):
        raise NotUnderstood("a macro that reads tables")
    names = []
    for call in tree.find_all(exp.Func):
        if isinstance(call, exp.Anonymous):
            names.append(str(call.this).lower())
            continue
        start, end = call.meta.get("start"), call.meta.get("end")
        if isinstance(start, int) and isinstance(end, int):
            names.append(definition[start : end + 1].lower())
        elif not isinstance(call, exp.Connector | exp.Cast | exp.Case | exp.If):
            names.append(call.key)
    return tuple(dict.fromkeys(names))


def _stability(facts: FunctionFacts) -> tuple[Reason, ...]:
    name = facts.name.lower()
    found: list[Reason] = []
    if facts.user_defined:
        found.append(eligibility.user_function(name))
    if facts.stability == Stability.VOLATILE:
        found.append(eligibility.volatile_function(name))
    elif facts.stability == Stability.WITHIN_QUERY or name in eligibility.CLOCK_FUNCTIONS:
        found.append(eligibility.clock_function(name))
    return tuple(found)
