"""Takes secrets out of what is about to be kept: addresses of files and databases may carry them."""

from __future__ import annotations

import re

_USER = re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^/\s'\"]*@", re.IGNORECASE)
_QUERY = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s'\"?#]*)[?#][^\s'\"]*", re.IGNORECASE)
_NAMED = re.compile(
    r"\b(\w*(?:password|passwd|pwd|secret|token|credential|signature|access_key|key_id)\w*\s*=\s*)"
    r"('(?:[^']|'')*'|\"[^\"]*\"|[^\s'\",;&)]+)",
    re.IGNORECASE,
)


def redacted(text: str) -> str:
    """A text without user names, passwords and query strings of addresses in it."""
    if "://" in text:
        text = _QUERY.sub(r"\1?...", _USER.sub(r"\1", text))
    return _NAMED.sub(r"\1...", text) if "=" in text else text
