"""Whether the packages of this distribution are its own, checked when it is imported.

A project named ``signatures`` exists on PyPI; installed into the same environment it takes the place of ours.
"""

from __future__ import annotations

try:
    import signatures.model
except ModuleNotFoundError as error:
    message = (
        "the package 'signatures' is another project's: expected respool's own; run "
        "'pip uninstall signatures' and reinstall respool"
    )
    raise ImportError(message) from error

PACKAGES_ARE_OURS = signatures.model.SIGNATURE_VERSION > 0
"""True wherever this can be imported at all."""
