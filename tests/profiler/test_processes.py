"""Several processes at the life of the same profiles."""

from __future__ import annotations

from pathlib import Path

from tests.profiler.contention import contend


def test_eight_processes_lose_nothing_and_mix_nothing_up(tmp_path: Path) -> None:
    counts = contend(tmp_path / "s.db", seconds=8)
    for did in ("ingest", "update", "forget", "correct", "read"):
        assert counts[did] > 2, counts
    assert counts["versions"] > 4
