"""A small soak: the large one is ``python -m benchmarks soak``."""

from __future__ import annotations

from benchmarks.soak.running import SoakSettings, run_soak


def test_soak() -> None:
    """Processes with threads beside a writer: no wrong result, no deadlock, each view built once."""
    settings = SoakSettings(processes=2, threads=2, seconds=5.0, statements=16, write_seconds=2.0)
    figures = run_soak(settings)
    assert figures.passed, str(figures)
    assert figures.views > 0
    assert figures.tally.hits > 0
    assert figures.versions > 1
