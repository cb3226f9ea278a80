"""What can go wrong with the metastore, one class for each thing that the caller can do about it."""

from __future__ import annotations


class MetastoreError(Exception):
    """Root of all errors of this package. The message is one line and names the remedy."""


class BadUrl(MetastoreError):
    """The URL names no kind of metastore that exists: correct the setting."""


class Unreachable(MetastoreError):
    """No answer, a lost connection, or none in time: go on without reuse and try again later."""


class AccessDenied(MetastoreError):
    """The server refuses the user: correct the credentials or grant the rights."""


class SchemaTooNew(MetastoreError):
    """A later release has changed the tables: upgrade this one."""


class InvalidRecord(MetastoreError):
    """The server refuses a record as it is: correct the record, trying again does not help."""
