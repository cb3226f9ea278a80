"""Respool: computations that recur across queries are materialized once and read by the others."""

from __future__ import annotations

from optimizer_plugin.errors import (
    ConfigurationError,
    EngineMissingError,
    MetastoreUnavailableError,
    PolicyError,
    ReuseError,
    SpoolError,
    StoreUnwritableError,
    VerificationError,
)
from optimizer_plugin.settings import Settings

__all__ = [
    "ConfigurationError",
    "EngineMissingError",
    "MetastoreUnavailableError",
    "PolicyError",
    "ReuseError",
    "Settings",
    "SpoolError",
    "StoreUnwritableError",
    "VerificationError",
]
