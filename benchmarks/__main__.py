"""``python -m benchmarks``."""

from __future__ import annotations

import sys

from benchmarks.errors import ExtraMissingError


def main() -> int:
    """Run the command line, or say which library is absent."""
    try:
        from benchmarks import cli
    except ModuleNotFoundError as error:
        print(f"error: {ExtraMissingError(f'found no {error.name}')}", file=sys.stderr)
        return 2
    return cli.main()


if __name__ == "__main__":
    raise SystemExit(main())
