"""Does a rewritten statement still mean the same? It is bound again, views expanded, and compared.

The comparison is of canonical plans and of the outputs in order, so it holds for whatever way the text was
edited: a mistake in editing costs the rewriting, never the result.
"""

from __future__ import annotations

from collections.abc import Mapping

from signatures.catalog import Catalog
from signatures.compiler import compile_statement
from signatures.encoding import Encoder
from signatures.plan import BoundQuery
from signatures.sites import CompiledStatement


def meaning(compiled: CompiledStatement) -> tuple[str, tuple[str, ...]] | None:
    """The canonical plan of a whole statement and the keys of its outputs in order."""
    if compiled.statement is None:
        return None
    definition = compiled.definitions[compiled.statement]
    encoder = Encoder()
    text, order = encoder.plan(definition.plan)
    labels = (encoder.labels(order),)
    outputs = (encoder.expression(output.expression, labels) for output in definition.outputs)
    return text.precise, tuple(output.precise for output in outputs)


def same_meaning(
    original: CompiledStatement,
    rewritten: str,
    catalog: Catalog,
    dialect: str,
    view_reads: Mapping[str, BoundQuery],
) -> bool:
    """Whether a rewritten text, its views' files expanded to what they hold, is the original statement.

    ``view_reads`` maps the path that the text reads to the plan of the view, its columns ``c0``, ``c1``, ...
    """
    before = meaning(original)
    after = meaning(compile_statement(rewritten, catalog, dialect, view_reads=view_reads))
    return before is not None and before == after
