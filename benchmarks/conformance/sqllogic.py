"""Reads sqllogictest files as DuckDB's own suite writes them, into commands that can be run.

What a file expects is not read: its statements are sent to a plain and to a wrapped connection, and those
two are compared. https://duckdb.org/docs/stable/dev/sqllogictest/intro describes the format.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

ENGINE = "duckdb"
"""The name that ``onlyif`` and ``skipif`` know this engine by."""

_LOOPS = frozenset({"loop", "foreach", "concurrentloop", "concurrentforeach"})
_WITH_SQL = frozenset({"statement", "query"})
_RULE = "----"

_SIGNED = ("tinyint", "smallint", "integer", "bigint", "hugeint")
_UNSIGNED = ("utinyint", "usmallint", "uinteger", "ubigint", "uhugeint")
_NUMERIC = (*_SIGNED, *_UNSIGNED, "float", "double")
_COLLECTIONS: Mapping[str, tuple[str, ...]] = {
    "<signed>": _SIGNED,
    "<unsigned>": _UNSIGNED,
    "<integral>": (*_SIGNED, *_UNSIGNED),
    "<numeric>": _NUMERIC,
    "<alltypes>": (*_NUMERIC, "bool", "interval", "varchar"),
    "<compression>": ("none", "uncompressed", "rle", "bitpacking", "dictionary", "fsst", "alp", "alprd"),
}


class FormatError(ValueError):
    """A line that is not in the format; the message names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command of a file: its words, the SQL below it, for a loop the commands inside it."""

    line: int
    words: tuple[str, ...]
    sql: str = ""
    body: tuple[Command, ...] = ()

    @property
    def name(self) -> str:
        """The first word."""
        return self.words[0]


@dataclass(slots=True)
class _Lines:
    """The lines of a file, read one after the other."""

    texts: Sequence[str]
    next: int = 0
    loops: list[int] = field(default_factory=list)

    def take(self) -> tuple[int, str] | None:
        if self.next >= len(self.texts):
            return None
        self.next += 1
        return self.next, self.texts[self.next - 1]

    def until_blank(self) -> list[str]:
        found = []
        while (taken := self.take()) is not None and taken[1].strip():
            found.append(taken[1])
        return found


def parse(text: str) -> tuple[Command, ...]:
    """The commands of a file, in order.

    Raises:
        FormatError: where a loop is not closed, or closed without being open.
    """
    lines = _Lines(text.splitlines())
    found = tuple(_commands(lines))
    if lines.loops:
        raise FormatError(f"line {lines.loops[-1]}: a loop without endloop")
    return found


def _commands(lines: _Lines) -> Iterator[Command]:
    wanted = True
    while (taken := lines.take()) is not None:
        number, text = taken
        words = tuple(text.split())
        if not words or text.startswith("#"):
            continue
        match words[0]:
            case "endloop":
                if not lines.loops:
                    raise FormatError(f"line {number}: endloop without a loop")
                lines.loops.pop()
                return
            case "onlyif" | "skipif":
                named = len(words) > 1 and words[1].lower() == ENGINE
                wanted = wanted and named == (words[0] == "onlyif")
                continue
        command = _command(lines, number, words)
        if wanted:
            yield command
        wanted = True


def _command(lines: _Lines, number: int, words: tuple[str, ...]) -> Command:
    if words[0] in _LOOPS:
        depth = len(lines.loops)
        lines.loops.append(number)
        body = tuple(_commands(lines))
        if len(lines.loops) > depth:
            raise FormatError(f"line {number}: a loop without endloop")
        return Command(line=number, words=words, body=body)
    if words[0] in _WITH_SQL:
        below = lines.until_blank()
        rule = next((place for place, text in enumerate(below) if text.strip() == _RULE), len(below))
        return Command(line=number, words=words, sql="\n".join(below[:rule]))
    return Command(line=number, words=words)


def rounds(loop: Command) -> Iterator[Mapping[str, str]]:
    """What the variables of a loop stand for, round by round.

    Raises:
        FormatError: where the loop's words can't be read.
    """
    words = loop.words
    if words[0].endswith("loop"):
        if len(words) != 4 or not all(_is_integer(word) for word in words[2:]):
            raise FormatError(f"line {loop.line}: found {' '.join(words)}, expected loop NAME FIRST LAST")
        for number in range(int(words[2]), int(words[3])):
            yield {words[1]: str(number)}
        return
    if len(words) < 3:
        raise FormatError(f"line {loop.line}: found {' '.join(words)}, expected foreach NAME VALUE ...")
    names = words[1].split(",")
    listed = chain.from_iterable(_COLLECTIONS.get(word.lower(), (word,)) for word in words[2:])
    values = list(dict.fromkeys(listed))
    left_out = {value[1:] for value in values if value.startswith("!")}
    for value in values:
        if value.startswith("!") or value in left_out:
            continue
        parts = value.split(",") if len(names) > 1 else [value]
        if len(parts) != len(names):
            raise FormatError(f"line {loop.line}: found {value}, expected {len(names)} values")
        yield dict(zip(names, parts, strict=True))


def _is_integer(word: str) -> bool:
    return word.removeprefix("-").isdigit()


def substituted(text: str, variables: Mapping[str, str], directories: Mapping[str, Path]) -> str:
    """A text with the values of loop variables and the places of directories.

    A loop's variable is written ``${i}``, a directory ``__TEST_DIR__`` or ``{TEST_DIR}``.
    """
    for name, value in variables.items():
        text = text.replace(f"${{{name}}}", value).replace(f"{{{name}}}", value)
    for name, path in directories.items():
        text = text.replace(f"__{name}__", str(path)).replace(f"{{{name}}}", str(path))
    return text
