"""Explains a statement (placeholder until written)."""

from __future__ import annotations
from dataclasses import dataclass
from optimizer_plugin.session import Session


@dataclass(frozen=True, slots=True)
class Explanation:
    """What would be reused."""

    text: str


def explain(session: Session, sql: str) -> Explanation:
    """Explain."""
    return Explanation(sql + session.tenant)
