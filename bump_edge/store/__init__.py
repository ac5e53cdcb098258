"""One SQLite file: histories, a search index over them, and profiles with their evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bump_edge.store.corrections import Correction, Kind
from bump_edge.store.profiles import Standing
from bump_edge.store.report import BadLine, ExportReport, ImportReport, IngestReport, ProfileDraft, UserSummary
from bump_edge.store.store import Store

if TYPE_CHECKING:
    from bump_edge.store.forgetting import Derived
    from bump_edge.store.scanning import Scan

__all__ = [
    "BadLine", "Correction", "Derived", "ExportReport", "ImportReport", "IngestReport", "Kind", "ProfileDraft", "Scan",
    "Standing", "Store", "UserSummary",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Load what is rarely needed when it is."""
    if name not in ("Derived", "Scan"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from bump_edge.store import forgetting, scanning

    return getattr(forgetting if name == "Derived" else scanning, name)
