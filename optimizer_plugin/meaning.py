"""Is an edited statement still the original? Asked before any edited text runs, or is timed.

The same edits are made with scans of placeholders in place of views' files; the text is bound again with
each placeholder standing for the plan of its view, and compared (``signatures.verification``).
"""

from __future__ import annotations

from collections.abc import Sequence

from optimizer_plugin.engines.ports import Engine
from optimizer_plugin.templates import Template
from rewriter.model import AvailableView, Read
from rewriter.rendering import quote, rewrite
from signatures.expressions import Literal
from signatures.plan import BoundQuery, Output
from signatures.verification import same_meaning


def keeps_meaning(
    template: Template, reads: Sequence[Read], output_names: Sequence[str], engine: Engine
) -> bool:
    """Whether reading these views leaves a statement what it is."""
    text = rewrite(template.compiled, reads, _placeholder_scan, output_names)
    meanings = {_placeholder(read.view): _meaning(template, read) for read in reads}
    return same_meaning(template.compiled, text, engine.look().catalog, engine.dialect, meanings)


def _placeholder(view: AvailableView) -> str:
    return f"view:{view.precise}"


def _placeholder_scan(read: Read, pairs: Sequence[tuple[str, str]]) -> str:
    """A scan for the check of meaning: columns by rank of their key, no casts, no path."""
    ranks = {key: index for index, key in enumerate(sorted(read.view.keys))}
    columns = ", ".join(f"c{ranks[key]} AS {quote(name)}" for key, name in pairs)
    return f"SELECT {columns} FROM read_parquet('{_placeholder(read.view)}')"


def _meaning(template: Template, read: Read) -> BoundQuery:
    """What the placeholder's file holds: the plan of the subexpression, columns by rank of their key."""
    definition = template.compiled.definitions[read.ordinal]
    expressions = {output.name: output.expression for output in definition.outputs}
    # A column that this statement has no use for: where it needs rows only, any column of the view does.
    unused = Literal("integer", "1")
    outputs = [
        Output(f"c{index}", expressions.get(key, unused)) for index, key in enumerate(sorted(read.view.keys))
    ]
    return BoundQuery(definition.plan, tuple(outputs))
