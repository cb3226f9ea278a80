"""Where things lie and how strictly to fail: read once, then passed on.

Arguments of the program win over ``RESPOOL_*`` variables, which win over defaults. An empty variable
counts as unset.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from platformdirs import PlatformDirs

from optimizer_plugin import policies, tenants
from optimizer_plugin.errors import ConfigurationError

METASTORE_VARIABLE = "RESPOOL_METASTORE"
STORE_VARIABLE = "RESPOOL_STORE"
DATA_VARIABLE = "RESPOOL_DATA"
CACHE_VARIABLE = "RESPOOL_CACHE"
POLICY_VARIABLE = "RESPOOL_POLICY"
TENANT_VARIABLE = "RESPOOL_TENANT"
STRICT_VARIABLE = "RESPOOL_STRICT"

DEFAULT_TENANT = "default"

_METASTORE_SCHEMES = ("postgresql", "postgresql+psycopg", "postgres")
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a wrapped connection, the command line and the web pages have to know.

    Build it with :meth:`resolve`; the fields are then checked and the paths absolute.

    Attributes:
        data_directory: Where the embedded Postgres keeps its files.
        store_directory: Where views are written: local, or a file system that all users share.
        cache_directory: Where benchmarks keep generated data; may be deleted at any time.
        metastore: URL of a Postgres server, or None for the embedded one. Not shown by ``repr``: it
            may hold a password.
        tenant: Unit of policy, sharing, budgets and reports.
        policy: The policy that was asked for, or None for the tenant's own in the metastore (and the
            built-in ``default`` where the tenant has none).
        strict: Raise what would otherwise make a query run without reuse. For tests and benchmarks.
    """

    data_directory: Path
    store_directory: Path
    cache_directory: Path
    metastore: str | None = field(default=None, repr=False)
    tenant: str = DEFAULT_TENANT
    policy: policies.Policy | None = None
    strict: bool = False

    @classmethod
    def resolve(
        cls,
        *,
        metastore: str | None = None,
        store: str | Path | None = None,
        tenant: str | None = None,
        policy: str | Path | policies.Policy | None = None,
        strict: bool | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Settings:
        """Combine arguments, environment and defaults. Creates no file and opens no connection.

        Args:
            metastore: URL of a Postgres server.
            store: Directory of the views.
            tenant: Letters, digits, dot, dash and underscore, at most 63.
            policy: Name of a built-in policy, path of a TOML file, or a policy.
            strict: Whether failures of reuse are raised.
            environment: The variables to read; those of the process by default.

        Raises:
            ConfigurationError: Where a value cannot be used; the message names its origin.
            PolicyError: Where the policy is unknown or not valid.
        """
        variables = os.environ if environment is None else environment
        dirs = PlatformDirs("respool", appauthor=False)
        data = _directory(_given(variables, DATA_VARIABLE, None), dirs.user_data_path)
        cache = _directory(_given(variables, CACHE_VARIABLE, None), dirs.user_cache_path)
        chosen = policy if policy is not None else (variables.get(POLICY_VARIABLE) or None)
        return cls(
            data_directory=data,
            store_directory=_directory(_given(variables, STORE_VARIABLE, store), data / "views"),
            cache_directory=cache,
            metastore=_metastore(_given(variables, METASTORE_VARIABLE, metastore)),
            tenant=_tenant(_given(variables, TENANT_VARIABLE, tenant)),
            policy=None if chosen is None else policies.resolve(chosen),
            strict=_flag(variables, STRICT_VARIABLE) if strict is None else strict,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """A value as it came in, with the words that name its origin in a message."""

    text: str
    origin: str


def _given(variables: Mapping[str, str], variable: str, argument: str | Path | None) -> _Given | None:
    if argument is not None:
        return _Given(text=str(argument), origin=f"argument {variable.removeprefix('RESPOOL_').lower()}")
    text = variables.get(variable, "")
    return _Given(text=text, origin=variable) if text else None


def _directory(given: _Given | None, default: Path) -> Path:
    if given is None:
        return default.absolute()
    if "://" in given.text:
        raise ConfigurationError(f"{given.origin} is {given.text!r}", expected="a directory, not a url")
    if not given.text or "\0" in given.text:
        raise ConfigurationError(f"{given.origin} is {given.text!r}", expected="a directory")
    try:
        path = Path(given.text).expanduser().absolute()
    except RuntimeError as error:
        found = f"{given.origin} is {given.text!r} and its home directory is unknown"
        raise ConfigurationError(found, expected="a directory") from error
    if path.exists() and not path.is_dir():
        raise ConfigurationError(f"{given.origin} is {given.text!r}, a file", expected="a directory")
    return path


def _metastore(given: _Given | None) -> str | None:
    if given is None:
        return None
    scheme, separator, rest = given.text.partition("://")
    if separator and rest and scheme.lower() in _METASTORE_SCHEMES:
        return given.text
    # Only the scheme is shown: the rest may hold a password.
    found = f"{given.origin} has the scheme {scheme!r}" if separator else f"{given.origin} is not a url"
    raise ConfigurationError(
        found,
        expected="postgresql://user@host/database",
        remedy="correct it or leave it out for the embedded postgres",
    )


def _tenant(given: _Given | None) -> str:
    if given is None:
        return DEFAULT_TENANT
    if tenants.is_name(given.text):
        return given.text
    raise ConfigurationError(f"{given.origin} is {given.text!r}"[:200], expected=tenants.EXPECTED)


def _flag(variables: Mapping[str, str], variable: str) -> bool:
    text = variables.get(variable, "").strip().lower()
    if not text or text in _FALSE:
        return False
    if text in _TRUE:
        return True
    raise ConfigurationError(f"{variable} is {text!r}", expected="one of 1, 0, true, false, yes, no, on, off")
