"""Calls to DuckDB that look as if they came from the program's own frame.

DuckDB takes a name that is no table for a Python variable, and looks for it in the locals and globals of the
frame that calls it: with a wrapper in between, in the wrapper's. Hence a frame is made that has the
program's variables, its file and its line, which stand in DuckDB's messages and warnings.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from types import CodeType, FrameType
from typing import Any

_TARGET = "__respool_target__"
_CALL = compile(f"{_TARGET}()", "<respool>", "eval")


def call_from(frame: FrameType, target: Callable[[], Any], *, all_frames: bool = False) -> Any:
    """Call with the variables of a frame around.

    Args:
        frame: The frame of the program that called us.
        target: DuckDB's own method with its arguments, as a ``functools.partial``: that makes no frame.
        all_frames: DuckDB also looks into the frames that lead to this one (``python_scan_all_frames``).
    """
    scope = _all_variables(frame) if all_frames else _own_variables(frame)
    scope[_TARGET] = target
    return eval(_code(frame.f_code.co_filename, frame.f_lineno), frame.f_globals, scope)  # noqa: S307


def _own_variables(frame: FrameType) -> dict[str, Any]:
    """Locals, which DuckDB looks at before the globals; at the top of a module they are the same."""
    return {} if frame.f_locals is frame.f_globals else {**frame.f_locals}


def _all_variables(frame: FrameType) -> dict[str, Any]:
    """As one frame, what DuckDB would meet on its way out, the nearest first; none of ours among them."""
    chain: list[FrameType] = []
    outer: FrameType | None = frame
    while outer is not None:
        chain.append(outer)
        outer = outer.f_back
    found: dict[str, Any] = {}
    for each in reversed(chain):
        found.update(each.f_globals)
        found.update(each.f_locals)
    return found


@lru_cache(maxsize=1_000)
def _code(file: str, line: int) -> CodeType:
    return _CALL.replace(co_filename=file, co_firstlineno=line)
