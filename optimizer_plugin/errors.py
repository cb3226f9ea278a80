"""What can go wrong, as one family of exceptions: told apart by what the caller must do.

"Not reused" is a value (``signatures.model.Reason``), never an exception. None of these reaches a
user's query unless ``strict`` is set: the user's own statement runs instead.
"""

from __future__ import annotations

from typing import ClassVar


class ReuseError(Exception):
    """Root of all errors of this package.

    The message is one lower-case line: what was found, what was expected, what to do about it.

    Attributes:
        found: What was found, with the value in it.
        expected: What would have been right; empty where that is plain from ``found``.
        remedy: What the caller can do; each subclass has its own default.
    """

    default_remedy: ClassVar[str] = "run 'respool doctor' to see what is wrong"

    def __init__(self, found: str, *, expected: str = "", remedy: str = "") -> None:
        self.found = found
        self.expected = expected
        self.remedy = remedy or self.default_remedy
        super().__init__(found)

    def __str__(self) -> str:
        expectation = f": expected {self.expected}" if self.expected else ""
        return f"{self.found}{expectation}; {self.remedy}"


class ConfigurationError(ReuseError):
    """A setting is wrong: correct the argument or the ``RESPOOL_*`` variable that the message names."""

    default_remedy = "correct the setting or leave it out for its default"


class PolicyError(ConfigurationError):
    """A policy is unknown or not valid: correct the document that the message names."""

    default_remedy = "correct the policy; 'respool policy check' lists every problem"


class StoreUnwritableError(ReuseError):
    """Views cannot be written: make room, fix the permissions or name another directory."""

    default_remedy = "make the directory writable or set RESPOOL_STORE to another one"


class MetastoreUnavailableError(ReuseError):
    """The metastore does not answer: start it or correct its address; queries run without reuse."""

    default_remedy = "start the server or correct RESPOOL_METASTORE; queries run without reuse meanwhile"


class EngineMissingError(ReuseError):
    """The engine's client library is absent or too old: install the extra that the message names."""

    default_remedy = "install it with: pip install 'respool[duckdb]'"


class RowsWaitingError(ReuseError):
    """The connection holds rows not yet fetched, which the question asked would throw away."""

    default_remedy = "fetch them first, or ask on con.cursor(), which knows no temporary tables of this one"


class VerificationError(ReuseError):
    """A rewritten statement gave other rows or columns than the original: keep the report, tell us.

    The view is withdrawn and the original's result is the one handed back.
    """

    default_remedy = "the view is quarantined; please report the statement with 'respool explain'"


class SpoolError(ReuseError):
    """A view could not be written completely: nothing of it is visible, the next job may try again."""

    default_remedy = "nothing was published; see the cause above, the next job tries again"
