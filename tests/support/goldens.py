"""Golden files of signatures: statements with directives in, what was understood of them out.

A ``.sql`` file holds statements behind ``-- name:`` lines. Directives stand below the name; they are checked
whatever the golden file says, so that writing it anew blesses nothing that they forbid:

* ``same-as: [file.sql#]name`` and ``differs-from: [file.sql#]name``: the whole statements' meanings.
* ``expect: eligible``, ``expect: tied`` (shared by the very same text only) or ``expect: REUSE-xxx``.
* ``reject: REUSE-xxx``: the statement is not understood as a whole, for this reason.
* ``shares: kind``: nevertheless some subexpression of this kind may be shared.
* ``withholds: kind``: no subexpression of this kind may be shared, though there is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from signatures.sites import CompiledStatement

_NAME = "-- name:"
_OPAQUE = re.compile(r"\(opaque \w+")
"""What is opaque gets another text each time it is encoded, so that nothing equals it."""


@dataclass(frozen=True, slots=True)
class Case:
    """One statement of a golden file; directives are (word, value) pairs."""

    file: str
    name: str
    directives: tuple[tuple[str, str], ...]
    sql: str

    @property
    def key(self) -> str:
        """How other cases name it."""
        return f"{self.file}#{self.name}"

    def values(self, word: str) -> tuple[str, ...]:
        """Values of all directives of one word."""
        return tuple(value for key, value in self.directives if key == word)

    def targets(self, word: str) -> tuple[str, ...]:
        """Keys of the cases that a directive names."""
        return tuple(value if "#" in value else f"{self.file}#{value}" for value in self.values(word))


def read_cases(path: Path) -> tuple[Case, ...]:
    """The statements of one file."""
    parts = path.read_text().split(_NAME)
    return tuple(_case(path.name, part) for part in parts[1:])


def _case(file: str, part: str) -> Case:
    name, *lines = part.strip().splitlines()
    directives, sql = [], []
    for line in lines:
        if line.startswith("-- "):
            word, value = line.removeprefix("-- ").split(":", 1)
            directives.append((word, value.strip()))
        else:
            sql.append(line)
    return Case(file, name.strip(), tuple(directives), "\n".join(sql))


def describe(case: Case, compiled: CompiledStatement) -> str:
    """What a golden file says of a statement: each subexpression with its plan, signature and columns."""
    lines = [f"== {case.name}"]
    for subexpression in compiled.subexpressions:
        codes = ", ".join(reason.code for reason in subexpression.ineligible) or "eligible"
        tied = ", same text only" if subexpression.same_text_only else ""
        lines.append(f"{subexpression.kind}: {subexpression.label} [{codes}{tied}]")
        if not subexpression.canonical:
            lines += [f"  {reason}" for reason in subexpression.ineligible]
            continue
        if "(opaque " not in subexpression.canonical:
            lines.append(f"  normalized {subexpression.normalized}")
        lines += [f"  column {column.key}" for column in subexpression.columns]
        lines += [f"  | {line}" for line in indented(subexpression.canonical)]
    return _OPAQUE.sub("(opaque", "\n".join(lines)) + "\n"


def indented(canonical: str, width: int = 96) -> Iterator[str]:
    """A canonical plan on lines of their own where it is too long for one."""
    for part in _parts(canonical):
        yield from _lines(part, 0, width)


def _lines(text: str, depth: int, width: int) -> Iterator[str]:
    if len(text) + depth <= width or text[0] not in "([":
        yield " " * depth + text
        return
    parts = list(_parts(text[1:-1]))
    yield " " * depth + text[0] + (parts[0] if parts else "")
    for part in parts[1:]:
        yield from _lines(part, depth + 2, width)
    yield " " * depth + text[-1]


def _parts(text: str) -> Iterator[str]:
    """Blank-separated parts of a list, lists inside kept whole."""
    depth, start, quoted, escaped = 0, 0, False, False
    for index, letter in enumerate(text):
        if quoted:
            quoted = escaped or letter != "'"
            escaped = letter == "\\" and not escaped
        elif letter == "'":
            quoted = True
        elif letter in "([":
            depth += 1
        elif letter in ")]":
            depth -= 1
        elif letter == " " and depth == 0:
            if index > start:
                yield text[start:index]
            start = index + 1
    if start < len(text):
        yield text[start:]
