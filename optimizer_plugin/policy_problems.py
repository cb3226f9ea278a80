"""What is wrong with a policy document, said so that its author finds the line and the right word."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from difflib import get_close_matches

from pydantic import ValidationError
from pydantic_core import ErrorDetails

_HEADER = re.compile(r"\s*\[\s*([A-Za-z0-9_-]+)\s*\]")
_KEY = re.compile(r"\s*[\"']?([A-Za-z0-9_-]+)[\"']?\s*(?:\.\s*[\"']?([A-Za-z0-9_-]+)[\"']?\s*)?=")
_SYNTAX_PLACE = re.compile(r"\s*\(at line (\d+), column \d+\)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong with a document.

    Attributes:
        line: The line, counted from 1, where it could be found.
        key: ``section.key``; empty for a syntax error.
        text: What was found and what was expected.
    """

    line: int | None
    key: str
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}" if self.line else self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """The words a document may use: keys at its top, and (section, keys) pairs."""

    top: tuple[str, ...]
    sections: tuple[tuple[str, tuple[str, ...]], ...]

    def keys(self, section: str) -> tuple[str, ...]:
        """Keys of a section; none where there is no such section."""
        return next((keys for name, keys in self.sections if name == section), ())

    def home(self, key: str) -> str | None:
        """The section that has this key."""
        return next((name for name, keys in self.sections if key in keys), None)


def syntax_problem(error: tomllib.TOMLDecodeError) -> Problem:
    """The problem of a document that is no TOML."""
    message = str(error)
    place = _SYNTAX_PLACE.search(message)
    line = int(place.group(1)) if place else None
    return Problem(line=line, key="", text=f"not toml: {_SYNTAX_PLACE.sub('', message).lower()}")


def validation_problems(error: ValidationError, text: str, vocabulary: Vocabulary) -> tuple[Problem, ...]:
    """The problems of a document that is TOML but no policy, in the order of its lines."""
    problems = [_problem(details, text, vocabulary) for details in error.errors(include_url=False)]
    return tuple(sorted(problems, key=lambda problem: (problem.line or 0, problem.key)))


def _problem(details: ErrorDetails, text: str, vocabulary: Vocabulary) -> Problem:
    path = tuple(str(part) for part in details["loc"])
    line = _line(text, path)
    key = ".".join(path[:2])
    if details["type"] == "extra_forbidden":
        return Problem(line=line, key=key, text=_unknown(path, vocabulary))
    if len(path) == 1 and vocabulary.keys(path[0]):
        found = f"[{path[0]}] is {details['input']!r}"
        return Problem(line=line, key=key, text=f"{found}: expected a section with keys")
    expectation = details["msg"].removeprefix("Input should be ").replace("String should ", "to ")
    found = f"{key} is {_shown(details['input'])}"
    if len(path) > 2:
        found = f"{key} has {_shown(details['input'])}"
    return Problem(line=line, key=key, text=f"{found}: expected {expectation[:1].lower()}{expectation[1:]}")


def _unknown(path: tuple[str, ...], vocabulary: Vocabulary) -> str:
    key = path[-1]
    if len(path) == 1:
        known = vocabulary.top
        found = f"unknown key or section {key!r}"
    else:
        known = vocabulary.keys(path[0])
        found = f"unknown key {key!r} in [{path[0]}]"
    home = vocabulary.home(key)
    if home is not None:
        return f"{found}: it belongs in [{home}]"
    nearest = get_close_matches(key, known, n=1, cutoff=0.5)
    if nearest:
        return f"{found}: expected {nearest[0]!r}"
    return f"{found}: expected one of {', '.join(known)}"


def _shown(value: object) -> str:
    """A value as TOML would write it, near enough, and short."""
    if isinstance(value, bool):
        return str(value).lower()
    shown = repr(value)
    return shown if len(shown) <= 40 else f"{shown[:37]}..."


def _line(text: str, path: tuple[str, ...]) -> int | None:
    """The line of a key. By eye, as it were: TOML readers in Python do not keep positions."""
    section = ""
    for number, line in enumerate(text.splitlines(), start=1):
        header = _HEADER.match(line)
        if header:
            section = header.group(1)
            if path == (section,):
                return number
            continue
        key = _KEY.match(line)
        if not key:
            continue
        parts = tuple(part for part in (section, key.group(1), key.group(2)) if part)
        if parts[: len(path)] == path[: len(parts)] and len(parts) >= min(len(path), 2):
            return number
    return None
