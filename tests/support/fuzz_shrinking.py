"""Makes a finding small: fewer steps first, then less in each statement."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import sqlglot
from sqlglot import exp

from tests.support.fuzz_oracle import Finding, play
from tests.support.fuzz_steps import Scenario, Step

Differs = Callable[[Scenario], bool]


def shrunk(program: Scenario, finding: Finding) -> tuple[Scenario, Finding]:
    """The smallest program found whose outcome differs in the same sort of way."""
    latest = finding

    def differs(candidate: Scenario) -> bool:
        nonlocal latest
        found, _ = play(candidate)
        if found is None or found.sort != finding.sort:
            return False
        latest = found
        return True

    current = replace(program, steps=program.steps[: finding.step + 1])
    if not differs(current):
        return program, finding
    for _ in range(3):
        before = current.steps
        current = _without_steps(current, differs)
        current = _with_smaller_steps(current, differs)
        if current.steps == before:
            break
    return current, latest


def _without_steps(program: Scenario, differs: Differs) -> Scenario:
    size = max(1, len(program.steps) // 2)
    while True:
        start = 0
        while start < len(program.steps):
            fewer = replace(program, steps=program.steps[:start] + program.steps[start + size :])
            if fewer.steps and differs(fewer):
                program = fewer
            else:
                start += size
        if size == 1:
            return program
        size = max(1, size // 2)


def _with_smaller_steps(program: Scenario, differs: Differs) -> Scenario:
    for place in range(len(program.steps) - 1, -1, -1):
        changed = True
        while changed:
            changed = False
            for sql in _smaller(program.steps[place]):
                step = replace(program.steps[place], sql=sql)
                candidate = replace(
                    program, steps=(*program.steps[:place], step, *program.steps[place + 1 :])
                )
                if differs(candidate):
                    program, changed = candidate, True
                    break
    return program


def _smaller(step: Step) -> Iterator[str]:
    """Texts of the statement with a piece less, large pieces first."""
    parts = [part for part in step.sql.split(";\n") if part.strip()]
    if len(parts) > 1:
        for place in range(len(parts)):
            yield ";\n".join(parts[:place] + parts[place + 1 :])
        return
    try:
        tree = sqlglot.parse_one(step.sql, read="duckdb")
    except sqlglot.errors.SqlglotError:
        return
    seen = {step.sql}
    for text in _pruned(tree):
        if len(text) < len(step.sql) and text not in seen:
            seen.add(text)
            yield text


def _pruned(tree: exp.Expr) -> Iterator[str]:
    nodes = sorted(tree.walk(), key=lambda node: -sum(1 for _ in node.walk()))
    for node in nodes:
        parent = node.parent
        if parent is None:
            continue
        for child in list(node.iter_expressions()):
            if isinstance(child, exp.Condition | exp.Query | exp.Subquery) and not isinstance(
                child, exp.DataType
            ):
                yield _printed(tree, node, child.copy())
        if node.arg_key is not None:
            yield _printed(tree, node, None)
        if isinstance(node, exp.Condition) and not isinstance(
            node, exp.Literal | exp.Column | exp.Identifier
        ):
            yield _printed(tree, node, exp.Literal.number(1))


def _printed(tree: exp.Expr, node: exp.Expr, instead: exp.Expr | None) -> str:
    """The text of the tree with another node at a place; the tree is as before afterwards."""
    copy = tree.copy()
    target = next(twin for original, twin in zip(tree.walk(), copy.walk(), strict=True) if original is node)
    if instead is None:
        target.pop()
    else:
        target.replace(instead)
    try:
        return copy.sql("duckdb")
    except Exception:  # noqa: BLE001 - a tree that can't be printed is no smaller statement
        return ""
