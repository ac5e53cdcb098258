"""One SQLite file: histories, a search index over them, and profiles with their evidence."""

from __future__ import annotations

from bump_edge.store.corrections import Correction, Kind
from bump_edge.store.forgetting import Derived, Scan
from bump_edge.store.profiles import Standing
from bump_edge.store.report import BadLine, ExportReport, ImportReport, IngestReport, ProfileDraft, UserSummary
from bump_edge.store.store import Store

__all__ = [
    "BadLine", "Correction", "Derived", "ExportReport", "ImportReport", "IngestReport", "Kind", "ProfileDraft", "Scan",
    "Standing", "Store", "UserSummary",
]  # fmt: skip
