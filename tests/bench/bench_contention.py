"""Eight processes that ingest, update, forget, correct and read one store for 30 seconds, all checked."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from tests.profiler.contention import ROLES, contend

SECONDS = 30


def run() -> dict[str, Any]:
    """Counts of what was done; it fails if a lock error reached anybody, a write was lost or a text was misplaced."""
    with tempfile.TemporaryDirectory() as folder:
        return {"processes": len(ROLES), "seconds": SECONDS, **contend(Path(folder) / "s.db", SECONDS)}
