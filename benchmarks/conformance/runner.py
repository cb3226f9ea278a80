"""Runs the commands of one sqllogictest file on connections that are opened for it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import duckdb

from benchmarks.conformance.outcomes import Outcome, run
from benchmarks.conformance.sqllogic import Command, parse, rounds, substituted
from optimizer_plugin.engines.duckdb.statements import StatementKind, statement_kinds

QUERY_RUNS = 2
"""How often a query is sent: the second time it can read what the first one spooled."""

_ALWAYS_THERE = frozenset(
    """skip_reload noforcestorage no_alternative_verify notwindows notmingw 64bit longdouble vector_size
    no_vector_verification strinline noalternativeverify no_extension_autoloading allow_unsigned_extensions
    no_block_verification no_latest_storage nothreadsan mingw_skip core_functions""".split()
)
"""Requirements that an ordinary build of the engine meets."""

_NO_EFFECT = frozenset(
    "hash-threshold sleep tags set reset continue template query-verify statement-verify".split()
)
"""Commands that bear on what a file expects, or on the suite's own runner."""


class Skipped(Exception):
    """The file needs what is not here; the message says what."""


class Opened(Protocol):
    """One program's way to open its database."""

    def open(self, path: str, *, read_only: bool) -> Any:
        """A connection, plain or wrapped."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A statement as it was sent, the line that it stands in, and what came back."""

    line: int
    sql: str
    outcome: Outcome
    ordered: bool


@dataclass(slots=True)
class FileRun:
    """One run of one file."""

    opened: Opened
    directories: Mapping[str, Path]
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    after: Callable[[Any], None] = lambda _connection: None
    """Called with the connection after each statement."""
    sent: list[Sent] = field(default_factory=list)
    _path: str = ":memory:"
    _read_only: bool = False
    _connections: dict[str, Any] = field(default_factory=dict)
    _skipping: bool = False
    _variables: dict[str, str] = field(default_factory=dict)

    def play(self, file: Path) -> None:
        """Run a file to its end.

        Raises:
            Skipped: where it needs what is not here.
            FormatError: where it can't be read.
        """
        try:
            self._play(parse(file.read_text(encoding="utf-8")), file)
        finally:
            self._close()

    def _play(self, commands: Sequence[Command], file: Path) -> bool:
        """Whether to go on after these commands."""
        for command in commands:
            if command.name == "mode":
                self._skipping = command.words[1:] == ("skip",)
            elif not self._skipping and not self._command(command, file):
                return False
        return True

    def _command(self, command: Command, file: Path) -> bool:
        match command.name:
            case "statement" | "query":
                self._send(command)
            case "loop" | "foreach":
                return self._loop(command, file)
            case "concurrentloop" | "concurrentforeach":
                raise Skipped("concurrent statements")
            case "require" | "require-env" | "test-env":
                self._require(command)
            case "load":
                self._load(command)
            case "restart" | "reconnect":
                self._restart(command)
            case "include":
                target = file.parent / self._filled(command.words[1])
                return self._play(parse(target.read_text(encoding="utf-8")), target)
            case "halt":
                return False
            case name if name not in _NO_EFFECT:
                raise Skipped(f"command {name}")
        return True

    def _loop(self, command: Command, file: Path) -> bool:
        for values in rounds(command):
            self._variables.update(values)
            if not self._play(command.body, file):
                return False
        return True

    def _send(self, command: Command) -> None:
        sql = self._filled(command.sql)
        connection = self._connection(command)
        repeated = command.name == "query" and _is_read(sql)
        ordered = "order by" in sql.lower() and not {"rowsort", "valuesort"} & set(command.words)
        for _ in range(QUERY_RUNS if repeated else 1):
            outcome = run(connection, sql)
            self.sent.append(Sent(line=command.line, sql=sql, outcome=outcome, ordered=ordered))
            self.after(connection)

    def _connection(self, command: Command) -> Any:
        """The connection that a command names: ``statement ok con1``, ``query I rowsort con1``."""
        named = [word for word in command.words[2:] if word.lower().startswith("con")]
        name = named[0] if named else ""
        if "" not in self._connections:
            self._connections[""] = self.opened.open(self._path, read_only=self._read_only)
        if name not in self._connections:
            self._connections[name] = self._connections[""].cursor()
        return self._connections[name]

    def _load(self, command: Command) -> None:
        self._close()
        words = [self._filled(word) for word in command.words[1:]]
        self._path = words[0] if words else ":memory:"
        self._read_only = "readonly" in words[1:]

    def _restart(self, command: Command) -> None:
        if command.name == "restart":
            self._close()
        else:
            self._connections.pop("", None)

    def _close(self) -> None:
        for name, connection in reversed(self._connections.items()):
            connection.close()
            del name
        self._connections.clear()

    def _require(self, command: Command) -> None:
        words = command.words[1:]
        match command.name:
            case "require-env":
                given = self.environment.get(words[0])
                if given is None or (len(words) > 1 and given != words[1]):
                    raise Skipped(f"environment variable {words[0]}")
                self._variables[words[0]] = given
            case "test-env":
                default = " ".join(words[1:])
                self._variables[words[0]] = self.environment.get(words[0], self._filled(default))
            case _:
                if words[0].lower() not in _ALWAYS_THERE:
                    _require_extension(words[0].lower())

    def _filled(self, text: str) -> str:
        return substituted(text, self._variables, self.directories)


def _require_extension(name: str) -> None:
    """Extensions that are built in or installed; nothing is downloaded."""
    with duckdb.connect(config={"autoinstall_known_extensions": False}) as connection:
        try:
            connection.load_extension(name)
        except duckdb.Error:
            raise Skipped(f"extension or requirement {name}") from None


def _is_read(sql: str) -> bool:
    with duckdb.connect() as connection:
        statements = statement_kinds(sql, connection)
    return all(each.kind is StatementKind.SELECT and not each.is_write for each in statements)
