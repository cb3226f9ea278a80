"""How values of every DuckDB type lie in Parquet so that the same type and value come back.

Measured on DuckDB 1.5.5 and 2.0.0 (``tests/integration/test_duckdb_engine_types.py``): most types survive
as they are; HUGEINT is written as DOUBLE without a word, TIMETZ is shifted to UTC, ENUM, BIT and BIGNUM
come back as VARCHAR, TIMESTAMP_S and TIMESTAMP_MS as TIMESTAMP, fixed arrays as lists. These are cast on the
way in and back on the way out; a value that the stored type cannot hold makes the write fail.
UNION, VARIANT, GEOMETRY and structs without field names are refused by name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_SURVIVING = frozenset(
    """BOOLEAN TINYINT SMALLINT INTEGER BIGINT UTINYINT USMALLINT UINTEGER UBIGINT FLOAT DOUBLE VARCHAR BLOB
    UUID DATE TIME TIMESTAMP TIMESTAMP_NS JSON""".split()
) | {"TIMESTAMP WITH TIME ZONE", '"NULL"'}

_STORED_AS = {
    "HUGEINT": "DECIMAL(38,0)",
    "UHUGEINT": "DECIMAL(38,0)",
    "TIMESTAMP_S": "TIMESTAMP",
    "TIMESTAMP_MS": "TIMESTAMP",
    "TIME WITH TIME ZONE": "VARCHAR",
    "TIME_NS": "VARCHAR",
    "BIT": "VARCHAR",
    "BIGNUM": "VARCHAR",
    "INTERVAL": "VARCHAR",
}

# The text of an interval near the ends of its range is not read back by DuckDB 1.5.
_CHECKED = re.compile(r"\bINTERVAL\b")

_TOKEN = re.compile(r"""\s*('(?:[^']|'')*'|"(?:[^"]|"")*"|[A-Za-z_][A-Za-z_0-9]*|\d+|[(),\[\]])""")


class TypeRefused(ValueError):
    """A type that does not survive a view; the argument is its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec:
    """How one column is written and read: the type it must have again, and the type it has in the file."""

    type: str
    stored_type: str

    def write(self, column: str) -> str:
        """Expression that turns a column of the result into what is stored.

        A lossy direction fails here, while writing, rather than in front of a reader.
        """
        if self.type == self.stored_type:
            return column
        stored = f"CAST({column} AS {self.stored_type})"
        if _CHECKED.search(self.type):
            return f"CAST(CAST({stored} AS {self.type}) AS {self.stored_type})"
        return stored

    def read(self, column: str) -> str:
        """Expression that turns what is stored into the value of the original type."""
        return column if self.type == self.stored_type else f"CAST({column} AS {self.type})"


def codec(type_name: str) -> Codec:
    """The codec of a type, spelled as DuckDB's DESCRIBE spells it.

    Raises:
        TypeRefused: with the name of the type, or of the part of it, that does not survive.
    """
    parser = _Parser(type_name)
    stored = parser.stored()
    return Codec(type=type_name, stored_type=stored if parser.changed else type_name)


class _Parser:
    """Reads a type and says what it is stored as; small, because type names are a small language."""

    def __init__(self, text: str) -> None:
        self.changed = False
        self._text = text
        self._tokens: list[str] = []
        position = 0
        while match := _TOKEN.match(text, position):
            self._tokens.append(match.group(1))
            position = match.end()
        if text[position:].strip():
            raise TypeRefused(text)
        self._next = 0

    def stored(self) -> str:
        found = self._type()
        if self._next != len(self._tokens):
            raise TypeRefused(self._text)
        return found

    def _type(self) -> str:
        found = self._scalar()
        while self._accept("["):
            # A fixed array lies in the file as a list; the cast back checks the length.
            if self._peek() != "]":
                self.changed = bool(self._take())
            self._expect("]")
            found += "[]"
        return found

    def _scalar(self) -> str:
        name = self._take()
        match name:
            case "STRUCT":
                return self._struct()
            case "MAP":
                return self._map()
            case "DECIMAL":
                return self._decimal()
            case "ENUM":
                return self._enumeration()
        if name in ("TIME", "TIMESTAMP") and self._peek() == "WITH":
            words = [name, self._take(), self._take(), self._take()]
            name = " ".join(words)
        if name in _SURVIVING:
            return name
        stored = _STORED_AS.get(name)
        if stored is None:
            raise TypeRefused(name)
        self.changed = True
        return stored

    def _struct(self) -> str:
        self._expect("(")
        fields = [self._field()]
        while self._accept(","):
            fields.append(self._field())
        self._expect(")")
        return f"STRUCT({', '.join(fields)})"

    def _field(self) -> str:
        name = self._take()
        if self._peek() in (",", ")", "(", ""):
            raise TypeRefused(self._text)  # a struct without field names
        quoted = name if name.startswith('"') else f'"{name}"'
        return f"{quoted} {self._type()}"

    def _map(self) -> str:
        self._expect("(")
        key = self._type()
        self._expect(",")
        value = self._type()
        self._expect(")")
        return f"MAP({key}, {value})"

    def _decimal(self) -> str:
        self._expect("(")
        width = self._take()
        self._expect(",")
        scale = self._take()
        self._expect(")")
        return f"DECIMAL({width},{scale})"

    def _enumeration(self) -> str:
        self._expect("(")
        while not self._accept(")"):
            self._take()
        self.changed = True
        return "VARCHAR"

    def _peek(self) -> str:
        return self._tokens[self._next] if self._next < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        if not token:
            raise TypeRefused(self._text)
        self._next += 1
        return token

    def _accept(self, token: str) -> bool:
        if self._peek() != token:
            return False
        self._next += 1
        return True

    def _expect(self, token: str) -> None:
        if not self._accept(token):
            raise TypeRefused(self._text)
