"""Does an edited text mean what it should? It is bound again, views expanded, and compared.

The comparison is of canonical plans and of the outputs in order, so it holds for whatever way the text was
edited: a mistake in editing costs the rewriting, never the result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from signatures.catalog import Catalog
from signatures.compiler import WHOLE_ONLY, compile_statement
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
    after = meaning(compile_statement(rewritten, catalog, dialect, view_reads=view_reads, kinds=WHOLE_ONLY))
    return before is not None and before == after


def fills(query: str, canonical: str, keys: Sequence[str], catalog: Catalog, dialect: str) -> bool:
    """Whether a query cut out of a statement has the rows of a subexpression, and its columns in order.

    Out of its surroundings a name can mean something else: ``s.shop = info.a`` compares with the constant of
    ``(SELECT 1 AS a) info``, and without that with a field of the struct ``s.info``. An empty key is a
    constant.
    """
    compiled = compile_statement(query, catalog, dialect, kinds=WHOLE_ONLY)
    if compiled.statement is None or compiled.subexpressions[compiled.statement].canonical != canonical:
        return False
    outputs = compiled.definitions[compiled.statement].outputs
    encoder = Encoder()
    _, order = encoder.plan(compiled.definitions[compiled.statement].plan)
    labels = (encoder.labels(order),)
    texts = [encoder.expression(output.expression, labels) for output in outputs]
    return len(texts) == len(keys) and all(
        not key or key in (text.precise, text.normalized) for key, text in zip(keys, texts, strict=True)
    )
