"""From a statement's text to its subexpressions: the one entry point of this package.

The steps are those of the life of a query (docs/architecture.md): tokens and template, syntax tree,
layout of the text, binding, enumeration. What fails at a step leaves what was found before it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlglot import exp

from signatures import eligibility
from signatures.catalog import Catalog
from signatures.eligibility import NotUnderstood
from signatures.encoding import recurring_name
from signatures.model import (
    InputIdentity,
    NormalizedSignature,
    Reason,
    Subexpression,
    SubexpressionKind,
    Tags,
)
from signatures.parsing.context import Context
from signatures.parsing.functions import FunctionNames
from signatures.parsing.layout import layout
from signatures.parsing.layout_model import LayoutError, StatementLayout
from signatures.parsing.queries import QueryBinder
from signatures.parsing.statement import Template, parse, same_text_digest, template_of, tokens_of
from signatures.plan import BoundQuery, Scan, facts
from signatures.sites import CompiledStatement
from signatures.subexpressions import Enumerator, Found

_NO_INPUT = InputIdentity("")

ALL_KINDS = frozenset(SubexpressionKind)
WHOLE_ONLY = frozenset({SubexpressionKind.STATEMENT})


def compile_statement(
    text: str,
    catalog: Catalog,
    dialect: str,
    *,
    script: str = "",
    view_reads: Mapping[str, BoundQuery] | None = None,
    kinds: Collection[SubexpressionKind] = ALL_KINDS,
) -> CompiledStatement:
    """Everything about a statement that does not change between its runs.

    ``view_reads`` gives the meaning of files of views, for binding a rewritten statement again. Of other
    ``kinds`` no subexpressions are worked out; the whole statement always is. Never raises for a statement
    that isn't understood: it comes back with a reason in place of a signature.
    """
    try:
        tokens = tokens_of(text, dialect)
        template = template_of(tokens)
    except NotUnderstood as error:
        return _nothing(text, Template(digest="", text="", literals=()), error.reason, script)
    try:
        tree = parse(text, tokens, dialect)
        if not isinstance(tree, exp.Query):
            return _nothing(text, template, eligibility.not_a_query(tree.key), script, is_query=False)
    except NotUnderstood as error:
        return _nothing(text, template, error.reason, script)
    context = Context(text, catalog, dialect, view_reads or {})
    failure: Reason | None = None
    try:
        QueryBinder(context, FunctionNames(catalog, dialect)).bind(tree, None, "statement", {})
    except NotUnderstood as error:
        failure = error.reason
    except RecursionError:
        failure = eligibility.not_understood("a statement nested too deeply")
    placed = _layout(text, dialect)
    found = Enumerator(context, placed, same_text_digest(tokens), frozenset(kinds)).enumerate()
    return _compiled(text, template, context, placed, found, failure, script)


def _layout(text: str, dialect: str) -> StatementLayout | None:
    try:
        return layout(text, dialect)
    except LayoutError:
        return None


def _compiled(
    text: str,
    template: Template,
    context: Context,
    placed: StatementLayout | None,
    found: list[Found],
    failure: Reason | None,
    script: str,
) -> CompiledStatement:
    subexpressions = [item.subexpression for item in found]
    statement = next((s.ordinal for s in subexpressions if s.kind is SubexpressionKind.STATEMENT), None)
    sites = [item.site for item in found]
    queries = [item.query for item in found]
    if statement is None:
        reason = failure or eligibility.correlated()
        subexpressions.append(_absent(len(subexpressions), reason))
        sites.append(None)
        queries.append(BoundQuery(Scan(0, _NO_INPUT, ""), ()))
    return CompiledStatement(
        text=text,
        template=template.digest,
        template_text=template.text,
        tags=Tags(tables=_tables(queries), template=template.digest, script=script),
        subexpressions=tuple(subexpressions),
        sites=tuple(sites),
        definitions=tuple(queries),
        statement=statement,
        unaliased_items=_unaliased(placed, found, statement),
        has_parameters=template.has_parameters,
        unresolved=tuple(context.unresolved),
        is_query=True,
    )


def _unaliased(
    placed: StatementLayout | None, found: list[Found], statement: int | None
) -> tuple[tuple[int, int], ...]:
    """Ends of root SELECT items whose names come from their text, so that editing would change them.

    The first operand of a UNION names its outputs.
    """
    block = None if placed is None else placed.query.operands[0].block
    if block is None or statement is None:
        return ()
    names = found[statement].names
    if len(names) != len(block.select_items):
        return ()
    return tuple(
        (span.end, index)
        for index, (span, name) in enumerate(zip(block.select_items, names, strict=True))
        if not name
    )


def _tables(queries: list[BoundQuery]) -> frozenset[str]:
    names = set()
    for query in queries:
        for table in facts(query.plan).tables:
            identities = (table.identity,) if isinstance(table, Scan) else table.inputs
            names |= {identity for identity in identities if identity}
    return frozenset(recurring_name(name) for name in names)


def _absent(ordinal: int, reason: Reason) -> Subexpression:
    """Stands for a statement that was not understood, so that reports can say why."""
    return Subexpression(
        ordinal=ordinal,
        kind=SubexpressionKind.STATEMENT,
        canonical="",
        normalized=NormalizedSignature(""),
        inputs=(),
        columns=(),
        ineligible=(reason,),
        label="statement",
    )


def text_without_literals(edited: str, original: str, dialect: str) -> str:
    """The words of an edited statement without literals, nor names that the original does not have.

    Empty where it can't be read.
    """
    try:
        names = {token.text for token in tokens_of(original, dialect)}
        return template_of(tokens_of(edited, dialect), known_names=names).text
    except NotUnderstood:
        return ""


def _nothing(
    text: str, template: Template, reason: Reason, script: str, *, is_query: bool = True
) -> CompiledStatement:
    return CompiledStatement(
        text=text,
        template=template.digest,
        template_text=template.text,
        tags=Tags(template=template.digest, script=script),
        subexpressions=(_absent(0, reason),),
        sites=(None,),
        definitions=(BoundQuery(Scan(0, _NO_INPUT, ""), ()),),
        statement=None,
        unaliased_items=(),
        has_parameters=False,
        unresolved=(),
        is_query=is_query,
    )
