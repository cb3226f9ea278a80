"""Types in our own spelling: sqlglot's printing of a type may change with its releases."""

from __future__ import annotations

from sqlglot import exp

from signatures.eligibility import NotUnderstood


def type_text(node: exp.Expr) -> str:
    """``decimal(15,2)``, ``array<int>``, ``struct<a:int,b:varchar>`` ...

    Raises:
        NotUnderstood: for a type that the program defined, whose meaning can change.
    """
    if not isinstance(node, exp.DataType) or node.this == exp.DType.USERDEFINED:
        raise NotUnderstood("a type that the program defined")
    name = (node.this.value if isinstance(node.this, exp.DType) else str(node.this)).lower()
    parts = [_part(part) for part in node.expressions]
    sizes = [_part(part) for part in node.args.get("values") or []]
    text = name
    if parts:
        text += f"<{','.join(parts)}>"
    return text + "".join(f"[{size}]" for size in sizes)


def _part(node: exp.Expr) -> str:
    if isinstance(node, exp.DataType):
        return type_text(node)
    if isinstance(node, exp.DataTypeParam):
        return str(node.this.this)
    if isinstance(node, exp.ColumnDef):
        return f"{node.name}:{type_text(node.args['kind'])}"
    if isinstance(node, exp.Literal):
        return repr(str(node.this))
    raise NotUnderstood(f"type with {node.key}")
