"""What a benchmark run can say went wrong before or while it measures."""

from __future__ import annotations

from typing import ClassVar

from optimizer_plugin.errors import ReuseError


class BenchmarkError(ReuseError):
    """A run that cannot be started or finished: correct what the message names."""

    default_remedy: ClassVar[str] = "'python -m benchmarks tpcds --help' lists what can be asked for"


class ExtraMissingError(BenchmarkError):
    """A library that only benchmarks need is absent."""

    default_remedy: ClassVar[str] = "install it with: pip install 'respool[bench]'"
