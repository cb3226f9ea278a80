"""Names of tenants, and the directories that stand for them in a store."""

from __future__ import annotations

import re

from xxhash import xxh3_64_hexdigest

from optimizer_plugin.errors import ConfigurationError

EXPECTED = "a letter or digit, then letters, digits, '.', '-' or '_', at most 63 in all"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_PLAIN = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9_-])?")
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?")
"""What Windows takes for a device, with any ending."""


def is_name(text: str) -> bool:
    """Whether a tenant may be called so: nothing in it is syntax of paths, SQL or shells."""
    return _NAME.fullmatch(text) is not None


def directory_name(tenant: str) -> str:
    """A directory of its own for each tenant, also where file systems don't tell upper from lower case.

    The names of the metastore's tenants end here too, and anybody may have written those.

    Raises:
        ConfigurationError: where no tenant may be called so.
    """
    if not is_name(tenant):
        raise ConfigurationError(f"tenant {tenant!r}", expected=EXPECTED)
    if _PLAIN.fullmatch(tenant) and not _DEVICES.fullmatch(tenant):
        return tenant
    # No tenant may have a tilde, so that no other one's name is the same.
    return f"{tenant.lower().rstrip('.')}~{xxh3_64_hexdigest(tenant.encode())[:8]}".replace(".", "-")
